"""A run of one model, or of one model a fold and their mean."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data import dataset
from ser_tf.data.dataset import Data
from ser_tf.inference import model_folder
from ser_tf.training import backends, teachers
from ser_tf.training.run import build_network, train

_LOG = logging.getLogger(__name__)

_MEANS = ("accuracy", "uar", "uar_masked", "macro_f1", "ece")
_OF_ONE_MODEL = ("temperature", "unsure_below")


def check(config: Config, data: Data) -> None:
    """Checks that `config` can be trained on `data`, before anything is written or removed.

    Raises:
        InputError: if the back end cannot follow it, the split or the folds cannot be made, a
            teacher cannot be asked, or a hyperparameter breaks its rule.
    """
    backends.refuse_what_needs_tensorflow(config)
    split = dataset.split(data, config)
    if config.training.teachers:
        teachers.check(config, split)
    build_network(config, len(data.classes))


def run(
    config: Config, data: Data, front_end: keras.Layer, folder: Path, epoch_lines: bool = True
) -> dict[str, Any]:
    """Trains one model, or one a fold, as `train` does; what is done already is not done again.

    Args:
        config: how to train what.
        data: all clips of the configuration's corpora, not yet split.
        front_end: the layers that made the features.
        folder: the model folder to be; the folds' lie in it.
        epoch_lines: as for `train`.

    Returns:
        The content of the folder's `metrics.json`.

    Raises:
        InputError: as `check`, and as `train`.
    """
    if not config.split.fold_count:
        backends.refuse_what_needs_tensorflow(config)  # the rest `train` finds before it writes
        return train(config, data, front_end, folder, epoch_lines)
    check(config, data)
    model_folder.save_config(folder, config, data.classes)
    results = []
    for number in range(1, config.split.fold_count + 1):
        _LOG.info("Fold %d of %d.", number, config.split.fold_count)
        fold = config.changed({"split.fold": number})
        below = folder / f"fold-{number}"
        results.append(
            model_folder.load_metrics(below) or train(fold, data, front_end, below, epoch_lines)
        )
    metrics = mean_of_folds(results)
    model_folder.save_metrics(folder, metrics)
    return metrics


def mean_of_folds(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The metrics of a cross-validation: the mean over the folds of every part's figures.

    Args:
        results: the content of each fold's `metrics.json`.

    Returns:
        The folds' common header, `folds`, and for each part the means (of every corpus too), the
        number of clips and the confusion summed over all folds, the number of speakers in any of
        them, and `uar_per_fold`.
    """
    first = results[0]
    own = {*splits.PARTS, *_OF_ONE_MODEL}
    summary = {name: value for name, value in first.items() if name not in own}
    summary["folds"] = len(results)
    for part in (part for part in splits.PARTS if part in first):
        scores = [result[part] for result in results]
        summary[part] = {
            **{name: float(np.mean([score[name] for score in scores])) for name in _MEANS},
            "n_clips": sum(score["n_clips"] for score in scores),
            "n_speakers": len({speaker for score in scores for speaker in score["per_speaker"]}),
            "per_corpus": _per_corpus([score["per_corpus"] for score in scores]),
            "confusion": np.sum([score["confusion"] for score in scores], axis=0).tolist(),
            "uar_per_fold": [score["uar"] for score in scores],
        }
    return summary


def _per_corpus(scores: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Every corpus's mean rates over the folds that have clips of it, and its clips in all."""
    summary = {}
    for corpus in sorted({name for score in scores for name in score}):
        own = [score[corpus] for score in scores if corpus in score]
        rates = {name: float(np.mean([one[name] for one in own])) for name in ("accuracy", "uar")}
        summary[corpus] = {**rates, "n_clips": sum(one["n_clips"] for one in own)}
    return summary
