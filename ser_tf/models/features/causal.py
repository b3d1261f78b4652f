"""Frames of clips of any length and of streams."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ser_tf.models.features.shapes import Frames

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


@dataclass(frozen=True)
class Causal(Frames):
    """Frames of cepstral coefficients that look back only, of clips of any length, for streams.

    Every frame is known as soon as its last sample is heard. Its levels are relative to the level
    so far, so that a change of gain leaves it as it is: see `RelativeLevels` and
    `RelativeCepstrum` in `ser_tf.layers.features`.

    Attributes:
        n_mfcc: number of coefficients a frame.
        core_hz: the ends of the band that telephones carry too, as 300,3400: level and cepstrum
            are then of what lies in it. Without, of all that is heard.
        outside: how many coefficients beside tell what lies below that band, and as many above.
        least_frames: frames of the shortest clip; a shorter one is heard after silence.
        clip_seconds: of longer clips training and scoring hear the end.
        memory_seconds: age at which a frame counts 1/e of what it did in the level (and the
            pitch) so far.
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
    core_hz: tuple[float, ...] = ()
    outside: int = 2

    def __post_init__(self) -> None:
        if self.core_hz and (len(self.core_hz) != 2 or not 0 < self.core_hz[0] < self.core_hz[1]):
            raise ValueError(
                f"core_hz are the ends of a band, as 300,3400, or none. Received: {self.core_hz}."
            )

    @property
    def span_seconds(self) -> float:
        """How long a piece of a recording is heard as one clip."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[None, int]:
        """`(frames, channels)` of a clip's features: as many frames as the clip has."""
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
            least = self.least_frames * self.hop_seconds
            raise ValueError(
                f"clip_seconds must be at least {least:g}. Received: {self.clip_seconds}."
            )
        levels = features.CausalLogMel(**self.spectrum(), least_frames=self.least_frames)
        memory_frames = self.memory_seconds / self.hop_seconds
        core = None
        if self.core_hz:
            core = features.mel_bands_within(self.rate_hz, self.n_mels, *self.core_hz)
        relative = features.RelativeLevels(
            memory_frames, range_db=self.range_db, gate_db=self.gate_db, core=core
        )
        cepstrum = features.RelativeCepstrum(self.n_mfcc, core, self.outside)
        chain: list[keras.Layer] = [levels, relative, cepstrum]
        if self.pitch:  # in front, for the weight of a frame is its last channel
            pitch = features.CausalPitch(**self.pitch_spectrum(), least_frames=self.least_frames)
            relative_pitch = features.CausalRelativePitch(memory_frames)
            chain = [features.Beside([[pitch, relative_pitch], chain])]
        waveform = keras.Input((None,), dtype="float32", name="waveform")
        return keras.Sequential([waveform, *chain], name="front_end")

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
