"""A trained model as ONNX files for onnxruntime, with standard operators only."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.layers import streaming
from ser_tf.layers.features import spectrum
from ser_tf.serving.freezing import freeze
from ser_tf.serving.saved_model import probes

FOLDER = "onnx"
"""The files' place in a model folder."""

DESCRIPTION = "model.json"
"""The file next to them that tells an app classes, rate and sizes."""

TOLERANCE = 1e-4
"""Largest difference of a probability from the Keras model's: other operators sum and take
logarithms in float32. Measured: under 1e-6."""

_OPSET = 18
_STREAMED_STRIDES = (1, 7, 25)
"""Lengths of the chunks, one after the other, that a stream is compared on."""


class Written(NamedTuple):
    """A file, and the largest difference of its probabilities from the Keras model's."""

    path: Path
    difference: float


def convert(
    model: keras.Model,
    classes: Sequence[str],
    rate_hz: int,
    folder: str | Path,
    waveforms: Sequence[np.ndarray] = (),
) -> list[Written]:
    """Fills `folder/onnx` with `model`.

    - `model.onnx`: `waveform` float32 `[batch, samples]`, clips of one length in [-1, 1] ->
      `probabilities` `[batch, C]`. Batch and length are free.
    - `stream.onnx`, of models that follow streams: `chunk` float32 `[batch, samples]`, whole
      strides of the next samples, and `state` `[batch, S]`, zeros at first -> `probabilities` on
      all samples so far and `next_state`.
    - `model.json`: the classes, the rate, the probability below which an answer is unsure, and the
      sizes of the stream.

    Both are compared in onnxruntime with `model` on silence, noise, tones and `waveforms`, alone
    and in batches; the folder is put in place only if they agree.

    Args:
        model: as for `saved_model.write`.
        classes: their names, in the order of the probabilities.
        rate_hz: the model's sample rate.
        folder: the model's folder.
        waveforms: more clips to compare on, float32 `(samples,)` in [-1, 1] at `rate_hz`.

    Raises:
        InputError: if the extra `onnx` is missing, ONNX lacks an operator, or a probability
            differs from `model`'s.
    """
    folder = Path(folder)
    clips = [*probes(rate_hz), *waveforms]
    layers = streaming.flatten(model)
    description: dict[str, Any] = {
        "classes": list(classes),
        "rate_hz": rate_hz,
        "unsure_below": model.get_layer("calibration").unsure_below,
    }
    found = {"model": (_whole(model, folder), functools.partial(_clip_difference, model))}
    if streaming.can_stream(layers):
        stride, size = streaming.stride(layers), streaming.state_size(layers)
        description["stream"] = {"stride_samples": stride, "state_size": size}
        found["stream"] = (
            _step(layers, size, folder),
            functools.partial(_stream_difference, layers, stride, size),
        )
    target, written = folder / FOLDER, []
    with files.replacing_folder(target) as temporary:
        files.write_json(temporary / DESCRIPTION, description)
        for name, (content, measure) in found.items():
            difference = max(measure(runner(content), clip) for clip in clips)
            if not difference <= TOLERANCE:  # so that NaN differs too
                raise InputError(
                    f"{folder}: not converted, probabilities of {name}.onnx differ from the Keras "
                    f"model's by {difference:.2g} (at most {TOLERANCE:.2g})."
                )
            (temporary / f"{name}.onnx").write_bytes(content)
            written.append(Written(target / f"{name}.onnx", difference))
    return written


def runner(content: bytes) -> Callable[..., dict[str, np.ndarray]]:
    """A function that runs a model in onnxruntime: inputs and outputs by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


def _whole(model: keras.Model, folder: Path) -> bytes:
    waveform = tf.TensorSpec([None, None], tf.float32, "waveform")
    return _converted(
        lambda waveform: {"probabilities": model(waveform, training=False)}, [waveform], folder
    )


def _step(layers: Sequence[keras.Layer], size: int, folder: Path) -> bytes:
    def follow(chunk: Any, state: Any) -> dict[str, Any]:
        probabilities, following = streaming.step(layers, chunk, state)
        return {"probabilities": probabilities, "next_state": following}

    chunk = tf.TensorSpec([None, None], tf.float32, "chunk")
    return _converted(follow, [chunk, tf.TensorSpec([None, size], tf.float32, "state")], folder)


def _converted(function: Callable[..., Any], inputs: list[tf.TensorSpec], folder: Path) -> bytes:
    try:
        import onnxruntime  # noqa: F401 (the comparison needs it)
        import tf2onnx
    except ImportError:
        raise InputError(
            f"{folder}: not converted; ONNX needs `pip install 'ser_tf[onnx]'`."
        ) from None
    with spectrum.by_products():  # ONNX has no complex numbers
        frozen = freeze(function, *inputs)
    graph = tf.function(lambda *given: frozen(*given), input_signature=inputs, autograph=False)
    try:
        proto, _ = tf2onnx.convert.from_function(graph, input_signature=inputs, opset=_OPSET)
        content: bytes = proto.SerializeToString()
        runner(content)
    except Exception as error:  # the converter and onnxruntime have no common class of errors
        raise InputError(
            f"{folder}: ONNX cannot express this model ({str(error).splitlines()[0]})."
        ) from error
    return content


def _clip_difference(
    model: keras.Model, run: Callable[..., dict[str, np.ndarray]], clip: np.ndarray
) -> float:
    """The largest difference for a clip and its reverse, as a batch."""
    batch = np.stack([clip, clip[::-1]])
    found = run(waveform=batch)["probabilities"]
    return float(np.max(np.abs(found - model.predict_on_batch(batch))))


def _stream_difference(
    layers: Sequence[keras.Layer],
    stride: int,
    size: int,
    run: Callable[..., dict[str, np.ndarray]],
    clip: np.ndarray,
) -> float:
    """The largest difference over chunks of several lengths, of a clip and its reverse."""
    batch = np.pad(np.stack([clip, clip[::-1]]), ((0, 0), (0, sum(_STREAMED_STRIDES) * stride)))
    state = expected_state = np.zeros((2, size), np.float32)
    differences, start = [], 0
    for strides in _STREAMED_STRIDES:
        chunk = batch[:, start : start + strides * stride]
        found = run(chunk=chunk, state=state)
        expected, expected_state = streaming.step(layers, chunk, expected_state)
        state = found["next_state"]
        differences.append(np.max(np.abs(found["probabilities"] - expected)))
        start += strides * stride
    return float(np.max(differences))
