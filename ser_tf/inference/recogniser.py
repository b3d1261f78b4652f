"""A trained model that answers recordings: as a whole, window by window, or while they go on."""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser_tf import audio
from ser_tf.errors import InputError
from ser_tf.inference import runtimes, windows
from ser_tf.inference.answers import Answer, decide
from ser_tf.inference.stream import Stream

if TYPE_CHECKING:
    import pandas as pd

    from ser_tf.inference.model_folder import Artifact
    from ser_tf.inference.runtime import Runtime


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

    A file is read as it is answered, so that memory does not grow with its length, and several
    threads may ask at a time.

    Args:
        artifact: a loaded model folder.
        runtime: what computes its answers; None: LiteRT where it can, else Keras.
    """

    def __init__(self, artifact: "Artifact", runtime: "Runtime | None" = None) -> None:
        self.artifact = artifact
        self.runtime = runtime or runtimes.choose(artifact)

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
        start, pieces = windows.begin(self.pieces(sound, rate_hz), 2 * self.window_samples)
        if len(start) <= 2 * self.window_samples:
            return self._decide(self.runtime.of_clip(start))
        _, found = self._of_windows(itertools.chain([start], pieces))
        return self._decide(found.mean(axis=0))

    def timeline(self, sound: audio.Sound, rate_hz: int | None = None) -> "pd.DataFrame":
        """The emotions along a recording.

        Returns:
            A row a window: `start_seconds, end_seconds, emotion, probability, unsure` and for
            each class `p_<class>`.

        Raises:
            InputError: as `answer`.
        """
        return self.listen(sound, rate_hz).timeline

    def listen(
        self,
        sound: audio.Sound,
        rate_hz: int | None = None,
        outline: "windows.Outline | None" = None,
    ) -> Heard:
        """Both the answer on a recording and its timeline; each window is computed once.

        Args:
            sound: the recording.
            rate_hz: its rate.
            outline: takes the outline of the recording, to be drawn.

        Raises:
            InputError: as `answer`.
        """
        pieces = self.pieces(sound, rate_hz)
        if outline is not None:
            pieces = outline.watch(pieces)
        start, pieces = windows.begin(pieces, 2 * self.window_samples)
        spans, found = self._of_windows(itertools.chain([start], pieces))
        if self.window_samples < len(start) <= 2 * self.window_samples:
            whole = self.runtime.of_clip(start)
        else:
            whole = found.mean(axis=0)  # a short clip is its only window
        return Heard(self._decide(whole), self._tabulate(spans, found))

    def stream(self) -> Stream:
        """A new stream, to be fed a recording chunk by chunk."""
        return Stream(self.artifact, self.runtime)

    def pieces(self, sound: audio.Sound, rate_hz: int | None = None) -> Iterator[np.ndarray]:
        """A sound as the model takes it, in pieces: float32 `(samples,)` at the model's rate.

        Raises:
            InputError: as `answer`; what is wrong later in a file is found when that is read.
        """
        if isinstance(sound, str | os.PathLike):
            if rate_hz is not None:
                raise InputError(f"{sound}: a file states its own rate; leave rate_hz out.")
            return audio.pieces(sound, self.rate_hz)
        samples = audio.to_mono(sound)
        if not len(samples):
            raise InputError("samples: there are none.")
        from_hz = self.rate_hz if rate_hz is None else audio.check_rate(rate_hz)
        return audio.resample_pieces([samples], from_hz, self.rate_hz)

    def _decide(self, probabilities: np.ndarray) -> Answer:
        return decide(probabilities, self.classes, self.runtime.unsure_below)

    def _of_windows(self, pieces: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """First sample and end of every window `(windows, 2)`, and its probabilities."""
        spans = []

        def cut() -> Iterator[np.ndarray]:
            for first, window in windows.cut(pieces, self.window_samples):
                spans.append((first, first + len(window)))
                yield window

        found = np.stack([*self.runtime.of_windows(cut())])
        return np.array(spans), found

    def _tabulate(self, spans: np.ndarray, found: np.ndarray) -> "pd.DataFrame":
        import pandas as pd

        best = found.max(axis=1)
        table = pd.DataFrame(
            {
                "start_seconds": spans[:, 0] / self.rate_hz,
                "end_seconds": spans[:, 1] / self.rate_hz,
                "emotion": [self.classes[number] for number in found.argmax(axis=1)],
                "probability": best,
                "unsure": best < self.runtime.unsure_below,
            }
        )
        table[[f"p_{emotion}" for emotion in self.classes]] = found
        return table
