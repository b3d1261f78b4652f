"""Pictures along a recording: its waveform, its features, and its emotions."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ser_tf.evaluation.plots import style
from ser_tf.evaluation.plots.style import picture

ENVELOPE_COLUMNS = 1_000
"""Columns that a waveform is drawn in, about one a pixel."""


@picture
def draw_timeline(
    table: pd.DataFrame,
    classes: Sequence[str],
    waveform: np.ndarray | None = None,
    rate_hz: float | None = None,
) -> Figure:
    """The emotions' probabilities along a recording, stacked, below its waveform.

    Args:
        table: a row a window, in order: `start_seconds, end_seconds` and `p_<class>` of each class.
            A window's probabilities stand at its middle.
        classes: the classes to draw, from the bottom up.
        waveform: the recording `(samples,)` in [-1, 1]; None: the probabilities alone.
        rate_hz: the waveform's rate; given together with it.
    """
    figure = style.figure(3.0 if waveform is None else 4.4)
    if waveform is None or rate_hz is None:
        axes = figure.subplots()
    else:
        sound, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        _envelope(sound, waveform, rate_hz)
    middles = (table.start_seconds + table.end_seconds) / 2
    seconds = [table.start_seconds.iloc[0], *middles, table.end_seconds.iloc[-1]]
    probabilities = np.pad(
        table[[f"p_{name}" for name in classes]].to_numpy(), ((1, 1), (0, 0)), mode="edge"
    )
    colours = [style.colour(name) for name in classes]
    axes.stackplot(
        seconds, probabilities.T, labels=classes, colors=colours, edgecolor="white", linewidth=0.5
    )
    tops = probabilities.cumsum(axis=1)
    for name, shares, top in zip(classes, probabilities.T, tops.T, strict=True):
        room = np.minimum(np.minimum(shares[:-2], shares[1:-1]), shares[2:])
        widest = 1 + room.argmax()  # the name goes where its area is widest, if it fits
        if room.max() > 0.12:
            place = seconds[widest], top[widest] - shares[widest] / 2
            ink = style.ink_on(style.colour(name))
            axes.text(*place, name, ha="center", va="center", fontsize=8, color=ink, clip_on=True)
    axes.set(xlabel="time (s)", ylabel="probability", ylim=(0, 1), xlim=(seconds[0], seconds[-1]))
    style.percent(axes)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@picture
def draw_features(
    waveform: np.ndarray, rate_hz: int, panels: Mapping[str, np.ndarray], hop_seconds: float
) -> Figure:
    """A waveform, and below it features of it on the same time axis.

    Args:
        waveform: the recording `(samples,)` in [-1, 1].
        rate_hz: its rate.
        panels: frames `(frames, channels)` by their title, which names the unit. The first frame's
            middle is the recording's first sample.
        hop_seconds: time between two frames.
    """
    figure = style.figure(1.5 + 1.7 * len(panels))
    heights = (1, *[1.5] * len(panels))
    sound, *others = figure.subplots(1 + len(panels), 1, sharex=True, height_ratios=heights)
    _envelope(sound, waveform, rate_hz)
    sound.set_title("waveform")
    for axes, (title, frames) in zip(others, panels.items(), strict=True):
        image = _image(axes, frames, hop_seconds, _limits(frames))
        axes.set(title=title, ylabel="channel")
        figure.colorbar(image, ax=axes, pad=0.01)
    others[-1].set(xlabel="time (s)", xlim=(0, len(waveform) / rate_hz))
    return figure


@picture
def draw_published_row(row: np.ndarray, frames: int, channels: int) -> Figure:
    """The published features as a network takes them: one flat sequence of numbers.

    Args:
        row: `(numbers,)`: zero-crossing rates, RMS values, then the coefficients frame by frame,
            then the zeros behind a short clip; these are shaded.
        frames: the clip's number of frames.
        channels: numbers a frame.
    """
    figure = style.figure(2.6)
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 3))
    parts = np.split(row, [frames, 2 * frames])
    names = ("zero-crossing rate (share)", "RMS (of full scale)", "MFCC, frame by frame (dB)")
    colours = (style.GREEN, style.BLUE, style.VERMILION)
    first = 0
    for axes, part, name, colour in zip(panels, parts, names, colours, strict=True):
        axes.plot(np.arange(first, first + len(part)), part, color=colour, linewidth=0.8)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.margins(x=0)
        first += len(part)
    if (end := channels * frames) < len(row):
        panels[-1].axvspan(end, len(row) - 1, color="0.88", label="filled with zeros")
        panels[-1].legend(loc="lower right", fontsize=8)
    figure.supxlabel("position in the row", fontsize=9)
    return figure


@picture
def draw_augmentations(
    examples: Mapping[str, tuple[np.ndarray, np.ndarray]],
    rate_hz: int,
    hop_seconds: float,
    unit: str,
) -> Figure:
    """A clip in the first row, and each augmentation of it in the others.

    Args:
        examples: by name, a waveform `(samples,)` and its frames `(frames, channels)`; the
            unchanged clip comes first, and is drawn in light grey behind the others.
        rate_hz: the waveforms' rate.
        hop_seconds: time between two frames.
        unit: the frames' quantity and unit.
    """
    original, frames = next(iter(examples.values()))
    peak = max(np.abs(waveform).max() for waveform, _ in examples.values())
    figure = style.figure(0.6 + 1.05 * len(examples))
    grid = figure.subplots(len(examples), 2, sharex=True, squeeze=False)
    for (left, right), (name, (waveform, changed)) in zip(grid, examples.items(), strict=True):
        _envelope(left, original, rate_hz, "0.8")
        _envelope(left, waveform, rate_hz, style.BLUE)
        left.set(ylabel=name, ylim=(-1.05 * peak, 1.05 * peak))
        image = _image(right, changed, hop_seconds, _limits(frames))
        right.set_yticks([])
    grid[0, 0].set_title("amplitude (full scale: 1)")
    grid[0, 1].set_title("features")
    figure.colorbar(image, ax=grid[:, 1], label=unit, aspect=40)
    grid[0, 0].set_xlim(0, len(original) / rate_hz)
    figure.supxlabel("time (s)", fontsize=10)
    return figure


def _limits(frames: np.ndarray) -> np.ndarray:
    """The range of nearly all values: one channel of twenty may lie far below the others."""
    return np.percentile(frames, (6, 99))


def _image(axes: Axes, frames: np.ndarray, hop_seconds: float, limits: np.ndarray) -> AxesImage:
    """Draws frames as colours, each centred on its time."""
    ends = (-hop_seconds / 2, (len(frames) - 0.5) * hop_seconds)
    low, high = limits
    extent = (*ends, -0.5, frames.shape[1] - 0.5)
    return axes.imshow(
        frames.T, "viridis", aspect="auto", origin="lower", vmin=low, vmax=high, extent=extent
    )


def _envelope(axes: Axes, waveform: np.ndarray, rate_hz: float, colour: str = "0.3") -> None:
    """Draws the lowest and highest sample of every column."""
    columns = np.array_split(waveform, min(ENVELOPE_COLUMNS, len(waveform)))
    seconds = np.linspace(0, len(waveform) / rate_hz, len(columns))
    low, high = [c.min() for c in columns], [c.max() for c in columns]
    axes.fill_between(seconds, low, high, color=colour, linewidth=0.6)
    peak = max(np.abs(waveform).max(), 1e-3)
    axes.set(ylabel="amplitude\n(full scale: 1)", ylim=(-1.05 * peak, 1.05 * peak))
