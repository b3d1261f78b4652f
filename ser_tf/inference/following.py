"""Follows streams with models that take whole clips."""

import math
from typing import Any

import numpy as np

from ser_tf.inference.runtime import Follower, Runtime

_STRIDES_A_SECOND = 4
_SMOOTHING_SECONDS = 1.0
"""Age at which an answer counts 1/e of what it did."""


def follow_windows(runtime: Runtime, window_samples: int, rate_hz: int, classes: int) -> Follower:
    """Answers on the last samples of a stream, all of them computed anew at every step.

    The probabilities are means over the answers so far, which count less with age.

    Args:
        runtime: of a model that takes whole clips.
        window_samples: number of the last samples that an answer is about.
        rate_hz: the model's rate.
        classes: number of the model's classes.
    """
    # The state: the last samples, how many of them there are, and the probabilities.
    sizes = np.cumsum([window_samples, 1])

    def step(chunk: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        samples, [count], before = np.split(state[0], sizes)
        samples = np.concatenate([samples, chunk[0]])[-window_samples:]
        heard = min(int(count) + chunk.shape[1], window_samples)
        probabilities = runtime.of_clip(samples[-heard:])
        if count:
            old = math.exp(-chunk.shape[1] / rate_hz / _SMOOTHING_SECONDS)
            probabilities = old * before + (1 - old) * probabilities
        following = np.concatenate([samples, [heard], probabilities]).astype(np.float32)
        return probabilities[np.newaxis], following[np.newaxis]

    stride_samples = rate_hz // _STRIDES_A_SECOND
    return Follower(stride_samples, window_samples + 1 + classes, step)
