"""Finished runs side by side, as a table in Markdown."""

import statistics
from collections.abc import Callable, Sequence

from ser_tf.evaluation.comparison.runs import SPLITS, Result, has_several_recipes

PUBLISHED = {
    "cnn1": (0.59, 0.60),
    "cnn2": (0.99, 0.94),
    "lstm": (0.69, 0.62),
    "cnn_lstm": (0.87, 0.78),
    "lmu": (0.97, 0.92),
}
"""Published accuracy of training and of held-out rows, on 48,648 rows of four corpora: "Speech
Emotion Classification on 4 datasets using Legendre Memory Units"."""

_NONE = "-"
_SOURCE = (
    '*published*: what "Speech Emotion Classification on 4 datasets using Legendre Memory Units" '
    "states for 48,648 rows of four corpora, split by rows."
)


def markdown(results: Sequence[Result], last_epochs: int | None = None) -> str:
    """The table of a comparison: a line a model, a column a split, leaky ones marked.

    Args:
        results: the runs.
        last_epochs: how many last epochs the scores are means of; None: those of the kept epoch.
    """
    columns = _columns(results)
    lines = [" | ".join(columns), " | ".join(("---", *["--:"] * (len(columns) - 1)))]
    for recipe, model in dict.fromkeys((result.recipe, result.model) for result in results):
        own = [result for result in results if (result.recipe, result.model) == (recipe, model)]
        lines.append(" | ".join(cell(own) for cell in columns.values()))
    caption = (
        "Accuracy on training / on held-out clips in %, in brackets the held-out UAR; where there "
        "are several seeds, mean ± standard deviation over them."
    )
    if last_epochs:
        caption += f" Each run's scores are the mean of its last {last_epochs} epochs."
    notes = [caption, _SOURCE] if _of_published(results) else [caption]
    return "\n".join([*(f"| {line} |" for line in lines), "", " ".join(notes), ""])


def _columns(results: Sequence[Result]) -> dict[str, Callable[[list[Result]], str]]:
    """Headings, and from the runs of a model to its cell."""
    columns: dict[str, Callable[[list[Result]], str]] = {}
    if has_several_recipes(results):
        columns["recipe"] = lambda own: f"`{own[0].recipe}`"
    columns |= {
        "model": lambda own: f"`{own[0].model}`",
        "parameters": lambda own: f"{own[0].parameters:,}",
    }
    if _of_published(results):
        columns["*published* (**leaky**)"] = lambda own: _published(own[0].model)
    splits = sorted({(result.place[2], result.leaky) for result in results})
    for (_, split), leaky in splits:
        heading = f"`{split}`{' (**leaky**)' if leaky else ''}"
        columns[heading] = _of_split(split, _scores)
        if split not in SPLITS:
            columns[f"{heading}, macro F1"] = _of_split(split, _f1)
    columns["seeds"] = lambda own: ", ".join(map(str, sorted({result.seed for result in own})))
    columns["epochs"] = lambda own: _range([result.epochs for result in own])
    columns["seconds an epoch"] = lambda own: _range(
        [float(f"{result.seconds_per_epoch:.2g}") for result in own]
    )
    return columns


def _of_published(results: Sequence[Result]) -> bool:
    return any(result.recipe == "published" for result in results)


def _published(model: str) -> str:
    return " / ".join(f"{100 * rate:.0f}" for rate in PUBLISHED.get(model, ())) or _NONE


def _of_split(split: str, cell: Callable[[list[Result]], str]) -> Callable[[list[Result]], str]:
    """A column of one split: the cell of a model's runs on it, a dash if there are none."""

    def of(own: list[Result]) -> str:
        chosen = [result for result in own if result.split == split]
        return cell(chosen) if chosen else _NONE

    return of


def _scores(own: list[Result]) -> str:
    train = _percent([result.train_accuracy for result in own])
    test = _percent([result.test_accuracy for result in own])
    return f"{train} / {test} ({_percent([result.test_uar for result in own])})"


def _f1(own: list[Result]) -> str:
    return _percent([result.test_macro_f1 for result in own])


def _percent(rates: Sequence[float]) -> str:
    mean = f"{100 * statistics.mean(rates):.1f}"
    return f"{mean} ± {100 * statistics.stdev(rates):.1f}" if len(rates) > 1 else mean


def _range(values: Sequence[float]) -> str:
    low, high = (f"{end:g}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
