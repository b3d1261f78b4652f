"""Pictures: curves, confusions, comparisons, emotions along a recording, Legendre polynomials.

Functions return a Figure, which `save` writes; no state of matplotlib's is touched. The colours
can be told apart with any colour vision (Okabe & Ito 2008; viridis, cividis).
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.special import eval_sh_legendre

from ser_tf import files

COLOURS = {
    "neutral": "#999999",
    "calm": "#56b4e9",
    "happy": "#f0e442",
    "sad": "#0072b2",
    "angry": "#d55e00",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "surprise": "#e69f00",
}
"""Every emotion's colour, the same in all pictures."""

SPLIT_COLOURS = {"rows": "#d55e00", "clips": "#e69f00", "speakers": "#0072b2"}
"""Every split's colour; folds have another."""

WIDTH_INCHES = 8.0
DOTS_PER_INCH = 150
ENVELOPE_COLUMNS = 1_000
"""Into how many columns a waveform is gathered: about one a dot of the picture's width."""

_TRAIN, _VALIDATION = "#0072b2", "#d55e00"


def save(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG; the file is whole or absent. 1,200 pixels wide.

    Raises:
        OSError: if the folder cannot be written.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH)
    with files.replacing(Path(path)) as temporary:
        temporary.write_bytes(png.getvalue())


def learning_curves(history: pd.DataFrame, chosen_epoch: int) -> Figure:
    """Loss and UAR of training and validation clips over the epochs.

    Args:
        history: a row an epoch: `epoch` (from 1), `loss`, `uar` and, where there are validation
            clips, `val_loss`, `val_uar`.
        chosen_epoch: the epoch whose weights were kept; marked.
    """
    figure = _figure(3.4)
    loss, uar = figure.subplots(1, 2)
    _curves(loss, history, "loss", chosen_epoch)
    loss.set(ylabel="cross-entropy (nats)", title="Loss")
    _curves(uar, history, "uar", chosen_epoch)
    uar.set(ylabel="unweighted average recall", title="UAR", ylim=(0, 1))
    uar.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """The share of each true emotion's clips that got each answer; counts in small print.

    Args:
        matrix: counts `(classes, classes)`, truth in rows. A row without clips stays empty.
        classes: their names.
        title: of the picture.
    """
    counts = np.asarray(matrix)
    clips = counts.sum(axis=1, keepdims=True)
    shares = np.where(clips > 0, counts / np.maximum(clips, 1), np.nan)
    figure = _figure(6.2)
    axes = figure.subplots()
    axes.set_facecolor("0.92")
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set(title=title, xlabel="answered emotion", ylabel="true emotion (clips)")
    axes.set_xticks(range(len(classes)), classes)
    rows = [f"{name} ({total})" for name, total in zip(classes, clips[:, 0], strict=True)]
    axes.set_yticks(range(len(classes)), rows)
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            _write_cell(axes, row, column, share, int(counts[row, column]))
    figure.colorbar(
        image,
        ax=axes,
        format=PercentFormatter(1, symbol=" %"),
        label="share of the true emotion's clips",
        shrink=0.9,
    )
    return figure


def comparison(table: pd.DataFrame) -> Figure:
    """Accuracy on held-out clips, a group of bars a model, a bar a split; leaky ones hatched.

    Args:
        table: a row a run: `model, split, leaky, classes, test_accuracy` (0 to 1). Bars are means
            over the runs of a model and split, whiskers their standard deviation.
    """
    means = table.pivot_table("test_accuracy", "model", "split", sort=False)
    deviations = table.pivot_table("test_accuracy", "model", "split", "std", sort=False)
    deviations = deviations.reindex_like(means).fillna(0.0)
    leaky = dict(zip(table.split, table.leaky, strict=True))
    figure = _figure(3.8)
    axes = figure.subplots()
    width = 0.8 / len(means.columns)
    for number, split in enumerate(map(str, means.columns)):
        places = np.arange(len(means)) + (number - (len(means.columns) - 1) / 2) * width
        bars = axes.bar(places, means[split], width, **_split_style(split, leaky[split], "hatch"))
        axes.errorbar(places, means[split], deviations[split], fmt="none", ecolor="black")
        axes.bar_label(bars, [f"{100 * mean:.0f}" for mean in means[split]], fontsize=8)
    chance = 1 / table.classes.iloc[0]
    axes.axhline(chance, color="0.4", ls=":", label=f"chance ({100 * chance:.1f} %)")
    axes.set_xticks(range(len(means)), means.index)
    # Also where a model lacks a split, and so a bar.
    axes.set_xlim(-0.5, len(means) - 0.5)
    axes.set(ylabel="accuracy on held-out clips", ylim=(0, 1.05))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def curves_of_splits(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """One model's accuracy over the epochs on several splits: training and held-out clips.

    Args:
        histories: by the split's name, a row an epoch: `epoch` (from 1), `accuracy` and, of
            held-out clips, `test_accuracy` or `val_accuracy`.
        title: of the picture.
    """
    figure = _figure(3.6)
    panels = figure.subplots(1, 2, sharey=True)
    columns = (("accuracy",), ("test_accuracy", "val_accuracy"))
    for axes, name, choices in zip(panels, ("training", "held-out"), columns, strict=True):
        for split, history in histories.items():
            for column in [choice for choice in choices if choice in history][:1]:
                marker = "o" if len(history) < 20 else None
                style = _split_style(split, split == "rows", "ls")
                axes.plot(history.epoch, history[column], marker=marker, markersize=4, **style)
        axes.set(title=f"{name.capitalize()} clips", xlabel="epoch", ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def confusions(matrices: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str]) -> Figure:
    """Several confusions side by side, three a row: shares of each true emotion's clips in percent.

    Args:
        matrices: by their titles, counts `(classes, classes)`, truth in rows.
        classes: their names.
    """
    columns = 3
    rows = -(-len(matrices) // columns)
    figure = _figure(2.9 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(matrices) :]:
        axes.set_axis_off()
    for axes, (title, matrix) in zip(panels, matrices.items(), strict=False):
        counts = np.asarray(matrix)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        axes.set_title(title, fontsize=9)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
        axes.set_yticks(range(len(classes)), classes, fontsize=7)
        for (row, column), share in np.ndenumerate(shares):
            colour = _readable_on(share)
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=6)
    figure.supxlabel("answered emotion", fontsize=9)
    figure.supylabel("true emotion", fontsize=9)
    return figure


def timeline(
    table: pd.DataFrame,
    classes: Sequence[str],
    waveform: np.ndarray | None = None,
    rate_hz: int | None = None,
) -> Figure:
    """The emotions' probabilities along a recording, one above the other, below its waveform.

    Args:
        table: a row a window, in order: `start_seconds, end_seconds` and `p_<class>` of each class.
            A window's probabilities stand at its middle.
        classes: the classes to draw, from the bottom up.
        waveform: the recording `(samples,)` in [-1, 1]; None: the probabilities alone.
        rate_hz: the waveform's rate; given together with it.
    """
    figure = _figure(3.0 if waveform is None else 4.4)
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
    colours = [COLOURS[name] for name in classes]
    axes.stackplot(
        seconds, probabilities.T, labels=classes, colors=colours, edgecolor="white", linewidth=0.5
    )
    axes.set(xlabel="time (s)", ylabel="probability", ylim=(0, 1), xlim=(seconds[0], seconds[-1]))
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def legendre(degree: int = 11) -> Figure:
    """The shifted Legendre polynomials by which an LMU's memory spells out the recent past.

    With the memory m, u(t - θ') is about the sum over i of P_i(2 θ'/θ - 1) m_i(t), for delays θ'
    from 0 to θ (Voelker, Kajić & Eliasmith 2019, equation 3).

    Args:
        degree: of the last polynomial.
    """
    figure = _figure(4.6)
    axes = figure.subplots()
    delay = np.linspace(0, 1, 1_001)
    # The last tenth of viridis is too bright a yellow for lines on white.
    viridis = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, degree + 1))
    colours = ListedColormap(viridis)
    for i in range(degree + 1):
        axes.plot(delay, eval_sh_legendre(i, delay), color=colours(i), linewidth=1.8)
    axes.set(
        title=f"What the memory is made of: Legendre polynomials to degree {degree}",
        xlabel=r"delay $\theta'/\theta$ (0: now, 1: the oldest moment remembered)",
        ylabel=r"$P_i(2\,\theta'/\theta - 1)$",
        xlim=(0, 1),
    )
    norm = BoundaryNorm(np.arange(-0.5, degree + 1), degree + 1)
    figure.colorbar(
        ScalarMappable(norm, colours), ax=axes, ticks=range(degree + 1), label="degree i"
    )
    return figure


def _figure(height_inches: float) -> Figure:
    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def _curves(axes: Axes, history: pd.DataFrame, name: str, chosen_epoch: int) -> None:
    """A quantity over the epochs, of training and, where there is one, of validation."""
    styles: dict[str, dict[str, Any]] = {
        name: {"label": "training", "color": _TRAIN, "linestyle": "-"},
        f"val_{name}": {"label": "validation", "color": _VALIDATION, "linestyle": "--"},
    }
    marker = "o" if len(history) < 20 else None
    for column, style in styles.items():
        if column in history:
            axes.plot(history.epoch, history[column], marker=marker, markersize=4, **style)
    axes.axvline(chosen_epoch, color="0.4", ls=":", label=f"epoch kept ({chosen_epoch})")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def _write_cell(axes: Axes, row: int, column: int, share: float, count: int) -> None:
    colour = _readable_on(share)
    for text, y, size in ((f"{100 * share:.0f} %", row - 0.08, 11), (f"{count}", row + 0.28, 7)):
        axes.text(column, y, text, ha="center", va="center", color=colour, fontsize=size)


def _readable_on(share: float) -> str:
    """The colour of letters on a cell: on cividis black has more contrast from 0.46 on."""
    return "black" if share > 0.46 else "white"


def _split_style(split: str, leaky: bool, mark: str) -> dict[str, Any]:
    """A split's colour and name; where it leaks, bars are hatched and lines are dashed."""
    style = {"color": SPLIT_COLOURS.get(split, "#009e73"), "label": split}
    if leaky:
        style |= {mark: {"hatch": "//", "ls": "--"}[mark], "label": f"{split} (LEAKY)"}
    return style


def _envelope(axes: Axes, waveform: np.ndarray, rate_hz: int) -> None:
    """The lowest and highest sample of every column."""
    columns = np.array_split(waveform, min(ENVELOPE_COLUMNS, len(waveform)))
    seconds = np.linspace(0, len(waveform) / rate_hz, len(columns))
    low, high = [c.min() for c in columns], [c.max() for c in columns]
    axes.fill_between(seconds, low, high, color="0.3", linewidth=0.6)
    axes.set(ylabel="amplitude", ylim=(-1, 1))
