"""Causal frames, for streams and for clips of any length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ser_tf.models.features.feature import VaryingLength
from ser_tf.models.features.framing import Frames

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class CausalFeatures(Frames, VaryingLength):
    """Cepstral coefficients of frames that look back only, for streams and clips of any length.

    Every frame is known as soon as its last sample is there. Levels are relative to the level so
    far, so a change of gain changes nothing: see `RelativeLevels` and `RelativeCepstrum` in
    `ser_tf.layers.features`.

    Attributes:
        n_mfcc: number of coefficients in a frame.
        core_hz: ends of the band that telephones carry too, such as (300, 3400): only this band
            sets the level and the `n_mfcc` coefficients; (): the whole spectrum does.
        outside: number of coefficients for the bands below `core_hz`, and for those above.
        least_frames: frames of the shortest clip; silence is put in front of a shorter one.
        clip_seconds: of longer clips training and scoring use the end.
        memory_seconds: age at which a frame counts 1/e of what it did in the level (and the
            pitch) so far.
        range_db: levels further below the level so far are raised to it.
        gate_db: how far below the level so far a frame counts as silent and weighs little.
        kept: which part is kept of a recording that is longer than `span_seconds`.
        zeros: None, because zeros anywhere change the features of a shorter recording.
    """

    kept: ClassVar[Literal["end"]] = "end"
    zeros: ClassVar[None] = None

    least_frames: int = 4
    clip_seconds: float = 6.0
    memory_seconds: float = 10.0
    range_db: float = 60.0
    gate_db: float = 50.0
    n_mfcc: int = 20
    core_hz: tuple[float, ...] = ()
    outside: int = 2

    def __post_init__(self) -> None:
        if self.core_hz and (len(self.core_hz) != 2 or not 0 < self.core_hz[0] < self.core_hz[1]):
            raise ValueError(
                "core_hz must be the two ends of a band, the lower first and above 0 Hz, or empty. "
                f"Received: core_hz={self.core_hz}."
            )

    @property
    def span_seconds(self) -> float:
        """How much of a recording the features of one clip can depend on."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[None, int]:
        """`(None, channels)`: a clip has as many frames as whole hops."""
        outside = 2 * self.outside if self.core_hz else 0
        return None, self.pitch_channels + self.n_mfcc + outside + 2

    @property
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of features in arrays, the clip's frames and then absent ones."""
        return self.samples(self.clip_seconds) // self.samples(self.hop_seconds), self.shape[1]

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, frames, channels)`.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """
        import keras

        from ser_tf.layers import features

        if self.array_shape[0] < self.least_frames:
            raise ValueError(
                f"clip_seconds must be at least {self.least_frames * self.hop_seconds:g}, "
                f"least_frames long. Received: clip_seconds={self.clip_seconds}."
            )
        memory_frames = self.memory_seconds / self.hop_seconds
        chain = self._cepstrum(memory_frames)
        if self.pitch:  # first, because the last channel is to be the weight of a frame
            pitch = features.CausalPitch(**self.pitch_spectrum(), least_frames=self.least_frames)
            relative_pitch = features.CausalRelativePitch(memory_frames)
            chain = [features.Beside([[pitch, relative_pitch], chain])]
        waveform = keras.Input((None,), dtype="float32", name="waveform")
        return keras.Sequential([waveform, *chain], name="front_end")

    def _cepstrum(self, memory_frames: float) -> "list[keras.Layer]":
        from ser_tf.layers import features

        core = None
        if self.core_hz:
            core = features.mel_bands_within(self.rate_hz, self.n_mels, *self.core_hz)
        return [
            features.CausalLogMel(**self.spectrum(), least_frames=self.least_frames),
            features.RelativeLevels(
                memory_frames, range_db=self.range_db, gate_db=self.gate_db, core=core
            ),
            features.RelativeCepstrum(self.n_mfcc, core=core, outside=self.outside),
        ]
