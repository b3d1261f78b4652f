"""What a terminal or a notebook shows: width, colour, tables, and the progress of long work."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_COLOURS = {"red": 31, "yellow": 33}
_CELL = 9
_NARROWEST_CELL = 5
_MANY_ROWS = 2_000
_LINE_SECONDS = 60.0


def width() -> int | None:
    """The columns of the terminal that is written to; None where it is none: as many as wanted."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colour() -> bool:
    """Whether what is written is shown in colour, to somebody who wants that.

    Nobody does who has set `NO_COLOR` to anything (https://no-color.org).
    """
    if os.environ.get("NO_COLOR"):
        return False
    in_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return in_terminal or "ipykernel" in sys.modules


def coloured(text: str, colour: str) -> str:
    """`text` in "red" or "yellow" where there is colour, else as it is."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if has_colour() else text


def row(head: str, cells: Iterable[str | int]) -> str:
    """A line of a table: `head`, then cells flush right.

    They are narrower where the terminal is: words are cut then, numbers never.
    """
    texts = [str(cell) for cell in cells]
    room = ((width() or sys.maxsize) - len(head)) // len(texts)
    size = max(_NARROWEST_CELL, min(_CELL, room))
    return head + "".join(
        f"{text if text.isdigit() else text[: size - 1]:>{size}}" for text in texts
    )


def is_watched() -> bool:
    """Whether a person looks on: the output is a terminal's or a notebook's."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def of_epochs(lines: bool) -> int:
    """Keras's `verbose`: 1, bars, which are coloured, only where colour is seen and wanted.

    Else a person gets a line an epoch (2), and so does a log file if `lines` are wanted.
    """
    if has_colour():
        return 1
    return 2 if lines or is_watched() else 0


def of_prediction(rows: int) -> int:
    """Keras's `verbose` of a prediction: its bar where colour is seen and there are many rows."""
    return int(has_colour() and rows >= _MANY_ROWS)


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
