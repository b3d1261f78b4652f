"""The temperature and the threshold that suit a model's answers."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import roc_curve

from ser_tf.evaluation.metrics import top_answers

LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 20.0


def fit_temperature(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The temperature for the least negative log-likelihood of logits divided by it.

    Temperature scaling (Guo et al. 2017, section 4.2), searched on a logarithmic scale from
    0.05 to 20. If every answer is right, ever lower temperatures would raise the likelihood without
    end, so the temperature stays 1.

    Args:
        logits: those of validation clips, `(clips, classes)`.
        labels: their true class numbers, `(clips,)`.
        weights: of the clips in the likelihood, `(clips,)`; None: all weigh alike.
    """
    logits = np.asarray(logits, np.float64)
    if (logits.argmax(axis=1) == labels).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        picked = log_probabilities[np.arange(len(labels)), labels]
        return -float(np.average(picked, weights=weights))

    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def unsure_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The top probability below which an answer is called unsure.

    The threshold with the largest Youden index (1950): the share of right answers kept minus the
    share of wrong answers kept. Thresholds that would keep less than half of the right answers are
    not considered, so that a handful of clips cannot make a model unsure of nearly everything. The
    threshold lies midway between two clips' top probabilities. It is 0.0 (never unsure) if all
    answers are right, all are wrong, or no threshold separates them.

    Args:
        probabilities: calibrated ones of validation clips, `(clips, classes)`.
        labels: their true class numbers, `(clips,)`.
    """
    top, right = top_answers(probabilities, labels)
    if right.all() or not right.any():
        return 0.0
    wrong_kept, right_kept, thresholds = roc_curve(right, top, drop_intermediate=False)
    youden = np.where(right_kept >= 0.5, right_kept - wrong_kept, 0.0)
    # Thresholds descend, so of equal indices the last keeps the most answers.
    best = len(youden) - 1 - int(youden[::-1].argmax())
    if youden[best] <= 0:
        return 0.0
    return float((thresholds[best] + thresholds[best + 1]) / 2)


def precision_threshold(
    probabilities: np.ndarray, labels: np.ndarray, corpora: np.ndarray, right: float
) -> float:
    """The lowest top probability from which on answers are right in a share `right` of cases.

    The share is the mean over corpora, of those that have such answers. It is 1.0, so that hardly
    an answer is ever sure, if no threshold reaches it.

    Args:
        probabilities: calibrated ones of clips, `(clips, classes)`.
        labels: their true class numbers, `(clips,)`.
        corpora: the corpus of each clip, `(clips,)`.
        right: the share to reach, from 0 to 1.
    """
    top, hits = top_answers(probabilities, labels)
    for threshold in np.linspace(0, 1, 201)[:-1]:
        sure = top >= threshold
        shares = [hits[sure & (corpora == name)].mean() for name in np.unique(corpora[sure])]
        if shares and np.mean(shares) >= right:
            return float(threshold)
    return 1.0
