"""The row of features of the published experiment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ser_tf.models.features.feature import FixedLength

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class PublishedFeatures(FixedLength):
    """The published flat row, of waveforms at 22,050 Hz: see `ser_tf.layers.features.PublishedRow`.

    Attributes:
        rate_hz: sampling rate of the waveform.
        offset_seconds: where in a clip the part begins that is used.
        clip_seconds: length of that part.
        frame_samples: length of a frame.
        hop_samples: distance between two frames.
        n_mels: number of mel bands from which the coefficients are computed.
        n_mfcc: number of coefficients in a frame.
        kept: which part is kept of a recording that is longer than `span_seconds`.
        zeros: None, because zeros anywhere change the features of a shorter recording.
    """

    normalised_axes = (1, 2)
    kept: ClassVar[Literal["beginning"]] = "beginning"
    zeros: ClassVar[None] = None

    rate_hz: int = 22_050
    offset_seconds: float = 0.6
    clip_seconds: float = 2.5
    frame_samples: int = 2048
    hop_samples: int = 512
    n_mels: int = 128
    n_mfcc: int = 20

    @property
    def span_seconds(self) -> float:
        """How much of a recording, from its beginning, the row can depend on."""
        return self.offset_seconds + self.clip_seconds

    @property
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of a clip's features: the row is a sequence of single numbers."""
        return self.channels * self.frames(round(self.span_seconds * self.rate_hz)), 1

    @property
    def channels(self) -> int:
        """Numbers in a frame: zero-crossing rate, RMS and the coefficients."""
        return 2 + self.n_mfcc

    def frames(self, samples: int) -> int:
        """The number of frames in the part that is used of a waveform."""
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
