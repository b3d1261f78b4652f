"""Output for a terminal or a notebook: width, colour, tables, and progress of long work."""

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
    """The number of columns of the terminal that stdout writes to; None if it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colour() -> bool:
    """Whether the output can show colour, and `NO_COLOR` does not forbid it.

    See https://no-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    in_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return in_terminal or "ipykernel" in sys.modules


def coloured(text: str, colour: str) -> str:
    """`text` in "red" or "yellow", if the output has colour."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if has_colour() else text


def row(head: str, cells: Iterable[str | int]) -> str:
    """A line of a table: `head`, then right-aligned cells.

    In a narrow terminal cells are narrower: words are cut then, numbers never.
    """
    texts = [str(cell) for cell in cells]
    room = ((width() or sys.maxsize) - len(head)) // len(texts)
    size = max(_NARROWEST_CELL, min(_CELL, room))
    return head + "".join(
        f"{text if text.isdigit() else text[: size - 1]:>{size}}" for text in texts
    )


def is_watched() -> bool:
    """Whether a person is watching: stderr is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def of_epochs(lines: bool) -> int:
    """Keras's `verbose` for training.

    Its bars (1) are coloured, so they need an output with colour. Otherwise a person gets a line
    per epoch (2), and a log file gets one if `lines` are wanted.
    """
    if has_colour():
        return 1
    return 2 if lines or is_watched() else 0


def of_prediction(rows: int) -> int:
    """Keras's `verbose` for a prediction: its bar, if there is colour and there are many rows."""
    return int(has_colour() and rows >= _MANY_ROWS)


def bar(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """The `items`, with a bar on stderr if a person is watching and it takes over a second.

    If nobody is watching, a line is logged every minute.
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
