"""From the index to features: decode once, then tf.data chains of the front end's layers.

    index -> decode: mono waveform at the model's rate, cached as raw float32
          -> features: the model's own front end in `Dataset.map`, cached as one array
          -> `ser_tf.data.batches`: shuffle, augment, (front end), batch, mix, prefetch

Entries of the cache are renamed into place when whole: they cannot be half-written.
"""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ser_tf import audio, console, files
from ser_tf.data import cache
from ser_tf.errors import InputError
from ser_tf.layers.augment import published_copies

if TYPE_CHECKING:
    import keras
    import pandas as pd

_LOG = logging.getLogger(__name__)
CORES = os.cpu_count() or 1
"""How many clips are worked on at a time."""

MAX_CORRUPT_SHARE = 0.05
"""A larger share of undecodable clips is an error: the data are not what they should be."""

ROWS_PER_CLIP = {"none": 1, "published": 4}
"""For each value of the configuration's `copies`."""


def decode(index: "pd.DataFrame", rate_hz: int, cache_dir: Path) -> "pd.DataFrame":
    """Decodes every clip of the index on all cores, with a progress bar.

    Args:
        index: the table of `corpora.load`.
        rate_hz: the rate to resample to.
        cache_dir: where decoded clips are kept from run to run.

    Returns:
        The index of the clips that could be decoded with two more columns: `digest`, of the
        file's content, and `waveform`, the path of its samples (raw little-endian float32).

    Raises:
        InputError: if more than 5 % of the clips cannot be decoded; up to there each is named in
            a warning and left out.
    """

    def decode_one(path: str) -> tuple[str, str] | audio.AudioError:
        try:
            digest = audio.digest(path)
        except OSError as error:
            return audio.AudioError(f"{path}: {(error.strerror or str(error)).lower()}.")
        try:
            return digest, str(_waveform(Path(path), digest, rate_hz, cache_dir))
        except audio.AudioError as error:
            return error

    with ThreadPoolExecutor(CORES) as pool:
        decoded = pool.map(decode_one, index["path"])
        results = list(console.bar(decoded, "decoding", len(index)))
    errors = [result for result in results if isinstance(result, audio.AudioError)]
    for error in errors:
        _LOG.warning("left out: %s", error)
    if len(errors) > MAX_CORRUPT_SHARE * len(index):
        raise InputError(
            f"{len(errors)} of {len(index)} clips cannot be decoded, the first is {errors[0]} "
            "`python -m ser_tf.doctor` lists them all."
        )
    kept = [not isinstance(result, audio.AudioError) for result in results]
    pairs = [result for result in results if isinstance(result, tuple)]
    return (
        index[kept]
        .reset_index(drop=True)
        .assign(digest=[digest for digest, _ in pairs], waveform=[path for _, path in pairs])
    )


def keep(waveforms: Sequence[np.ndarray], rate_hz: int, cache_dir: Path) -> "pd.DataFrame":
    """A table as of `decode`, its columns `digest` and `waveform`, of waveforms at `rate_hz`."""
    import pandas as pd

    rows = []
    for samples in waveforms:
        content = samples.astype("<f4").tobytes()
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        target = cache.waveform(digest, rate_hz, cache_dir)
        if not target.is_file():
            with files.replacing(target) as temporary:
                temporary.write_bytes(content)
        rows.append((digest, str(target)))
    return pd.DataFrame(rows, columns=["digest", "waveform"])


def features(
    clips: "pd.DataFrame", entry: Any, front_end: "keras.Layer", copies: str, cache_dir: Path
) -> np.ndarray:
    """The features of every clip, from the cache or by the model's front end.

    Args:
        clips: the table of `decode`.
        entry: the entry of `FEATURES` that built `front_end`.
        front_end: waveform `(batch, samples)` -> features `(batch, frames, channels)`.
        copies: "none", or "published" for four rows a clip (clean, noise, pitch, both).
        cache_dir: where features are kept from run to run.

    Returns:
        float32 `(clips * copies, frames, channels)`, the copies of a clip side by side.
    """
    path = cache.features(clips["digest"], cache_dir, entry, copies)
    features_of = (
        _published_copies_of(entry) if copies == "published" else _clip_of(entry, front_end)
    )
    shape = (ROWS_PER_CLIP[copies], *entry.array_shape)
    rows = _cached(path, lambda: _extract(clips, features_of, shape, "features"))
    return rows.reshape(-1, *entry.array_shape)


def augmented_copies(
    clips: "pd.DataFrame",
    entry: Any,
    front_end: "keras.Layer",
    augmentations: Sequence[Any],
    copies: int,
    cache_dir: Path,
) -> np.ndarray:
    """The features of augmented copies of every clip, from the cache or made on all cores.

    Args:
        clips: the table of `decode`.
        entry: the entry of `FEATURES` that built `front_end`.
        front_end: waveform `(batch, samples)` -> features `(batch, frames, channels)`.
        augmentations: entries of `AUGMENTATIONS`, of waveforms. A copy's seed is its clip's
            content and its number.
        copies: how many a clip.
        cache_dir: where they are kept from run to run.

    Returns:
        float32 `(clips, copies, frames, channels)`.
    """
    path = cache.features(clips["digest"], cache_dir, entry, augmentations, copies)
    layers = [augmentation.build(entry.rate_hz) for augmentation in augmentations]

    def copies_of(path: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        waveform = read(path)[tf.newaxis]

        def copy(number: tf.Tensor) -> tf.Tensor:
            return entry.fit(front_end(apply(layers, waveform, fold(seed, number))))[0]

        return tf.map_fn(copy, tf.range(copies), fn_output_signature=tf.float32)

    shape = (copies, *entry.array_shape)
    return _cached(path, lambda: _extract(clips, copies_of, shape, "augmented copies"))


def apply(layers: Sequence["keras.Layer"], inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """`inputs` after augmentation by each of `layers`, every one with a seed of its own."""
    for number, layer in enumerate(layers):
        inputs = layer(inputs, training=True, seed=fold(seed, number))
    return inputs


def fold(seed: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """A seed of its own for each number."""
    folded = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, seed.dtype))
    return folded


def _cached(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array that is kept at `path`; made first where there is none."""
    if not path.is_file():
        with files.replacing(path) as temporary:
            np.save(temporary, make())
    return np.load(path, mmap_mode="r")  # some gigabytes, of which each part takes its rows


def _extract(
    clips: "pd.DataFrame",
    features_of: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    shape: tuple[int, ...],
    title: str,
) -> np.ndarray:
    """What `features_of` makes of every clip's path and seed: `(clips, *shape)`."""
    seeds = [np.frombuffer(bytes.fromhex(text)[:8], "<i4") for text in clips["digest"]]
    chain = tf.data.Dataset.from_tensor_slices((clips["waveform"].tolist(), np.stack(seeds)))
    chain = with_options(chain.map(features_of, num_parallel_calls=CORES).prefetch(CORES))
    rows = np.empty((len(clips), *shape), np.float32)
    made = console.bar(chain.as_numpy_iterator(), title, len(clips))
    for number, clip in enumerate(made):
        rows[number] = clip
    return rows


def _clip_of(entry: Any, front_end: "keras.Layer") -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    # (1, frames, channels)
    return lambda path, seed: entry.fit(front_end(read(path)[tf.newaxis]))


def _published_copies_of(entry: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The features of a clip's four copies, which are made of the cut, as published."""
    start = round(entry.offset_seconds * entry.rate_hz)
    stop = start + round(entry.clip_seconds * entry.rate_hz)
    of_cut = dataclasses.replace(entry, offset_seconds=0.0).build()
    return lambda path, seed: of_cut(published_copies(read(path)[start:stop], seed))


def with_options(chain: tf.data.Dataset) -> tf.data.Dataset:
    """The chain as it is, its operators on one thread each."""
    options = tf.data.Options()
    # The maps run side by side already; operators that split up as well only get in their way.
    options.threading.max_intra_op_parallelism = 1
    return chain.with_options(options)


def read(path: tf.Tensor) -> tf.Tensor:
    """The samples of a decoded clip, `(samples,)`."""
    return tf.io.decode_raw(tf.io.read_file(path), tf.float32)  # (samples,)


def _waveform(path: Path, digest: str, rate_hz: int, cache_dir: Path) -> Path:
    target = cache.waveform(digest, rate_hz, cache_dir)
    if not target.is_file():
        samples = audio.load(path, rate_hz)
        with files.replacing(target) as temporary:
            samples.astype("<f4").tofile(temporary)
    return target
