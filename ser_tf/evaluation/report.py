"""Scores as text for a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser_tf.corpora import title
from ser_tf.corpora.splits import PARTS


def name_run(metrics: Mapping[str, Any]) -> str:
    """Names a run: its model, corpora and split, and whether the split leaks."""
    corpora = ", ".join(title(name) for name in metrics["corpora"])
    leaky = " (LEAKY)" if metrics["leaky"] else ""
    return f"{metrics['model']} on {corpora}, split by {metrics['split']}{leaky}"


def describe_run(metrics: Mapping[str, Any], folder: str | Path) -> str:
    """Describes a finished run: its name, a line for each part of the split, its folder."""
    folds = f", mean of {metrics['folds']} folds" if "folds" in metrics else ""
    lines = [f"{name_run(metrics)}{folds}; {metrics['parameters']:,} parameters"]
    parts = [part for part in PARTS if part in metrics]
    lines += _rows({part: metrics[part] for part in parts})
    if len(metrics[parts[-1]]["per_corpus"]) > 1:
        lines += ["", f"{parts[-1]}:", *_corpora(metrics[parts[-1]])]
    if metrics["leaky"]:
        lines.append("LEAKY: training and test share clips and speakers; not an honest figure.")
    return "\n".join([*lines, f"Saved in {folder}", ""])


def describe_scores(scores: Mapping[str, Any]) -> str:
    """Describes scored clips: a line for all, for each corpus and for each class."""
    lines = _rows({"all": scores})
    lines += [
        "",
        *_corpora(scores),
        "",
        f"{'emotion':<26}{'clips':>8}{'recall':>10}{'precision':>11}",
    ]
    for emotion, values in scores["per_class"].items():
        lines.append(
            f"{emotion:<26}{values['n_clips']:>8}{_percent(values['recall']):>10}"
            f"{_percent(values['precision']):>11}"
        )
    return "\n".join([*lines, ""])


def describe_robustness(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A line a condition, with its UAR's change from the first condition."""
    clean, *_ = scores.values()
    lines = [f"{'condition':<26}{'accuracy':>10}{'UAR':>8}{'change':>9}"]
    for name, values in scores.items():
        change = 100 * (values["uar"] - clean["uar"])
        lines.append(
            f"{name:<26}{_percent(values['accuracy']):>10}{_percent(values['uar']):>8}"
            f"{change:>+9.1f}"
        )
    return "\n".join([*lines, f"{clean['n_clips']} clips of {clean['n_speakers']} speakers", ""])


def _corpora(scores: Mapping[str, Any]) -> list[str]:
    return [f"{'corpus':<26}{'clips':>8}{'accuracy':>10}{'UAR':>8}"] + [
        f"{title(name):<26}{corpus['n_clips']:>8}{_percent(corpus['accuracy']):>10}"
        f"{_percent(corpus['uar']):>8}"
        for name, corpus in scores["per_corpus"].items()
    ]


def _rows(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [f"{'':<12}{'clips':>8}{'speakers':>10}{'accuracy':>10}{'UAR':>8}   95 % interval"]
    for part, scores in parts.items():
        low_high = scores.get("uar_ci95")
        interval = f"{_percent(low_high[0])} to {_percent(low_high[1])}" if low_high else "-"
        lines.append(
            f"{part:<12}{scores['n_clips']:>8}{scores['n_speakers']:>10}"
            f"{_percent(scores['accuracy']):>10}{_percent(scores['uar']):>8}   {interval}"
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
