"""What happens after every epoch of a run: its figures, its journal and its checkpoint."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf.errors import InputError
from ser_tf.training import checkpoint
from ser_tf.training.checkpoint import State

_LOG = logging.getLogger(__name__)


class Accuracy(keras.metrics.Metric):
    """Share of clips whose likeliest class is the true one.

    Rows of no emotion, all of whose classes are equally likely, do not count. This is the progress
    bar's figure; results come from `ser_tf.evaluation.metrics`.
    """

    def __init__(self, classes: int, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.confusion = self.add_variable((classes, classes), "zeros", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: target probabilities, `(batch, classes)`; the largest marks the true class.
            y_pred: logits, `(batch, classes)`.
            sample_weight: ignored.
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
    """Unweighted average recall over the classes present in the truth; it chooses the epoch."""

    def __init__(self, classes: int, name: str = "uar", **kwargs: Any) -> None:
        super().__init__(classes, name=name, **kwargs)

    def result(self) -> Any:
        """The mean recall so far, a scalar."""
        counts = keras.ops.sum(self.confusion, axis=1)
        recalls = keras.ops.diagonal(self.confusion) / keras.ops.maximum(counts, 1.0)
        present = keras.ops.sum(keras.ops.cast(counts > 0, "float32"))
        return keras.ops.sum(recalls) / keras.ops.maximum(present, 1.0)


class Journal(keras.callbacks.Callback):
    """Writes `history.csv` and the checkpoint, and stops the run when patience runs out.

    Args:
        folder: the model folder.
        state: where the run stands; kept up to date.
        patience: see `State.exhausted`.
        watch: returns more figures of an epoch; they choose nothing, and their time is not
            counted among the epoch's seconds.
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
        """Keeps the weights that were validated: their moving average, if one is kept."""
        self.judged = checkpoint.values(self.model.variables)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Records the epoch, writes the checkpoint, and checks the patience."""
        seconds = round(time.perf_counter() - self.began_seconds, 3)
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not all(map(np.isfinite, values.values())):
            self._diverge(epoch + 1)
            return
        row = {"epoch": epoch + 1, **values, **self.watch(), "seconds": seconds}
        self.state.history.append(row)
        if self.state.best_epoch == self.state.epochs:
            self.state.best = self.judged or checkpoint.values(self.model.variables)
        checkpoint.save(self.folder, self.model, self.state)
        checkpoint.write_history(self.folder, self.state)
        self.model.stop_training = self.state.exhausted(self.patience)

    def _diverge(self, epoch: int) -> None:
        """Ends a run whose epoch gave non-finite numbers, at the best epoch if one is chosen.

        Checkpoint and history stay as they were before that epoch.
        """
        chosen = self.state.keep == "best" and any("val_uar" in row for row in self.state.history)
        told = f"training.learning_rate: epoch {epoch} diverged, a lower rate may help"
        if not chosen:
            raise InputError(f"{told}.")
        _LOG.warning("%s; training ends with epoch %d.", told, self.state.best_epoch)
        self.model.stop_training = True
