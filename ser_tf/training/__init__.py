"""The training run: data, model, epochs that survive a kill, calibration, scores."""

from ser_tf.training.folds import mean_of_folds, run
from ser_tf.training.run import train

__all__ = ["mean_of_folds", "run", "train"]
