"""A training run from configuration to model folder."""

import contextlib
import dataclasses
import functools
import logging
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from ser_tf import __version__, console, files
from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data import dataset
from ser_tf.data.dataset import Data
from ser_tf.errors import InputError
from ser_tf.evaluation import metrics, plots, report
from ser_tf.inference import model_folder, predictions
from ser_tf.layers.calibration import Calibration
from ser_tf.training import backends, checkpoint, teachers
from ser_tf.training.checkpoint import State
from ser_tf.training.epochs import UAR, Accuracy, Journal

_LOG = logging.getLogger(__name__)
_PACKAGES = ("tensorflow", "keras", "keras-lmu", "librosa", "numpy", "scikit-learn")


def train(
    config: Config, data: Data, front_end: keras.Layer, folder: Path, epoch_lines: bool = True
) -> dict[str, Any]:
    """Trains a model and fills its folder; goes on where an earlier run of it was cut off.

    The test clips are scored at the end, by the model of the epoch kept. Only where there is no
    validation, and so no choice, may they be watched before.

    Args:
        config: how to train what.
        data: all clips of the configuration's corpora, not yet split.
        front_end: the layers that made the features.
        folder: the model folder to be.
        epoch_lines: whether to print a line an epoch; where a person looks on there is a bar.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: if the split or the model cannot be made, the teachers cannot be asked, the
            checkpoint is of another model or back end, the training diverges, or memory runs out.
    """
    data = dataset.split(data, config)
    if config.training.teachers:
        data = dataclasses.replace(data, answers=teachers.answers(config, data))
    keras.utils.set_random_seed(config.seed)
    with backends.scope():
        model = build_model(config, front_end, data.of("train"))
        model_folder.save_config(
            folder, config, data.classes
        )  # only now is it one that can be built
        encoder = model.get_layer("encoder")
        state = _run_epochs(config, folder, encoder, front_end, data, epoch_lines)
    return _finish(config, folder, model, data, state)


def build_model(config: Config, front_end: keras.Layer, data: Data) -> keras.Model:
    """The model from waveform to probabilities, its weights new but for the normalisation.

    Args:
        config: names the encoder.
        front_end: the feature layers, built by the configuration's entry.
        data: the training clips, whose mean and variance the normalisation takes.

    Returns:
        A model of the layers `front_end`, `encoder` (normalisation and network; features ->
        logits) and `calibration`.
    """
    entry = config.features.entry
    inputs = keras.Input(entry.shape, name="features")
    network = build_network(config, len(data.classes))
    normalised = entry.normalisation(data.features)(inputs)
    encoder = keras.Model(inputs, network(normalised), name="encoder")
    waveform = keras.Input((None,), name="waveform")
    probabilities = Calibration(name="calibration")(encoder(front_end(waveform)))
    return keras.Model(waveform, probabilities, name=config.model.name)


def build_front_end(config: Config) -> keras.Layer:
    """The layers from waveform to features.

    Raises:
        InputError: if the features' hyperparameters break a rule.
    """
    try:
        return config.features.entry.build()
    except ValueError as error:
        raise InputError(f"features: {error}") from error


def build_network(config: Config, classes: int) -> keras.Model:
    """The untrained network from normalised features to the logits of `classes` classes.

    Raises:
        InputError: if the model's hyperparameters break a rule.
    """
    try:
        return config.model.entry.build(config.features.entry.shape, classes)
    except ValueError as error:
        raise InputError(f"model: {error}") from error


def _run_epochs(
    config: Config,
    folder: Path,
    encoder: keras.Model,
    front_end: keras.Layer,
    data: Data,
    epoch_lines: bool,
) -> State:
    """Trains the encoder through the epochs that are left; leaves it as after the best one."""
    training = data.of("train")
    lessons = training.lessons(config.training.teacher_share)
    steps = -(-len(lessons.targets) // config.training.batch_size)
    # A twin of the same weights: what is saved shall not carry optimizer and metrics along.
    trainer = keras.Model(encoder.inputs, encoder.outputs, name="trainer")
    trainer.compile(
        _optimizer(config, steps),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[Accuracy(len(data.classes)), UAR(len(data.classes))],
        # On CPUs TensorFlow's XLA is many times slower at layer normalisation and dropout.
        jit_compile=False if backends.on_tensorflow() else "auto",
    )
    state = checkpoint.restore(folder, trainer, config.training.keep)
    checkpoint.write_history(folder, state)  # should a kill have come between it and the checkpoint
    watch = functools.partial(_test_scores, trainer, data) if config.training.watch_test else dict
    if state.epochs:
        _LOG.info("Resuming after epoch %d of %d.", state.epochs, config.training.epochs)
    if state.epochs < config.training.epochs and not state.exhausted(config.training.patience):
        try:
            trainer.fit(
                backends.training_batches(
                    config, lessons, front_end, range(state.epochs, config.training.epochs)
                ),
                steps_per_epoch=steps,
                initial_epoch=state.epochs,
                epochs=config.training.epochs,
                shuffle=False,  # the batches are
                verbose=console.of_epochs(epoch_lines),
                validation_data=_arrays(data.of("validation")) if config.split.validation else None,
                validation_batch_size=predictions.BATCH,
                class_weight=training.class_weights if config.training.class_weights else None,
                callbacks=[
                    Journal(folder, state, config.training.patience, watch),
                    *_more_callbacks(config, folder),
                ],
            )
        except KeyboardInterrupt:
            _LOG.warning("Stopped after epoch %d of %d.", state.epochs, config.training.epochs)
            raise
        except Exception as error:
            if not backends.is_out_of_memory(error):
                raise
            told = f"memory ran out in epoch {state.epochs + 1}, a smaller one may help"
            raise InputError(f"training.batch_size: {told}.") from error
    for variable, value in zip(trainer.variables, state.best, strict=True):
        variable.assign(value)
    return state


def _optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    rate: Any = config.training.learning_rate
    if config.training.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, config.training.epochs * steps)
    averaged = config.training.ema_momentum is not None
    momentum = config.training.ema_momentum or 0.0
    return keras.optimizers.Adam(
        rate, epsilon=config.training.epsilon, use_ema=averaged, ema_momentum=momentum
    )


def _more_callbacks(config: Config, folder: Path) -> list[keras.callbacks.Callback]:
    """What averages weights, if that is wanted, and TensorFlow's own board."""
    averaging = [] if config.training.ema_momentum is None else [keras.callbacks.SwapEMAWeights()]
    if not backends.on_tensorflow():
        return averaging
    board = keras.callbacks.TensorBoard(folder / model_folder.TENSORBOARD, write_graph=False)
    return [*averaging, board]


def _arrays(data: Data) -> tuple[np.ndarray, np.ndarray]:
    return data.features, data.targets


def _test_scores(trainer: keras.Model, data: Data) -> dict[str, float]:
    """Loss, accuracy and UAR of the test clips by the trainer as it is now."""
    arrays = _arrays(data.of("test"))
    scores = trainer.evaluate(*arrays, predictions.BATCH, verbose=0, return_dict=True)
    return {f"test_{name}": float(score) for name, score in scores.items()}


def _finish(
    config: Config, folder: Path, model: keras.Model, data: Data, state: State
) -> dict[str, Any]:
    """Calibrates, scores every part once and writes the folder; `metrics.json` comes last."""
    if config.split.validation:
        _calibrate(model, data.of("validation"))
    parts = [part for part in splits.PARTS if (data.rows["part"] == part).any()]
    tables = {part: predictions.predict_rows(model, data.of(part)) for part in parts}
    with files.replacing(folder / model_folder.MODEL) as temporary:
        model.save(temporary)
    with files.replacing(folder / model_folder.PREDICTIONS) as temporary:
        # A path may be what is no UTF-8.
        table = tables[parts[-1]].drop(columns="sex")
        table.to_csv(temporary, index=False, errors="surrogateescape")
    temperature = model.get_layer("calibration").temperature
    scores = {
        part: metrics.score(table, data.classes, temperature) for part, table in tables.items()
    }
    content = {**_header(config, model, data.classes), **scores}
    _draw(folder, state, content, parts[-1], tables[parts[-1]])
    model_folder.save_metrics(folder, content)
    (folder / model_folder.CHECKPOINT).unlink(missing_ok=True)
    return content


def _calibrate(model: keras.Model, validation: Data) -> None:
    """Sets temperature and threshold of `unsure` by the validation clips."""
    calibration = model.get_layer("calibration")
    logits = predictions.compute_logits(model.get_layer("encoder"), validation.features)
    temperature = metrics.fit_temperature(logits, validation.labels)
    calibration.set(temperature, 0.0)
    threshold = metrics.unsure_threshold(np.asarray(calibration(logits)), validation.labels)
    calibration.set(temperature, threshold)


def _header(config: Config, model: keras.Model, classes: tuple[str, ...]) -> dict[str, Any]:
    weights = model.get_layer("encoder").trainable_weights
    return {
        "split": config.split.kind,
        "split_seed": config.split.seed,
        "seed": config.seed,
        "model": config.model.name,
        "corpora": list(config.corpora),
        "parameters": sum(int(np.prod(weight.shape)) for weight in weights),
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
    """The versions of those that are installed; the back end of Keras is a package of its name."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _draw(
    folder: Path, state: State, metrics: dict[str, Any], part: str, answers: pd.DataFrame
) -> None:
    """The pictures of a run: its course, and the scores and `answers` of one part."""
    scores, classes = metrics[part], metrics["classes"]
    title = f"{report.name_run(metrics)}: {part} UAR {100 * scores['uar']:.1f} %"
    history = pd.DataFrame(state.history)
    pictures = {
        model_folder.CURVES: plots.learning_curves(history, state.best_epoch),
        model_folder.CONFUSION: plots.confusion(scores["confusion"], classes, title),
        model_folder.SPEAKERS: plots.speakers(scores["per_speaker"], scores["uar"], title),
        model_folder.CALIBRATION: plots.calibration(answers, classes, title),
    }
    for name, picture in pictures.items():
        plots.save(picture, folder / name)
