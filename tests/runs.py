"""Quick training runs, and what is asked about them."""

from pathlib import Path

import numpy as np

from ser_tf.inference import model_folder
from ser_tf.training.epochs import Journal

QUICK = ("--model", "cnn1", "--epochs", "3")
QUICK += ("--set", "training.batch_size=8", "augmentation.layers=noise,specaugment")
"""The run of the fixture `trained`, with augmentations of both kinds; settings may follow."""

TINY_CAUSAL = ("--features", "causal", "--set", "model.filters=12", "model.units=10,8")
TINY_CAUSAL += ("model.order=6", "model.theta=40,90", "model.memory_d=3")
"""A model of 2,000 weights that follows streams; settings may follow."""


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
