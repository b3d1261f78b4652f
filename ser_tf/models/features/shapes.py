"""The shapes that features have, and what features of one shape share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

_PITCH_WINDOW_SECONDS = 0.064


class OneLength:
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
        """The layer "normalisation": to mean 0 and variance 1 over the training `features`.

        What never varies is left at its scale, as scikit-learn's `StandardScaler` does: else the
        first clip in which it does would be off all bounds.
        """
        import keras
        from keras import ops

        layer = keras.layers.Normalization(self.normalised_axes, name="normalisation")
        layer.adapt(features)
        variance = ops.convert_to_tensor(layer.adapt_variance)
        layer.adapt_variance.assign(ops.where(ops.equal(variance, 0.0), 1.0, variance))
        layer.finalize_state()
        return layer


@dataclass(frozen=True)
class Frames:
    """Where frames of mel bands lie.

    Attributes:
        rate_hz: sampling rate of the waveform.
        window_seconds: length of the Hann window.
        hop_seconds: distance between two frames.
        n_fft: length of the Fourier transform in samples.
        n_mels: number of mel bands.
        pitch: whether periodicity, voicing and pitch of the voice, absolute, relative and its
            change, are channels too (see `RelativePitch` in `ser_tf.layers.features`).
    """

    rate_hz: int = 16_000
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    n_fft: int = 512
    n_mels: int = 64
    pitch: bool = False

    def spectrum(self) -> dict[str, int]:
        """The arguments of a layer that makes such frames."""
        return {
            "rate_hz": self.rate_hz,
            "window_samples": self.samples(self.window_seconds),
            "hop_samples": self.samples(self.hop_seconds),
            "n_fft": self.n_fft,
            "n_mels": self.n_mels,
        }

    @property
    def pitch_channels(self) -> int:
        """How many channels tell the pitch."""
        return 5 if self.pitch else 0

    def pitch_spectrum(self) -> dict[str, int]:
        """The arguments of a layer that follows the pitch in such frames."""
        window_samples = self.samples(_PITCH_WINDOW_SECONDS)
        return {
            "rate_hz": self.rate_hz,
            "window_samples": window_samples,
            "hop_samples": self.samples(self.hop_seconds),
            "n_fft": 1 << (window_samples - 1).bit_length(),
        }

    def samples(self, seconds: float) -> int:
        """How many samples so many seconds are."""
        return round(seconds * self.rate_hz)
