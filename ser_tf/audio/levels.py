"""From samples as they are stored to one channel in [-1, 1]: their scale, and how channels mix."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ser_tf.errors import InputError

MOST_CHANNELS = 32
"""Most channels of a recording; a header that says more is not believed."""

LOUDEST = 100.0
"""Floats beyond this, 40 dB above full scale, are integers that nobody has scaled."""

INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)
"""Full scales of integers. Peaks up to twice a scale belong to it: resampling may leave such."""

CANCELLED = 0.01
"""Power of a mix, as a share of what unrelated channels would give, below which they cancel."""

_SILENT = 1e-4
"""Power of a silent channel as a share of the loudest channel's: 40 dB below."""

_LOG = logging.getLogger(__name__)


class AudioError(InputError):
    """A recording cannot be used; the message names it and says why."""


class Mix(NamedTuple):
    """How the samples of a recording become one channel.

    Attributes:
        full_scale: the value that stands for 1.
        channel: the only channel that is taken; None: the mean of all.
    """

    full_scale: float = 1.0
    channel: int | None = None

    def apply(self, samples: np.ndarray) -> np.ndarray:
        """One channel, float32 `(samples,)`, of float32 `(samples, channels)`."""
        mono: np.ndarray = (
            samples.mean(axis=1) if self.channel is None else samples[:, self.channel]
        )
        return mono if self.full_scale == 1 else mono / np.float32(self.full_scale)


def full_scale(peak: float) -> float | None:
    """The value that stands for 1 in float samples that reach `peak`; None if there is none."""
    if peak <= LOUDEST:
        return 1.0
    return integer_scale(peak)


def integer_scale(peak: float) -> float | None:
    """The full scale of integers that reach `peak`; None if none is so large."""
    return next((scale for scale in INTEGER_SCALES if peak <= 2 * scale), None)


def find_mix(name: object, blocks: Iterable[np.ndarray]) -> Mix:
    """How to mix a recording, from all of its samples; what is odd about them is logged.

    Args:
        name: of the recording, for messages.
        blocks: its samples in order, float32 `(samples, channels)` each.

    Raises:
        AudioError: if samples are not finite or of no known scale.
    """
    peak, wrong, power, of_mean = 0.0, 0, np.zeros(1), 0.0
    for block in blocks:
        wrong += np.sum(~np.isfinite(block))
        peak = max(peak, float(np.abs(block).max(initial=0)))
        if block.shape[1] > 1:
            power = power + np.square(block, dtype=np.float64).sum(axis=0)  # (channels,)
            of_mean += np.square(block.mean(axis=1, dtype=np.float64)).sum()
    check_finite(name, wrong)
    if (scale := full_scale(peak)) is None:
        raise AudioError(f"{name}: samples reach {peak:g}; no samples have so large a scale.")
    if scale != 1:
        _note_scale(name, peak, scale)
    return Mix(scale, _find_channel(name, power, of_mean))


def check_finite(name: object, wrong: int) -> None:
    """Refuses a recording of which `wrong` samples are not finite.

    Raises:
        AudioError: if there are any.
    """
    if wrong:
        raise AudioError(f"{name}: {wrong} samples are not finite numbers.")


def _note_scale(name: object, peak: float, scale: float) -> None:
    _LOG.warning(
        "%s: samples reach %.0f; they are taken as integers of %.0f bits.",
        name,
        peak,
        np.log2(scale) + 1,
    )


def _find_channel(name: object, power: np.ndarray, of_mean: float) -> int | None:
    """The channel that is taken alone; None: the mean of all."""
    loudest, channels = int(power.argmax()), len(power)
    if channels == 1:
        return 0
    if of_mean < CANCELLED * power.sum() / channels**2:
        _LOG.warning(
            "%s: its channels cancel each other; channel %d is taken alone.", name, loudest + 1
        )
        return loudest
    heard = int(np.sum(power >= _SILENT * power[loudest]))
    if heard < channels:
        _LOG.warning(
            "%s: %d of %d channels are silent; their mean is %.0f dB softer than the others.",
            name,
            channels - heard,
            channels,
            20 * np.log10(channels / heard),
        )
    return None


def to_mono(samples: ArrayLike, *, part: bool = False) -> np.ndarray:
    """One channel of `samples`, scaled and mixed as those of a file are.

    Args:
        samples: `(samples,)` or `(samples, channels)`: floats in [-1, 1], signed integers, or
            unsigned bytes as in WAV files. Larger floats and integers of 64 bits are taken as
            integers of 16, 24 or 32 bits, by their peak.
        part: whether they are part of a recording, which says nothing about scale and channels of
            the whole: channels are averaged, and what has no scale of its own is refused.

    Returns:
        float32 `(samples,)`.

    Raises:
        InputError: if they have another shape or type, or values that no samples have.
    """
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS):
        raise InputError(
            "samples: their shape is (samples,) or (samples, channels), of at most "
            f"{MOST_CHANNELS} channels. Received: {array.shape}."
        )
    scaled = _to_floats(array[:, np.newaxis] if array.ndim == 1 else array)
    if not part:
        return find_mix("samples", [scaled]).apply(scaled)
    check_finite("samples", np.sum(~np.isfinite(scaled)))
    if array.dtype == np.int64:
        raise InputError("samples: in a stream they are floats or int16. Received: int64.")
    if (peak := np.abs(scaled).max(initial=0)) > LOUDEST:
        raise InputError(f"samples: in a stream they are in [-1, 1]. Received: up to {peak:g}.")
    return Mix().apply(scaled)


def _to_floats(samples: np.ndarray) -> np.ndarray:
    """Samples of any type as float32; integers of up to 32 bits by their full scale."""
    if samples.dtype == np.uint8:  # unsigned WAV files rest at 128
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype == np.int64:  # NumPy's own type, no audio format's: their peak tells
        floats = samples.astype(np.float32)
        return floats / np.float32(integer_scale(float(np.abs(floats).max(initial=0))) or 1)
    if np.issubdtype(samples.dtype, np.signedinteger):
        return samples.astype(np.float32) / np.float32(2.0 ** (8 * samples.dtype.itemsize - 1))
    if np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):  # too large for float32 is infinite, which is refused
            return samples.astype(np.float32)
    raise InputError(
        f"samples: they are floats, signed integers or unsigned bytes. Received: {samples.dtype}."
    )
