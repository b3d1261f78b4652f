"""From waveforms to features: the model's own front end in `Dataset.map`, cached as one array."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import tensorflow as tf

from ser_tf import console, parallel
from ser_tf.data import cache
from ser_tf.data.dataset import PUBLISHED_ROWS
from ser_tf.layers.augment import published_copies
from ser_tf.models.augmentations import AUGMENTATIONS

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from ser_tf.config import Features
    from ser_tf.models.features import Feature, PublishedFeatures

_HEADER_FLOATS = 128 // 4  # `numpy.save` begins a file of one axis with 128 bytes


def clip_features(
    clips: "pd.DataFrame",
    features: "Features",
    front_end: "keras.Layer",
    cache_dir: str | Path,
    *,
    published_rows: bool = False,
) -> np.ndarray:
    """The features of every clip, from the cache or computed by the model's front end.

    Args:
        clips: the table of `decode`.
        features: which features; its entry built `front_end`.
        front_end: waveform `(batch, samples)` → features `(batch, frames, channels)`.
        cache_dir: where features are kept from run to run.
        published_rows: whether a clip has the `PUBLISHED_ROWS` rather than one.

    Returns:
        The entry's `array_dtype` `(clips * rows, frames, channels)`, the rows of a clip side by
        side; mapped.
    """
    entry = features.entry
    rows = PUBLISHED_ROWS if published_rows else 1
    if published_rows:
        compute = _published_rows_of(cast("PublishedFeatures", entry))
    else:
        compute = _row_of(entry, front_end)
    kept = cache.features(clips["digest"], features, cache_dir, published_rows=published_rows)
    shape = (rows * len(clips), *entry.array_shape)
    return cache.load_or_make(
        kept, shape, entry.array_dtype, lambda: _extract(clips, compute, "features")
    )


def augmented_copies(
    clips: "pd.DataFrame",
    features: "Features",
    front_end: "keras.Layer",
    cache_dir: str | Path,
    *,
    names: Sequence[str],
    copies: int,
) -> np.ndarray:
    """The features of augmented copies of every clip, from the cache or made on all cores.

    Args:
        clips: the table of `decode`.
        features: which features; its entry built `front_end`.
        front_end: waveform `(batch, samples)` → features `(batch, frames, channels)`.
        cache_dir: where they are kept from run to run.
        names: keys of `AUGMENTATIONS`, of waveforms, one applied after another. A copy's seed
            depends on the content of its clip and on its number alone.
        copies: how many of each clip.

    Returns:
        The entry's `array_dtype` `(clips, copies, frames, channels)`, mapped.
    """
    entry = features.entry
    layers = [AUGMENTATIONS[name].build(entry.rate_hz) for name in names]

    def copies_of(path: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        waveform = read(path)[tf.newaxis]

        def copy(number: tf.Tensor) -> tf.Tensor:
            return entry.fit(front_end(augment(layers, waveform, derive(seed, number))))[0]

        return tf.map_fn(copy, tf.range(copies), fn_output_signature=tf.float32)

    kept = cache.copies(clips["digest"], features, cache_dir, augmentations=names, count=copies)
    shape = (len(clips), copies, *entry.array_shape)
    return cache.load_or_make(
        kept, shape, entry.array_dtype, lambda: _extract(clips, copies_of, "augmented copies")
    )


def augment(layers: Sequence["keras.Layer"], inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """`inputs` after each of the augmentation `layers`, with a seed derived for each."""
    for number, layer in enumerate(layers):
        inputs = layer(inputs, training=True, seed=derive(seed, number))
    return inputs


def derive(seed: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Another seed for each number."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, seed.dtype))


def read(path: tf.Tensor) -> tf.Tensor:
    """The samples of a decoded clip, float32 `(samples,)`."""
    return tf.io.decode_raw(tf.io.read_file(path), tf.float32)[_HEADER_FLOATS:]


def on_one_thread(chain: tf.data.Dataset) -> tf.data.Dataset:
    """The same chain, each of its operators on one thread."""
    options = tf.data.Options()
    # The maps already run side by side; operators that split up as well only get in their way.
    options.threading.max_intra_op_parallelism = 1
    return chain.with_options(options)


def _extract(
    clips: "pd.DataFrame", compute: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], title: str
) -> Iterator[np.ndarray]:
    """What `compute` makes of every clip's path and seed, clip by clip."""
    seeds = [np.frombuffer(bytes.fromhex(text)[:8], "<i4") for text in clips["digest"]]
    chain = tf.data.Dataset.from_tensor_slices((clips["waveform"].tolist(), np.stack(seeds)))
    chain = on_one_thread(
        chain.map(compute, num_parallel_calls=parallel.CORES).prefetch(parallel.CORES)
    )
    return console.bar(chain.as_numpy_iterator(), title, len(clips))


def _row_of(
    entry: "Feature", front_end: "keras.Layer"
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda path, _: entry.fit(front_end(read(path)[tf.newaxis]))  # (1, frames, channels)


def _published_rows_of(
    entry: "PublishedFeatures",
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The features of a clip's four copies, which are made from the cut, as published."""
    start = round(entry.offset_seconds * entry.rate_hz)
    stop = start + round(entry.clip_seconds * entry.rate_hz)
    of_cut = dataclasses.replace(entry, offset_seconds=0.0).build()
    return lambda path, seed: of_cut(published_copies(read(path)[start:stop], seed))
