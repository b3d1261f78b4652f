"""A run of one model, or of one model per fold and their mean."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data import dataset
from ser_tf.data.dataset import Dataset
from ser_tf.inference import model_folder, removal
from ser_tf.models import assemble
from ser_tf.training import backends, teachers
from ser_tf.training.run import train

_LOG = logging.getLogger(__name__)

_MEANS = ("accuracy", "uar", "uar_masked", "macro_f1", "ece")
_OF_ONE_MODEL = ("temperature", "unsure_below")


def run(
    config: Config,
    data: Dataset,
    front_end: keras.Layer,
    folder: str | Path,
    *,
    cache_dir: str | Path,
    epoch_lines: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Trains one model, or one per fold, as `train` does; what is done already is not done again.

    Everything that can be checked is checked before anything is written or removed.

    Args:
        config: what to train, and how.
        data: all clips of the configuration's corpora, not yet split.
        front_end: the layers that made the features.
        folder: the model folder to be; those of folds lie in it.
        cache_dir: as for `train`.
        epoch_lines: as for `train`.
        overwrite: whether to remove the run that is in the folder.

    Returns:
        The content of the folder's `metrics.json`.

    Raises:
        InputError: if the back end cannot follow the configuration, the split or the folds cannot
            be made, a teacher cannot be asked, or a hyperparameter breaks its rule; and as `train`.
    """
    folder = Path(folder)
    backends.refuse_what_needs_tensorflow(config)
    jobs = _jobs(config, data)
    for wanted, divided in jobs:
        teachers.check(wanted, divided)
    if overwrite or config.split.fold_count:  # one model is built, and so checked, by `train`
        shape = config.features.entry.shape
        assemble.build_network(config.model.entry, shape, len(data.classes))
    if overwrite:
        removal.remove_run(folder)
    if not config.split.fold_count:
        return train(*jobs[0], front_end, folder, cache_dir=cache_dir, epoch_lines=epoch_lines)
    model_folder.save_config(folder, config, data.classes)
    results = []
    for number, job in enumerate(jobs, start=1):
        _LOG.info("Fold %d of %d.", number, len(jobs))
        below = folder / f"fold-{number}"
        results.append(
            model_folder.load_metrics(below)
            or train(*job, front_end, below, cache_dir=cache_dir, epoch_lines=epoch_lines)
        )
    metrics = mean_of_folds(results)
    model_folder.save_metrics(folder, metrics)
    return metrics


def _jobs(config: Config, data: Dataset) -> list[tuple[Config, Dataset]]:
    """The configuration of each model to train, with its split dataset."""
    if not config.split.fold_count:
        return [(config, dataset.split(data, config))]
    return [
        (config.changed({"split.fold": number}), fold)
        for number, fold in enumerate(dataset.folds(data, config), start=1)
    ]


def mean_of_folds(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The metrics of a cross-validation: the mean over the folds of every part's figures.

    Args:
        results: the content of each fold's `metrics.json`.

    Returns:
        The folds' common header and their number `folds`; for each part the means (of every corpus
        too), the number of clips and the confusion summed over all folds, the number of distinct
        speakers, and `uar_per_fold`.
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
    """Each corpus's mean rates over the folds that have clips of it, and its clips in all."""
    summary = {}
    for corpus in sorted({name for score in scores for name in score}):
        own = [score[corpus] for score in scores if corpus in score]
        rates = {name: float(np.mean([one[name] for one in own])) for name in ("accuracy", "uar")}
        summary[corpus] = {**rates, "n_clips": sum(one["n_clips"] for one in own)}
    return summary
