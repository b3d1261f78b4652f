"""Where the frames of a waveform lie."""

from dataclasses import dataclass

from ser_tf.models.features.feature import Feature

_PITCH_WINDOW_SECONDS = 0.064


@dataclass(frozen=True)
class Frames(Feature):
    """Features of short overlapping frames in mel bands.

    Attributes:
        rate_hz: sampling rate of the waveform.
        window_seconds: length of the Hann window.
        hop_seconds: distance between two frames.
        n_fft: length of the Fourier transform in samples.
        n_mels: number of mel bands.
        pitch: whether five channels follow the voice's pitch: periodicity, voicing, pitch, pitch
            relative to the voice's mean and its change (`ser_tf.layers.features.RelativePitch`).
    """

    rate_hz: int = 16_000
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    n_fft: int = 512
    n_mels: int = 64
    pitch: bool = False

    def spectrum(self) -> dict[str, int]:
        """The arguments of a layer that computes mel bands in these frames."""
        return {
            "rate_hz": self.rate_hz,
            "window_samples": self.samples(self.window_seconds),
            "hop_samples": self.samples(self.hop_seconds),
            "n_fft": self.n_fft,
            "n_mels": self.n_mels,
        }

    @property
    def pitch_channels(self) -> int:
        """How many channels follow the pitch."""
        return 5 if self.pitch else 0

    def pitch_spectrum(self) -> dict[str, int]:
        """The arguments of a layer that follows the pitch in these frames."""
        window_samples = self.samples(_PITCH_WINDOW_SECONDS)
        return {
            "rate_hz": self.rate_hz,
            "window_samples": window_samples,
            "hop_samples": self.samples(self.hop_seconds),
            "n_fft": 1 << (window_samples - 1).bit_length(),
        }

    def samples(self, seconds: float) -> int:
        """The number of samples in that time."""
        return round(seconds * self.rate_hz)
