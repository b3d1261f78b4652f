"""The answer on a recording, and how it is printed and shown."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_BAR = (
    '<tr><th scope="row" style="text-align:left;font-weight:{weight}">{emotion}</th>'
    '<td style="width:14em;padding:2px 8px;background:none">'
    '<div style="width:{percent:.1f}%;min-width:1px;height:0.9em;background:{colour}"></div></td>'
    '<td style="text-align:right;white-space:nowrap;font-weight:{weight}">{percent:.0f} %</td></tr>'
)
_BEST, _OTHER = "#2b83ba", "#8c96a0"  # both stand out on white as well as on near black


@dataclass(frozen=True)
class Answer:
    """The emotion that a model finds in a recording. A notebook shows it as a bar chart.

    Attributes:
        emotion: the most probable class.
        probability: its probability, 0 to 1.
        probabilities: the probability of every class, in the model's order; their sum is 1.
        unsure: whether `probability` is below the model's threshold.
    """

    emotion: str
    probability: float
    probabilities: dict[str, float]
    unsure: bool

    def __str__(self) -> str:
        return describe(self.emotion, self.probability, self.unsure)

    def _repr_html_(self) -> str:
        """A bar for each class, in the page's own colours for text and background."""
        rows = [
            _BAR.format(
                emotion=html.escape(emotion),
                percent=100 * probability,
                weight="bold" if emotion == self.emotion else "normal",
                colour=_BEST if emotion == self.emotion else _OTHER,
            )
            for emotion, probability in self.probabilities.items()
        ]
        caption = f"{html.escape(self.emotion)}{', but unsure' if self.unsure else ''}"
        return (
            '<table style="border-collapse:collapse;color:inherit;background:none">'
            f'<caption style="text-align:left;color:inherit">{caption}</caption>'
            f"<tbody>{''.join(rows)}</tbody></table>"
        )


def decide(probabilities: "np.ndarray", classes: Sequence[str], unsure_below: float) -> Answer:
    """The answer that a model's `probabilities` `(classes,)` make."""
    values = dict(zip(classes, probabilities.tolist(), strict=True))
    emotion = max(values, key=values.__getitem__)
    return Answer(emotion, values[emotion], values, values[emotion] < unsure_below)


def to_json(path: str | Path | None, answer: Answer, **more: Any) -> str:
    """One line of JSON: the path (null for what is no file), the answer, then `more` keys."""
    return json.dumps({"path": path and str(path), **vars(answer), **more})


def describe(emotion: str, probability: float, unsure: bool) -> str:
    """A line such as `angry     77 %  unsure`."""
    return f"{emotion:<8} {100 * probability:3.0f} %{'  unsure' if unsure else ''}"
