"""Waveforms: from one rate to another, at once or piece by piece, and back into a WAV file."""

import io
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ser_tf.audio.decoding import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from ser_tf.errors import InputError


def check_rate(rate_hz: float) -> int:
    """A sample rate as an integer.

    Raises:
        InputError: if it is not a whole number, or no rate that recordings have.
    """
    whole = isinstance(rate_hz, int | float | np.number) and rate_hz % 1 == 0
    if not (whole and LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ):
        raise InputError(
            f"rate_hz: must be a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}. "
            f"Received: {rate_hz}."
        )
    return int(rate_hz)


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """`waveform` `(samples,)`, recorded at `from_hz`, at `to_hz`: float32 in [-1, 1].

    By soxr, "high quality": to the bit what `librosa.resample` gives by default.
    """
    return np.concatenate([*resample_pieces([waveform], from_hz, to_hz)])


def resample_pieces(pieces: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """As `resample`, of a waveform in pieces: to the bit the same, however it is cut."""
    if from_hz == to_hz:
        yield from map(_clip, pieces)
        return
    import soxr

    stream = soxr.ResampleStream(from_hz, to_hz, 1, "float32", "HQ")
    heard = made = 0
    pairs: Iterator[tuple[Any, Any]] = itertools.pairwise(itertools.chain(pieces, [None]))
    for piece, following in pairs:
        last = following is None
        changed = stream.resample_chunk(np.ascontiguousarray(piece, np.float32), last=last)
        heard += len(piece)
        if last:
            lacking = math.ceil(heard * (to_hz / from_hz)) - made
            changed = np.pad(changed[:lacking], (0, max(0, lacking - len(changed))))
        made += len(changed)
        yield _clip(changed)


def cut(pieces: Iterable[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """The same waveform in pieces of `samples` samples, of which the last may be shorter."""
    rest = np.zeros(0, np.float32)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        whole = len(rest) - len(rest) % samples
        yield from np.split(rest[:whole], range(samples, whole, samples)) if whole else ()
        rest = rest[whole:]
    if len(rest):
        yield rest


def to_wav(waveform: np.ndarray, rate_hz: int) -> bytes:
    """A WAV file of `waveform` float32 `(samples,)`: of 16 bits where they hold all of it."""
    import soundfile

    whole = waveform * 32_768
    exact = np.array_equal(whole, np.round(whole)) and np.all(whole < 32_768)
    stored = whole.astype(np.int16) if exact and np.all(whole >= -32_768) else waveform
    file = io.BytesIO()
    subtype = "PCM_16" if stored.dtype == np.int16 else "FLOAT"
    soundfile.write(file, stored, rate_hz, format="WAV", subtype=subtype)
    return file.getvalue()


def _clip(waveform: np.ndarray) -> np.ndarray:
    return np.clip(waveform, -1.0, 1.0).astype(np.float32, copy=False)
