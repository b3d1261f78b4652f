"""Answers: on rows of a corpus for scoring, and on recordings for a person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ser_tf import console
from ser_tf.inference.answers import Answer

if TYPE_CHECKING:
    import keras

    from ser_tf.data.dataset import Data
    from ser_tf.inference.model_folder import Artifact

BATCH = 64
_COLUMNS = ["path", "copy", "corpus", "speaker", "emotion", "sex"]


def logits(encoder: "keras.Model", features: np.ndarray) -> np.ndarray:
    """The encoder's logits, float32 `(rows, classes)`, of features `(rows, frames, channels)`."""
    verbose = console.of_prediction(len(features))
    return encoder.predict(features, batch_size=BATCH, verbose=verbose)


def predictions(model: "keras.Model", data: "Data") -> pd.DataFrame:
    """The model's answer on every row, by its encoder and calibration.

    Returns:
        Columns `path, copy, corpus, speaker, emotion, sex, predicted, unsure` and for each class
        `p_<class>`: the table that `metrics.score` takes.
    """
    calibration = model.get_layer("calibration")
    probabilities = np.asarray(calibration(logits(model.get_layer("encoder"), data.features)))
    return table(data.rows, probabilities, data.classes, calibration.unsure_below)


def table(
    rows: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str], unsure_below: float
) -> pd.DataFrame:
    """The answers on `rows`, as of `predictions`, from probabilities `(rows, classes)`."""
    answers = rows[_COLUMNS].reset_index(drop=True)
    answers["predicted"] = [classes[best] for best in probabilities.argmax(axis=1)]
    answers["unsure"] = probabilities.max(axis=1) < unsure_below
    answers[[f"p_{emotion}" for emotion in classes]] = probabilities
    return answers


def answer(artifact: "Artifact", probabilities: np.ndarray) -> Answer:
    """What the model's `probabilities` `(classes,)` say."""
    values = dict(zip(artifact.classes, probabilities.tolist(), strict=True))
    emotion = max(values, key=values.__getitem__)
    unsure = values[emotion] < artifact.calibration.unsure_below
    return Answer(emotion, values[emotion], values, unsure)


class Recogniser:
    """Recognises the emotion in recordings with a trained model.

    A recording of up to twice the length that the model's features span is heard as one clip, as
    in training and scoring (with causal features these hear its last `clip_seconds` only). A longer
    one is heard in windows of that length that overlap by half, and the answer is the mean of
    theirs.

    Args:
        artifact: a loaded model folder.
    """

    def __init__(self, artifact: "Artifact") -> None:
        import tensorflow as tf

        self.artifact = artifact
        # One graph for all lengths: a second to make, then ten times faster than layer by layer.
        signature = [tf.TensorSpec((None, None), tf.float32)]
        self._model = tf.function(artifact.model, input_signature=signature)
        seconds = artifact.config.feature_entry.span_seconds
        self.window_samples = round(seconds * artifact.rate_hz)

    def answer(self, waveform: np.ndarray) -> Answer:
        """The emotion of a recording: float32 `(samples,)` at the model's rate."""
        if len(waveform) <= 2 * self.window_samples:
            probabilities = self._probabilities(waveform[np.newaxis])[0]
        else:
            probabilities = self._of_windows(waveform)[1].mean(axis=0)
        return answer(self.artifact, probabilities)

    def timeline(self, waveform: np.ndarray) -> pd.DataFrame:
        """The emotions along a recording: float32 `(samples,)` at the model's rate.

        Returns:
            A row a window: `start_seconds, end_seconds, emotion, probability, unsure` and for
            each class `p_<class>`.
        """
        starts, probabilities = self._of_windows(waveform)
        ends = np.minimum(starts + self.window_samples, len(waveform))
        classes = self.artifact.classes
        best = probabilities.max(axis=1)
        table = pd.DataFrame(
            {
                "start_seconds": starts / self.artifact.rate_hz,
                "end_seconds": ends / self.artifact.rate_hz,
                "emotion": [classes[number] for number in probabilities.argmax(axis=1)],
                "probability": best,
                "unsure": best < self.artifact.calibration.unsure_below,
            }
        )
        table[[f"p_{emotion}" for emotion in classes]] = probabilities
        return table

    def _of_windows(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first sample of every window and its probabilities; the last ends with the sound."""
        last = max(0, len(waveform) - self.window_samples)
        starts = np.append(np.arange(0, last, self.window_samples // 2), last)
        windows = np.stack([waveform[start:][: self.window_samples] for start in starts])
        return starts, self._probabilities(windows)

    def _probabilities(self, waveforms: np.ndarray) -> np.ndarray:
        batches = range(0, len(waveforms), BATCH)
        return np.concatenate(
            [np.asarray(self._model(waveforms[start:][:BATCH])) for start in batches]
        )
