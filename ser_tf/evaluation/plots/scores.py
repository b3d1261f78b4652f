"""Pictures of scores: confusions, speakers, and how far probabilities can be trusted."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ser_tf.evaluation import metrics
from ser_tf.evaluation.plots import style
from ser_tf.evaluation.plots.style import picture


@picture
def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """The share of each true emotion's clips that got each answer; counts in small print.

    Args:
        matrix: counts `(classes, classes)`, truth in rows. A row without clips stays empty.
        classes: the classes' names.
        title: the picture's title.
    """
    counts = np.asarray(matrix)
    clips = counts.sum(axis=1, keepdims=True)
    shares = np.where(clips > 0, counts / np.maximum(clips, 1), np.nan)
    figure = style.figure(6.2)
    axes = figure.subplots()
    axes.set_facecolor("0.92")
    # Square cells would leave no room for the names of the rows.
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
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
        format=style.percents(),
        label="share of the true emotion's clips",
        shrink=0.9,
    )
    return figure


@picture
def draw_confusions(
    matrices: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str]
) -> Figure:
    """Several confusions, at most three a row: shares of each true emotion's clips in percent.

    Args:
        matrices: by their titles, counts `(classes, classes)`, truth in rows. One alone is drawn
            as by `draw_confusion`.
        classes: the classes' names.
    """
    if len(matrices) == 1:
        [(title, matrix)] = matrices.items()
        return draw_confusion(matrix, classes, title)
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    figure = style.figure(2.9 * rows + 0.4)
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
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
    figure.supxlabel("answered emotion", fontsize=9)
    figure.supylabel("true emotion (% of its clips)", fontsize=9)
    return figure


@picture
def draw_speakers(per_speaker: Mapping[str, Mapping[str, float]], uar: float, title: str) -> Figure:
    """Every speaker's UAR, from best to worst, and the UAR over all clips.

    Args:
        per_speaker: by speaker, `uar` (0 to 1) and `n_clips`; as in `metrics.json`.
        uar: the UAR of all their clips together.
        title: the picture's title.
    """
    ranked = sorted(per_speaker.items(), key=lambda item: -item[1]["uar"])
    rates = [scores["uar"] for _, scores in ranked]
    names = [f"{name} ({scores['n_clips']})" for name, scores in ranked]
    figure = style.figure(3.6 if style.fit_side_by_side(names, 100) else 4.6)
    axes = figure.subplots()
    places = range(len(ranked))
    axes.vlines(places, 0, rates, color="0.75", linewidth=2)
    axes.plot(places, rates, "o", color=style.BLUE, label="a speaker")
    axes.axhline(uar, color=style.VERMILION, ls="--", label=f"all clips ({100 * uar:.1f} %)")
    style.name_speakers(axes, names, "speaker (clips)", 100)
    axes.set(title=title, ylabel="UAR", ylim=(0, 1.05))
    style.percent(axes)
    axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@picture
def draw_calibration(table: pd.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """How far the probabilities can be trusted: reliability, and accuracy against coverage.

    On the left, how often answers of about the same probability are right, and below it their
    number (Guo et al. 2017); on the right, how often the model is right if it withholds answers
    below a threshold, with a mark at the model's own threshold, below which it is `unsure`.

    Args:
        table: a row a scored clip: `emotion`, `unsure` and `p_<class>` of each class.
        classes: the classes, in the model's order.
        title: the picture's title.
    """
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy()
    labels = pd.Index(classes).get_indexer(pd.Index(table.emotion))
    figure = style.figure(4.4)
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1))
    upper = figure.add_subplot(grid[0, 0])
    lower = figure.add_subplot(grid[1, 0], sharex=upper)
    _reliability(upper, lower, metrics.reliability(probabilities, labels))
    error = metrics.ece(probabilities, labels)
    upper.set_title(f"Reliability: ECE {100 * error:.1f} %")
    _coverage(
        figure.add_subplot(grid[:, 1]),
        metrics.coverage(probabilities, labels),
        1 - float(table.unsure.mean()),
    )
    figure.suptitle(title)
    return figure


def _reliability(upper: Axes, lower: Axes, bins: pd.DataFrame) -> None:
    width = 1 / len(bins)
    middles = (bins.low + bins.high) / 2
    upper.bar(middles, bins.accuracy, width, color=style.BLUE, edgecolor="white", label="in fact")
    cased = [withStroke(linewidth=4, foreground="white")]  # visible on bars as well
    upper.plot([0, 1], [0, 1], color="0.3", ls="--", label="as stated", path_effects=cased)
    upper.set(ylabel="share of answers right", ylim=(0, 1), xlim=(0, 1))
    upper.legend(loc="upper left", fontsize=8)
    lower.bar(middles, bins.clips, width, color="0.5", edgecolor="white")
    lower.set(xlabel="probability of the answer", ylabel="clips")
    for axes in (upper, lower):
        axes.grid(axis="y")
    style.percent(upper)
    style.percent(lower, "x")
    upper.tick_params(labelbottom=False)


def _coverage(axes: Axes, curve: pd.DataFrame, sure: float) -> None:
    axes.plot(curve.coverage, curve.accuracy, color=style.BLUE, linewidth=1.8)
    for marker, name, share in (("o", "all", 1.0), ("D", f"only the sure {sure:.0%}", sure)):
        at = curve.iloc[(curve.coverage - share).abs().argmin()]
        label = f"{name} answered: {at.accuracy:.0%} right".replace("%", " %")
        axes.plot(at.coverage, at.accuracy, marker, color=style.VERMILION, label=label)
    axes.set(title="Coverage", xlabel="share of clips answered", ylabel="share of answers right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05))
    axes.legend(loc="lower right", fontsize=8)
    axes.grid()
    style.percent(axes)
    style.percent(axes, "x")


def _write_cell(axes: Axes, row: int, column: int, share: float, count: int) -> None:
    colour = _readable_on(share)
    alpha = 1.0 if count else 0.4  # zeros are faint
    for text, y, size in ((f"{100 * share:.0f} %", row - 0.08, 11), (f"{count}", row + 0.28, 8)):
        axes.text(
            column, y, text, ha="center", va="center", color=colour, fontsize=size, alpha=alpha
        )


def _readable_on(share: float) -> str:
    """The colour of text on a cell: on cividis, black has more contrast above 0.46."""
    return "black" if share > 0.46 else "white"
