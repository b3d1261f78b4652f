"""The training run: data, model, epochs that survive a kill, calibration, scores."""

from ser_tf.training.folds import check, mean_of_folds, run
from ser_tf.training.run import build_front_end, build_model, train

__all__ = ["build_front_end", "build_model", "check", "mean_of_folds", "run", "train"]
