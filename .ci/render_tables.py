"""Writes the tables of results into the pages: `python .ci/render_tables.py`.

A page holds `<!-- table: NAME -->`, the table and `<!-- end -->`. NAME is a key of `TABLES`, or a
comparison that `python -m ser_tf.compare` has left in saved_models/results/NAME.csv, or
`NAME, last 10 epochs`. Every figure comes from a file in saved_models/; rates are in %.
"""

import contextlib
import csv
import functools
import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ser_tf.corpora import CORPORA, title
from ser_tf.emotions import EMOTIONS
from ser_tf.evaluation import comparison

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "saved_models/results"
MODELS = ROOT / "saved_models"
_PAGES = (
    *("README.md", "notebooks/README.md", "tests/README.md", "ser_tf/**/README.md"),
    *("saved_models/README.md", "saved_models/ser-*/README.md"),
)
_BLOCK = re.compile(r"^(<!-- table: ([^\n]+) -->\n).*?^(<!-- end -->)$", re.DOTALL | re.MULTILINE)
_LAST_EPOCHS = re.compile(r"(.+), last (\d+) epochs")
_FIGURE = re.compile(r"[\d+−].*|")  # noqa: RUF001


def pages() -> list[Path]:
    """The README of every room and the cards of the shipped models."""
    return sorted({path for pattern in _PAGES for path in ROOT.glob(pattern)})


def render(text: str) -> str:
    """The page with its tables as the data have them now.

    Raises:
        InputError: if a table is neither in `TABLES` nor a comparison.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{table(block[2])}{block[3]}", text)


def table(name: str) -> str:
    """The Markdown of one table.

    Raises:
        InputError: if it is neither in `TABLES` nor a comparison.
    """
    if name in TABLES:
        headings, *rows = TABLES[name]()
        return _markdown(headings, rows)
    last = _LAST_EPOCHS.fullmatch(name)
    with contextlib.chdir(ROOT):
        if not last:
            return comparison.markdown(comparison.load(name))
        count = int(last[2])
        return comparison.markdown(comparison.load_last_epochs(last[1], count), count)


def _summary() -> Iterable[Sequence[str]]:
    """Results on unseen speakers, and what others report on the same corpus."""
    yield "asked about", "trained on", "model", "parameters", "UAR", "chance", "others"
    yardsticks = {row["system"]: row for row in _rows("yardsticks.csv")}
    for row in _rows("summary.csv"):
        parameters, classes, rates = _scores(row)
        other = yardsticks.get(row["yardstick"])
        theirs = f"{_spread(other)} ({other['system']})" if other else ""
        words = row["asked_about"], row["trained_on"], row["model"]
        yield *words, f"{parameters:,}", _mean(rates), _percent(1 / classes), theirs


def _scores(row: Mapping[str, str]) -> tuple[int, int, list[float]]:
    """Parameters, number of classes and held-out UAR of every seed."""
    if row["results"] == "cross-corpus.csv":
        [found] = (
            other
            for other in _rows("cross-corpus.csv")
            if (other["trained_on"], other["recipe"]) == (row["trained_on"], row["model"])
        )
        return int(found["parameters"]), int(found["classes"]), [float(found["uar"])]
    if row["results"].endswith(".csv"):
        runs = _comparison(row["results"].removesuffix(".csv"))
        return runs[0].parameters, runs[0].classes, [run.test_uar for run in runs]
    metrics = _json(RESULTS / row["results"])
    part = metrics.get("test") or metrics["validation"]
    return metrics["parameters"], len(metrics["classes"]), [part["uar"]]


def _leak() -> Iterable[Sequence[str]]:
    """The published LMU on the three splits."""
    yield "split", "training has heard", "training accuracy", "held-out accuracy", "held-out UAR"
    shared = {
        "rows": "copies of the same clip, and the voice",
        "clips": "the voice",
        "speakers": "neither",
    }
    for split, what in shared.items():
        runs = [
            run
            for run in _comparison("published-ravdess")
            if (run.model, run.split) == ("lmu", split)
        ]
        rates = ("train_accuracy", "test_accuracy", "test_uar")
        means = [_mean([getattr(run, rate) for run in runs]) for rate in rates]
        yield f"`{split}`{' (**leaky**)' if runs[0].leaky else ''}", what, *means


def _fold_1() -> Iterable[Sequence[str]]:
    """Default models on the first RAVDESS fold."""
    yield "model", "parameters", "seeds", "test UAR", "seconds an epoch", "peak memory"
    rows = _rows("ravdess-fold-1.csv")
    for model, lmu in dict.fromkeys((row["model"], row["lmu"]) for row in rows):
        own = [row for row in rows if (row["model"], row["lmu"]) == (model, lmu)]
        yield (
            f"`{model}`{' on keras_lmu' if lmu == 'keras_lmu' else ''}",
            f"{int(own[0]['parameters']):,}",
            f"0 to {own[-1]['seed']}",
            _mean([float(row["test_uar"]) for row in own]),
            f"{statistics.median(float(row['seconds_per_epoch']) for row in own):.1f}",
            f"{max(int(row['peak_megabytes']) for row in own) / 1000:.1f} GB",
        )


def _elsewhere() -> Iterable[Sequence[str]]:
    """Runs on corpora that may not be passed on: a line each, from its metrics.json."""
    yield (
        *("corpus", "held out", "model", "parameters", "seed", "training accuracy"),
        *("test accuracy", "test UAR", "lowest and highest fold", "command (commit)"),
    )
    for row in _rows("elsewhere/commands.csv"):
        metrics = _json(RESULTS / "elsewhere" / row["file"])
        test = metrics["test"]
        yield (
            ", ".join(title(name) for name in metrics["corpora"]),
            *(row["held_out"], f"`{metrics['model']}`"),
            *(f"{metrics['parameters']:,}", str(metrics["seed"])),
            *(_percent(metrics["train"]["accuracy"]), _percent(test["accuracy"])),
            _percent(test["uar"]),
            " and ".join(_percent(end(test["uar_per_fold"])) for end in (min, max)),
            f"`{row['command']}` ({row['commit']})",
        )


def _cross_corpus() -> Iterable[Sequence[str]]:
    """Models of one corpus, asked about the other."""
    yield (
        *("trained on", "recipe", "asked about", "clips", "validation UAR at home"),
        *("UAR abroad", "among the emotions there"),
    )
    for row in _rows("cross-corpus.csv"):
        words = row["trained_on"], row["recipe"], row["asked_about"], f"{int(row['clips']):,}"
        yield *words, *(_percent(row[rate]) for rate in ("validation_uar", "uar", "uar_masked"))


def _yardsticks() -> Iterable[Sequence[str]]:
    """What others report without a speaker on both sides."""
    yield "corpus", "held out", "system", "pre-trained on", "parameters", "UAR", "note"
    for row in _rows("yardsticks.csv"):
        words = row["corpus"], row["held_out"], row["system"], row["pre_trained"]
        parameters = f"{int(row['parameters']):,}" if row["parameters"] else ""
        yield *words, parameters, _spread(row), row["note"]


def _shipped_parts(model: str) -> Iterable[Sequence[str]]:
    """A shipped model's scores by corpus and by sex."""
    yield "", "clips", "accuracy", "UAR", "95 % interval over speakers"
    scores = _json(MODELS / model / "metrics.json")["validation"]
    sexes = {"female": "women", "male": "men"}
    parts = [("all", scores)]
    parts += [(_title(name), part) for name, part in scores["per_corpus"].items()]
    parts += [(word, scores["per_sex"][sex]) for sex, word in sexes.items()]
    for name, part in parts:
        rates = _percent(part["accuracy"]), _percent(part["uar"])
        ends = " to ".join(map(_percent, part.get("uar_ci95") or ()))
        yield name, f"{part['n_clips']:,}", *rates, ends


def _shipped_emotions(model: str) -> Iterable[Sequence[str]]:
    """A shipped model's recall and precision of every emotion."""
    yield "", *EMOTIONS
    scores = _json(MODELS / model / "metrics.json")["validation"]["per_class"]
    for rate in ("recall", "precision"):
        yield rate, *(f"{100 * scores[emotion][rate]:.0f}" for emotion in EMOTIONS)


def _left_out() -> Iterable[Sequence[str]]:
    """Scores on corpora that were left out of training."""
    yield (
        *("left out", "clips", "UAR", "among the emotions there"),
        *("answers that are sure", "of these right"),
    )
    for row in _rows("left-out.csv"):
        rates = (_percent(row[name]) for name in ("uar", "uar_masked", "sure", "sure_right"))
        yield row["left_out"], f"{int(row['clips']):,}", *rates


def _whisper_folds() -> Iterable[Sequence[str]]:
    """`ser-whisper`'s recipe on speakers left out of one corpus."""
    yield "corpus", "held out", "clips", "seeds", "UAR", "of the folds"
    for row in _rows("ser-whisper-folds.csv"):
        rates = [float(rate) for rate in row["uar_by_seed"].split()]
        folds = ", ".join(_percent(rate) for rate in row["uar_by_fold"].split())
        words = row["corpus"], row["held_out"], f"{int(row['clips']):,}", row["seeds"]
        yield *words, _mean(rates), folds


def _shipped_conditions() -> Iterable[Sequence[str]]:
    """The shipped model under harder conditions, another seed of it, and the model before."""
    yield "condition", "accuracy", "UAR", "change", "UAR, another seed", "UAR, model before"
    found = {(row["model"], row["condition"]): row for row in _rows("ser-lmu-conditions.csv")}
    for condition in dict.fromkeys(condition for _, condition in found):
        own, seed, before = (
            found[model, condition] for model in ("ships", "another seed", "before")
        )
        change = f"{100 * float(own['change']):+.1f}".replace("-", "−")  # noqa: RUF001
        rates = _percent(own["accuracy"]), _percent(own["uar"]), change
        yield condition, *rates, _percent(seed["uar"]), _percent(before["uar"])


def _whisper_conditions() -> Iterable[Sequence[str]]:
    """`ser-whisper` under harder conditions."""
    yield "condition", "accuracy", "UAR", "change"
    for row in _rows("ser-whisper-conditions.csv"):
        change = f"{100 * float(row['change']):+.1f}".replace("-", "−")  # noqa: RUF001
        yield row["condition"], _percent(row["accuracy"]), _percent(row["uar"]), change


def _speed_lmu() -> Iterable[Sequence[str]]:
    """Training steps of this layer and, as multiples of it, of others."""
    cells: dict[str, dict[str, str]] = {}
    for row in _rows("speed-lmu.csv"):
        shape = f"({row['steps']}, {row['channels']}), {row['order']}, {row['memory_d']}"
        absolute = f"{row['milliseconds']} ms, {row['megabytes']} MB"
        times = f"{row['times']} × ({row['memory_times']} ×)"  # noqa: RUF001
        case = cells.setdefault(f"`{row['case']}`: {shape}, {row['units']}", {})
        case[row["way"]] = times if row["times"] else absolute
    yield "(steps, channels), order, memory_d, units", *next(iter(cells.values()))
    for case, ways in cells.items():
        yield case, *ways.values()


def _speed_pipeline() -> Iterable[Sequence[str]]:
    """Published features of four copies a clip."""
    yield "way", "rows a second", "lowest to highest", "times librosa"
    for row in _rows("speed-pipeline.csv"):
        rate, low, high = (
            f"{int(row[name]):,}" for name in ("rows_per_second", "lowest", "highest")
        )
        yield row["way"], rate, f"{low} to {high}", row["times"]


def _speed_serving() -> Iterable[Sequence[str]]:
    """A served version against librosa and `model.predict`."""
    yield (
        *("median (99 %) in ms", "SavedModel", "librosa, then `model.predict`"),
        *("times", "clips a second"),
    )
    for row in _rows("speed-serving.csv"):
        own = f"{row['saved_model_ms']} ({row['saved_model_99_ms']})"
        other = f"{row['librosa_ms']} ({row['librosa_99_ms']})" if row["librosa_ms"] else ""
        yield row["request"], own, other, row["times"], row["clips_per_second"]


def _corpora() -> Iterable[Sequence[str]]:
    """The corpora that kagglehub downloads."""
    yield "corpus", "clips", "Kaggle", "licence"
    for name, corpus in CORPORA.items():
        if corpus.handle:
            licence = re.sub(r" \((http\S+)\)", r" ([source](\1))", corpus.licence)
            yield f"`{name}`", f"{corpus.clips:,}", f"`{corpus.handle}`", licence


TABLES: Mapping[str, Callable[[], Iterable[Sequence[str]]]] = {
    "corpora": _corpora,
    "cross-corpus": _cross_corpus,
    "elsewhere": _elsewhere,
    "leak": _leak,
    "ravdess-fold-1": _fold_1,
    "ser-lmu-conditions": _shipped_conditions,
    "left-out": _left_out,
    **{
        f"{model}-{kind}": functools.partial(make, model)
        for model in ("ser-lmu", "ser-whisper")
        for kind, make in (("emotions", _shipped_emotions), ("parts", _shipped_parts))
    },
    "ser-whisper-conditions": _whisper_conditions,
    "ser-whisper-folds": _whisper_folds,
    "speed-lmu": _speed_lmu,
    "speed-pipeline": _speed_pipeline,
    "speed-serving": _speed_serving,
    "summary": _summary,
    "yardsticks": _yardsticks,
}
"""Tables that are not comparisons, by their name in the pages: headings, then rows."""


def _title(corpus: str) -> str:
    """The name of a corpus; of CREMA-D only a rendered copy is at hand."""
    return f"{title(corpus)} (rendered)" if corpus == "cremad" else title(corpus)


def _comparison(name: str) -> list[comparison.Result]:
    with contextlib.chdir(ROOT):
        return comparison.load(name)


def _rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _percent(rate: float | str) -> str:
    return f"{100 * float(rate):.1f}"


def _mean(rates: Sequence[float]) -> str:
    """The mean, and the standard deviation where there are several."""
    spread = f" ± {_percent(statistics.stdev(rates))}" if len(rates) > 1 else ""
    return _percent(statistics.mean(rates)) + spread


def _spread(row: Mapping[str, str]) -> str:
    return _percent(row["uar"]) + (f" ± {_percent(row['spread'])}" if row["spread"] else "")


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; columns of figures are set to the right."""
    columns = [*zip(*rows, strict=True)][1:]
    figures = [all(_FIGURE.fullmatch(cell) for cell in column) for column in columns]
    rule = ["---", *("--:" if right else "---" for right in figures)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, rule, *rows))


def main() -> None:
    """Rewrites the pages whose tables differ from the data."""
    for page in pages():
        text = page.read_text()
        if (rendered := render(text)) != text:
            page.write_text(rendered)


if __name__ == "__main__":
    main()
