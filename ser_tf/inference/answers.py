"""The answer on a recording and how it is printed: what predict and client share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the model hears in a recording.

    Attributes:
        emotion: the most probable class.
        probability: its probability.
        probabilities: of every class.
        unsure: whether `probability` is below the model's threshold.
    """

    emotion: str
    probability: float
    probabilities: dict[str, float]
    unsure: bool


def to_json(path: Path | None, answer: Answer, **more: Any) -> str:
    """One line: the path, null without a file, the answer, and what else is to be said of it."""
    return json.dumps({"path": path and str(path), **vars(answer), **more})


def in_words(emotion: str, probability: float, unsure: bool) -> str:
    """As in `angry     77 %`, which may be unsure."""
    return f"{emotion:<8} {100 * probability:3.0f} %{'  unsure' if unsure else ''}"
