"""A stream: the emotion in a recording while it goes on."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ser_tf import audio
from ser_tf.inference.answers import Answer, decide
from ser_tf.inference.following import follow_windows

if TYPE_CHECKING:
    from ser_tf.inference.model_folder import Artifact
    from ser_tf.inference.runtime import Runtime

_LONGEST_SECONDS = 10
"""A longer chunk is computed in pieces, so that memory does not grow with it."""


class Stream:
    """Answers a recording chunk by chunk, in constant memory.

    Of a model that follows streams, the answer after every chunk is within 1e-5 (by LiteRT 1e-4) of
    the model's on all samples so far at once, however they were cut into chunks; what is older than
    the model's memory fades. A model that takes whole clips answers on the last seconds, as many as
    its windows have, at every chunk anew, and its answers are smoothed over a second.

    Args:
        artifact: a loaded model folder.
        runtime: what computes its answers.
    """

    def __init__(self, artifact: "Artifact", runtime: "Runtime") -> None:
        rate_hz, classes = artifact.rate_hz, len(artifact.classes)
        window_samples = round(artifact.config.features.entry.span_seconds * rate_hz)
        follower = runtime.follow() or follow_windows(runtime, window_samples, rate_hz, classes)
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
