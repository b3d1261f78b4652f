"""Fits an encoder through its epochs."""

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ser_tf import console
from ser_tf.config import Config
from ser_tf.data.dataset import Dataset
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.inference.predictions import BATCH
from ser_tf.training import backends, checkpoint
from ser_tf.training.checkpoint import State
from ser_tf.training.epochs import UAR, Accuracy, Journal

_LOG = logging.getLogger(__name__)


def fit_encoder(
    config: Config,
    data: Dataset,
    encoder: keras.Model,
    *,
    front_end: keras.Layer,
    folder: Path,
    epoch_lines: bool,
) -> State:
    """Trains the encoder through the epochs that are left; leaves it as after the best one.

    Args:
        config: how to train.
        data: the split dataset.
        encoder: features `(batch, frames, channels)` → logits `(batch, classes)`.
        front_end: the layers that made the features.
        folder: the model folder, where a checkpoint may be to go on from.
        epoch_lines: whether to print a line per epoch where nobody looks on.

    Returns:
        Where the run stands: at its end.

    Raises:
        InputError: if the checkpoint cannot be used, training diverges, or memory runs out.
    """
    settings, training = config.training, data.of("train")
    steps = -(-len(training) // settings.batch_size)
    trainer = _compiled(config, encoder, steps, len(data.classes))
    state = checkpoint.restore(folder, trainer, settings.keep)
    checkpoint.write_history(folder, state)  # in case a kill came between it and the checkpoint
    last = settings.epochs
    if state.epochs:
        _LOG.info("Resuming after epoch %d of %d.", state.epochs, last)
    if state.epochs < last and not state.exhausted(settings.patience):
        epochs = range(state.epochs, last)
        batches = backends.training_batches(config, training, front_end, epochs)
        watch = functools.partial(_test_scores, trainer, data) if settings.watch_test else dict
        journal = Journal(folder, state, settings.patience, watch)
        with _explained(state, last):
            trainer.fit(
                batches,
                steps_per_epoch=steps,
                initial_epoch=state.epochs,
                epochs=last,
                shuffle=False,  # the batches are
                verbose=console.of_epochs(epoch_lines),
                validation_data=_arrays(data, "validation") if config.split.validation else None,
                validation_batch_size=BATCH,
                class_weight=training.class_weights if settings.class_weights else None,
                callbacks=_callbacks(config, folder, journal),
            )
    for variable, value in zip(trainer.variables, state.best, strict=True):
        variable.assign(value)
    return state


def _compiled(config: Config, encoder: keras.Model, steps: int, classes: int) -> keras.Model:
    """A twin of the encoder, of the same weights, to train.

    So optimizer and metrics are not saved with the encoder.
    """
    trainer = keras.Model(encoder.inputs, encoder.outputs, name="trainer")
    trainer.compile(
        _optimizer(config, steps),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[Accuracy(classes), UAR(classes)],
        # On CPUs TensorFlow's XLA is many times slower at layer normalisation and dropout.
        jit_compile=False if backends.on_tensorflow() else "auto",
    )
    return trainer


def _optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    settings = config.training
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, settings.epochs * steps)
    averaged = settings.ema_momentum is not None
    momentum = settings.ema_momentum or 0.0
    return keras.optimizers.Adam(
        rate, epsilon=settings.epsilon, use_ema=averaged, ema_momentum=momentum
    )


@contextlib.contextmanager
def _explained(state: State, last: int) -> Iterator[None]:
    """Says where a stopped run stands, and that memory ran out if it did."""
    try:
        yield
    except KeyboardInterrupt:
        _LOG.warning("Stopped after epoch %d of %d.", state.epochs, last)
        raise
    except Exception as error:
        if not backends.is_out_of_memory(error):
            raise
        told = f"memory ran out in epoch {state.epochs + 1}, a smaller one may help"
        raise InputError(f"training.batch_size: {told}.") from error


def _callbacks(config: Config, folder: Path, journal: Journal) -> list[keras.callbacks.Callback]:
    """The journal, and what averages weights and writes the log for TensorBoard."""
    settings = config.training
    callbacks: list[keras.callbacks.Callback] = [journal]
    if settings.ema_momentum is not None:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if backends.on_tensorflow():
        board = folder / model_folder.TENSORBOARD
        callbacks.append(keras.callbacks.TensorBoard(board, write_graph=False))
    return callbacks


def _test_scores(trainer: keras.Model, data: Dataset) -> dict[str, float]:
    """Loss, accuracy and UAR of the test clips by the trainer as it is now."""
    arrays = _arrays(data, "test")
    scores = trainer.evaluate(*arrays, BATCH, verbose=0, return_dict=True)
    return {f"test_{name}": float(score) for name, score in scores.items()}


def _arrays(data: Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    found = data.of(part)
    return found.features.array(), found.targets
