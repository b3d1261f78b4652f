"""Predictions: a model's answers on the rows of a corpus, for scoring and for other models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ser_tf import console

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from ser_tf.data.dataset import Dataset

BATCH = 64
"""Rows or windows that a model takes at once."""

_COLUMNS = ["path", "copy", "corpus", "speaker", "emotion", "sex"]


def compute_logits(encoder: "keras.Model", features: np.ndarray) -> np.ndarray:
    """The encoder's logits, float32 `(rows, classes)`, of features `(rows, frames, channels)`."""
    verbose = console.of_prediction(len(features))
    logits: np.ndarray = encoder.predict(features, batch_size=BATCH, verbose=verbose)
    return logits


def predict_rows(model: "keras.Model", data: "Dataset") -> "pd.DataFrame":
    """The answer of the model's encoder and calibration on every row of `data`.

    Returns:
        Columns `path, copy, corpus, speaker, emotion, sex, predicted, unsure` and for each class
        `p_<class>`: the table that `metrics.score` takes.
    """
    calibration = model.get_layer("calibration")
    logits = compute_logits(model.get_layer("encoder"), data.features.array())
    probabilities = np.asarray(calibration(logits))
    return tabulate(data.rows, probabilities, data.classes, calibration.unsure_below)


def tabulate(
    rows: "pd.DataFrame", probabilities: np.ndarray, classes: Sequence[str], unsure_below: float
) -> "pd.DataFrame":
    """The table of `predict_rows`, from probabilities `(rows, classes)`."""
    answers = rows[_COLUMNS].reset_index(drop=True)
    answers["predicted"] = [classes[best] for best in probabilities.argmax(axis=1)]
    answers["unsure"] = probabilities.max(axis=1) < unsure_below
    answers[[f"p_{emotion}" for emotion in classes]] = probabilities
    return answers
