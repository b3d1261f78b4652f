"""The pictures of a comparison, in saved_models/results."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from ser_tf.evaluation import plots
from ser_tf.evaluation.comparison.runs import Result, has_several_recipes
from ser_tf.evaluation.comparison.saved import FOLDER, find_kept
from ser_tf.inference import model_folder


def draw(results: Sequence[Result], name: str) -> None:
    """`NAME.png`, the scores of all runs, and the pictures of every model's runs of one seed."""
    several = has_several_recipes(results)
    named = {result: _label(result, several) for result in results}
    rows = [dataclasses.asdict(result) | {"model": label} for result, label in named.items()]
    plots.save(plots.draw_comparison(pd.DataFrame(rows)), FOLDER / f"{name}.png")
    for label in dict.fromkeys(named.values()):
        own = [result for result in results if named[result] == label]
        first = min(result.seed for result in own)
        _draw_model([result for result in own if result.seed == first], name, label)


def _label(result: Result, several: bool) -> str:
    return f"{result.recipe}-{result.model}" if several else result.model


def _draw_model(runs: Sequence[Result], name: str, label: str) -> None:
    """`NAME-confusions-MODEL.png` and `NAME-curves-MODEL.png`: its runs of one seed.

    A picture of which nothing was kept stays as it is.
    """
    folders = {result: find_kept(name, result) for result in runs}
    scores = {result: model_folder.load_metrics(folder) for result, folder in folders.items()}
    matrices = {run.title: found["test"]["confusion"] for run, found in scores.items() if found}
    histories = {
        result.split: pd.read_csv(folder / model_folder.HISTORY)
        for result, folder in folders.items()
        if (folder / model_folder.HISTORY).is_file()
    }
    pictures = {}
    if matrices:
        classes = next(found["classes"] for found in scores.values() if found)
        pictures["confusions"] = plots.draw_confusions(matrices, classes)
    if histories:
        title = f"{label}, split by {', '.join(histories)}"
        pictures["curves"] = plots.draw_curves_of_splits(histories, title)
    for kind, picture in pictures.items():
        plots.save(picture, FOLDER / f"{name}-{kind}-{label}.png")
