"""From a dataset to what a model trains on: batches, in another order and mixed every epoch.

Order and augmentation are functions of the seed and the epoch's number alone, so that a run that
resumes at epoch 7 sees just what an uninterrupted one would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from ser_tf import parallel
from ser_tf.data import extract
from ser_tf.data.dataset import Dataset
from ser_tf.data.store import FeatureStore
from ser_tf.models.augmentations import AUGMENTATIONS, certain

if TYPE_CHECKING:
    import keras

    from ser_tf.models.features import Feature

Mixture = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Features and targets of a batch, and a seed, to both of a batch whose rows are mixed."""

_Load = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Numbers of rows and the batch's seed to features `(batch, frames, channels)`."""


@dataclass(frozen=True)
class Epochs:
    """The epochs to come, one after another; the last batch of each may be smaller.

    Attributes:
        batch_size: rows per batch.
        seed: of order, augmentation and mixing.
        numbers: the epochs' numbers.
        shares: relative chances `(rows,)` of rows, which are then drawn with replacement;
            without, every epoch has each row once.
        mixture: mixes the rows of a batch.
    """

    batch_size: int
    seed: int
    numbers: range
    shares: np.ndarray | None = None
    mixture: Mixture | None = None


def plain(data: Dataset, epochs: Epochs) -> tf.data.Dataset:
    """Batches of rows as they are.

    Returns:
        A dataset of pairs: features `(batch, frames, channels)`, targets `(batch, classes)`.
    """
    return _chain(data, epochs, lambda rows, _: _stored(data.features, rows))


def copied(data: Dataset, epochs: Epochs) -> tf.data.Dataset:
    """Batches in which each row is drawn from the row itself and its augmented copies.

    Returns:
        As `plain`.
    """
    variants = (data.features, *data.copies)

    def drawn(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        batch = np.empty((len(rows), *data.features.shape), np.float32)
        for number, variant in enumerate(variants):
            here = numbers == number
            batch[here] = variant.take(rows[here])
        return batch

    def load(rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seed = extract.derive(seed, -2)
        draws = tf.random.stateless_uniform(tf.shape(rows), seed, -1, len(data.copies), tf.int32)
        # As a tensor all copies would be in memory, more than once.
        batch = tf.numpy_function(drawn, (rows, draws + 1), tf.float32, stateful=False)
        return tf.ensure_shape(batch, (None, *data.features.shape))

    return _chain(data, epochs, load)


def augmented(
    data: Dataset,
    epochs: Epochs,
    *,
    waveform_layers: Sequence["keras.Layer"],
    feature_layers: Sequence["keras.Layer"],
    entry: "Feature",
    front_end: "keras.Layer",
) -> tf.data.Dataset:
    """Batches of rows that augmentation changes anew each time.

    Args:
        data: the rows.
        epochs: the epochs to come.
        waveform_layers: augmentations of waveforms, each `layer(inputs, training=True, seed=...)`;
            with any of them features are computed anew, without the dataset's are taken.
        feature_layers: augmentations of features.
        entry: the entry of `FEATURES` that built `front_end`.
        front_end: waveform `(batch, samples)` → features `(batch, frames, channels)`.

    Returns:
        As `plain`.
    """
    paths = tf.constant(data.rows["waveform"].tolist())

    def compute(row: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        waveform = extract.read(paths[row])[tf.newaxis]  # (1, samples)
        return entry.fit(front_end(extract.augment(waveform_layers, waveform, seed)))[0]

    def load(rows: tf.Tensor, batch_seed: tf.Tensor) -> tf.Tensor:
        if not waveform_layers:
            return extract.augment(feature_layers, _stored(data.features, rows), batch_seed)
        # Seeds go by the place in the batch: a row drawn twice must not be changed alike.
        seeds = tf.map_fn(
            lambda place: extract.derive(batch_seed, place),
            tf.range(tf.size(rows)),
            fn_output_signature=tf.int64,
        )
        batch = tf.map_fn(
            lambda clip: compute(*clip), (rows, seeds), fn_output_signature=tf.float32
        )
        return extract.augment(feature_layers, batch, batch_seed)

    return _chain(data, epochs, load)


def _chain(data: Dataset, epochs: Epochs, load: _Load) -> tf.data.Dataset:
    """Batches in the epochs' order: what `load` makes of their rows, mixed, with targets."""
    with tf.device("CPU"):
        targets = tf.constant(data.targets)
        chances = epochs.shares
        if chances is not None:
            chances = tf.constant(np.log(chances)[np.newaxis], tf.float32)

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        seed = tf.stack([tf.cast(epochs.seed, tf.int64), epoch])
        batches = tf.data.Dataset.from_tensor_slices(_order(len(data), seed, chances))
        batches = batches.batch(epochs.batch_size).enumerate()
        return batches.map(lambda step, rows: (extract.derive(seed, step), rows))

    def batch_of(seed: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pair = load(rows, seed), tf.gather(targets, rows)
        return epochs.mixture(*pair, extract.derive(seed, -1)) if epochs.mixture else pair

    chain = tf.data.Dataset.range(epochs.numbers.start, epochs.numbers.stop).flat_map(batches_of)
    chain = chain.map(batch_of, num_parallel_calls=parallel.CORES).prefetch(tf.data.AUTOTUNE)
    return extract.on_one_thread(chain)


def _order(count: int, seed: tf.Tensor, chances: tf.Tensor | None) -> tf.Tensor:
    """The numbers of an epoch's rows, shuffled, or drawn by logarithms of chances `(1, rows)`."""
    if chances is None:
        return tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    return tf.random.stateless_categorical(chances, count, seed, tf.int32)[0]


def _stored(features: FeatureStore, rows: tf.Tensor) -> tf.Tensor:
    """The features of `rows` as they are kept: `(batch, frames, channels)`."""
    batch = tf.numpy_function(features.take, (rows,), tf.float32, stateful=False)
    return tf.ensure_shape(batch, (None, *features.shape))


def examples(
    waveform: np.ndarray, entry: "Feature", seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A clip as it is, and as each augmentation might change it in training.

    Args:
        waveform: float32 `(samples,)` at the entry's rate.
        entry: an entry of `FEATURES`.
        seed: of the augmentations.

    Returns:
        By name, the waveform `(samples,)` and its features `(frames, channels)`; the clip as it is
        comes first.
    """
    front_end = entry.build()
    original = tf.constant(waveform)[tf.newaxis]  # (1, samples)
    found = {"as it is": (original, front_end(original))}
    for number, (name, augmentation) in enumerate(AUGMENTATIONS.items()):
        layers = [certain(augmentation).build(entry.rate_hz)]
        changed, features = found["as it is"]
        if augmentation.domain == "waveform":
            changed = extract.augment(layers, changed, tf.constant([seed, number]))
            features = front_end(changed)
        else:
            features = extract.augment(layers, features, tf.constant([seed, number]))
        found[name] = changed, features
    return {name: (np.asarray(pair[0])[0], np.asarray(pair[1])[0]) for name, pair in found.items()}
