"""A linear classifier in closed form, for vectors that also tell speaker and corpus."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.lmu.checks import require, require_not_negative, require_sizes

_FOLDS = 4
_TEMPERATURES = np.geomspace(1.0, 100.0, 41)
_OF_ONE_SPEAKER = 5.0
"""The temperature where no speaker can be left out: about what pools of corpora have."""

_UNTAUGHT = -30.0
"""The logit of a class without clips."""

_TINY = 1e-12


@keras.saving.register_keras_serializable("ser_tf")
class LinearDiscriminant(Float32Layer):
    """Logits of classes that are Gaussian with one covariance, by `adapt` rather than by gradient.

    What varies within a class is not alike. The covariance is that of clips of one speaker and
    class, plus shares of that of speakers' means within a corpus and class and of that of corpora's
    means within a class: the classifier then turns away from directions that tell who speaks or
    which corpus it is (within-class covariance normalisation, Hatch et al., 2006). A share of its
    diagonal is added (Friedman, 1989, "Regularized Discriminant Analysis"). Class means are means
    over corpora of means over speakers; corpora weigh as the root of their number of clips. All
    classes are equally probable beforehand.

    The logits are divided by the temperature at which they are calibrated on speakers left out.

    Input shape: `(batch, channels)`. Output shape: `(batch, classes)`.

    Args:
        classes: number of classes, at least 1.
        speaker_share: share of the speakers' covariance, at least 0.
        corpus_share: share of the corpora's covariance, at least 0.
        ridge: share of the diagonal, at least 0.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    arguments = ("classes", "speaker_share", "corpus_share", "ridge")

    def __init__(
        self,
        classes: int,
        *,
        speaker_share: float = 0.3,
        corpus_share: float = 0.3,
        ridge: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"trainable": False} | kwargs)
        require_sizes(classes=classes)
        require_not_negative(speaker_share=speaker_share, corpus_share=corpus_share, ridge=ridge)
        self.classes = classes
        self.speaker_share = speaker_share
        self.corpus_share = corpus_share
        self.ridge = ridge
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape: Shape) -> None:
        """Makes kernel and bias, zeros until `adapt` is called."""
        shape = (input_shape[-1], self.classes)
        self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The logits of `inputs`."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, classes)`."""
        return (input_shape[0], self.classes)

    def adapt(
        self,
        vectors: np.ndarray,
        labels: np.ndarray,
        speakers: Sequence[str],
        corpora: Sequence[str],
        copies: Sequence[np.ndarray] = (),
    ) -> None:
        """Sets the weights by clips.

        Args:
            vectors: `(clips, channels)`.
            labels: each clip's class, int `(clips,)`.
            speakers: each clip's speaker.
            corpora: each clip's corpus.
            copies: the vectors of augmented copies of the clips, each `(clips, channels)`: they
                count in the covariance, but not in the means.

        Raises:
            ValueError: if the sequences are not equally long.
        """
        lengths = {len(part) for part in (vectors, labels, speakers, corpora, *copies)}
        require(len(lengths) == 1, "all sequences must be equally long", lengths=sorted(lengths))
        columns = [np.unique(names, return_inverse=True)[1] for names in (speakers, corpora)]
        stack = np.stack([np.asarray(part, "float64") for part in (vectors, *copies)])
        groups = np.stack([labels, *columns])
        kernel, bias = self._solve(stack, groups)
        temperature = self._temperature(stack, groups)
        self.kernel.assign(kernel / temperature)
        logits = bias / temperature + np.log(np.maximum(self._shares(groups), _TINY))
        self.bias.assign(np.maximum(logits, _UNTAUGHT))

    def _shares(self, groups: np.ndarray) -> np.ndarray:
        """Each class's share of the clips."""
        shares = np.zeros(self.classes)
        for corpus in np.unique(groups[2]):
            counts = np.bincount(groups[0, groups[2] == corpus], minlength=self.classes)
            shares += counts / np.sqrt(counts.sum())
        return shares / shares.sum()

    def _solve(self, stack: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias, -inf for classes without clips."""
        corpora = np.unique(groups[2])
        shares = np.sqrt([np.count_nonzero(groups[2] == corpus) for corpus in corpora])
        covariance: Any = 0.0
        means: dict[int, list[tuple[np.ndarray, float]]] = {}
        for corpus, share in zip(corpora, shares / shares.sum(), strict=True):
            here = groups[2] == corpus
            within, by_class = self._within(stack[:, here], groups[:2, here])
            covariance = covariance + share * within
            for label, mean in by_class.items():
                means.setdefault(label, []).append((mean, share))
        channels = stack.shape[-1]
        centres = np.zeros((self.classes, channels))
        apart = [np.zeros((1, channels))]
        for label, own in means.items():
            rows, weights = (np.array(column) for column in zip(*own, strict=True))
            centres[label] = np.average(rows, axis=0, weights=weights)
            if len(own) > 1:
                apart.append(rows - centres[label])
        apart = apart[1:] or apart
        covariance = covariance + self.corpus_share * _second_moment(np.concatenate(apart))
        covariance[np.diag_indices(channels)] *= 1.0 + self.ridge
        kernel = np.linalg.lstsq(covariance, centres.T, rcond=1e-10)[0]
        bias = -0.5 * (centres.T * kernel).sum(axis=0)
        return kernel, np.where([label in means for label in range(self.classes)], bias, -np.inf)

    def _within(
        self, stack: np.ndarray, groups: np.ndarray
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """A corpus's covariance within classes, and the mean of each class."""
        rest, speakers, by_class = stack.copy(), [], {}
        for label in np.unique(groups[0]):
            own = []
            for speaker in np.unique(groups[1, groups[0] == label]):
                here = (groups == [[label], [speaker]]).all(axis=0)
                own.append(stack[0, here].mean(axis=0))
                rest[:, here] -= own[-1]
            by_class[int(label)] = np.mean(own, axis=0)
            speakers.append(own - by_class[int(label)])
        within = _second_moment(rest.reshape(-1, stack.shape[-1]))
        return within + self.speaker_share * _second_moment(np.concatenate(speakers)), by_class

    def _temperature(self, stack: np.ndarray, groups: np.ndarray) -> float:
        """The temperature with the least log loss on speakers left out, a quarter at a time."""
        fold = np.unique(groups[1], return_inverse=True)[1] % _FOLDS
        if not fold.any():
            return _OF_ONE_SPEAKER
        losses: Any = 0.0
        for number in np.unique(fold):
            out = fold == number
            kernel, bias = self._solve(stack[:, ~out], groups[:, ~out])
            logits = stack[0, out] @ kernel + bias
            labels = groups[0, out]
            known = np.isfinite(bias)[labels]
            losses = losses + _log_losses(logits[known], labels[known])
        return float(_TEMPERATURES[np.argmin(losses)])


def _second_moment(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows / len(rows)


def _log_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The summed log loss at each of the temperatures."""
    losses = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        picked = scaled[np.arange(len(labels)), labels]
        losses.append((np.log(np.exp(scaled).sum(axis=1)) - picked).sum())
    return np.array(losses)
