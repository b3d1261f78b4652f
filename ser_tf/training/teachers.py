"""Teachers: trained models whose answers on training clips are learnt beside the labels.

Knowledge distillation (Hinton et al., 2015, "Distilling the Knowledge in a Neural Network"): which
emotions a clip sounds like says more than its label. What a clip as it is sounds like is learnt of
its augmented copies too.
"""

from pathlib import Path

import numpy as np

from ser_tf.config import Config, refuse_changes
from ser_tf.data import dataset
from ser_tf.data.dataset import Data
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, predictions

_IN_COMMON = ("corpora", "features", "augmentation.published_rows", "training.all_classes")


def answers(config: Config, data: Data) -> np.ndarray:
    """What the teachers say of each row that is trained on; of the others nothing, zeros.

    Args:
        config: names the teachers.
        data: the clips, split.

    Returns:
        The mean of their probabilities, float32 `(rows, classes)`.

    Raises:
        InputError: as `check`, and if a model cannot be loaded.
    """
    check(config, data)
    training = data.of("train")
    table = np.zeros((len(data.rows), len(data.classes)), np.float32)
    for folder in _folders(config):
        said = predictions.predict_rows(model_folder.load(folder).model, training)
        table[data.rows["part"] == "train"] += said.filter(regex="^p_")
    return table / len(config.training.teachers)


def check(config: Config, data: Data) -> None:
    """Checks that the teachers can answer about `data`, and have not heard what judges the run.

    Raises:
        InputError: if a folder holds no model of the same corpora, features and classes, or one
            that was trained on validation or test clips of this run.
    """
    judging = data.rows[data.rows["part"] != "train"]
    for folder in _folders(config):
        teacher, _ = model_folder.load_config(folder)
        advice = "a teacher has them in common with its pupil."
        refuse_changes(teacher, config, _IN_COMMON, folder, advice)
        rows = dataset.split(data, teacher).rows
        heard = rows["digest"][rows["part"] == "train"]
        known = judging[judging["digest"].isin(heard)]
        if len(known):
            raise InputError(
                f"training.teachers: {folder} was trained on {len(known)} clips that this run "
                f"validates or tests on (as those of {known['speaker'].iloc[0]}); its answers "
                "would tell of them."
            )


def _folders(config: Config) -> list[Path]:
    """The teachers' model folders; of a cross-validation's that of the fold at hand."""
    below = f"fold-{config.split.fold}" if config.split.fold else ""
    folders = map(Path, config.training.teachers)
    return [path / below if below and (path / below).is_dir() else path for path in folders]
