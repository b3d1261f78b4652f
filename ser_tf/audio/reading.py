"""Recordings as one channel, whole or piece by piece in constant memory."""

import itertools
import os
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from ser_tf.audio.decoding import decode
from ser_tf.audio.levels import Mix, check_finite, find_mix
from ser_tf.audio.waveforms import resample_pieces

Sound = str | os.PathLike[str] | ArrayLike
"""A recording: the path of its file, or its samples."""


def read(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """The samples of a recording as they are stored, and their rate.

    Returns:
        float32 `(samples, channels)`, integer formats scaled to [-1, 1), and the rate in Hz.

    Raises:
        AudioError: if the file is empty, no audio, cut off before its first sample, or says of
            itself what no recording is, or if samples are not finite.
    """
    source = decode(path)
    samples = np.concatenate([*source.blocks])
    check_finite(path, np.sum(~np.isfinite(samples)))
    return samples, source.rate_hz


def read_mono(path: str | os.PathLike[str]) -> tuple[int, Iterator[np.ndarray]]:
    """The rate of a recording, and its one channel, float32 `(samples,)` in pieces.

    That channel is the mean of all, unless they cancel each other; samples of another scale than
    [-1, 1] are scaled. To know, the file is read twice, unless it is short or its format tells.

    Raises:
        AudioError: as for `read`, and if samples are of no known scale; of long
            recordings, from the pieces, if the rest of it cannot be read.
    """
    source = decode(path)
    start = [*itertools.islice(source.blocks, 2)]
    everything = itertools.chain(start, source.blocks)
    blocks: Iterable[np.ndarray]
    if len(start) == 1:
        mix, blocks = find_mix(path, start), start
    elif source.scaled and start[0].shape[1] == 1:
        mix, blocks = Mix(channel=0), everything
    else:
        mix, blocks = find_mix(path, everything), decode(path).blocks
    return source.rate_hz, map(mix.apply, blocks)


def pieces(path: str | os.PathLike[str], rate_hz: int) -> Iterator[np.ndarray]:
    """The waveform of `load`, to the bit, in pieces: memory does not grow with its length.

    Raises:
        AudioError: as for `read_mono`.
    """
    stored_rate_hz, blocks = read_mono(path)
    return resample_pieces(blocks, stored_rate_hz, rate_hz)


def load(path: str | os.PathLike[str], rate_hz: int) -> np.ndarray:
    """The waveform of a recording: its one channel (see `read_mono`) at `rate_hz`.

    Returns:
        float32 `(samples,)` in [-1, 1].

    Raises:
        AudioError: as for `read_mono`.
    """
    return np.concatenate([*pieces(path, rate_hz)])
