"""Teachers: trained models whose answers on training clips are learnt along with the labels.

Knowledge distillation (Hinton et al., 2015, "Distilling the Knowledge in a Neural Network"): which
emotions a clip sounds like says more than its label. Augmented copies of a clip have the answer on
the clip itself as their target. A teacher may have other features than its pupil.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tf.config import Augmentation, Config, refuse_changes
from ser_tf.data import dataset, loading
from ser_tf.data.dataset import Dataset
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, predictions

_IN_COMMON = ("corpora", "map", "augmentation.published_rows", "training.all_classes")


def answers(config: Config, data: Dataset, cache_dir: str | Path) -> np.ndarray:
    """The teachers' answers on the clips that train; zeros on all other rows.

    Args:
        config: names the teachers.
        data: the split dataset.
        cache_dir: where features are kept, those of a teacher too.

    Returns:
        The mean of their probabilities, float32 `(rows, classes)`.

    Raises:
        InputError: if a model cannot be loaded.
    """
    training = data.of("train").clips
    chosen = ((data.rows["part"] == "train") & (data.rows["emotion"] != "")).to_numpy()
    table = np.zeros((len(data), len(data.classes)), np.float32)
    for folder in _folders(config):
        teacher = model_folder.load(folder)
        seen = training
        if teacher.config.features != config.features:
            seen = _as_seen_by(teacher, config, training, cache_dir)
        table[chosen] += predictions.predict_rows(teacher.model, seen).filter(regex="^p_")
    return table / len(config.training.teachers)


def check(config: Config, data: Dataset) -> None:
    """Checks that the teachers can answer on `data` and never trained on what judges the run.

    Args:
        config: names the teachers; without any, nothing is checked.
        data: the split dataset.

    Raises:
        InputError: if a folder holds no model of the same corpora and classes, or a model that
            was trained on validation or test clips of this run.
    """
    judging = data.rows[data.rows["part"] != "train"]
    for folder in _folders(config):
        teacher, _ = model_folder.load_config(folder)
        advice = "teacher and pupil need them in common."
        refuse_changes(teacher, config, _IN_COMMON, folder, advice)
        rows = dataset.split(data, teacher).rows
        trained = rows["digest"][rows["part"] == "train"]
        known = judging[judging["digest"].isin(trained)]
        if len(known):
            raise InputError(
                f"training.teachers: {folder} was trained on {len(known)} clips that this run "
                f"validates or tests on (such as those of {known['speaker'].iloc[0]}); its "
                "answers would give them away."
            )


def _as_seen_by(
    teacher: model_folder.Artifact, config: Config, training: Dataset, cache_dir: str | Path
) -> Dataset:
    """The rows with the teacher's features."""
    theirs = dataclasses.replace(
        teacher.config,
        corpora=config.corpora,
        data_dir=config.data_dir,
        augmentation=Augmentation(published_rows=config.augmentation.published_rows),
    )
    clips = loading.load(theirs, teacher.model.get_layer("front_end"), cache_dir)
    keys = ["path", "copy"]
    places = {row: number for number, row in enumerate(_tuples(clips.rows, keys))}
    return clips.take(np.array([places[row] for row in _tuples(training.rows, keys)]))


def _tuples(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    return rows[columns].itertuples(index=False, name=None)


def _folders(config: Config) -> list[Path]:
    """The teachers' model folders; of a cross-validation, that of the same fold."""
    below = f"fold-{config.split.fold}" if config.split.fold else ""
    folders = map(Path, config.training.teachers)
    return [path / below if below and (path / below).is_dir() else path for path in folders]
