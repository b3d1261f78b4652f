"""A finished run: what a comparison keeps of a model folder."""

import csv
import itertools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ser_tf.config import Config
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.models import MODELS

SPLITS = ("rows", "clips", "speakers")
"""In the order of tables: the published one, then those that withhold more and more."""


@dataclass(frozen=True)
class Result:
    """A finished run.

    Rates are from 0 to 1. `split` also says whether they are means over folds. `recipe` is "" where
    none is known.
    """

    model: str
    split: str
    seed: int
    recipe: str
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
    def place(self) -> tuple[str, int, tuple[int, str], int]:
        """What tables are sorted by; no two runs of a comparison have the same."""
        known = SPLITS.index(self.split) if self.split in SPLITS else len(SPLITS)
        return self.recipe, list(MODELS).index(self.model), (known, self.split), self.seed


def has_several_recipes(results: Iterable[Result]) -> bool:
    """Whether the runs are of more than one recipe."""
    return len({result.recipe for result in results}) > 1


def name_split(config: Config) -> str:
    """How a configuration holds clips out, in a word or a few."""
    split = config.split
    if split.protocol:
        return f"{split.protocol} folds"
    return f"{split.kind} in {split.folds} folds" if split.folds else split.kind


def name_folder(model: str, split: str, seed: int) -> str:
    """What the folder of a run is called within its comparison."""
    return f"{model}-{split.replace(' ', '-')}-{seed}"


def read_run(folder: Path) -> Result:
    """The finished run in a model folder.

    Raises:
        InputError: if it is not finished, or its `config.json` is broken or of another version.
    """
    metrics = model_folder.load_metrics(folder)
    if metrics is None:
        raise InputError(f"{folder}: its training has not finished.")
    config, classes = model_folder.load_config(folder)
    epochs = [_seconds(path) for path in folder.glob(f"**/{model_folder.HISTORY}")]  # of each fold
    rates = {
        f"{part}_{name}": round(metrics[part][name], 4)
        for part, name in (
            *(("train", "accuracy"), ("train", "uar")),
            *(("test", "accuracy"), ("test", "uar"), ("test", "macro_f1")),
        )
    }
    return Result(
        model=config.model.name,
        split=name_split(config),
        seed=config.seed,
        recipe=config.recipe or "",
        epochs=round(statistics.mean(map(len, epochs))),
        parameters=metrics["parameters"],
        classes=len(classes),
        leaky=metrics["leaky"],
        **rates,
        seconds_per_epoch=round(statistics.median(itertools.chain(*epochs)), 2),
        versions=" ".join(f"{name}-{number}" for name, number in metrics["versions"].items()),
    )


def _seconds(history: Path) -> list[float]:
    """The seconds of every epoch in a `history.csv`."""
    with history.open(newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]
