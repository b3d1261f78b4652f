"""The epochs of a run, their journal and checkpoint: a killed run goes on as if it had not been."""

import csv
import json
import logging
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.inference import model_folder

_LOG = logging.getLogger(__name__)


class Accuracy(keras.metrics.Metric):
    """Share of clips whose likeliest class is the truth's, of those that have one.

    What is of no emotion, so that any class is as likely, does not count. The progress bar's
    figure; results come from `ser_tf.evaluation.metrics`.
    """

    def __init__(self, classes: int, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.confusion = self.add_variable((classes, classes), "zeros", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch; `sample_weight` (a class's weight) changes nothing.

        Args:
            y_true: each clip's probabilities of the classes, `(batch, classes)`; the likeliest is
                the truth.
            y_pred: logits, `(batch, classes)`.
            sample_weight: passed over.
        """
        likeliest = keras.ops.equal(y_true, keras.ops.max(y_true, axis=-1, keepdims=True))
        alone = keras.ops.sum(keras.ops.cast(likeliest, "float32"), axis=-1, keepdims=True) == 1
        truth = keras.ops.cast(likeliest & alone, "float32")
        predicted = keras.ops.one_hot(keras.ops.argmax(y_pred, axis=-1), self.classes)
        self.confusion.assign_add(keras.ops.matmul(keras.ops.transpose(truth), predicted))

    def result(self) -> Any:
        """The share so far, a scalar."""
        right = keras.ops.sum(keras.ops.diagonal(self.confusion))
        return right / keras.ops.maximum(keras.ops.sum(self.confusion), 1.0)


class UAR(Accuracy):
    """Unweighted average recall, over the classes present in the truth; it chooses the epoch."""

    def __init__(self, classes: int, name: str = "uar", **kwargs: Any) -> None:
        super().__init__(classes, name=name, **kwargs)

    def result(self) -> Any:
        """The mean recall so far, a scalar."""
        counts = keras.ops.sum(self.confusion, axis=1)
        recalls = keras.ops.diagonal(self.confusion) / keras.ops.maximum(counts, 1.0)
        present = keras.ops.sum(keras.ops.cast(counts > 0, "float32"))
        return keras.ops.sum(recalls) / keras.ops.maximum(present, 1.0)


@dataclass
class State:
    """Where a training run stands.

    Attributes:
        history: a row an epoch, as in `history.csv`.
        best: the encoder's variables after the best epoch.
        keep: which epoch is the best: the "best" by validation UAR, or the "last".
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
        """The number, from 1, of the (first) epoch of the best validation UAR.

        Without validation clips, and where the last is to be kept, the last epoch.
        """
        scores = [row["val_uar"] for row in self.history if "val_uar" in row]
        return int(np.argmax(scores)) + 1 if scores and self.keep == "best" else self.epochs

    def exhausted(self, patience: int | None) -> bool:
        """Whether the last `patience` epochs brought no better validation UAR.

        Never where it is the last epoch that is kept.
        """
        return patience is not None and self.epochs - self.best_epoch >= patience


class Journal(keras.callbacks.Callback):
    """Keeps `history.csv` and the checkpoint, and stops the run when patience is at an end.

    Args:
        folder: the model folder.
        state: where the run stands; kept up to date.
        patience: see `State.exhausted`.
        watch: gives more figures of an epoch, which choose nothing and cost it no seconds.
    """

    def __init__(
        self,
        folder: Path,
        state: State,
        patience: int | None,
        watch: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.state = state
        self.patience = patience
        self.watch = watch

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Starts the epoch's clock."""
        self.began_seconds = time.perf_counter()
        self.judged: list[np.ndarray] = []

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Keeps what was validated: where weights are averaged, the average, still in place."""
        self.judged = _values(self.model.variables)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Notes the epoch, keeps the checkpoint, and looks at the patience."""
        seconds = round(time.perf_counter() - self.began_seconds, 3)
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not all(map(np.isfinite, values.values())):
            self._diverge(epoch + 1)
            return
        row = {"epoch": epoch + 1, **values, **self.watch(), "seconds": seconds}
        self.state.history.append(row)
        if self.state.best_epoch == self.state.epochs:
            self.state.best = self.judged or _values(self.model.variables)
        save_checkpoint(self.folder, self.model, self.state)
        write_history(self.folder, self.state)
        self.model.stop_training = self.state.exhausted(self.patience)

    def _diverge(self, epoch: int) -> None:
        """Ends a run whose epoch gave no finite numbers, at the best epoch so far if one is chosen.

        The checkpoint and the history stay as they were before that epoch.
        """
        chosen = self.state.keep == "best" and any("val_uar" in row for row in self.state.history)
        told = f"--learning-rate: epoch {epoch} diverged, a lower rate may help"
        if not chosen:
            raise InputError(f"{told}.")
        _LOG.warning("%s; training ends with epoch %d.", told, self.state.best_epoch)
        self.model.stop_training = True


def write_history(folder: Path, state: State) -> None:
    """Writes `history.csv`, if an epoch is done."""
    if not state.history:
        return
    with (
        files.replacing(folder / model_folder.HISTORY) as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, state.history[0].keys())
        writer.writeheader()
        writer.writerows(state.history)


def save_checkpoint(folder: Path, model: keras.Model, state: State) -> None:
    """Writes all that the rest of the run depends on into one file."""
    groups = {
        "model": _values(model.variables),
        "optimizer": _values(model.optimizer.variables),
        "best": state.best,
    }
    arrays: dict[str, Any] = {
        f"{group}_{number}": value
        for group, values in groups.items()
        for number, value in enumerate(values)
    }
    arrays["history"] = np.asarray(json.dumps(state.history))
    arrays["backend"] = np.asarray(keras.config.backend())
    with files.replacing(folder / model_folder.CHECKPOINT) as temporary:
        np.savez(temporary, **arrays)


def restore_checkpoint(folder: Path, model: keras.Model, keep: str = "best") -> State:
    """Sets the compiled `model` and its optimizer to the checkpoint; a fresh state without one.

    Args:
        folder: the model folder.
        model: compiled, as the checkpoint's was.
        keep: which epoch the run keeps, see `State`.

    Raises:
        InputError: if the checkpoint is broken or of another model or back end.
    """
    path = folder / model_folder.CHECKPOINT
    if not path.is_file():
        return State(keep=keep)
    model.optimizer.build(model.trainable_variables)
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
            f"{path}: no checkpoint of this model ({error}); --overwrite starts anew."
        ) from error


def _require_backend(trained_on: str, path: Path) -> None:
    """Another back end would go on with other random numbers."""
    if trained_on != keras.config.backend():
        raise InputError(
            f"{path}: written on the back end {trained_on}, this is {keras.config.backend()}; "
            f"KERAS_BACKEND={trained_on} goes on with it, --overwrite starts anew."
        )


def _values(variables: list[keras.Variable]) -> list[np.ndarray]:
    return [np.array(variable) for variable in variables]


def _assign(variables: list[keras.Variable], stored: Mapping[str, np.ndarray], group: str) -> None:
    for number, variable in enumerate(variables):
        variable.assign(stored[f"{group}_{number}"])
