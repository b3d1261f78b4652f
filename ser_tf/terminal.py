"""What a terminal or a notebook can show: how wide a line may be, and whether in colour."""

import os
import shutil
import sys
from collections.abc import Iterable

_COLOURS = {"red": 31, "yellow": 33}
_CELL = 9
_NARROWEST_CELL = 5


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
