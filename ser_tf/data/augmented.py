"""Augmented copies of rows, drawn from without being read whole."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Copies:
    """Augmented copies of rows, left where they are until they are drawn.

    Those of some thousand clips are gigabytes, in files of the cache that are mapped, not read.

    Attributes:
        tables: float32 `(clips, copies, frames, channels)` each, with as many copies a clip.
        places: int64 `(rows, 2)`: each row's table, and its clip there.
    """

    tables: tuple[np.ndarray, ...]
    places: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> "Copies":
        """Those of one table, a row a clip."""
        return cls((table,), np.stack([np.zeros(len(table), int), np.arange(len(table))], axis=1))

    @property
    def count(self) -> int:
        """How many there are of each row."""
        return self.tables[0].shape[1]

    def only(self, rows: np.ndarray) -> "Copies":
        """Those of some rows, by number."""
        return replace(self, places=self.places[rows])

    def followed_by(self, others: "Copies") -> "Copies":
        """These rows, then the `others`."""
        places = others.places + np.array([len(self.tables), 0])
        return Copies(self.tables + others.tables, np.concatenate([self.places, places]))

    def drawn(self, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Of each of the `rows` the copy of the number at its side: `(rows, frames, channels)`."""
        pairs = zip(self.places[rows], numbers, strict=True)
        return np.stack([self.tables[table][clip, number] for (table, clip), number in pairs])
