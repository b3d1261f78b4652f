"""The rows that a model learns from or is scored on, with their features and targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ser_tf.config import Config
from ser_tf.corpora import splits
from ser_tf.data.store import FeatureStore

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_ROWS = 4
"""Rows per clip with the published copies: clean, noise, raised pitch, both."""


@dataclass(frozen=True)
class Dataset:
    """Rows with what an encoder sees of them and what it is to answer.

    Most rows are clips (or published copies of them). Synthetic sounds other than speech are rows
    without an emotion, whose target gives every class the same probability. They always train:
    they belong to no other part, and `clips` leaves them out.

    Attributes:
        rows: the index, with `digest`, `waveform`, `copy` and, once split, `part`; a synthetic
            sound's `emotion` is "".
        features: what an encoder sees of each row.
        targets: float32 `(rows, classes)`, the probabilities to learn.
        classes: the emotions to tell apart, in order.
        copies: features of augmented copies of each row: the first, the second, and so on.
    """

    rows: "pd.DataFrame"
    features: FeatureStore
    targets: np.ndarray
    classes: tuple[str, ...]
    copies: tuple[FeatureStore, ...] = ()

    @classmethod
    def labelled(
        cls,
        rows: "pd.DataFrame",
        features: FeatureStore,
        classes: Sequence[str],
        copies: tuple[FeatureStore, ...] = (),
    ) -> "Dataset":
        """The rows with their labels as targets: 1 at each row's emotion, else 0."""
        labels = _labels(rows, classes)
        targets = np.eye(len(classes), dtype=np.float32)[labels]
        targets[labels < 0] = 1 / len(classes)
        return cls(rows, features, targets, tuple(classes), copies)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def clips(self) -> "Dataset":
        """The rows that have an emotion."""
        spoken = (self.rows["emotion"] != "").to_numpy()
        return self if spoken.all() else self.only(spoken)

    @property
    def labels(self) -> np.ndarray:
        """int64 `(rows,)`: each row's emotion as its place in `classes`; -1 without one."""
        return _labels(self.rows, self.classes)

    @property
    def class_weights(self) -> dict[int, float]:
        """Inverse to each class's share of clips, 1 on average; a class without clips weighs 0."""
        counts = np.bincount(self.clips.labels, minlength=len(self.classes))
        present = np.count_nonzero(counts)
        return {
            number: float(counts.sum() / (present * count)) if count else 0.0
            for number, count in enumerate(counts)
        }

    @property
    def shares(self) -> np.ndarray:
        """float32 `(rows,)`: relative chances of rows that draw all corpora equally often.

        A synthetic sound has the mean chance of a clip.
        """
        spoken = (self.rows["emotion"] != "").to_numpy()
        corpus = self.rows["corpus"][spoken]
        of_clips = 1 / corpus.map(corpus.value_counts()).to_numpy(np.float32)
        shares = np.full(len(self), np.mean(of_clips), np.float32)
        shares[spoken] = of_clips
        return shares

    def of(self, part: str) -> "Dataset":
        """One part of the split; augmented copies are for training alone."""
        data = self if part == "train" else replace(self, copies=())
        return data.only((self.rows["part"] == part).to_numpy())

    def only(self, chosen: np.ndarray) -> "Dataset":
        """The `chosen` rows, boolean `(rows,)`."""
        return self.take(np.flatnonzero(chosen))

    def take(self, numbers: np.ndarray) -> "Dataset":
        """Rows by number, in that order."""
        return replace(
            self,
            rows=self.rows.iloc[numbers].reset_index(drop=True),
            features=self.features.only(numbers),
            targets=self.targets[numbers],
            copies=tuple(copy.only(numbers) for copy in self.copies),
        )

    def followed_by(self, others: "Dataset") -> "Dataset":
        """These rows, then the `others`, of the same classes and number of copies."""
        import pandas as pd

        pairs = zip(self.copies, others.copies, strict=True)
        return replace(
            self,
            rows=pd.concat([self.rows, others.rows], ignore_index=True),
            features=self.features.followed_by(others.features),
            targets=np.concatenate([self.targets, others.targets]),
            copies=tuple(own.followed_by(other) for own, other in pairs),
        )

    def taught(self, answers: np.ndarray, share: float) -> "Dataset":
        """The dataset with the teachers' answers in the targets of clips that train.

        Args:
            answers: float32 `(rows, classes)`; those of other rows are not used.
            share: the answers' share of the target, from 0 to 1; the rest is the label.
        """
        learnt = ((self.rows["part"] == "train") & (self.rows["emotion"] != "")).to_numpy()
        targets = self.targets.copy()
        targets[learnt] = (1 - share) * targets[learnt] + np.float32(share) * answers[learnt]
        return replace(self, targets=targets)


def split(data: Dataset, config: Config) -> Dataset:
    """The data with the column `part`, by the configuration's split or fold.

    Raises:
        InputError: if the split cannot be made.
    """
    if config.split.fold_count:
        return folds(data, config)[(config.split.fold or 1) - 1]
    chosen = config.split
    table = splits.assign(
        _numbered(data),
        chosen.kind,
        chosen.seed,
        test_speakers=chosen.test_speakers,
        validation_speakers=chosen.validation_speakers,
        validation=chosen.validation,
        test=chosen.test,
    )
    return _divided(data, table)


def folds(data: Dataset, config: Config) -> list[Dataset]:
    """As `split`, for every fold of the configuration's cross-validation.

    Raises:
        InputError: if the folds cannot be made.
    """
    chosen = config.split
    if chosen.protocol:
        tables = splits.follow(_numbered(data), chosen.protocol)
    else:
        tables = splits.folds(
            _numbered(data),
            chosen.folds or 0,
            chosen.kind,
            chosen.seed,
            validation_speakers=chosen.validation_speakers,
            validation=chosen.validation,
        )
    return [_divided(data, table) for table in tables]


def _labels(rows: "pd.DataFrame", classes: Sequence[str]) -> np.ndarray:
    places = {"": -1, **{emotion: number for number, emotion in enumerate(classes)}}
    return np.array([places[emotion] for emotion in rows["emotion"]], np.int64)


def _numbered(data: Dataset) -> "pd.DataFrame":
    """The rows to split, with their numbers: all but the synthetic sounds."""
    rows = data.rows.assign(row=np.arange(len(data)))
    return rows[rows["emotion"] != ""]


def _divided(data: Dataset, table: "pd.DataFrame") -> Dataset:
    """The rows of a split's table with their parts, then the synthetic sounds, which train."""
    sounds = np.flatnonzero(data.rows["emotion"] == "")
    divided = data.take(np.concatenate([table["row"].to_numpy(), sounds]))
    parts = [*table["part"], *["train"] * len(sounds)]
    return replace(divided, rows=divided.rows.assign(part=parts))
