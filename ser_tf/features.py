"""The features a model can hear by: one frozen dataclass an entry, its fields the hyperparameters.

`FEATURES["mfcc"].build()` makes the Keras layer that a saved model begins with; options are changed
by `dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)`. Nothing here imports Keras before `build()`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Published:
    """The published flat row of 22,050 Hz: see `ser_tf.layers.features.PublishedRow`.

    Attributes:
        rate_hz: sampling rate of the waveform.
        offset_seconds: beginning of the part of a clip that is taken.
        clip_seconds: length of that part.
        frame_samples: length of a frame.
        hop_samples: distance between two frames.
        n_mels: number of mel bands below the coefficients.
        n_mfcc: number of coefficients a frame.
    """

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
        frames = 1 + round(self.clip_seconds * self.rate_hz) // self.hop_samples
        return (2 + self.n_mfcc) * frames, 1

    @property
    def normalised_axes(self) -> tuple[int, ...]:
        """Axes of `(batch, frames, channels)` along which each place has its own mean."""
        return (1, 2)

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
class LogMel:
    """Frames of mel-band levels in dB, of clips fitted to one length.

    Attributes:
        rate_hz: sampling rate of the waveform.
        clip_seconds: shorter clips get zeros in front, of longer ones the middle is taken.
        window_seconds: length of the Hann window.
        hop_seconds: distance between two frames.
        n_fft: length of the Fourier transform in samples.
        n_mels: number of mel bands.
        deltas: how many derivatives in time are appended as channels.
    """

    rate_hz: int = 16_000
    clip_seconds: float = 4.0
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    n_fft: int = 512
    n_mels: int = 64
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

    @property
    def normalised_axes(self) -> tuple[int, ...]:
        """Axes of `(batch, frames, channels)` along which each place has its own mean."""
        return (-1,)

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


Feature = Published | LogMel

FEATURES: dict[str, Feature] = {
    "published": Published(),
    "mfcc": MFCC(),
    "mfcc_deltas": MFCC(deltas=2),
    "logmel": LogMel(),
}
"""The features by the name that `--features` takes."""
