"""Progress of long work: bars in a terminal and in notebooks, a line a minute in log files."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ser_tf import terminal

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MANY_ROWS = 2_000
_LINE_SECONDS = 60.0


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
    """The `items` as they are, with a bar on stderr where a person looks on for over a second.

    Where nobody does, a line is logged for every minute that it takes.
    """
    if not is_watched():
        return _logged(items, description, total)
    from tqdm.auto import tqdm

    return iter(tqdm(items, description, total, unit=" clips", delay=1))


def _logged(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    told = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - told >= _LINE_SECONDS:
            _LOG.info("%s: %d of %d clips.", description.capitalize(), number, total)
            told = now
        yield item
