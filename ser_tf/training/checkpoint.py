"""Where a training run stands, and the file from which a killed run resumes as if uninterrupted."""

import csv
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.inference import model_folder


@dataclass
class State:
    """Where a training run stands.

    Attributes:
        history: one row per epoch, as in `history.csv`.
        best: the encoder's variables after the best epoch.
        keep: which epoch counts as best: the "best" by validation UAR, or the "last".
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)
    keep: str = "best"

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The number, from 1, of the first epoch with the best validation UAR.

        Without validation clips, or where the last is to be kept, the last epoch.
        """
        scores = [row["val_uar"] for row in self.history if "val_uar" in row]
        return int(np.argmax(scores)) + 1 if scores and self.keep == "best" else self.epochs

    def exhausted(self, patience: int | None) -> bool:
        """Whether the last `patience` epochs brought no better validation UAR.

        Never true where the last epoch is kept.
        """
        return patience is not None and self.epochs - self.best_epoch >= patience


def write_history(folder: str | Path, state: State) -> None:
    """Writes `history.csv`, if an epoch is done."""
    if not state.history:
        return
    with (
        files.replacing(Path(folder) / model_folder.HISTORY) as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, state.history[0].keys())
        writer.writeheader()
        writer.writerows(state.history)


def save(folder: str | Path, model: keras.Model, state: State) -> None:
    """Writes everything the rest of the run depends on into one file."""
    groups = {
        "model": values(model.variables),
        "optimizer": values(model.optimizer.variables),
        "best": state.best,
    }
    arrays: dict[str, Any] = {
        f"{group}_{number}": value
        for group, values in groups.items()
        for number, value in enumerate(values)
    }
    arrays["history"] = np.asarray(json.dumps(state.history))
    arrays["backend"] = np.asarray(keras.config.backend())
    with files.replacing(Path(folder) / model_folder.CHECKPOINT) as temporary:
        np.savez(temporary, **arrays)


def restore(folder: str | Path, model: keras.Model, keep: str = "best") -> State:
    """Sets the compiled `model` and its optimizer to the checkpoint in `folder`.

    Args:
        folder: the model folder.
        model: compiled as the checkpoint's was.
        keep: which epoch the run keeps, see `State`.

    Returns:
        Where the run stands: at its beginning if there is no checkpoint.

    Raises:
        InputError: if the checkpoint is broken or comes from another model or back end.
    """
    # Also for a new run: variables made while the training step is traced cost a second trace.
    model.optimizer.build(model.trainable_variables)
    path = Path(folder) / model_folder.CHECKPOINT
    if not path.is_file():
        return State(keep=keep)
    try:
        with np.load(path) as stored:
            _require_backend(str(stored.get("backend", "tensorflow")), path)
            _assign(model.variables, stored, "model")
            _assign(model.optimizer.variables, stored, "optimizer")
            best = [stored[f"best_{number}"] for number in range(len(model.variables))]
            return State(json.loads(str(stored["history"])), best, keep)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a checkpoint of this model ({error}); --overwrite starts anew."
        ) from error


def _require_backend(trained_on: str, path: Path) -> None:
    """Refuses a checkpoint of another back end, whose random numbers differ."""
    if trained_on != keras.config.backend():
        raise InputError(
            f"{path}: written on the back end {trained_on}, this is {keras.config.backend()}; "
            f"KERAS_BACKEND={trained_on} goes on with it, --overwrite starts anew."
        )


def values(variables: list[keras.Variable]) -> list[np.ndarray]:
    """Copies of the variables' values."""
    return [np.array(variable) for variable in variables]


def _assign(variables: list[keras.Variable], stored: Mapping[str, np.ndarray], group: str) -> None:
    if f"{group}_{len(variables)}" in stored:
        raise ValueError(f"it has more weights than {len(variables)} in {group}")
    for number, variable in enumerate(variables):
        variable.assign(stored[f"{group}_{number}"])
