"""Runtimes: what computes a model's probabilities, LiteRT where it can and Keras everywhere."""

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ser_tf import backend
from ser_tf.errors import InputError
from ser_tf.inference.flatbuffers import LiteRTRuntime
from ser_tf.inference.model_folder import LITERT, Artifact
from ser_tf.inference.predictions import BATCH
from ser_tf.inference.runtime import Follower, Runtime

_LOG = logging.getLogger(__name__)

RUNTIMES = ("litert", "keras")
"""The names that `--runtime` takes."""


class KerasRuntime:
    """A `Runtime`: the Keras model on TensorFlow, the reference.

    Args:
        artifact: a loaded model folder.

    Raises:
        InputError: if the model is broken, or Keras runs on another back end already.
    """

    name = "keras"

    def __init__(self, artifact: Artifact) -> None:
        backend.import_tensorflow()
        import tensorflow as tf

        self._artifact = artifact
        self.unsure_below: float = artifact.calibration.unsure_below
        self.temperature: float = artifact.calibration.temperature
        # One graph for all lengths: a second to make, then ten times faster than layer by layer.
        signature = [tf.TensorSpec((None, None), tf.float32)]
        self._model = tf.function(artifact.model, input_signature=signature)

    def of_clip(self, waveform: np.ndarray) -> np.ndarray:
        """The probabilities `(classes,)` of a waveform `(samples,)` as a whole."""
        [probabilities] = self._batch([waveform])
        return probabilities

    def of_windows(self, windows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The probabilities `(classes,)` of each window, in order; all are of one length."""
        remaining = iter(windows)
        while batch := [*itertools.islice(remaining, BATCH)]:
            yield from self._batch(batch)

    def follow(self) -> Follower | None:
        """What follows streams chunk by chunk; None if the model takes whole clips only."""
        import tensorflow as tf

        from ser_tf.layers import streaming

        layers = streaming.flatten(self._artifact.model)
        if not streaming.can_stream(layers):
            return None
        size = streaming.state_size(layers)
        signature = [tf.TensorSpec([1, None]), tf.TensorSpec([1, size])]
        graph = tf.function(functools.partial(streaming.step, layers), input_signature=signature)

        def step(chunk: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            probabilities, following = graph(chunk, state)
            return probabilities.numpy(), following

        return Follower(streaming.stride(layers), size, step)

    def _batch(self, waveforms: list[np.ndarray]) -> np.ndarray:
        """The probabilities `(waveforms, classes)` of waveforms of one length."""
        return np.asarray(self._model(np.stack(waveforms)))


def choose(artifact: Artifact, name: str | None = None) -> Runtime:
    """A runtime for a model.

    Args:
        artifact: a loaded model folder.
        name: one of `RUNTIMES`; None: LiteRT where the folder holds flatbuffers of these weights
            and the machine can run them, else Keras.

    Raises:
        InputError: if the name is unknown, or LiteRT is asked for and cannot answer.
    """
    if name not in (None, *RUNTIMES):
        raise InputError(f"runtime: choose from {', '.join(RUNTIMES)}. Received: {name}.")
    if name == "keras":
        return KerasRuntime(artifact)
    try:
        return LiteRTRuntime(artifact)
    except InputError as error:
        if name:
            raise
        if (artifact.folder / LITERT).is_dir():
            _LOG.warning("%s Keras answers instead.", error)
        return KerasRuntime(artifact)
