"""A stream: the emotion in a recording while it goes on."""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ser_tf import audio
from ser_tf.errors import InputError
from ser_tf.inference.answers import Answer
from ser_tf.layers import streaming

if TYPE_CHECKING:
    from ser_tf.inference.model_folder import Artifact

_LONGEST_SECONDS = 10
"""A longer chunk is computed in pieces, so that memory does not grow with it."""


class Stream:
    """Answers a recording chunk by chunk, in constant memory.

    After every chunk the answer is within 1e-5 of the model's on all samples so far at once,
    however they were cut into chunks; what is older than the model's memory fades.

    Args:
        artifact: a loaded model folder.

    Raises:
        InputError: if the model takes whole clips only.
    """

    def __init__(self, artifact: "Artifact") -> None:
        self.artifact = artifact
        self._layers = streaming.flatten(artifact.model)
        if not streaming.can_stream(self._layers):
            raise InputError(
                f"{artifact.folder}: takes whole clips only (features "
                f"{artifact.config.features.name}); `fit --features causal` trains a model that "
                "follows streams."
            )
        self.stride_samples = streaming.stride(self._layers)
        self._longest = _LONGEST_SECONDS * artifact.rate_hz // self.stride_samples
        state = tf.TensorSpec([1, streaming.state_size(self._layers)])
        self._next = tf.function(
            lambda chunk, state: streaming.step(self._layers, chunk, state)
        ).get_concrete_function(tf.TensorSpec([1, None]), state)
        self.reset()

    def reset(self) -> None:
        """Forgets all samples so far."""
        self._state = tf.zeros((1, streaming.state_size(self._layers)))
        self._rest = np.zeros(0, np.float32)
        self._answer: Answer | None = None
        self._heard_samples = 0

    @property
    def heard_seconds(self) -> float:
        """Seconds of the recording that the answer is about."""
        return self._heard_samples / self.artifact.rate_hz

    def feed(self, samples: ArrayLike) -> Answer | None:
        """The emotion in all samples so far, the next ones included.

        Args:
            samples: any number of them at the model's rate, `(samples,)` or `(samples, channels)`:
                floats in [-1, 1] or integers.

        Returns:
            The answer; None before the first `stride_samples` are complete.

        Raises:
            InputError: if these are no samples; the stream stays as it was.
        """
        waiting = np.concatenate([self._rest, audio.to_mono(samples, part=True)])
        while pieces := min(len(waiting) // self.stride_samples, self._longest):
            chunk, waiting = np.split(waiting, [pieces * self.stride_samples])
            probabilities, self._state = self._next(tf.constant(chunk[np.newaxis]), self._state)
            self._answer = self.artifact.answer(probabilities.numpy()[0])
            self._heard_samples += len(chunk)
        self._rest = waiting
        return self._answer
