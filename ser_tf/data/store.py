"""Features of many rows, left in their files until they are taken."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class FeatureStore:
    """Features of rows; only rows that are taken are read.

    The features of some thousand clips are gigabytes, in files of the cache that are mapped.

    Attributes:
        tables: arrays `(clips, frames, channels)` of any float type.
        places: int64 `(rows, 2)`: each row's table, and its place there.
    """

    tables: tuple[np.ndarray, ...]
    places: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> "FeatureStore":
        """The rows of one array, as they stand there."""
        return cls((table,), np.stack([np.zeros(len(table), int), np.arange(len(table))], axis=1))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.places)

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of a row."""
        frames, channels = self.tables[0].shape[1:]
        return frames, channels

    def only(self, rows: np.ndarray) -> "FeatureStore":
        """Some of the rows, by number."""
        return replace(self, places=self.places[rows])

    def followed_by(self, others: "FeatureStore") -> "FeatureStore":
        """These rows, then the `others`."""
        places = others.places + np.array([len(self.tables), 0])
        return FeatureStore(self.tables + others.tables, np.concatenate([self.places, places]))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The features of some rows, by number: float32 `(rows, frames, channels)`."""
        tables, clips = self.places[rows].T
        taken = np.empty((len(clips), *self.shape), np.float32)
        for number, table in enumerate(self.tables):
            here = tables == number
            taken[here] = table[clips[here]]
        return taken

    def array(self) -> np.ndarray:
        """The features of all rows in memory: float32 `(rows, frames, channels)`."""
        return self.take(np.arange(len(self)))
