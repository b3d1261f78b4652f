"""Long recordings as they go by: windows to answer, and an outline to draw."""

from collections.abc import Iterable, Iterator

import numpy as np

_COLUMNS = 4_096
"""Stretches of the outline of a long recording, at least; a picture has fewer columns."""


def begin(pieces: Iterable[np.ndarray], samples: int) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The beginning of a recording, longer than `samples` if the recording is, and the pieces left.

    Args:
        pieces: the waveform in order, `(samples,)` each.
        samples: how many to exceed.
    """
    remaining, taken, count = iter(pieces), [np.zeros(0, np.float32)], 0
    while count <= samples and (piece := next(remaining, None)) is not None:
        taken.append(piece)
        count += len(piece)
    return np.concatenate(taken), remaining


def cut(pieces: Iterable[np.ndarray], samples: int) -> Iterator[tuple[int, np.ndarray]]:
    """The windows of a recording, which overlap by half; the last ends with the recording.

    Args:
        pieces: the waveform in order, `(samples,)` each.
        samples: the length of a window; a shorter recording is its only window.

    Returns:
        For each window the number of its first sample, and its samples.
    """
    half = samples // 2
    start, before, held = 0, np.zeros(0, np.float32), np.zeros(0, np.float32)
    for piece in pieces:
        held = np.concatenate([held, piece])
        while len(held) > samples:
            yield start, held[:samples]
            start, before, held = start + half, held[:half], held[half:]
    lacking = min(len(before), samples - len(held))
    yield start - lacking, np.concatenate([before[len(before) - lacking :], held])


class Outline:
    """The lowest and the highest sample of each stretch of a recording, in constant memory.

    Args:
        rate_hz: the recording's rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._stretch = 1
        self._limits = np.zeros((0, 2), np.float32)
        self._rest = np.zeros(0, np.float32)

    @property
    def waveform(self) -> np.ndarray:
        """A waveform `(samples,)` at `rate_hz` that looks like the recording."""
        rest = [self._rest.min(), self._rest.max()] if len(self._rest) else []
        return np.append(self._limits, rest)

    @property
    def rate_hz(self) -> float:
        """The rate of `waveform`: a stretch has two samples."""
        return 2 * self._rate_hz / self._stretch

    def watch(self, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same pieces, which are outlined as they go by."""
        for piece in pieces:
            self._add(piece)
            yield piece

    def _add(self, piece: np.ndarray) -> None:
        samples, most = np.concatenate([self._rest, piece]), 2 * _COLUMNS
        while True:
            count = min(len(samples) // self._stretch, most - len(self._limits))
            columns, samples = np.split(samples, [count * self._stretch])
            columns = columns.reshape(count, self._stretch)
            limits = np.stack([columns.min(axis=1), columns.max(axis=1)], axis=1)
            self._limits = np.concatenate([self._limits, limits])
            if len(self._limits) < most:
                break
            pairs = self._limits.reshape(_COLUMNS, 2, 2)  # from now on a stretch is twice as long
            lowest, highest = pairs[..., 0].min(axis=1), pairs[..., 1].max(axis=1)
            self._limits = np.stack([lowest, highest], axis=1)
            self._stretch *= 2
        self._rest = samples
