"""The classes that answers are scored on: a model's own, or those of a task with fewer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ser_tf.corpora import naming
from ser_tf.emotions import in_order
from ser_tf.evaluation import metrics


@dataclass(frozen=True)
class Task:
    """Classes to score on, each of which stands for one or more of a model's.

    Attributes:
        classes: in order.
        members: for each of the model's classes, that of the task, or `naming.LEFT_OUT`.
    """

    classes: tuple[str, ...]
    members: Mapping[str, str]

    @classmethod
    def of(cls, classes: Sequence[str], items: Iterable[str] = ()) -> "Task":
        """The task that a map makes of a model's classes; without one, these themselves."""
        pairs = naming.read(items)
        members = {name: naming.rename(name, pairs) for name in classes}
        changed = in_order(set(members.values()) - {naming.LEFT_OUT})
        return cls(changed if pairs else tuple(classes), members)

    def renamed(self, name: str) -> str:
        """The task's class of one of the model's."""
        return self.members[name]

    def score(self, table: pd.DataFrame, temperature: float = 1.0) -> dict[str, Any]:
        """The scores of a model's answers, as from `metrics.score`.

        A class has the probabilities of all that it stands for, added up; classes that are left out
        share theirs out. `ece_uncalibrated` is only of a model's own classes.

        Args:
            table: as for `metrics.score`, its emotions of the task, its answers of the model.
            temperature: as for `metrics.score`.
        """
        if all(name == member for name, member in self.members.items()):
            return metrics.score(table, self.classes, temperature)
        scores = metrics.score(self._added_up(table), self.classes)
        del scores["ece_uncalibrated"]
        return scores

    def _added_up(self, table: pd.DataFrame) -> pd.DataFrame:
        given = table[[f"p_{name}" for name in self.members]].to_numpy(np.float64)
        places = [*self.members.values()]
        shares = np.array([[place == name for name in self.classes] for place in places], float)
        probabilities = given @ shares  # (rows, classes)
        probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-300)
        added = table[[column for column in table if not str(column).startswith("p_")]].copy()
        added["predicted"] = [self.classes[best] for best in probabilities.argmax(axis=1)]
        added[[f"p_{name}" for name in self.classes]] = probabilities
        return added
