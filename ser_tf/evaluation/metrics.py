"""Metrics: rates, intervals over speakers, and how far probabilities can be trusted.

The headline is UAR, the unweighted average recall (Schuller et al. 2009): the mean over the classes
present in the truth of the share of their clips that is answered right. Chance is 1 / classes,
whatever the classes' sizes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, softmax, stdtrit
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

RESAMPLES = 10_000
"""Bootstrap resamples behind an interval."""

LEAST_SPEAKERS = 5
"""Fewest speakers for an interval: with four, all lie on one side of the truth with probability
1/8."""


def score(
    table: pd.DataFrame, classes: Sequence[str], temperature: float = 1.0, seed: int = 0
) -> dict[str, Any]:
    """The scores of one part of `metrics.json`, in plain dicts, lists and numbers.

    Args:
        table: one row a scored clip (or copy): `corpus, speaker, sex, emotion, predicted` and the
            probability `p_<class>` of each class. A `sex` that is empty or missing is unknown.
        classes: the model's classes, in its order; every emotion in the table is one of them.
        temperature: the temperature that divided the logits behind the probabilities.
        seed: seed of the bootstrap.

    Returns:
        `accuracy`, `uar`, `uar_masked` (arg-max over only the classes present in the truth),
        `macro_f1` (over the classes present), `n_clips`, `n_speakers`, `uar_ci95` (see
        `uar_interval`), `per_corpus`, `per_sex` and `per_speaker` (accuracy, uar, n_clips),
        `per_class` (recall, precision, f1, n_clips of each class present), `confusion` (counts,
        truth in rows), `ece`, and `ece_uncalibrated`, as it would be at temperature 1.

    Raises:
        ValueError: if the table is empty or holds an emotion or answer that is not a class.
    """
    truth = _codes(table.emotion, classes)
    predicted = _codes(table.predicted, classes)
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy(np.float64)
    present = np.unique(truth)
    masked = present[probabilities[:, present].argmax(axis=1)]
    confusion = _confusion(truth, predicted, len(classes))
    per_class = _per_class(truth, predicted, present, classes)
    return {
        **_rates(confusion),
        "uar_masked": float(uar(_confusion(truth, masked, len(classes)))),
        "macro_f1": float(np.mean([one["f1"] for one in per_class.values()])),
        "n_speakers": int(table.speaker.nunique()),
        "uar_ci95": uar_interval(truth, predicted, table.speaker.to_numpy(), len(classes), seed),
        "per_corpus": _per_group(truth, predicted, table.corpus, len(classes)),
        "per_class": per_class,
        "per_sex": _per_group(truth, predicted, table.sex, len(classes)),
        "per_speaker": _per_group(truth, predicted, table.speaker, len(classes)),
        "confusion": confusion.tolist(),
        "ece": ece(probabilities, truth),
        "ece_uncalibrated": ece(_at_temperature_one(probabilities, temperature), truth),
    }


def uar(confusion: np.ndarray) -> np.ndarray:
    """The mean recall over the classes present in the truth.

    Args:
        confusion: counts `(..., classes, classes)`, truth in rows, at least one clip in each.

    Returns:
        One rate for each confusion matrix, shape `(...)`.
    """
    clips = confusion.sum(axis=-1)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return (right / np.maximum(clips, 1)).sum(axis=-1) / (clips > 0).sum(axis=-1)


def uar_interval(
    truth: np.ndarray, predicted: np.ndarray, speakers: np.ndarray, classes: int, seed: int = 0
) -> list[float] | None:
    """The 95 % bootstrap interval of the UAR over speakers, the independent units of the data.

    Speakers are drawn with replacement, all clips of one together (Field & Welsh 2007); a
    resample's UAR is over the classes that its own clips have. Percentiles 2.5 and 97.5 would be
    too narrow for few speakers, so they are moved outwards as far as Student's t lies outside the
    normal distribution (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", the
    expanded percentile interval).

    Args:
        truth: class numbers `(clips,)`.
        predicted: the answers' class numbers `(clips,)`.
        speakers: each clip's speaker, `(clips,)`.
        classes: the number of classes.
        seed: seed of the resampling.

    Returns:
        The interval's two ends, or None for fewer speakers than `LEAST_SPEAKERS`.
    """
    names, codes = np.unique(speakers, return_inverse=True)
    count = len(names)
    if count < LEAST_SPEAKERS:
        return None
    confusions = np.zeros((count, classes, classes))
    np.add.at(confusions, (codes, truth, predicted), 1)
    drawn = np.random.default_rng(seed).multinomial(
        count, np.full(count, 1 / count), size=RESAMPLES
    )  # (resamples, speakers): how often each is drawn
    resampled = uar(np.tensordot(drawn, confusions, axes=1))  # (resamples,)
    tail = ndtr(-((count / (count - 1)) ** 0.5) * stdtrit(count - 1, 0.975))
    return [float(end) for end in np.quantile(resampled, (tail, 1 - tail))]


def ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """The expected calibration error of the top answers (Naeini et al. 2015, Guo et al. 2017).

    Args:
        probabilities: `(clips, classes)`, at least one clip.
        labels: the true class numbers, `(clips,)`.
        bins: the number of bins of equal width for the top probabilities.

    Returns:
        The mean distance, weighted by clips, between a bin's accuracy and mean top probability.
    """
    table = reliability(probabilities, labels, bins)
    gaps = table.clips * (table.accuracy - table.probability).abs()
    return float(gaps.sum() / table.clips.sum())


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> pd.DataFrame:
    """How often answers of about the same probability are right.

    Args:
        probabilities: `(clips, classes)`, at least one clip.
        labels: the true class numbers, `(clips,)`.
        bins: the number of bins of equal width for the top probabilities.

    Returns:
        A row a bin: its ends `low` and `high`, its number of `clips`, their mean top `probability`
        and their `accuracy` (NaN for both in an empty bin).
    """
    top, right = top_answers(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.digitize(top, edges[1:-1], right=True)
    clips = np.bincount(bin_of, minlength=bins)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "clips": clips})
    for name, values in (("probability", top), ("accuracy", right)):
        table[name] = np.bincount(bin_of, values, bins) / np.where(clips, clips, np.nan)
    return table


def coverage(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """How often a model is right if it answers only where its top probability is high enough.

    Known as the risk-coverage curve (El-Yaniv and Wiener 2010), here with accuracy for risk.

    Args:
        probabilities: `(clips, classes)`, at least one clip.
        labels: the true class numbers, `(clips,)`.

    Returns:
        A row a `threshold`, from the highest top probability to the lowest: the share of clips
        answered with at least that (`coverage`) and the share of these that is right (`accuracy`).
    """
    top, right = top_answers(probabilities, labels)
    order = np.argsort(-top, kind="stable")
    thresholds, kept = top[order], np.arange(1, len(top) + 1)
    last = np.append(thresholds[1:] != thresholds[:-1], True)  # clips of equal top stay together
    accuracy = np.cumsum(right[order]) / kept
    return pd.DataFrame(
        {
            "threshold": thresholds[last],
            "coverage": kept[last] / len(top),
            "accuracy": accuracy[last],
        }
    )


def _at_temperature_one(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """`softmax(logits)` of `softmax(logits / temperature)`."""
    logits = temperature * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    result: np.ndarray = softmax(logits, axis=1)
    return result


def _codes(words: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """The class numbers of class names `(clips,)`."""
    if words.empty:
        raise ValueError("At least one clip is needed to score. Received: an empty table.")
    codes = pd.Index(classes).get_indexer(pd.Index(words))
    if (codes < 0).any():
        unknown = ", ".join(sorted(map(str, set(words[codes < 0]))))
        raise ValueError(
            f"Column {words.name!r} holds the model's classes only ({', '.join(classes)}). "
            f"Received: {unknown}."
        )
    return codes


def _confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `(classes, classes)`, truth in rows."""
    return confusion_matrix(truth, predicted, labels=np.arange(classes))


def _rates(confusion: np.ndarray) -> dict[str, Any]:
    clips = int(confusion.sum())
    accuracy = float(np.trace(confusion) / clips)
    return {"accuracy": accuracy, "uar": float(uar(confusion)), "n_clips": clips}


def _per_group(
    truth: np.ndarray, predicted: np.ndarray, groups: pd.Series, classes: int
) -> dict[str, dict[str, Any]]:
    """The rates of each group's clips; clips of unknown group are left out."""
    names = groups.fillna("").astype(str).to_numpy()
    return {
        str(name): _rates(_confusion(truth[names == name], predicted[names == name], classes))
        for name in np.unique(names)
        if name
    }


def _per_class(
    truth: np.ndarray, predicted: np.ndarray, present: np.ndarray, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Recall, precision (0.0 if never answered), F1 and clips of every class present."""
    precision, recall, f1, clips = precision_recall_fscore_support(
        truth, predicted, labels=present, zero_division=0
    )
    return {
        classes[code]: {
            "recall": float(recall[i]),
            "precision": float(precision[i]),
            "f1": float(f1[i]),
            "n_clips": int(clips[i]),
        }
        for i, code in enumerate(present)
    }


def top_answers(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every clip's top probability, and whether the answer with it is right."""
    probabilities = np.asarray(probabilities, np.float64)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels)
