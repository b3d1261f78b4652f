"""The files of finished runs: NAME.csv and the folder NAME for each comparison."""

import csv
import dataclasses
import math
import shutil
import statistics
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.evaluation.comparison.runs import Result, name_folder, read_run
from ser_tf.inference import model_folder

FOLDER = Path("saved_models/results")


def load(name: str) -> list[Result]:
    """The runs of the comparison of that name.

    Raises:
        InputError: if there are none, or the file is broken.
    """
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in FOLDER.glob("*.csv"))) or "nothing"
        raise InputError(f"{path}: no such results; {FOLDER} holds {known}.")
    types = typing.get_type_hints(Result)
    try:
        with path.open(newline="") as file:
            return [
                Result(**{field: _READ[types[field]](text) for field, text in _fields(row)})
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no results of `python -m ser_tf.compare` ({error}).") from error


def _fields(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and texts of a row; recipes were called presets in version 0.1."""
    for name, text in row.items():
        yield {"preset": "recipe"}.get(name, name), text


def load_last_epochs(name: str, count: int) -> list[Result]:
    """The runs of the comparison, each with the mean scores of its last `count` epochs.

    Those of the training clips are as the epochs went on. Only runs whose test clips were scored
    after every epoch, and whose history is kept, have such scores; the others are left out.

    Raises:
        InputError: if no run has, or a history is broken.
    """
    found = []
    for result in load(name):
        path = find_kept(name, result) / model_folder.HISTORY
        if path.is_file() and (means := _means(path, count)):
            found.append(dataclasses.replace(result, **means))
    if not found:
        raise InputError(
            f"--last-epochs: no run of {FOLDER / name}.csv was scored after every epoch; "
            "the recipe published does so."
        )
    return found


def _means(history: Path, count: int) -> dict[str, Any]:
    """Scores of a `Result`, from its history; none if its test clips were not scored there."""
    names = {
        **{"train_accuracy": "accuracy", "train_uar": "uar"},
        **{"test_accuracy": "test_accuracy", "test_uar": "test_uar"},
    }
    try:
        with history.open(newline="") as file:
            rows = list(csv.DictReader(file))[-count:]
        if "test_uar" not in rows[-1]:
            return {}
        means = {
            field: statistics.mean(float(row[column]) for row in rows)
            for field, column in names.items()
        }
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{history}: no history of a run ({error}).") from error
    return {**means, "test_macro_f1": math.nan}  # which no history has


def add(name: str, new: Iterable[Result]) -> list[Result]:
    """Adds runs to the comparison of that name, replacing earlier ones; returns all of them."""
    kept = load(name) if (FOLDER / f"{name}.csv").is_file() else []
    by_place = {result.place: result for result in (*kept, *new)}
    results = [by_place[place] for place in sorted(by_place)]
    with files.replacing(FOLDER / f"{name}.csv") as temporary, temporary.open("w") as file:
        columns = [field.name for field in dataclasses.fields(Result)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(dataclasses.asdict, results))
    return results


def keep(name: str, folder: Path) -> Result:
    """Puts the finished run of a model folder into the comparison of that name.

    Its scores and its history, if it is one run, are copied as well, so that its pictures can be
    drawn where its weights are not: comparisons may grow on several machines.
    """
    result = read_run(folder)
    add(name, [result])
    for file in (model_folder.METRICS, model_folder.HISTORY):
        if (folder / file).is_file():
            with files.replacing(FOLDER / name / folder.name / file) as temporary:
                shutil.copyfile(folder / file, temporary)
    return result


def find_kept(name: str, result: Result) -> Path:
    """The folder with the scores and the history of a run, of older runs perhaps absent."""
    plain = name_folder(result.model, result.split, result.seed)
    of_recipe = FOLDER / name / f"{result.recipe}-{plain}"
    return of_recipe if of_recipe.is_dir() else FOLDER / name / plain


_READ: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: {"True": True, "False": False}.__getitem__,
}
