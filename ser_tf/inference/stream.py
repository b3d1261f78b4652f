"""A stream: the emotion in a recording while it goes on."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ser_tf import audio
from ser_tf.errors import InputError
from ser_tf.inference.answers import Answer, decide

if TYPE_CHECKING:
    from ser_tf.inference.model_folder import Artifact
    from ser_tf.inference.runtime import Runtime

_LONGEST_SECONDS = 10
"""A longer chunk is computed in pieces, so that memory does not grow with it."""


class Stream:
    """Answers a recording chunk by chunk, in constant memory.

    After every chunk the answer is within 1e-5 (by LiteRT 1e-4) of the model's on all samples so
    far at once, however they were cut into chunks; what is older than the model's memory fades.

    Args:
        artifact: a loaded model folder.
        runtime: what computes its answers.

    Raises:
        InputError: if the model takes whole clips only.
    """

    def __init__(self, artifact: "Artifact", runtime: "Runtime") -> None:
        follower = runtime.follow()
        if follower is None:
            raise InputError(
                f"{artifact.folder}: takes whole clips only (features "
                f"{artifact.config.features.name}); `fit --features causal` trains a model that "
                "follows streams."
            )
        self.artifact = artifact
        self._follower = follower
        self._unsure_below = runtime.unsure_below
        self._longest = _LONGEST_SECONDS * artifact.rate_hz // follower.stride_samples
        self.reset()

    @property
    def stride_samples(self) -> int:
        """The samples after which an answer changes."""
        return self._follower.stride_samples

    def reset(self) -> None:
        """Forgets all samples so far."""
        self._state: Any = np.zeros((1, self._follower.state_size), np.float32)
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
            [probabilities], self._state = self._follower.step(chunk[np.newaxis], self._state)
            classes = self.artifact.classes
            self._answer = decide(probabilities, classes, self._unsure_below)
            self._heard_samples += len(chunk)
        self._rest = waiting
        return self._answer
