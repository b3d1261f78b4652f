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
from ser_tf.inference import model_folder
from ser_tf.inference.flatbuffers import (
    DESCRIPTION,
    INT8,
    STREAM,
    SUFFIX,
    WHOLE,
    Runner,
    fit,
)
from ser_tf.layers import streaming
from ser_tf.models.features import Feature
from ser_tf.serving.freezing import freeze
from ser_tf.serving.halving import halve
from ser_tf.serving.saved_model import probes

TOLERANCE = 1e-4
"""Largest difference of a float probability from the Keras model's: other operators sum and take
logarithms in float32. Measured: under 5e-6."""

CHUNK_SECONDS = 1.0
"""Sound per call at which the streaming model is compared, rounded to whole strides."""

_FORMATS = {"": [], INT8: [tf.lite.Optimize.DEFAULT]}
"""The converter's optimisations by what the names of their files end in."""

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
    *,
    int8: bool = True,
) -> list[Written]:
    """Fills `folder/litert` with `model` as flatbuffers in float32 and in int8.

    - `model.tflite`: `waveform` float32 `[1, samples]`, a clip in [-1, 1] -> `probabilities`
      `[1, C]`. The clip has any length or, if every clip has equally many frames and zeros leave
      those of a shorter one as they are (`feature.zeros`), the one that the features span.
    - `stream.tflite`, of models that follow streams: `chunk` float32 `[1, samples]`, the next
      samples, a multiple of `stride_samples`, and `state` `[1, S]`, zeros at first ->
      `probabilities` on all samples so far and `next_state`.
    - `model-int8.tflite`, `stream-int8.tflite`: the same with larger matrices of 8 bits
      ("dynamic range"); what they take and give stays float32.
    - `model.json`: the classes, the rate, the temperature, the probability below which an answer
      is unsure, the sizes, how to fit clips of other lengths, and which weights these are.

    Each flatbuffer has one signature. All are compared with `model` on silence, noise, tones and
    `waveforms`; the folder is put in place, over an earlier one, only if those of float32 agree.

    Args:
        model: as for `saved_model.write`.
        classes: their names, in the order of the probabilities.
        feature: the registry entry of the model's features.
        folder: the model's folder.
        waveforms: more clips to compare on, each float32 `(samples,)` in [-1, 1] at the model's
            rate.
        int8: whether to write those of 8 bits too.

    Raises:
        InputError: if LiteRT lacks an operator, or a float32 probability differs from `model`'s.
    """
    folder = Path(folder)
    parts = _parts(model, feature)
    clips = [*probes(feature.rate_hz), *waveforms]
    calibration = model.get_layer("calibration")
    description = {
        "classes": list(classes),
        "rate_hz": feature.rate_hz,
        "temperature": calibration.temperature,
        "unsure_below": calibration.unsure_below,
        "weights": model_folder.fingerprint(folder),
    }
    description |= {part.name: part.description for part in parts}
    target, written = folder / model_folder.LITERT, []
    with files.replacing_folder(target) as temporary:
        files.write_json(temporary / DESCRIPTION, description)
        for part in parts:
            for suffix, optimizations in _FORMATS.items():
                if suffix == INT8 and not int8:
                    continue
                name = f"{part.name}{suffix}{SUFFIX}"
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
    zeros, kept = feature.zeros, feature.kept
    any_length = feature.shape[0] is None or zeros is None
    sizes: dict[str, Any] = {"samples": None if any_length else span}
    sizes["zeros_for_shorter_clips"] = None if any_length else zeros
    sizes["part_of_longer_clips"] = None if any_length else kept
    samples = sizes["samples"]
    waveform = tf.TensorSpec([1, samples], tf.float32, "waveform")
    probabilities = freeze(lambda clip: model(clip, training=False), waveform)
    return _Part(
        WHOLE,
        _concrete(lambda waveform: {"probabilities": probabilities(waveform)}, waveform),
        functools.partial(fit, samples=samples, kept=kept, zeros=zeros),
        lambda run, clip: run(waveform=clip[np.newaxis])["probabilities"],
        of_clip,
        sizes,
    )


def _stream(layers: Sequence[keras.Layer], rate_hz: int, of_clip: _ByKeras) -> _Part:
    """The model's answer and state after one more chunk."""
    stride = streaming.stride(layers)
    samples = max(1, round(CHUNK_SECONDS * rate_hz / stride)) * stride
    chunk = tf.TensorSpec([1, None], tf.float32, "chunk")
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
        whole = max(1, len(clip) // samples) * samples
        return fit(clip, whole, kept="end", zeros="behind")

    description = {"stride_samples": stride, "state_size": state.shape[1]}
    return _Part(
        STREAM, _concrete(follow, chunk, state), whole_chunks, answers, expected, description
    )


def _concrete(function: Callable[..., dict[str, Any]], *inputs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()


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
