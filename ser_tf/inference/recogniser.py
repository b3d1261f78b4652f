"""A trained model that answers recordings: as a whole, window by window, or while they go on."""

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser_tf import audio
from ser_tf.errors import InputError
from ser_tf.inference.answers import Answer
from ser_tf.inference.predictions import BATCH

if TYPE_CHECKING:
    import pandas as pd

    from ser_tf.inference.model_folder import Artifact
    from ser_tf.inference.stream import Stream


class Heard(NamedTuple):
    """The answer on a recording and its timeline, from one pass over its windows.

    Attributes:
        answer: the emotion of the whole recording.
        timeline: the emotions along it, as from `Recogniser.timeline`.
    """

    answer: Answer
    timeline: "pd.DataFrame"


class Recogniser:
    """Recognises the emotion in recordings with a trained model.

    A recording of up to twice the length that the model's features span is answered as one clip, as
    in training and scoring (of these, causal features see the last `clip_seconds` only). A longer
    one is cut into windows of that length that overlap by half; its answer is the mean of theirs.

    Wherever a method takes a `sound`, that is the path of a recording of any format, or samples:
    `(samples,)` or `(samples, channels)`, floats in [-1, 1] or integers, recorded at `rate_hz` (by
    default the model's rate). Channels are averaged and other rates resampled as for files.

    Args:
        artifact: a loaded model folder.
    """

    def __init__(self, artifact: "Artifact") -> None:
        import tensorflow as tf

        self.artifact = artifact
        # One graph for all lengths: a second to make, then ten times faster than layer by layer.
        signature = [tf.TensorSpec((None, None), tf.float32)]
        self._model = tf.function(artifact.model, input_signature=signature)

    @functools.cached_property
    def window_samples(self) -> int:
        """The samples of a window: as many as the model's features span."""
        return round(self.artifact.config.features.entry.span_seconds * self.rate_hz)

    @property
    def folder(self) -> Path:
        """The model folder."""
        return self.artifact.folder

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions that the model tells apart, in the order of its probabilities."""
        return self.artifact.classes

    @property
    def rate_hz(self) -> int:
        """The model's sample rate."""
        return self.artifact.rate_hz

    def answer(self, sound: audio.Sound, rate_hz: int | None = None) -> Answer:
        """The emotion of a recording.

        Raises:
            InputError: if the file cannot be read, or the samples or the rate cannot be used.
        """
        return self.artifact.answer(self._of_whole(self.waveform(sound, rate_hz)))

    def timeline(self, sound: audio.Sound, rate_hz: int | None = None) -> "pd.DataFrame":
        """The emotions along a recording.

        Returns:
            A row a window: `start_seconds, end_seconds, emotion, probability, unsure` and for
            each class `p_<class>`.

        Raises:
            InputError: as `answer`.
        """
        waveform = self.waveform(sound, rate_hz)
        return self._timeline(waveform, *self._of_windows(waveform))

    def listen(self, sound: audio.Sound, rate_hz: int | None = None) -> Heard:
        """Both the answer on a recording and its timeline; each window is computed once.

        Raises:
            InputError: as `answer`.
        """
        waveform = self.waveform(sound, rate_hz)
        starts, of_windows = self._of_windows(waveform)
        answer = self.artifact.answer(self._of_whole(waveform, of_windows))
        return Heard(answer, self._timeline(waveform, starts, of_windows))

    def stream(self) -> "Stream":
        """A new stream, to be fed a recording chunk by chunk.

        Raises:
            InputError: if the model takes whole clips only.
        """
        from ser_tf.inference.stream import Stream

        return Stream(self.artifact)

    def waveform(self, sound: audio.Sound, rate_hz: int | None = None) -> np.ndarray:
        """A sound as the model takes it: float32 `(samples,)` in [-1, 1] at the model's rate.

        Raises:
            InputError: as `answer`.
        """
        if isinstance(sound, str | os.PathLike):
            if rate_hz is not None:
                raise InputError(f"{sound}: a file states its own rate; leave rate_hz out.")
            return audio.load(sound, self.rate_hz)
        samples = audio.to_mono(sound)
        if not len(samples):
            raise InputError("samples: there are none.")
        from_hz = self.rate_hz if rate_hz is None else audio.check_rate(rate_hz)
        return audio.resample(samples, from_hz, self.rate_hz)

    def _of_whole(self, waveform: np.ndarray, of_windows: np.ndarray | None = None) -> np.ndarray:
        """The probabilities `(classes,)` of a recording; its windows' `(windows, classes)` help."""
        if self.window_samples < len(waveform) <= 2 * self.window_samples:
            [of_clip] = self._probabilities(waveform[np.newaxis])
            return np.asarray(of_clip)
        if of_windows is None:
            _, of_windows = self._of_windows(waveform)
        mean: np.ndarray = of_windows.mean(axis=0)  # a short clip is its only window
        return mean

    def _timeline(
        self, waveform: np.ndarray, starts: np.ndarray, of_windows: np.ndarray
    ) -> "pd.DataFrame":
        import pandas as pd

        ends = np.minimum(starts + self.window_samples, len(waveform))
        best = of_windows.max(axis=1)
        table = pd.DataFrame(
            {
                "start_seconds": starts / self.rate_hz,
                "end_seconds": ends / self.rate_hz,
                "emotion": [self.classes[number] for number in of_windows.argmax(axis=1)],
                "probability": best,
                "unsure": best < self.artifact.calibration.unsure_below,
            }
        )
        table[[f"p_{emotion}" for emotion in self.classes]] = of_windows
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
