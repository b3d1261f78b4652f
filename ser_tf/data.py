"""The data of a configuration: rows with their part of the split, and their features."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tf import corpora, emotions, pipeline, splits
from ser_tf.augment import AUGMENTATIONS
from ser_tf.config import Config

if TYPE_CHECKING:
    import keras
    import pandas as pd


@dataclass(frozen=True)
class Data:
    """Clips and what an encoder sees of them.

    Attributes:
        rows: the index with `digest`, `waveform`, `copy`, the number `row` of the features, and
            for split data `part`.
        features: float32 `(all rows, frames, channels)`.
        classes: the emotions to tell apart, in order.
    """

    rows: "pd.DataFrame"
    features: np.ndarray
    classes: tuple[str, ...]

    def of(self, part: str) -> "Data":
        """One part of the split, with its features alone."""
        return self.only(self.rows["part"] == part)

    def only(self, chosen: "pd.Series") -> "Data":
        """The `chosen` rows (boolean), with their features alone."""
        rows = self.rows[chosen]
        features = self.features[rows["row"].to_numpy()]
        rows = rows.assign(row=range(len(rows))).reset_index(drop=True)
        return replace(self, rows=rows, features=features)

    @property
    def labels(self) -> np.ndarray:
        """int64 `(rows,)`: each row's emotion as its place in `classes`."""
        return np.asarray([self.classes.index(emotion) for emotion in self.rows["emotion"]])


def load(config: Config, front_end: "keras.Layer", cache_dir: Path) -> Data:
    """All clips of the configuration's corpora, decoded and turned into features, not split.

    Raises:
        InputError: if a corpus is missing or too many of its clips are broken.
    """
    index = corpora.load(config.corpora, config.data_dir and Path(config.data_dir), cache_dir)
    entry = config.feature_entry
    clips = pipeline.decode(index, entry.rate_hz, cache_dir)
    features = pipeline.features(clips, entry, front_end, config.copies, cache_dir)
    copies = pipeline.COPIES[config.copies]
    rows = clips.loc[clips.index.repeat(copies)].reset_index(drop=True)
    rows = rows.assign(copy=rows.index % copies, row=rows.index)
    classes = emotions.EMOTIONS if config.all_classes else emotions.in_order(rows["emotion"])
    return Data(rows, features, classes)


def split(data: Data, config: Config) -> Data:
    """The data with the column `part`, by the split (and the fold) of the configuration.

    Raises:
        InputError: where the split cannot be made.
    """
    if config.fold_count:
        tables = _folds(data.rows, config)
        return replace(data, rows=tables[(config.fold or 1) - 1])
    rows = splits.assign(
        data.rows,
        config.split,
        config.split_seed,
        config.test_speakers,
        config.validation_speakers,
        config.validation,
    )
    return replace(data, rows=rows)


def examples(
    waveform: np.ndarray, entry: Any, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A clip as it is and after each augmentation, as training might see it.

    Args:
        waveform: float32 `(samples,)` at the entry's rate.
        entry: an entry of `FEATURES`.
        seed: of the augmentations.

    Returns:
        By name, the waveform `(samples,)` and its features `(frames, channels)`; the clip as it is
        comes first.
    """
    import tensorflow as tf

    front_end = entry.build()
    original = tf.constant(waveform)[tf.newaxis]  # (1, samples)
    found = {"as it is": (original, front_end(original))}
    for number, (name, augmentation) in enumerate(AUGMENTATIONS.items()):
        layers = [augmentation.build(entry.rate_hz)]
        changed, features = found["as it is"]
        if augmentation.domain == "waveform":
            changed = pipeline.apply(layers, changed, tf.constant([seed, number]))
            features = front_end(changed)
        else:
            features = pipeline.apply(layers, features, tf.constant([seed, number]))
        found[name] = changed, features
    return {name: (np.asarray(pair[0])[0], np.asarray(pair[1])[0]) for name, pair in found.items()}


def _folds(rows: "pd.DataFrame", config: Config) -> list["pd.DataFrame"]:
    if config.protocol:
        return splits.follow(rows, config.protocol)
    return splits.folds(
        rows,
        config.folds or 0,
        config.split,
        config.split_seed,
        config.validation_speakers,
        config.validation,
    )
