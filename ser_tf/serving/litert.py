"""A trained model as LiteRT (TFLite) flatbuffers for phones, with built-in operators only."""

import functools
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.layers import streaming
from ser_tf.models.features import Feature
from ser_tf.serving.freezing import freeze
from ser_tf.serving.halving import halve
from ser_tf.serving.saved_model import probes

FOLDER = "litert"
"""The flatbuffers' place in a model folder."""

DESCRIPTION = "model.json"
"""The file next to them that tells an app classes, rates and sizes."""

TOLERANCE = 1e-4
"""Largest difference of a float probability from the Keras model's: other operators sum and take
logarithms in float32. Measured: under 5e-6."""

CHUNK_SECONDS = 1.0
"""Sound per call of the streaming model, rounded to whole strides."""

_FORMATS = {"": [], "-int8": [tf.lite.Optimize.DEFAULT]}
"""The converter's optimisations by the suffix of their files' names."""

Runner = Callable[..., dict[str, np.ndarray]]
_ByKeras = Callable[[np.ndarray], np.ndarray]  # (samples,) -> (1, classes)


class Written(NamedTuple):
    """A flatbuffer, and the largest difference of its probabilities from the Keras model's."""

    path: Path
    difference: float


class _Part(NamedTuple):
    """A function that becomes a flatbuffer.

    Attributes:
        name: its file's name.
        function: a concrete function that returns its outputs by name.
        clip: fits a clip `(samples,)` of any length to what the part takes.
        answers: the probabilities `(answers, classes)` of such a clip by a runner.
        expected: the same by the Keras model.
        description: its sizes, for `DESCRIPTION`.
    """

    name: str
    function: Any
    clip: Callable[[np.ndarray], np.ndarray]
    answers: Callable[[Runner, np.ndarray], np.ndarray]
    expected: Callable[[np.ndarray], np.ndarray]
    description: dict[str, Any]


def convert(
    model: keras.Model,
    classes: Sequence[str],
    feature: Feature,
    folder: str | Path,
    waveforms: Sequence[np.ndarray] = (),
) -> list[Written]:
    """Fills `folder/litert` with `model` as flatbuffers, each in float32 and in int8.

    - `model.tflite`: `waveform` float32 `[1, samples]`, a clip in [-1, 1] -> `probabilities`
      `[1, C]`. The clip has the one length that the features span or, if zeros would change the
      answer to a shorter one (`feature.zeros` is None), any length.
    - `stream.tflite`, of models that follow streams: `chunk` float32 `[1, chunk_samples]`, the next
      samples, and `state` `[1, S]`, zeros at first -> `probabilities` on all samples so far and
      `next_state`.
    - `model-int8.tflite`, `stream-int8.tflite`: the same with larger matrices of 8 bits
      ("dynamic range"); what they take and give stays float32.
    - `model.json`: the classes, the rate, the probability below which an answer is unsure, the
      sizes, and how to fit clips of other lengths.

    Each flatbuffer has one signature. All are compared with `model` on silence, noise, tones and
    `waveforms`; the folder is put in place, over an earlier one, only if those of float32 agree.

    Args:
        model: as for `saved_model.write`.
        classes: their names, in the order of the probabilities.
        feature: the registry entry of the model's features.
        folder: the model's folder.
        waveforms: more clips to compare on, each float32 `(samples,)` in [-1, 1] at the model's
            rate.

    Raises:
        InputError: if LiteRT lacks an operator, or a float32 probability differs from `model`'s.
    """
    folder = Path(folder)
    parts = _parts(model, feature)
    clips = [*probes(feature.rate_hz), *waveforms]
    description = {
        "classes": list(classes),
        "rate_hz": feature.rate_hz,
        "unsure_below": model.get_layer("calibration").unsure_below,
    }
    description |= {part.name: part.description for part in parts}
    target, written = folder / FOLDER, []
    with files.replacing_folder(target) as temporary:
        files.write_json(temporary / DESCRIPTION, description)
        for part in parts:
            for suffix, optimizations in _FORMATS.items():
                name = f"{part.name}{suffix}.tflite"
                content = _flatbuffer(part.function, optimizations, folder)
                difference = _difference(part, runner(content), clips)
                if not suffix and not difference <= TOLERANCE:  # so that NaN differs too
                    raise InputError(
                        f"{folder}: not converted, probabilities of {name} differ from the Keras "
                        f"model's by {difference:.2g} (at most {TOLERANCE:.2g})."
                    )
                (temporary / name).write_bytes(content)
                written.append(Written(target / name, difference))
    return written


def runner(content: bytes) -> Runner:
    """A function that runs a flatbuffer: it takes inputs and returns outputs by name."""
    with warnings.catch_warnings():
        # TensorFlow's interpreter announces its move to a package of its own.
        warnings.simplefilter("ignore", UserWarning)
        answer: Runner = tf.lite.Interpreter(model_content=content).get_signature_runner()
    return answer


def _parts(model: keras.Model, feature: Feature) -> list[_Part]:
    """The model of whole clips and, if it can stream, its step."""
    any_clip = tf.TensorSpec([None, None], tf.float32)
    # A graph, because a recurrent model run eagerly would take minutes.
    graph = tf.function(lambda clip: model(clip, training=False), input_signature=[any_clip])

    def of_clip(clip: np.ndarray) -> np.ndarray:
        answer: np.ndarray = graph(clip[np.newaxis]).numpy()
        return answer

    parts = [_whole(model, feature, of_clip)]
    layers = streaming.flatten(model)
    if streaming.can_stream(layers):
        parts.append(_stream(layers, feature.rate_hz, of_clip))
    return parts


def _whole(model: keras.Model, feature: Feature, of_clip: _ByKeras) -> _Part:
    """The model for clips of the one length that its features span, or of any length."""
    span = round(feature.span_seconds * feature.rate_hz)
    samples = None if feature.zeros is None else span
    waveform = tf.TensorSpec([1, samples], tf.float32, "waveform")
    probabilities = freeze(lambda clip: model(clip, training=False), waveform)
    return _Part(
        "model",
        _concrete(lambda waveform: {"probabilities": probabilities(waveform)}, waveform),
        functools.partial(_fitted, samples=samples, kept=feature.kept, zeros=feature.zeros),
        lambda run, clip: run(waveform=clip[np.newaxis])["probabilities"],
        of_clip,
        {
            "samples": samples,
            "zeros_for_shorter_clips": feature.zeros,
            "part_of_longer_clips": None if samples is None else feature.kept,
        },
    )


def _stream(layers: Sequence[keras.Layer], rate_hz: int, of_clip: _ByKeras) -> _Part:
    """The model's answer and state after one more chunk."""
    stride = streaming.stride(layers)
    samples = max(1, round(CHUNK_SECONDS * rate_hz / stride)) * stride
    chunk = tf.TensorSpec([1, samples], tf.float32, "chunk")
    state = tf.TensorSpec([1, streaming.state_size(layers)], tf.float32, "state")
    step = freeze(functools.partial(streaming.step, layers), chunk, state)

    def follow(chunk: Any, state: Any) -> dict[str, Any]:
        probabilities, following = step(chunk, state)
        return {"probabilities": probabilities, "next_state": following}

    def answers(run: Runner, clip: np.ndarray) -> np.ndarray:
        after, found = np.zeros(state.shape, np.float32), []
        for heard in np.split(clip[np.newaxis], len(clip) // samples, axis=1):
            answer = run(chunk=heard, state=after)
            after = answer["next_state"]
            found.append(answer["probabilities"])
        return np.concatenate(found)

    def expected(clip: np.ndarray) -> np.ndarray:
        ends = range(samples, len(clip) + 1, samples)
        return np.concatenate([of_clip(clip[:end]) for end in ends])

    def whole_chunks(clip: np.ndarray) -> np.ndarray:
        return _fitted(clip, max(1, len(clip) // samples) * samples, "end", "behind")

    description = {"chunk_samples": samples, "state_size": state.shape[1]}
    return _Part(
        "stream", _concrete(follow, chunk, state), whole_chunks, answers, expected, description
    )


def _concrete(function: Callable[..., dict[str, Any]], *inputs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()


def _fitted(clip: np.ndarray, samples: int | None, kept: str, zeros: str | None) -> np.ndarray:
    """A clip at another length: zeros added to a shorter one, the `kept` part of a longer one."""
    if samples is None:
        return clip
    missing = max(0, samples - len(clip))
    before = missing if zeros == "in front" else 0
    spare = max(0, len(clip) - samples)
    start = {"beginning": 0, "middle": spare // 2, "end": spare}[kept]
    return np.pad(clip, (before, missing - before))[start:][:samples]


def _flatbuffer(function: Any, optimizations: Sequence[Any], folder: Path) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    converter.optimizations = list(optimizations)
    try:
        content: bytes = converter.convert()
    except ConverterError as error:
        lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
        reason = f"it lacks {', '.join(lacking)}" if lacking else str(error).splitlines()[0]
        raise InputError(
            f"{folder}: LiteRT's built-in operators cannot express this model ({reason})."
        ) from error
    return halve(content)


def _difference(part: _Part, run: Runner, clips: Sequence[np.ndarray]) -> float:
    heard = map(part.clip, clips)
    differences = [np.max(np.abs(part.answers(run, x) - part.expected(x))) for x in heard]
    return float(np.max(differences))
