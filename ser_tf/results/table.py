"""Finished runs side by side: a line of CSV each, and a table of them in Markdown.

saved_models/results/NAME.csv holds the runs of one comparison. Nothing here needs TensorFlow.
"""

import csv
import dataclasses
import itertools
import statistics
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tf import artifacts, files
from ser_tf.config import Config
from ser_tf.errors import InputError
from ser_tf.models import MODELS

FOLDER = Path("saved_models/results")
SPLITS = ("rows", "clips", "speakers")
"""In the order of tables: the published one, then those that withhold more and more."""

PUBLISHED = {
    "cnn1": (0.59, 0.60),
    "cnn2": (0.99, 0.94),
    "lstm": (0.69, 0.62),
    "cnn_lstm": (0.87, 0.78),
    "lmu": (0.97, 0.92),
}
"""Published accuracy of training and of held-out rows, on 48,648 rows of four corpora: "Speech
Emotion Classification on 4 datasets using Legendre Memory Units"."""

_NONE = "-"
_SOURCE = (
    '*published*: what "Speech Emotion Classification on 4 datasets using Legendre Memory Units" '
    "states for 48,648 rows of four corpora, split by rows."
)


@dataclass(frozen=True)
class Result:
    """A finished run. Rates are from 0 to 1; `split` also says if it is a mean over folds."""

    model: str
    split: str
    seed: int
    preset: str
    epochs: int
    parameters: int
    classes: int
    leaky: bool
    train_accuracy: float
    train_uar: float
    test_accuracy: float
    test_uar: float
    test_macro_f1: float
    seconds_per_epoch: float
    versions: str

    @property
    def title(self) -> str:
        """Model and split, and whether the split leaks."""
        return f"{self.model}, {self.split}{' (LEAKY)' if self.leaky else ''}"

    @property
    def place(self) -> tuple[int, tuple[int, str], int]:
        """What tables are sorted by; no two runs of a comparison have the same."""
        known = SPLITS.index(self.split) if self.split in SPLITS else len(SPLITS)
        return list(MODELS).index(self.model), (known, self.split), self.seed


def split_name(config: Config) -> str:
    """How a configuration holds clips out, in a word or a few."""
    if config.protocol:
        return f"{config.protocol} folds"
    return f"{config.split} in {config.folds} folds" if config.folds else config.split


def of_folder(folder: Path) -> Result:
    """The finished run in a model folder.

    Raises:
        InputError: if it is not finished, or its `config.json` is broken or of another version.
    """
    metrics = artifacts.load_metrics(folder)
    if metrics is None:
        raise InputError(f"{folder}: its training has not finished.")
    config, classes = artifacts.load_config(folder)
    epochs = [_seconds(path) for path in folder.glob(f"**/{artifacts.HISTORY}")]  # of each fold
    rates = {
        f"{part}_{name}": round(metrics[part][name], 4)
        for part, name in (
            *(("train", "accuracy"), ("train", "uar")),
            *(("test", "accuracy"), ("test", "uar"), ("test", "macro_f1")),
        )
    }
    return Result(
        model=config.model,
        split=split_name(config),
        seed=config.seed,
        preset=config.preset or "",
        epochs=round(statistics.mean(map(len, epochs))),
        parameters=metrics["parameters"],
        classes=len(classes),
        leaky=metrics["leaky"],
        **rates,
        seconds_per_epoch=round(statistics.median(itertools.chain(*epochs)), 2),
        versions=" ".join(f"{name}-{number}" for name, number in metrics["versions"].items()),
    )


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
                Result(**{field: _READ[types[field]](text) for field, text in row.items()})
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no results of `python -m ser_tf.compare` ({error}).") from error


def add(name: str, new: Iterable[Result]) -> list[Result]:
    """Puts runs into the comparison of that name, each in its earlier one's stead; all of them."""
    kept = load(name) if (FOLDER / f"{name}.csv").is_file() else []
    by_place = {result.place: result for result in (*kept, *new)}
    results = [by_place[place] for place in sorted(by_place)]
    with files.replacing(FOLDER / f"{name}.csv") as temporary, temporary.open("w") as file:
        columns = [field.name for field in dataclasses.fields(Result)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(dataclasses.asdict, results))
    return results


def markdown(results: Sequence[Result]) -> str:
    """The table of a comparison: a line a model, a column a split, leaky ones marked."""
    columns = _columns(results)
    lines = [" | ".join(columns), " | ".join(("---", *["--:"] * (len(columns) - 1)))]
    for model in dict.fromkeys(result.model for result in results):
        own = [result for result in results if result.model == model]
        lines.append(" | ".join(cell(own) for cell in columns.values()))
    caption = (
        "Accuracy on training / on held-out clips in %, in brackets the held-out UAR; where there "
        "are several seeds, mean ± standard deviation over them."
    )
    notes = [caption, _SOURCE] if _of_preset(results) else [caption]
    return "\n".join([*(f"| {line} |" for line in lines), "", " ".join(notes), ""])


def _columns(results: Sequence[Result]) -> dict[str, Callable[[list[Result]], str]]:
    """Headings, and from the runs of a model to its cell."""
    columns: dict[str, Callable[[list[Result]], str]] = {
        "model": lambda own: f"`{own[0].model}`",
        "parameters": lambda own: f"{own[0].parameters:,}",
    }
    if _of_preset(results):
        columns["*published* (**leaky**)"] = lambda own: _published(own[0].model)
    splits = sorted({(result.place[1], result.leaky) for result in results})
    for (_, split), leaky in splits:
        heading = f"`{split}`{' (**leaky**)' if leaky else ''}"
        columns[heading] = _of_split(split, _scores)
        if split not in SPLITS:
            columns[f"{heading}, macro F1"] = _of_split(split, _f1)
    columns["seeds"] = lambda own: ", ".join(map(str, sorted({result.seed for result in own})))
    columns["epochs"] = lambda own: _range([result.epochs for result in own])
    columns["seconds an epoch"] = lambda own: _range(
        [float(f"{result.seconds_per_epoch:.2g}") for result in own]
    )
    return columns


def _of_preset(results: Sequence[Result]) -> bool:
    return any(result.preset == "published" for result in results)


def _published(model: str) -> str:
    return " / ".join(f"{100 * rate:.0f}" for rate in PUBLISHED.get(model, ())) or _NONE


def _of_split(split: str, cell: Callable[[list[Result]], str]) -> Callable[[list[Result]], str]:
    """A column of one split: the cell of a model's runs on it, a dash if there are none."""

    def of(own: list[Result]) -> str:
        chosen = [result for result in own if result.split == split]
        return cell(chosen) if chosen else _NONE

    return of


def _scores(own: list[Result]) -> str:
    train = _percent([result.train_accuracy for result in own])
    test = _percent([result.test_accuracy for result in own])
    return f"{train} / {test} ({_percent([result.test_uar for result in own])})"


def _f1(own: list[Result]) -> str:
    return _percent([result.test_macro_f1 for result in own])


def _percent(rates: Sequence[float]) -> str:
    mean = f"{100 * statistics.mean(rates):.1f}"
    return f"{mean} ± {100 * statistics.stdev(rates):.1f}" if len(rates) > 1 else mean


def _range(values: Sequence[float]) -> str:
    low, high = (f"{end:g}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _seconds(history: Path) -> list[float]:
    """The seconds of every epoch in a `history.csv`."""
    with history.open(newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


_READ: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: {"True": True, "False": False}.__getitem__,
}
