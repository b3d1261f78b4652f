"""Segments of long recordings, named as in `call.wav#t=12.5,15`.

The form is that of media fragments (https://www.w3.org/TR/media-frags/#naming-time), in seconds.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_NAME = re.compile(r"(.+)#t=(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?", re.DOTALL)


class Segment(NamedTuple):
    """From `start` to `end` of a recording, in seconds; an `end` of None is the recording's."""

    path: Path
    start: float
    end: float | None


def name(path: str | os.PathLike[str], start: float, end: float | None) -> str:
    """What a segment is called wherever a recording's path is taken."""
    until = "" if end is None else f",{_seconds(end)}"
    return f"{os.fspath(path)}#t={_seconds(start)}{until}"


def parse(path: str | os.PathLike[str]) -> Segment | None:
    """The segment that a path names; None where it is a file's own path."""
    match = _NAME.fullmatch(os.fspath(path))
    if not match or Path(path).exists():
        return None
    return Segment(Path(match[1]), float(match[2]), float(match[3]) if match[3] else None)


def cut_blocks(
    blocks: Iterator[np.ndarray], rate_hz: int, segment: Segment
) -> Iterator[np.ndarray]:
    """The part of blocks `(samples, channels)` that is the segment; nothing after it is read."""
    first = round(segment.start * rate_hz)
    stop = None if segment.end is None else round(segment.end * rate_hz)
    place = 0
    for block in blocks:
        within = block[max(0, first - place) : None if stop is None else max(0, stop - place)]
        if len(within):
            yield within
        place += len(block)
        if stop is not None and place >= stop:
            return


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
