"""Pictures of training runs: their curves, and comparisons of several."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ser_tf.corpora.splits import leaky
from ser_tf.evaluation.plots import style
from ser_tf.evaluation.plots.style import picture


@picture
def draw_learning_curves(history: pd.DataFrame, chosen_epoch: int) -> Figure:
    """Loss and UAR of training and validation clips over the epochs.

    Args:
        history: a row an epoch: `epoch` (from 1), `loss`, `uar` and, where there are validation
            clips, `val_loss`, `val_uar`.
        chosen_epoch: the epoch whose weights were kept; marked.
    """
    figure = style.figure(3.4)
    loss, uar = figure.subplots(1, 2)
    _curves(loss, history, "loss", chosen_epoch)
    loss.set(ylabel="cross-entropy (nats)", title="Loss")
    _curves(uar, history, "uar", chosen_epoch)
    uar.set(ylabel="unweighted average recall", title="UAR", ylim=(0, 1))
    style.percent(uar)
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@picture
def draw_curves_of_splits(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """One model's accuracy over the epochs on several splits: training and held-out clips.

    Args:
        histories: by the split's name, a row an epoch: `epoch` (from 1), `accuracy` and, of
            held-out clips, `test_accuracy` or `val_accuracy`.
        title: the picture's title.
    """
    figure = style.figure(3.6)
    panels = figure.subplots(1, 2, sharey=True)
    columns = (("accuracy",), ("test_accuracy", "val_accuracy"))
    for axes, name, choices in zip(panels, ("training", "held-out"), columns, strict=True):
        for split, history in histories.items():
            for column in [choice for choice in choices if choice in history][:1]:
                marker = "o" if len(history) < 20 else None
                look = _split_style(split, leaky(split), "ls")
                axes.plot(history.epoch, history[column], marker=marker, markersize=4, **look)
        axes.set(title=f"{name.capitalize()} clips", xlabel="epoch", ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid()
    panels[0].set_ylabel("accuracy")
    style.percent(panels[0])
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@picture
def draw_comparison(table: pd.DataFrame) -> Figure:
    """Accuracy on held-out clips: a group of bars a model, a bar a split, leaky splits hatched.

    Args:
        table: a row a run: `model, split, leaky, classes, test_accuracy` (0 to 1). Bars are means
            over the runs of a model and split, whiskers their standard deviation.
    """
    means = table.pivot_table("test_accuracy", "model", "split", sort=False)
    deviations = table.pivot_table("test_accuracy", "model", "split", "std", sort=False)
    deviations = deviations.reindex_like(means).fillna(0.0)
    leaky = dict(zip(table.split, table.leaky, strict=True))
    figure = style.figure(3.8)
    axes = figure.subplots()
    width = 0.8 / len(means.columns)
    for number, split in enumerate(map(str, means.columns)):
        places = np.arange(len(means)) + (number - (len(means.columns) - 1) / 2) * width
        axes.bar(places, means[split], width, **_split_style(split, leaky[split], "hatch"))
        axes.errorbar(places, means[split], deviations[split], fmt="none", ecolor="black")
        for place, mean, deviation in zip(places, means[split], deviations[split], strict=True):
            if np.isfinite(mean):
                axes.text(place, mean + deviation + 0.01, f"{100 * mean:.0f}", ha="center")
    chance = 1 / table.classes.iloc[0]
    axes.axhline(chance, color="0.4", ls=":", label=f"chance ({100 * chance:.1f} %)")
    axes.set_xticks(range(len(means)), means.index)
    # Fixed limits, because a model may lack a split and so a bar.
    axes.set_xlim(-0.5, len(means) - 0.5)
    axes.set(ylabel="accuracy on held-out clips", ylim=(0, 1.05))
    style.percent(axes)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _curves(axes: Axes, history: pd.DataFrame, name: str, chosen_epoch: int) -> None:
    """Draws a quantity over the epochs for training and, if there is one, for validation."""
    styles: dict[str, dict[str, Any]] = {
        name: {"label": "training", "color": style.BLUE, "linestyle": "-"},
        f"val_{name}": {"label": "validation", "color": style.VERMILION, "linestyle": "--"},
    }
    marker = "o" if len(history) < 20 else None
    for column, look in styles.items():
        if column in history:
            axes.plot(history.epoch, history[column], marker=marker, markersize=4, **look)
    axes.axvline(chosen_epoch, color="0.4", ls=":", label=f"epoch kept ({chosen_epoch})")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid()


def _split_style(split: str, leaky: bool, mark: str) -> dict[str, Any]:
    """A split's colour and name; bars of leaky splits are hatched, their lines dashed."""
    look = {"color": style.SPLIT_COLOURS.get(split, style.GREEN), "label": split}
    if leaky:
        look |= {mark: {"hatch": "//", "ls": "--"}[mark], "label": f"{split} (LEAKY)"}
    return look
