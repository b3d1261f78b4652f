"""The data of a configuration: rows with their part of the split, and their features."""

import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser_tf import corpora, emotions, files
from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data import cache
from ser_tf.data import sounds as nonspeech
from ser_tf.data.augmented import Copies
from ser_tf.errors import InputError
from ser_tf.models.augmentations import AUGMENTATIONS

if TYPE_CHECKING:
    import keras
    import pandas as pd

_LOG = logging.getLogger(__name__)


class Lessons(NamedTuple):
    """What a model learns from: rows of features and what to answer on them.

    Attributes:
        features: float32 `(rows, frames, channels)`.
        targets: float32 `(rows, classes)`, each row's probabilities of the classes.
        waveforms: for each row the path of its samples.
        copies: augmented, of each row; None without.
        shares: float32 `(rows,)`, in proportion to the rows' chances where every corpus is to be
            drawn as often as any other; a sound's is the mean row's.
    """

    features: np.ndarray
    targets: np.ndarray
    waveforms: list[str]
    copies: Copies | None
    shares: np.ndarray


class Sounds(NamedTuple):
    """What is no speech: features, copies and paths as of `Lessons`."""

    features: np.ndarray
    copies: Copies | None
    waveforms: list[str]


@dataclass(frozen=True)
class Data:
    """Clips and what an encoder sees of them.

    Attributes:
        rows: the index with `digest`, `waveform`, `copy`, the number `row` of the features, and
            for split data `part`.
        features: float32 `(all rows, frames, channels)`.
        classes: the emotions to tell apart, in order.
        copies: augmented, of all rows; None without.
        sounds: what is no speech, to learn along with any rows; None without.
        answers: float32 `(rows, classes)`, what teachers say of each row; None without.
    """

    rows: "pd.DataFrame"
    features: np.ndarray
    classes: tuple[str, ...]
    copies: Copies | None = None
    sounds: Sounds | None = None
    answers: np.ndarray | None = None

    def of(self, part: str) -> "Data":
        """One part of the split, with its features alone; copies are for training."""
        data = self if part == "train" else replace(self, copies=None)
        return data.only(self.rows["part"] == part)

    def only(self, chosen: "pd.Series") -> "Data":
        """The `chosen` rows (boolean), with their features alone."""
        rows = self.rows[chosen]
        numbers = rows["row"].to_numpy()
        features, copies = self.features[numbers], self.copies
        rows = rows.assign(row=range(len(rows))).reset_index(drop=True)
        copies = copies and copies.only(numbers)
        answers = None if self.answers is None else self.answers[chosen.to_numpy()]
        return replace(self, rows=rows, features=features, copies=copies, answers=answers)

    @property
    def labels(self) -> np.ndarray:
        """int64 `(rows,)`: each row's emotion as its place in `classes`."""
        return np.asarray([self.classes.index(emotion) for emotion in self.rows["emotion"]])

    @property
    def targets(self) -> np.ndarray:
        """float32 `(rows, classes)`: 1 at each row's emotion, else 0."""
        return np.eye(len(self.classes), dtype=np.float32)[self.labels]

    @property
    def class_weights(self) -> dict[int, float]:
        """Inverse to each class's share, 1 on average; a class without rows weighs nothing."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        present = np.count_nonzero(counts)
        return {
            number: float(counts.sum() / (present * count)) if count else 0.0
            for number, count in enumerate(counts)
        }

    def lessons(self, teacher_share: float = 0.0) -> Lessons:
        """All rows, and after them the sounds that are no speech: there any class is as likely.

        Args:
            teacher_share: how much of what to learn of a row is the teachers' answer, if there is
                one, 0 to 1; the rest is its label.
        """
        targets = self.targets
        if self.answers is not None:
            targets = (1 - teacher_share) * targets + np.float32(teacher_share) * self.answers
        corpus = self.rows["corpus"]
        shares = 1 / corpus.map(corpus.value_counts()).to_numpy(np.float32)
        waveforms = self.rows["waveform"].tolist()
        lessons = Lessons(self.features, targets, waveforms, self.copies, shares)
        return self._with_sounds(lessons, self.sounds) if self.sounds else lessons

    def _with_sounds(self, lessons: Lessons, sounds: Sounds) -> Lessons:
        count, classes = len(sounds.features), len(self.classes)
        copies = lessons.copies
        if copies and sounds.copies:
            copies = copies.followed_by(sounds.copies)
        return Lessons(
            np.concatenate([lessons.features, sounds.features]),
            np.concatenate([lessons.targets, np.full((count, classes), 1 / classes, np.float32)]),
            lessons.waveforms + sounds.waveforms,
            copies,
            np.append(lessons.shares, np.full(count, np.mean(lessons.shares), np.float32)),
        )


def load(config: Config, front_end: "keras.Layer", cache_dir: Path) -> Data:
    """All clips of the configuration's corpora, decoded and turned into features, not split.

    TensorFlow computes them. On another back end of Keras they are what TensorFlow left in the
    cache when it last read these corpora; the recordings need not be there.

    Raises:
        InputError: if a corpus is missing or too many of its clips are broken; on another back
            end, if the cache lacks them.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return _data(config, *_cached(config, cache_dir))
    clips, features = _computed(config, front_end, cache_dir)
    return replace(
        _data(config, clips, features),
        copies=_copies(clips, config, front_end, cache_dir),
        sounds=_sounds(config, front_end, cache_dir),
    )


def prepare(config: Config, cache_dir: Path) -> str:
    """Leaves in the cache what `load` needs on other back ends.

    Returns:
        For a person: how much there is, and the two files that another machine's cache must hold.

    Raises:
        InputError: as `load`.
    """
    clips, features = _computed(config, config.features.entry.build(), cache_dir)
    paths = (_clips_file(config, cache_dir), _features_file(clips, config, cache_dir))
    counts = f"{len(clips)} clips, {len(features)} rows of features:"
    return "\n".join([counts, *map(str, paths), ""])


def _data(config: Config, clips: "pd.DataFrame", features: np.ndarray) -> Data:
    copies = len(features) // len(clips)
    rows = clips.loc[clips.index.repeat(copies)].reset_index(drop=True)
    rows = rows.assign(copy=rows.index % copies, row=rows.index)
    classes = (
        emotions.EMOTIONS if config.training.all_classes else emotions.in_order(rows["emotion"])
    )
    return Data(rows, features, classes)


def _computed(
    config: Config, front_end: "keras.Layer", cache_dir: Path
) -> tuple["pd.DataFrame", np.ndarray]:
    """The table of clips and their features; leaves both in the cache."""
    from ser_tf.data import decode

    index = corpora.load(config.corpora, config.data_dir and Path(config.data_dir), cache_dir)
    entry = config.features.entry
    clips = decode.decode(index, entry.rate_hz, cache_dir)
    features = decode.features(clips, entry, front_end, _row_kind(config), cache_dir)
    files.write_json(_clips_file(config, cache_dir), clips.to_dict("list"))
    return clips, features


def _cached(config: Config, cache_dir: Path) -> tuple["pd.DataFrame", np.ndarray]:
    """What `_computed` left in the cache."""
    import pandas as pd

    path = _clips_file(config, cache_dir)
    if path.is_file():
        clips = pd.DataFrame(json.loads(path.read_text()))
        features = _features_file(clips, config, cache_dir)
        if features.is_file():
            _LOG.info("%d clips as decoded on %s: %s", len(clips), _written(path), path)
            return clips, np.load(features, mmap_mode="r").reshape(
                -1, *config.features.entry.array_shape
            )
    raise InputError(
        f"{cache_dir}: holds no features for these flags, and only TensorFlow computes them; "
        "the same command with --prepare does so, here or on the machine that has the recordings."
    )


def _written(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "minutes")


def _clips_file(config: Config, cache_dir: Path) -> Path:
    rate_hz = config.features.entry.rate_hz
    return cache.clips(config.corpora, config.data_dir, rate_hz, cache_dir)


def _features_file(clips: "pd.DataFrame", config: Config, cache_dir: Path) -> Path:
    return cache.features(clips["digest"], cache_dir, config.features.entry, _row_kind(config))


def _row_kind(config: Config) -> str:
    """The kind of rows that a clip has, a part of the cache's names."""
    return "published" if config.augmentation.published_rows else "none"


def _copies(
    clips: "pd.DataFrame", config: Config, front_end: "keras.Layer", cache_dir: Path
) -> Copies | None:
    from ser_tf.data import decode

    if not config.augmentation.copies:
        return None
    augmentations = [AUGMENTATIONS[name] for name in config.augmentation.layers]
    table = decode.augmented_copies(
        clips,
        config.features.entry,
        front_end,
        augmentations,
        config.augmentation.copies,
        cache_dir,
    )
    return Copies.of(table)


def _sounds(config: Config, front_end: "keras.Layer", cache_dir: Path) -> Sounds | None:
    from ser_tf.data import decode

    if not config.augmentation.sounds:
        return None
    entry = config.features.entry
    made = nonspeech.sounds(config.augmentation.sounds, entry.rate_hz)
    clips = decode.keep(made, entry.rate_hz, cache_dir)
    features = decode.features(clips, entry, front_end, "none", cache_dir)
    copies = _copies(clips, config, front_end, cache_dir)
    return Sounds(features, copies, clips["waveform"].tolist())


def split(data: Data, config: Config) -> Data:
    """The data with the column `part`, by the split (and the fold) of the configuration.

    Raises:
        InputError: where the split cannot be made.
    """
    if config.split.fold_count:
        tables = _folds(data.rows, config)
        return replace(data, rows=tables[(config.split.fold or 1) - 1])
    rows = splits.assign(
        data.rows,
        config.split.kind,
        config.split.seed,
        config.split.test_speakers,
        config.split.validation_speakers,
        config.split.validation,
        config.split.test,
    )
    return replace(data, rows=rows)


def _folds(rows: "pd.DataFrame", config: Config) -> list["pd.DataFrame"]:
    if config.split.protocol:
        return splits.follow(rows, config.split.protocol)
    return splits.folds(
        rows,
        config.split.folds or 0,
        config.split.kind,
        config.split.seed,
        config.split.validation_speakers,
        config.split.validation,
    )
