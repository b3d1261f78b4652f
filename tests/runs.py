"""Quick training runs, and what is asked about them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ser_tf.evaluation import plots
from ser_tf.inference import model_folder
from ser_tf.training.epochs import Journal

SMALL = ("--model", "cnn1", "--set", "model.filters=8,8", "training.batch_size=8")
"""A model of 1,500 weights; settings may follow."""

QUICK = ("--epochs", "3", *SMALL, "augmentation.layers=specaugment", "augmentation.mixup=0.5")
QUICK += ("training.balance_corpora=0.5", "training.ema_momentum=0.8")
"""The run of the fixture `trained`, all of whose chances a resumed run has to find again."""

TINY_CAUSAL = ("--features", "causal", "--set", "model.filters=8", "model.units=8")
TINY_CAUSAL += ("model.order=4", "model.theta=60", "model.memory_d=2")
"""A model of 1,000 weights that follows streams; settings may follow."""


@contextlib.contextmanager
def without_pictures() -> Iterator[None]:
    """Leaves the pictures of runs empty: drawing them takes a quarter of a quick run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", lambda figure, path: Path(path).touch())
        yield


def weights(folder: Path) -> list[np.ndarray]:
    """The weights of a model folder."""
    return model_folder.load(folder).model.get_weights()


def assert_same_weights(one: Path, other: Path) -> None:
    """Compares two model folders to the bit."""
    for array, same in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(array, same)


def stop_after(epoch: int, monkeypatch) -> None:
    """Lets the next run be interrupted as by Ctrl-C within the epoch that follows."""

    def interrupt(self, batch, logs=None):
        if self.state.epochs == epoch and batch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "on_train_batch_end", interrupt)
