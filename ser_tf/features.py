"""The features a model can hear by: one frozen dataclass an entry, its fields the hyperparameters.

`FEATURES["mfcc"].build()` makes the Keras layer that a saved model begins with; options are changed
by `dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)`. Nothing here imports Keras before `build()`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


class _OneLength:
    """What features of one length for all clips share: they are arrays as they are.

    Attributes:
        normalised_axes: axes of `(batch, frames, channels)` along which each place has its mean.
    """

    normalised_axes: ClassVar[tuple[int, ...]] = (-1,)

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of every clip's features."""
        raise NotImplementedError

    @property
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of features in arrays: `shape`."""
        return self.shape

    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """The features as they are."""
        return features

    def mix(
        self, features: "tf.Tensor", others: "tf.Tensor", of_others: "tf.Tensor"
    ) -> "tf.Tensor":
        """Features that are, to the share `of_others` `(batch, 1, 1)`, those of `others`."""
        return (1 - of_others) * features + of_others * others

    def normalisation(self, features: "np.ndarray") -> "keras.Layer":
        """The layer "normalisation": to mean 0 and variance 1 over the training `features`."""
        import keras

        layer = keras.layers.Normalization(self.normalised_axes, name="normalisation")
        layer.adapt(features)
        return layer


@dataclass(frozen=True)
class _Frames:
    """Where frames of mel bands lie.

    Attributes:
        rate_hz: sampling rate of the waveform.
        window_seconds: length of the Hann window.
        hop_seconds: distance between two frames.
        n_fft: length of the Fourier transform in samples.
        n_mels: number of mel bands.
    """

    rate_hz: int = 16_000
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    n_fft: int = 512
    n_mels: int = 64

    def _spectrum(self) -> dict[str, int]:
        return {
            "rate_hz": self.rate_hz,
            "window_samples": self._samples(self.window_seconds),
            "hop_samples": self._samples(self.hop_seconds),
            "n_fft": self.n_fft,
            "n_mels": self.n_mels,
        }

    def _samples(self, seconds: float) -> int:
        return round(seconds * self.rate_hz)


@dataclass(frozen=True)
class Published(_OneLength):
    """The published flat row of 22,050 Hz: see `ser_tf.layers.features.PublishedRow`.

    Attributes:
        rate_hz: sampling rate of the waveform.
        offset_seconds: beginning of the part of a clip that is taken.
        clip_seconds: length of that part.
        frame_samples: length of a frame.
        hop_samples: distance between two frames.
        n_mels: number of mel bands below the coefficients.
        n_mfcc: number of coefficients a frame.
        kept: which part of a recording longer than `span_seconds` is heard as one clip.
    """

    normalised_axes = (1, 2)
    kept: ClassVar[str] = "beginning"

    rate_hz: int = 22_050
    offset_seconds: float = 0.6
    clip_seconds: float = 2.5
    frame_samples: int = 2048
    hop_samples: int = 512
    n_mels: int = 128
    n_mfcc: int = 20

    @property
    def span_seconds(self) -> float:
        """How much of a recording, from its beginning, the features can depend on."""
        return self.offset_seconds + self.clip_seconds

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of a clip's features: the row is a sequence of single numbers."""
        return self.channels * self.frames(round(self.span_seconds * self.rate_hz)), 1

    @property
    def channels(self) -> int:
        """Numbers a frame: zero-crossing rate, RMS and the coefficients."""
        return 2 + self.n_mfcc

    def frames(self, samples: int) -> int:
        """How many frames the part that is taken of a waveform of so many samples has."""
        taken = min(
            samples - round(self.offset_seconds * self.rate_hz),
            round(self.clip_seconds * self.rate_hz),
        )
        return 1 + taken // self.hop_samples if taken > 0 else 0

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, *shape)`, float32.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """
        from ser_tf.layers import features

        return features.PublishedRow(
            rate_hz=self.rate_hz,
            offset_samples=round(self.offset_seconds * self.rate_hz),
            clip_samples=round(self.clip_seconds * self.rate_hz),
            frame_samples=self.frame_samples,
            hop_samples=self.hop_samples,
            n_mels=self.n_mels,
            n_mfcc=self.n_mfcc,
            name="front_end",
        )


@dataclass(frozen=True)
class LogMel(_Frames, _OneLength):
    """Frames of mel-band levels in dB, of clips fitted to one length.

    Attributes:
        clip_seconds: shorter clips get zeros in front, of longer ones the middle is taken.
        deltas: how many derivatives in time are appended as channels.
        kept: which part of a recording longer than `span_seconds` is heard as one clip.
    """

    kept: ClassVar[str] = "middle"

    clip_seconds: float = 4.0
    deltas: int = 0

    @property
    def span_seconds(self) -> float:
        """How much of a recording the features depend on."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of a clip's features."""
        frames = 1 + self._samples(self.clip_seconds) // self._samples(self.hop_seconds)
        return frames, (1 + self.deltas) * self._channels

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, *shape)`, float32.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """
        import keras

        from ser_tf.layers import features

        waveform = keras.Input((None,), dtype="float32", name="waveform")
        stages = [waveform, features.FitClip(self._samples(self.clip_seconds)), self._frames()]
        if self.deltas:
            stages.append(features.Deltas(self.deltas))
        return keras.Sequential(stages, name="front_end")

    @property
    def _channels(self) -> int:
        return self.n_mels

    def _frames(self) -> "keras.Layer":
        from ser_tf.layers import features

        return features.LogMel(**self._spectrum())


@dataclass(frozen=True)
class MFCC(LogMel):
    """Frames of mel-frequency cepstral coefficients, of clips fitted to one length.

    Attributes:
        n_mfcc: number of coefficients a frame; the others are those of `LogMel`.
    """

    n_mfcc: int = 20

    @property
    def _channels(self) -> int:
        return self.n_mfcc

    def _frames(self) -> "keras.Layer":
        from ser_tf.layers import features

        return features.MFCC(n_mfcc=self.n_mfcc, **self._spectrum())


@dataclass(frozen=True)
class Causal(_Frames):
    """Frames of cepstral coefficients that look back only, of clips of any length, for streams.

    Every frame is known as soon as its last sample is heard. Its levels are relative to the level
    so far, so that a change of gain leaves it as it is: see `RelativeLevels` and
    `RelativeCepstrum` in `ser_tf.layers.features`.

    Attributes:
        n_mfcc: number of coefficients a frame.
        least_frames: frames of the shortest clip; a shorter one is heard after silence.
        clip_seconds: of longer clips training and scoring hear the end.
        memory_seconds: age at which a frame counts 1/e of what it did in the level so far.
        range_db: levels further below the level so far are raised to it.
        gate_db: how far below the level so far a frame is silent, and counts for little.
        kept: which part of a recording longer than `span_seconds` is heard as one clip.
    """

    kept: ClassVar[str] = "end"

    least_frames: int = 4
    clip_seconds: float = 6.0
    memory_seconds: float = 10.0
    range_db: float = 60.0
    gate_db: float = 50.0
    n_mfcc: int = 20

    @property
    def span_seconds(self) -> float:
        """How long a piece of a recording is heard as one clip."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[None, int]:
        """`(frames, channels)` of a clip's features: as many frames as the clip has."""
        return None, self.n_mfcc + 2

    @property
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of features in arrays, the clip's frames and then absent ones."""
        return self._samples(self.clip_seconds) // self._samples(self.hop_seconds), self.shape[1]

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, frames, channels)`.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """
        import keras

        from ser_tf.layers import features

        if self.array_shape[0] < self.least_frames:
            least = self.least_frames * self.hop_seconds
            raise ValueError(
                f"clip_seconds must be at least {least:g}. Received: {self.clip_seconds}."
            )
        levels = features.CausalLogMel(**self._spectrum(), least_frames=self.least_frames)
        memory_frames = self.memory_seconds / self.hop_seconds
        relative = features.RelativeLevels(
            memory_frames, range_db=self.range_db, gate_db=self.gate_db
        )
        cepstrum = features.RelativeCepstrum(self.n_mfcc)
        waveform = keras.Input((None,), dtype="float32", name="waveform")
        return keras.Sequential([waveform, levels, relative, cepstrum], name="front_end")

    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """What `build` makes of clips, at the length of `array_shape`."""
        from ser_tf.layers.features import FillFrames

        return FillFrames(self.array_shape[0])(features)

    def mix(
        self, features: "tf.Tensor", others: "tf.Tensor", of_others: "tf.Tensor"
    ) -> "tf.Tensor":
        """Features that are, to the share `of_others` `(batch, 1, 1)`, those of `others`."""
        from ser_tf.layers.features import mix_frames

        return mix_frames(features, others, of_others)

    def normalisation(self, features: "np.ndarray") -> "keras.Layer":
        """The layer "normalisation": to mean 0 and variance 1 over all frames that were heard.

        The last channel, the weights of the frames, stays as it is.
        """
        import keras

        from ser_tf.layers.features import ABSENT

        heard = features[features[..., -1] > ABSENT]  # (frames, channels)
        mean, variance = heard.mean(axis=0), heard.var(axis=0)
        mean[-1], variance[-1] = 0.0, 1.0
        return keras.layers.Normalization(-1, mean=mean, variance=variance, name="normalisation")


Feature = Published | LogMel | Causal

FEATURES: dict[str, Feature] = {
    "published": Published(),
    "mfcc": MFCC(),
    "mfcc_deltas": MFCC(deltas=2),
    "logmel": LogMel(),
    "causal": Causal(),
}
"""The features by the name that `--features` takes."""
