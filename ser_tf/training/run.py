"""A training run from configuration to model folder."""

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from ser_tf import __version__, files
from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data.dataset import Dataset
from ser_tf.evaluation import metrics, plots, report
from ser_tf.inference import model_folder, predictions
from ser_tf.models import assemble
from ser_tf.training import backends, calibration, discriminants, teachers
from ser_tf.training.checkpoint import State
from ser_tf.training.fitting import fit_encoder

_PACKAGES = ("tensorflow", "keras", "keras-lmu", "librosa", "numpy", "scikit-learn")


def train(
    config: Config,
    data: Dataset,
    front_end: keras.Layer,
    folder: str | Path,
    *,
    cache_dir: str | Path,
    epoch_lines: bool = True,
) -> dict[str, Any]:
    """Trains a model and fills its folder; goes on where an earlier run of it was cut off.

    The test clips are scored at the end, by the model of the epoch kept. They may be watched
    before only without validation, when no epoch is chosen.

    Args:
        config: what to train, and how.
        data: the split dataset.
        front_end: the layers that made the features.
        folder: the model folder to be.
        cache_dir: where features are kept, for those of teachers.
        epoch_lines: whether to print a line per epoch where nobody looks on; a person sees a bar.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: if the model cannot be made, a teacher cannot be loaded, the checkpoint is of
            another model or back end, training diverges, or memory runs out.
    """
    folder = Path(folder)
    if config.training.teachers:
        data = data.taught(teachers.answers(config, data, cache_dir), config.training.teacher_share)
    keras.utils.set_random_seed(config.seed)
    with backends.scope():
        model = assemble.build_model(
            config.features.entry,
            config.model.entry,
            front_end=front_end,
            features=data.of("train").clips.features.array(),
            classes=len(data.classes),
            name=config.model.name,
        )
        discriminants.adapt(model.get_layer("encoder"), data.of("train"))
        # Only now is it certain that the configuration can be built.
        model_folder.save_config(folder, config, data.classes)
        state = fit_encoder(
            config,
            data,
            model.get_layer("encoder"),
            front_end=front_end,
            folder=folder,
            epoch_lines=epoch_lines,
        )
    return _finish(config, folder, model, data=data, state=state)


def _finish(
    config: Config, folder: Path, model: keras.Model, *, data: Dataset, state: State
) -> dict[str, Any]:
    """Calibrates, scores every part once and writes the folder; `metrics.json` comes last."""
    calibration.calibrate(config, model, data)
    data = data.clips
    parts = [part for part in splits.PARTS if (data.rows["part"] == part).any()]
    tables = {part: predictions.predict_rows(model, data.of(part)) for part in parts}
    model_folder.save_model(folder, model, config.features.entry)
    with files.replacing(folder / model_folder.PREDICTIONS) as temporary:
        # A path need not be UTF-8.
        table = tables[parts[-1]].drop(columns="sex")
        table.to_csv(temporary, index=False, errors="surrogateescape")
    temperature = model.get_layer("calibration").temperature
    scores = {
        part: metrics.score(table, data.classes, temperature) for part, table in tables.items()
    }
    content = {**_header(config, model, data.classes), **scores}
    _draw(folder, state, content, part=parts[-1], answers=tables[parts[-1]])
    model_folder.save_metrics(folder, content)
    (folder / model_folder.CHECKPOINT).unlink(missing_ok=True)
    return content


def _header(config: Config, model: keras.Model, classes: tuple[str, ...]) -> dict[str, Any]:
    weights = model.get_layer("encoder").trainable_weights
    return {
        "split": config.split.kind,
        "split_seed": config.split.seed,
        "seed": config.seed,
        "model": config.model.name,
        "corpora": list(config.corpus_names),
        "parameters": sum(int(np.prod(weight.shape)) for weight in weights),
        "front_end_parameters": model.get_layer("front_end").count_params(),
        "classes": list(classes),
        "temperature": model.get_layer("calibration").temperature,
        "unsure_below": model.get_layer("calibration").unsure_below,
        "versions": {
            "ser_tf": __version__,
            "python": platform.python_version(),
            **_versions(keras.config.backend(), *_PACKAGES),
            "backend": keras.config.backend(),
        },
        "leaky": splits.leaky(config.split.kind),
    }


def _versions(*packages: str) -> dict[str, str]:
    """The versions of the packages that are installed; Keras's back ends are named as theirs."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _draw(
    folder: Path, state: State, metrics: dict[str, Any], *, part: str, answers: pd.DataFrame
) -> None:
    """Draws a run: its course, and the scores and `answers` of one part."""
    scores, classes = metrics[part], metrics["classes"]
    title = f"{report.name_run(metrics)}: {part} UAR {100 * scores['uar']:.1f} %"
    history = pd.DataFrame(state.history)
    pictures = {
        model_folder.CURVES: plots.draw_learning_curves(history, state.best_epoch),
        model_folder.CONFUSION: plots.draw_confusion(scores["confusion"], classes, title),
        model_folder.SPEAKERS: plots.draw_speakers(scores["per_speaker"], scores["uar"], title),
        model_folder.CALIBRATION: plots.draw_calibration(answers, classes, title),
    }
    for name, picture in pictures.items():
        plots.save(picture, folder / name)
