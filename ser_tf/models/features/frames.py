"""Frames of clips that are cut or padded to one length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ser_tf.models.features.feature import FixedLength
from ser_tf.models.features.framing import Frames

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LogMelFeatures(Frames, FixedLength):
    """Levels of mel bands in dB, of clips that are cut or padded to one length.

    Attributes:
        clip_seconds: shorter clips get zeros in front; of longer ones the middle is used.
        deltas: number of derivatives in time that follow as channels.
        kept: which part is kept of a recording that is longer than `span_seconds`.
        zeros: where zeros leave the features of a shorter recording as they are.
    """

    kept: ClassVar[Literal["middle"]] = "middle"
    zeros: ClassVar[Literal["in front"]] = "in front"

    clip_seconds: float = 4.0
    deltas: int = 0

    @property
    def span_seconds(self) -> float:
        """How much of a recording the features of one clip can depend on."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of a clip's features."""
        frames = 1 + self.samples(self.clip_seconds) // self.samples(self.hop_seconds)
        return frames, (1 + self.deltas) * self._channels + self.pitch_channels

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, *shape)`, float32.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """
        import keras

        from ser_tf.layers import features

        waveform = keras.Input((None,), dtype="float32", name="waveform")
        clip = features.FitClip(self.samples(self.clip_seconds))
        chain = [self._frames()]
        if self.deltas:
            chain.append(features.Deltas(self.deltas))
        if self.pitch:
            pitch = [features.CentredPitch(**self.pitch_spectrum()), features.RelativePitch()]
            chain = [features.Beside([chain, pitch])]
        return keras.Sequential([waveform, clip, *chain], name="front_end")

    @property
    def _channels(self) -> int:
        return self.n_mels

    def _frames(self) -> "keras.Layer":
        from ser_tf.layers import features

        return features.LogMel(**self.spectrum())


@dataclass(frozen=True)
class MFCCFeatures(LogMelFeatures):
    """Mel-frequency cepstral coefficients, of clips that are cut or padded to one length.

    Attributes:
        n_mfcc: number of coefficients in a frame; the others are those of `LogMelFeatures`.
    """

    n_mfcc: int = 20

    @property
    def _channels(self) -> int:
        return self.n_mfcc

    def _frames(self) -> "keras.Layer":
        from ser_tf.layers import features

        return features.MFCC(n_mfcc=self.n_mfcc, **self.spectrum())
