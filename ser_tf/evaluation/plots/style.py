"""The style of all pictures: colours, size, text, background; and how they are saved."""

import functools
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ser_tf import files

P = ParamSpec("P")

COLOURS = {
    "neutral": "#666666",
    "calm": "#56b4e9",
    "happy": "#f0e442",
    "sad": "#0072b2",
    "angry": "#d55e00",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "surprise": "#e69f00",
}
"""Every emotion's colour, the same in all pictures: the palette of Okabe and Ito (2008) and a grey
that stands apart from it for the colour-blind as well."""

_OWN_COLOURS = ("#882255", "#44aa99", "#999933", "#332288", "#aa4466", "#ddcc77")
"""Of classes of one's own, from the muted scheme of Tol (2021)."""

SPLIT_COLOURS = {"rows": "#d55e00", "clips": "#e69f00", "speakers": "#0072b2"}
"""Every split's colour; folds have another."""

BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"

WIDTH_INCHES = 8.0
DOTS_PER_INCH = 150

MOST_NAMES = 40
"""Most speakers whose names can be read side by side."""

_PAPER = "white"
_STYLE: Any = {
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "axes.titlesize": 11,
    "axes.axisbelow": True,
    "grid.color": "0.7",
    "grid.alpha": 0.4,
}
"""The differences from matplotlib's defaults."""


def colour(emotion: str) -> str:
    """The colour of an emotion, or of a class of one's own, which depends on its name alone."""
    own = _OWN_COLOURS[zlib.crc32(emotion.encode()) % len(_OWN_COLOURS)]
    return COLOURS.get(emotion, own)


@contextmanager
def _own_style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class _Picture(Figure):
    """A figure that keeps its style until it is drawn, because ticks are made then."""

    def draw(self, renderer: Any) -> None:
        with _own_style():
            super().draw(renderer)


def picture(make: Callable[P, Figure]) -> Callable[P, Figure]:
    """Makes a function draw black on white, whatever style its caller has chosen.

    An opaque white background is legible on light and on dark pages.
    """

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _own_style():
            return make(*args, **kwargs)

    return made


def figure(height_inches: float) -> Figure:
    """An empty figure of the common width."""
    return _Picture(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def save(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG; the file is whole or absent. 1,200 pixels wide.

    Raises:
        OSError: if the folder cannot be written.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, facecolor=_PAPER)
    with files.replacing(Path(path)) as temporary:
        temporary.write_bytes(png.getvalue())


def percent(axes: Axes, which: str = "y") -> None:
    """Labels an axis of rates from 0 to 1 in percent."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(percents())


def percents() -> PercentFormatter:
    """A formatter that writes rates from 0 to 1 as in `80 %`."""
    return PercentFormatter(1, decimals=0, symbol=" %")


def name_speakers(axes: Axes, names: list[str], what: str, letters: int) -> None:
    """Names the columns of a picture, or gives their number if they are too many to read.

    Args:
        axes: axes with columns at 0, 1, 2, ...
        names: the columns' names.
        what: the label of the axis.
        letters: letters that fit side by side; longer rows of names are turned upright.
    """
    axes.set_xlim(-0.6, len(names) - 0.4)
    if len(names) > MOST_NAMES:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} speakers")
        return
    rotation = 0 if fit_side_by_side(names, letters) else 90
    axes.set_xticks(range(len(names)), names, rotation=rotation, fontsize=8)
    axes.set_xlabel(what)


def fit_side_by_side(names: list[str], letters: int) -> bool:
    """Whether names fit side by side where there is room for `letters` letters."""
    return len(names) * (1 + max(map(len, names))) <= letters


def ink_on(colour: str) -> str:
    """Black or white, whichever is more legible on a colour, by luminance as in WCAG 2.1."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"
