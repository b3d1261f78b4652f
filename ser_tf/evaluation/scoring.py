"""Scores of a trained model: on the clips it was tested on, or on all clips of some corpora."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tf import console, parallel
from ser_tf.config import Augmentation, Config
from ser_tf.corpora import naming, title
from ser_tf.errors import InputError
from ser_tf.inference import runtimes
from ser_tf.inference.predictions import tabulate
from ser_tf.inference.recogniser import Recogniser

if TYPE_CHECKING:
    import pandas as pd

    from ser_tf.data.dataset import Dataset
    from ser_tf.inference.model_folder import Artifact

_LOG = logging.getLogger(__name__)

_Load = Callable[[Config], "Dataset"]


def score_model(
    recogniser: Recogniser,
    corpora: Iterable[str] = (),
    data_dir: str | None = None,
    *,
    cache_dir: Path,
    mapping: Iterable[str] = (),
    robustness: bool = False,
    runtime: str = "keras",
) -> dict[str, Any]:
    """The scores of a model on all clips of `corpora`, or on those it was tested on.

    Args:
        recogniser: a trained model.
        corpora: names in `CORPORA` or paths of tables; none: the model's own test clips, or its
            validation clips if it was trained without a test.
        data_dir: where the clips lie, if not where the training run found them.
        cache_dir: folder of decoded clips and features.
        mapping: a map (see `corpora.naming`) of the model's classes and of the clips' words to the
            classes of another task, on which it is then scored.
        robustness: whether to score every condition of `robustness.CONDITIONS`.
        runtime: "keras", which scores features as training did, or "litert", which answers every
            recording as `predict` does, without TensorFlow. They differ where features keep a
            part of a clip only, and published copies are left out by LiteRT.

    Returns:
        One part of `metrics.json`, as from `metrics.score`; with `robustness` one by condition.

    Raises:
        InputError: if the clips cannot be had, or none is of the model's classes.
    """
    from ser_tf.evaluation.robustness import measure_robustness
    from ser_tf.evaluation.task import Task
    from ser_tf.inference.predictions import predict_rows

    artifact = recogniser.artifact
    if recogniser.runtime.name != runtime:
        recogniser = Recogniser(artifact, runtimes.choose(artifact, runtime))
    load = _loading(artifact, cache_dir, with_features=runtime == "keras")
    names, items = tuple(corpora), tuple(mapping)
    task = Task.of(artifact.classes, items)
    if names:
        data = _load_corpora(artifact, names, data_dir, items, load)
    else:
        data = _load_own_clips(artifact, data_dir, load)
        called = data.rows["emotion"].map(task.renamed)
        data = dataclasses.replace(data, rows=data.rows.assign(emotion=called))
    data = _only_known(data, task.classes, " ".join(names or artifact.config.corpora))
    score = functools.partial(task.score, temperature=recogniser.runtime.temperature)
    if robustness:
        return measure_robustness(recogniser, data, score)
    if runtime == "keras":
        data = dataclasses.replace(data, classes=artifact.classes)
        return score(predict_rows(artifact.model, data))
    return score(_answer_clips(recogniser, data))


def _answer_clips(recogniser: Recogniser, data: "Dataset") -> "pd.DataFrame":
    """The table of `predict_rows` by answers on whole recordings."""
    rows = data.rows[data.rows["copy"] == 0]

    def answer(path: str) -> list[float]:
        return [*recogniser.answer(np.load(path)).probabilities.values()]

    found = parallel.in_order(answer, rows["waveform"], parallel.CORES)
    probabilities = np.array([*console.bar(found, "answering", len(rows))])
    unsure_below = recogniser.runtime.unsure_below
    return tabulate(rows, probabilities, recogniser.classes, unsure_below)


def _loading(artifact: "Artifact", cache_dir: Path, with_features: bool) -> _Load:
    """What loads the clips of a configuration, with their features or without."""
    from ser_tf.data import loading

    if not with_features:
        return lambda config: loading.load_clips(config, cache_dir)
    front_end = artifact.model.get_layer("front_end")
    return lambda config: loading.load(config, front_end, cache_dir)


def _load_own_clips(artifact: "Artifact", data_dir: str | None, load: _Load) -> "Dataset":
    """The clips that the model was tested on, or else validated."""
    from ser_tf.data import dataset

    # What is only learnt from need not be made.
    config = artifact.config.changed({"augmentation.copies": None, "augmentation.sounds": 0})
    if data_dir is not None:
        config = config.changed({"data_dir": data_dir})
    return dataset.split(load(config), config).of("test" if config.split.test else "validation")


def _load_corpora(
    artifact: "Artifact",
    names: tuple[str, ...],
    data_dir: str | None,
    items: tuple[str, ...],
    load: _Load,
) -> "Dataset":
    """All clips of the corpora, called as the model's own map and then the given one say."""
    config = dataclasses.replace(
        artifact.config,
        corpora=names,
        map=naming.follow(artifact.config.map, items),
        data_dir=data_dir,
        augmentation=Augmentation(),
    )
    data = load(config)
    if both := [name for name in config.corpus_names if name in artifact.config.corpus_names]:
        _LOG.warning(
            "The model was trained on clips of %s: these scores say little about speakers that it "
            "has not met.",
            ", ".join(map(title, both)),
        )
    return data


def _only_known(data: "Dataset", classes: tuple[str, ...], where: str) -> "Dataset":
    """The clips that are of these classes; how many others there are is logged."""
    known = data.rows["emotion"].isin(classes).to_numpy()
    if not known.any():
        raise InputError(f"corpora {where}: no clip of the model's classes ({', '.join(classes)}).")
    if not known.all():
        others = sorted(set(data.rows["emotion"][~known]))
        _LOG.warning(
            "%d clips are left out: the model does not know %s.", sum(~known), ", ".join(others)
        )
    return data.only(known)
