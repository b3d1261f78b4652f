"""Progress of long work: in a terminal and in notebooks, not in log files."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ser_tf import terminal

T = TypeVar("T")

_MANY_ROWS = 2_000


def is_watched() -> bool:
    """Whether a person looks on: the output is a terminal's or a notebook's."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def of_epochs(lines: bool) -> int:
    """Keras's `verbose`: 1, bars, which are coloured, only where colour is seen and wanted.

    Else a person gets a line an epoch (2), and so does a log file if `lines` are wanted.
    """
    if terminal.has_colour():
        return 1
    return 2 if lines or is_watched() else 0


def of_prediction(rows: int) -> int:
    """Keras's `verbose` of a prediction: its bar where colour is seen and there are many rows."""
    return int(terminal.has_colour() and rows >= _MANY_ROWS)


def bar(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """The `items` as they are, with a bar on stderr where a person looks on for over a second."""
    from tqdm.auto import tqdm

    return iter(tqdm(items, description, total, unit=" clips", delay=1, disable=not is_watched()))
