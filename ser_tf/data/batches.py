"""From features to what a model trains on: batches, shuffled, augmented and mixed every epoch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ser_tf.data import decode
from ser_tf.data.augmented import Copies
from ser_tf.models.augmentations import AUGMENTATIONS, certain

if TYPE_CHECKING:
    import keras


def training_batches(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epochs: range,
    copies: Copies | None = None,
    shares: np.ndarray | None = None,
    feature_layers: Sequence["keras.Layer"] = (),
    augmented_clip: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    mixture: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None,
) -> tf.data.Dataset:
    """Shuffled, augmented batches of all `epochs`, one after another; an epoch's last is smaller.

    Order and augmentation are functions of `seed` and the epoch's number alone, so that a run
    that resumes at epoch 7 sees just what an uninterrupted one would.

    Args:
        features: float32 `(rows, frames, channels)`, of the clips as they are.
        targets: what to learn of each row, `(rows, ...)`.
        batch_size: rows a batch.
        seed: of order and augmentation.
        epochs: the numbers of the epochs to come.
        copies: given where there are augmented copies of the rows, from which, and the row
            itself, one is drawn each time.
        shares: given where rows are drawn with unequal chances, with replacement: `(rows,)`, each
            in proportion to its row's chance.
        feature_layers: augmentations of features, each `layer(inputs, training=True, seed=...)`.
        augmented_clip: given where waveforms are augmented (see `augmented_clips`): a row's
            number and a seed -> its features `(frames, channels)`, in place of `features`.
        mixture: given where clips are mixed: features and targets of a batch, and a seed -> both.

    Returns:
        A dataset of pairs: features `(batch, frames, channels)`, targets `(batch, ...)`.
    """
    with tf.device("CPU"):
        feature_table, target_table = tf.constant(features), tf.constant(targets)
        chances = None if shares is None else tf.constant(np.log(shares)[np.newaxis], tf.float32)

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.stack([tf.cast(seed, tf.int64), epoch])
        order = _order(len(targets), epoch_seed, chances)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return batches.enumerate().map(lambda step, rows: (decode.fold(epoch_seed, step), rows))

    def load(batch_seed: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if augmented_clip is None:
            batch = tf.gather(feature_table, rows)
            if copies:
                batch = _drawn(batch, copies, rows, decode.fold(batch_seed, -2))
        else:
            # By the place in the batch: a row that is drawn twice shall not be changed alike.
            seeds = tf.map_fn(
                lambda place: decode.fold(batch_seed, place),
                tf.range(tf.size(rows)),
                fn_output_signature=tf.int64,
            )
            batch = tf.map_fn(
                lambda clip: augmented_clip(*clip), (rows, seeds), fn_output_signature=tf.float32
            )
        batch = decode.apply(feature_layers, batch, batch_seed)
        wanted = tf.gather(target_table, rows)
        return mixture(batch, wanted, decode.fold(batch_seed, -1)) if mixture else (batch, wanted)

    chain = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(batches_of)
    chain = chain.map(load, num_parallel_calls=decode.CORES).prefetch(tf.data.AUTOTUNE)
    return decode.with_options(chain)


def _order(count: int, seed: tf.Tensor, chances: tf.Tensor | None) -> tf.Tensor:
    """The numbers of an epoch's rows, shuffled, or drawn by the logarithms `(1, rows)`."""
    if chances is None:
        return tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    return tf.random.stateless_categorical(chances, count, seed, tf.int32)[0]


def _drawn(batch: tf.Tensor, copies: Copies, rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The batch's rows, each in its own features or in those of one of its copies."""
    draws = tf.random.stateless_uniform(tf.shape(rows), seed, -1, copies.count, tf.int32)
    # As a tensor all copies would be in memory, more than once.
    drawn = tf.numpy_function(
        copies.drawn, (rows, tf.maximum(draws, 0)), tf.float32, stateful=False
    )
    drawn = tf.ensure_shape(drawn, batch.shape)
    return tf.where((draws < 0)[:, tf.newaxis, tf.newaxis], batch, drawn)


def augmented_clips(
    waveforms: Sequence[str], layers: Sequence["keras.Layer"], entry: Any, front_end: "keras.Layer"
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The features of a clip after its waveform went through augmentation `layers`.

    Args:
        waveforms: for each row, the path of its samples (the column `waveform` of `decode`).
        layers: augmentations of waveforms.
        entry: the entry of `FEATURES` that built `front_end`.
        front_end: waveform `(batch, samples)` -> features `(batch, frames, channels)`.

    Returns:
        A function of a row's number and a seed `(2,)`, to be mapped over rows.
    """
    paths = tf.constant(waveforms)

    def features_of(row: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        waveform = decode.read(paths[row])[tf.newaxis]  # (1, samples)
        return entry.fit(front_end(decode.apply(layers, waveform, seed)))[0]

    return features_of


def examples(
    waveform: np.ndarray, entry: Any, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A clip as it is and as each augmentation might change it in training.

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
            changed = decode.apply(layers, changed, tf.constant([seed, number]))
            features = front_end(changed)
        else:
            features = decode.apply(layers, features, tf.constant([seed, number]))
        found[name] = changed, features
    return {name: (np.asarray(pair[0])[0], np.asarray(pair[1])[0]) for name, pair in found.items()}
