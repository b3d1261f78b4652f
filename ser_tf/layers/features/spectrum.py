"""The mel spectrum of frames, and decibels: where all features of frames begin."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape, require, require_positive

DECIBEL = math.log(10) / 10
"""The natural logarithm of a power ratio of 1 dB."""

_SILENCE_POWER = 1e-10
"""librosa's smallest power: -100 dB."""

_BANDS_PER_BLOCK = 16
"""Mel bands multiplied at once: a block skips the frequencies that none of its bands hears."""

_LARGEST_BLOCK = 1023
"""Numbers in a block of several bands, at most. LiteRT's int8 leaves smaller matrices than 1,024 as
they are; beside a larger one it would round the power too, by the loudest of its frequencies."""


class MelFrames(Float32Layer):
    """A layer that frames waveforms and hears in Slaney's mel bands, up to half the rate.

    Input shape: waveform `(batch, samples)`.

    Args:
        rate_hz: sampling rate of the waveform.
        window_samples: length of a frame and of its Hann window.
        hop_samples: distance between two frames.
        n_fft: length of the Fourier transform, even, no shorter than the window.
        n_mels: number of mel bands from 0 Hz to `rate_hz / 2`.

    Raises:
        ValueError: if an argument is not positive, or `n_fft` is odd or shorter than the window.
    """

    arguments: tuple[str, ...] = ("rate_hz", "window_samples", "hop_samples", "n_fft", "n_mels")

    def __init__(
        self,
        rate_hz: int,
        window_samples: int,
        hop_samples: int,
        n_fft: int,
        n_mels: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate_hz = rate_hz
        self.window_samples = window_samples
        self.hop_samples = hop_samples
        self.n_fft = n_fft
        self.n_mels = n_mels
        self.input_spec = keras.layers.InputSpec(ndim=2)
        require_positive(**{name: getattr(self, name) for name in MelFrames.arguments})
        require(
            n_fft % 2 == 0 and n_fft >= window_samples,
            "n_fft must be even and no less than window_samples",
            n_fft=n_fft,
            window_samples=window_samples,
        )

    def build(self, input_shape: Shape) -> None:
        """Makes the window and the mel filters."""
        self._window = _hann(self.window_samples)
        self._mel_blocks = _mel_blocks(self.rate_hz, self.n_fft, self.n_mels)
        self.built = True

    def power(self, samples: Any) -> Any:
        """`(batch, frames, n_mels)` of `(batch, samples)`, framed from the first sample on.

        What `librosa.feature.melspectrogram` gives for the same frames.
        """
        frames = ops.extract_sequences(samples, self.window_samples, self.hop_samples)
        real, imaginary = ops.rfft(frames * self._window, self.n_fft)
        power = ops.square(real) + ops.square(imaginary)  # (batch, frames, n_fft // 2 + 1)
        bands = [ops.matmul(power[..., low:high], mel) for low, high, mel in self._mel_blocks]
        return ops.concatenate(bands, axis=-1)


def decibels(power: Any) -> Any:
    """`power` in dB relative to 1, no less than -100."""
    return ops.log(ops.maximum(power, _SILENCE_POWER)) / DECIBEL


def cosine_vectors(n_mels: int, n_mfcc: int) -> np.ndarray:
    """The first `n_mfcc` vectors of the orthonormal DCT of type 2, `(n_mels, n_mfcc)`."""
    angles = np.pi * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc)) / n_mels
    vectors = np.cos(angles) * math.sqrt(2 / n_mels)
    vectors[:, 0] /= math.sqrt(2)
    return vectors.astype("float32")


def _hann(samples: int) -> np.ndarray:
    phases = 2 * np.pi * np.arange(samples) / samples
    return (0.5 - 0.5 * np.cos(phases)).astype("float32")


def _mel_blocks(rate_hz: int, n_fft: int, n_mels: int) -> tuple[tuple[int, int, np.ndarray], ...]:
    """The mel filters as blocks of neighbours: first bin, bin after the last, `(bins, mels)`."""
    filters = _mel_filters(rate_hz, n_fft, n_mels).astype("float32")
    starts = range(0, n_mels, _BANDS_PER_BLOCK)
    return tuple(
        block for first in starts for block in _split(filters, first, first + _BANDS_PER_BLOCK)
    )


def _split(filters: np.ndarray, first: int, last: int) -> list[tuple[int, int, np.ndarray]]:
    """The bands from `first` up to `last` as one block or, where it would be too large, several."""
    block = filters[:, first:last]
    heard: np.ndarray = np.any(block, axis=1)
    low, high = int(heard.argmax()), len(heard) - int(heard[::-1].argmax())
    block = np.ascontiguousarray(block[low:high])
    if block.size <= _LARGEST_BLOCK or block.shape[1] == 1:
        return [(low, high, block)]
    middle = first + block.shape[1] // 2
    return [*_split(filters, first, middle), *_split(filters, middle, last)]


def _mel_filters(rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Triangles of equal area between neighbours on Slaney's mel scale, `(bins, n_mels)`.

    The scale of the Auditory Toolbox (Slaney, 1998): linear to 1 kHz, 15 mels of 66.7 Hz each;
    logarithmic above, 27 mels for a factor of 6.4.
    """
    bins_hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)[:, None]
    top_hz = rate_hz / 2
    top = 15 + 27 * math.log(top_hz / 1000, 6.4) if top_hz > 1000 else top_hz * 3 / 200
    mels = np.linspace(0, top, n_mels + 2)
    edges_hz = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
