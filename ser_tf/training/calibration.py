"""Sets a model's temperature and its threshold of `unsure`.

By validation clips, both hold for new speakers of the corpora that it was trained on. For people of
no corpus they are taken from runs that leave a corpus out.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from ser_tf.config import Config
from ser_tf.data.dataset import Dataset
from ser_tf.errors import InputError
from ser_tf.evaluation import confidence
from ser_tf.inference import model_folder, predictions

SURE_IS_RIGHT = 0.75
"""How often an answer that is not unsure is to be right on corpora left out."""


def calibrate(config: Config, model: keras.Model, data: Dataset) -> None:
    """Sets the numbers of the model's calibration, if the configuration has clips to find them by.

    Args:
        config: of the run.
        model: from waveform to probabilities, trained.
        data: the split dataset.

    Raises:
        InputError: if the run that `training.calibrated_by` names cannot be used.
    """
    layer = model.get_layer("calibration")
    if config.training.calibrated_by:
        layer.set(*by_corpora_left_out(config.training.calibrated_by, data.classes))
    elif config.split.validation:
        validation = data.of("validation")
        logits = predictions.compute_logits(model.get_layer("encoder"), validation.features.array())
        temperature = confidence.fit_temperature(logits, validation.labels)
        layer.set(temperature, 0.0)
        threshold = confidence.unsure_threshold(np.asarray(layer(logits)), validation.labels)
        layer.set(temperature, threshold)


def by_corpora_left_out(folder: str | Path, classes: tuple[str, ...]) -> tuple[float, float]:
    """The temperature and threshold that suit the answers of a run on the corpora it left out.

    All corpora weigh alike. From the threshold on, answers are right in `SURE_IS_RIGHT` of cases.

    Args:
        folder: of a finished run with `split.kind=corpora` and a fold for every corpus.
        classes: those of the model to calibrate.

    Raises:
        InputError: if the folder holds no such run, or one of other classes.
    """
    folder = Path(folder)
    config, known = model_folder.load_config(folder)
    finished = model_folder.load_metrics(folder) is not None
    if config.split.kind != "corpora" or not config.split.fold_count or not finished:
        raise InputError(
            f"training.calibrated_by: {folder} holds no finished run with split.kind=corpora and "
            "split.folds."
        )
    if known != classes:
        raise InputError(
            f"training.calibrated_by: {folder} tells {', '.join(known)} apart, not "
            f"{', '.join(classes)}."
        )
    table = pd.concat(map(_answers, sorted(folder.glob("fold-*"))), ignore_index=True)
    labels = np.array([classes.index(emotion) for emotion in table["emotion"]])
    logits = table[[f"p_{emotion}" for emotion in classes]].to_numpy()
    weights = 1 / table["corpus"].map(table["corpus"].value_counts()).to_numpy()
    temperature = confidence.fit_temperature(logits, labels, weights)
    scaled = np.exp(logits / temperature)
    probabilities = scaled / scaled.sum(axis=1, keepdims=True)
    corpora = table["corpus"].to_numpy()
    return temperature, confidence.precision_threshold(
        probabilities, labels, corpora, SURE_IS_RIGHT
    )


def _answers(folder: Path) -> pd.DataFrame:
    """The answers of one fold on its test clips, with logits in place of probabilities."""
    temperature = (model_folder.load_metrics(folder) or {})["temperature"]
    table = pd.read_csv(folder / model_folder.PREDICTIONS)
    chances = table.filter(regex="^p_")
    table[chances.columns] = temperature * np.log(np.maximum(chances, 1e-12))
    return table
