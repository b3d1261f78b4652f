"""The interface of what computes a model's probabilities."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np


class Follower(NamedTuple):
    """A model chunk by chunk.

    Attributes:
        stride_samples: chunk lengths are multiples of it.
        state_size: how many numbers it carries from chunk to chunk.
        step: from a chunk `(1, samples)` and the state before it `(1, state_size)`, at first
            zeros, to the probabilities on all samples so far `(1, classes)` and the next state.
    """

    stride_samples: int
    state_size: int
    step: Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


class Runtime(Protocol):
    """The interface of a runtime.

    Attributes:
        name: what `--runtime` calls it.
        unsure_below: the probability of the best class below which an answer is unsure.
        temperature: the divisor of the logits.
    """

    name: str
    unsure_below: float
    temperature: float

    def of_clip(self, waveform: np.ndarray) -> np.ndarray:
        """The probabilities `(classes,)` of a waveform `(samples,)` as a whole."""

    def of_windows(self, windows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The probabilities `(classes,)` of each window, in order; all are of one length."""

    def follow(self) -> Follower | None:
        """What follows streams chunk by chunk; None if the model takes whole clips only."""
