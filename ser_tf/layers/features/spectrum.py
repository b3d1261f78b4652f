"""Spectra of frames, mel bands and decibels: the beginning of all features of frames."""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape, at_least, centre
from ser_tf.layers.lmu.checks import require, require_sizes
from ser_tf.layers.streaming import Streaming

DECIBEL = math.log(10) / 10
"""The natural logarithm of a power ratio of 1 dB."""

_SILENCE_POWER = 1e-10
"""librosa's least power: -100 dB."""

_BANDS_PER_BLOCK = 16
"""Mel bands per matrix product: a block leaves out frequencies that none of its bands covers."""

_LARGEST_BLOCK = 1023
"""Most numbers in a block of several bands. LiteRT's int8 leaves matrices below 1,024 numbers as
they are; with a larger one it would also round the power, relative to the loudest frequency."""


MelBlocks = tuple[tuple[int, int, np.ndarray], ...]


_by_products = contextvars.ContextVar("by_products", default=False)


@contextlib.contextmanager
def by_products() -> Iterator[None]:
    """Lets spectra be matrix products in what is traced meanwhile, for formats without an FFT."""
    before = _by_products.set(True)
    try:
        yield
    finally:
        _by_products.reset(before)


class SpectralFrames(Float32Layer):
    """A layer that cuts waveforms into frames and computes each frame's power spectrum.

    Input shape: waveform `(batch, samples)`.

    Args:
        rate_hz: sampling rate of the waveform.
        window_samples: length of a frame and of its Hann window.
        hop_samples: distance between two frames.
        n_fft: length of the Fourier transform, even, at least `window_samples`.

    Raises:
        ValueError: if an argument is not an integer of at least 1, or `n_fft` breaks its rule.
    """

    arguments: tuple[str, ...] = ("rate_hz", "window_samples", "hop_samples", "n_fft")

    def __init__(
        self, rate_hz: int, window_samples: int, hop_samples: int, n_fft: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate_hz = rate_hz
        self.window_samples = window_samples
        self.hop_samples = hop_samples
        self.n_fft = n_fft
        self.input_spec = keras.layers.InputSpec(ndim=2)
        require_sizes(**{name: getattr(self, name) for name in SpectralFrames.arguments})
        require(
            n_fft % 2 == 0 and n_fft >= window_samples,
            "n_fft must be even and at least window_samples",
            n_fft=n_fft,
            window_samples=window_samples,
        )

    def build(self, input_shape: Shape) -> None:
        """Makes the window."""
        self._window = hann(self.window_samples)
        self.built = True

    def spectrum(self, samples: Any) -> Any:
        """Power spectra `(batch, frames, bins)` of `(batch, samples)`, without padding."""
        frames = ops.extract_sequences(samples, self.window_samples, self.hop_samples)
        real, imaginary = _transform(frames * self._window, self.n_fft)
        return ops.square(real) + ops.square(imaginary)

    def centred(self, samples: Any) -> Any:
        """The waveform padded with zeros so that its frames are centred on multiples of the hop.

        librosa puts the window in the middle of n_fft samples. Its place in the transform changes
        phases only, so the zeros around it are left out of the frames.
        """
        before = self.n_fft // 2 - (self.n_fft - self.window_samples) // 2
        return centre(samples, before, self.window_samples, self.hop_samples)

    def centred_frames(self, samples: int | None) -> int | None:
        """The number of frames of a centred waveform of `samples`."""
        return None if samples is None else 1 + samples // self.hop_samples


class CausalFrames(Streaming, SpectralFrames):
    """Frames that are computed as soon as their last sample is there.

    Frame t ends with sample `(t + 1) * hop_samples`; silence precedes the first sample. Samples
    after the last whole hop are left out. A clip of fewer than `least_frames` hops is preceded by
    as much silence as it lacks.

    Input shape: waveform `(batch, samples)`, one sample or more.
    Output shape: `(batch, max(least_frames, samples // hop_samples), channels)`.

    Args:
        least_frames: frames of the shortest clip, at least 1.
        **kwargs: those of the class that measures; `window_samples` is at least `hop_samples`.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    def __init__(self, least_frames: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_sizes(least_frames=least_frames)
        require(
            self.window_samples >= self.hop_samples,
            "window_samples must be at least hop_samples",
            window_samples=self.window_samples,
            hop_samples=self.hop_samples,
        )
        self.least_frames = least_frames

    @property
    def stride(self) -> int:
        """Samples per frame."""
        return self.hop_samples

    @property
    def state_size(self) -> int:
        """Samples of the next frame that came before the chunk."""
        return self.window_samples - self.hop_samples

    def call(self, inputs: Any) -> Any:
        """The measures of the frames of whole clips."""
        missing = self.least_frames * self.hop_samples - ops.shape(inputs)[1]
        silence = self.state_size + at_least(0, missing)
        return self.measure(ops.pad(inputs, ((0, 0), (silence, 0))))

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The measures of the frames that end in a chunk, and the next state.

        Args:
            chunk: the next samples, `(batch, samples)`, one or more whole hops.
            state: the last samples before them, `(batch, state_size)`.
        """
        samples = ops.concatenate([state, chunk], axis=1)
        start = ops.shape(samples)[1] - self.state_size
        return self.measure(samples), samples[:, start:]

    @property
    def channels(self) -> int:
        """How many numbers a frame has."""
        raise NotImplementedError

    def measure(self, samples: Any) -> Any:
        """The measures `(batch, frames, channels)` of `(batch, samples)`, without padding."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        batch, samples = input_shape
        frames = None
        if samples is not None:
            frames = max(self.least_frames, samples // self.hop_samples)
        return (batch, frames, self.channels)


class MelFrames(SpectralFrames):
    """Frames in Slaney's mel bands, up to half the sampling rate.

    Args:
        n_mels: number of mel bands from 0 Hz to `rate_hz / 2`, at least 1.
        **kwargs: those of `SpectralFrames`.

    Raises:
        ValueError: as for `SpectralFrames`, or if `n_mels` is not an integer of at least 1.
    """

    arguments = (*SpectralFrames.arguments, "n_mels")

    def __init__(self, n_mels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_sizes(n_mels=n_mels)
        self.n_mels = n_mels

    def build(self, input_shape: Shape) -> None:
        """Makes the window and the mel filters."""
        self._mel_blocks = mel_blocks(self.rate_hz, self.n_fft, self.n_mels)
        super().build(input_shape)

    def power(self, samples: Any) -> Any:
        """Band powers `(batch, frames, n_mels)` of `(batch, samples)`, without padding.

        Equal to those of `librosa.feature.melspectrogram` for the same frames.
        """
        return in_mel_bands(self.spectrum(samples), self._mel_blocks)


def in_mel_bands(power: Any, blocks: MelBlocks) -> Any:
    """`(batch, frames, n_mels)` of a spectrum `(batch, frames, bins)`, by `mel_blocks`."""
    bands = [ops.matmul(power[..., low:high], mel) for low, high, mel in blocks]
    return ops.concatenate(bands, axis=-1)


def decibels(power: Any, least: float = _SILENCE_POWER) -> Any:
    """`power` in dB relative to 1; values below `least` count as `least`, by default -100 dB."""
    return ops.log(ops.maximum(power, least)) / DECIBEL


def cosine_vectors(n_mels: int, n_mfcc: int) -> np.ndarray:
    """The first `n_mfcc` vectors of the orthonormal DCT of type 2, `(n_mels, n_mfcc)`."""
    angles = np.pi * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc)) / n_mels
    vectors = np.cos(angles) * math.sqrt(2 / n_mels)
    vectors[:, 0] /= math.sqrt(2)
    return vectors.astype("float32")


def hann(samples: int) -> np.ndarray:
    """The periodic Hann window, `(samples,)`."""
    phases = 2 * np.pi * np.arange(samples) / samples
    return (0.5 - 0.5 * np.cos(phases)).astype("float32")


def mel_blocks(rate_hz: int, n_fft: int, n_mels: int) -> MelBlocks:
    """The mel filters in blocks of neighbours: first bin, bin after the last, `(bins, mels)`."""
    filters = _mel_filters(rate_hz, n_fft, n_mels).astype("float32")
    starts = range(0, n_mels, _BANDS_PER_BLOCK)
    return tuple(
        block for first in starts for block in _split(filters, first, first + _BANDS_PER_BLOCK)
    )


def _split(filters: np.ndarray, first: int, last: int) -> list[tuple[int, int, np.ndarray]]:
    """The bands from `first` to before `last` as one block, or several if it were too large."""
    block = filters[:, first:last]
    used: np.ndarray = np.any(block, axis=1)
    low, high = int(used.argmax()), len(used) - int(used[::-1].argmax())
    block = np.ascontiguousarray(block[low:high])
    if block.size <= _LARGEST_BLOCK or block.shape[1] == 1:
        return [(low, high, block)]
    middle = first + block.shape[1] // 2
    return [*_split(filters, first, middle), *_split(filters, middle, last)]


def _transform(frames: Any, n_fft: int) -> tuple[Any, Any]:
    """The real and the imaginary part of the Fourier transform of frames, as `ops.rfft` gives."""
    if not _by_products.get():
        real, imaginary = ops.rfft(frames, n_fft)
        return real, imaginary
    turns = np.outer(np.arange(frames.shape[-1]), np.arange(n_fft // 2 + 1)) % n_fft
    angles = turns * (2 * np.pi / n_fft)
    matrices = (part.astype("float32") for part in (np.cos(angles), -np.sin(angles)))
    real, imaginary = (ops.matmul(frames, matrix) for matrix in matrices)
    return real, imaginary


def mel_bands_within(rate_hz: int, n_mels: int, low_hz: float, high_hz: float) -> tuple[int, int]:
    """The mel bands within `low_hz` to `high_hz`: the first, and the one after the last."""
    edges_hz = _mel_edges_hz(rate_hz, n_mels)
    first = int(np.searchsorted(edges_hz, low_hz))
    return first, max(first, int(np.searchsorted(edges_hz, high_hz, "right")) - 2)


def _mel_filters(rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Triangles of equal area between neighbours of `_mel_edges_hz`, `(bins, n_mels)`."""
    bins_hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)[:, None]
    edges_hz = _mel_edges_hz(rate_hz, n_mels)
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def _mel_edges_hz(rate_hz: int, n_mels: int) -> np.ndarray:
    """The `n_mels + 2` edges: band b begins at edge b, peaks at b + 1 and ends at b + 2.

    They lie from 0 Hz to half the rate, equally far apart on the scale of the Auditory Toolbox
    (Slaney, 1998): linear to 1 kHz, 15 mels of 66.7 Hz each; logarithmic above, 27 mels for a
    factor of 6.4.
    """
    top_hz = rate_hz / 2
    top = 15 + 27 * math.log(top_hz / 1000, 6.4) if top_hz > 1000 else top_hz * 3 / 200
    mels = np.linspace(0, top, n_mels + 2)
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
