"""The published features: zero-crossing rates, RMS values and MFCC in one flat row."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.features.frames import MFCC
from ser_tf.layers.features.framing import Float32Layer, Shape, centre
from ser_tf.layers.lmu.checks import require, require_not_negative, require_sizes

_ZERO = 1e-10
"""A sample of at most this magnitude counts as 0 where librosa counts changes of sign."""


@keras.saving.register_keras_serializable("ser_tf")
class PublishedRow(Float32Layer):
    """The published flat row: zero-crossing rates, RMS values, then MFCC frame after frame.

    They are computed from the `clip_samples` after the first `offset_samples`. For a shorter clip
    the parts are concatenated first and zeros fill the END of the row, so its RMS and MFCC stand at
    other positions than a full clip's: a defect of the published features, kept to reproduce them.
    The row of a clip that ends within the offset is zeros.

    Input shape: waveform `(batch, samples)`. Output shape: `(batch, row, 1)`, where row is
    `(2 + n_mfcc) * (1 + clip_samples // hop_samples)`: 2,376 by default.

    Args:
        rate_hz: sampling rate of the waveform.
        offset_samples: number of samples to skip; 0.6 s by default.
        clip_samples: number of samples to use; 2.5 s by default.
        frame_samples: length of a frame, even, a multiple of `hop_samples`.
        hop_samples: distance between the centres of two frames.
        n_mels: number of mel bands.
        n_mfcc: number of coefficients, at most `n_mels`.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    arguments = (
        "rate_hz",
        "offset_samples",
        "clip_samples",
        "frame_samples",
        "hop_samples",
        "n_mels",
        "n_mfcc",
    )

    def __init__(
        self,
        *,
        rate_hz: int = 22_050,
        offset_samples: int = 13_230,
        clip_samples: int = 55_125,
        frame_samples: int = 2048,
        hop_samples: int = 512,
        n_mels: int = 128,
        n_mfcc: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate_hz = rate_hz
        self.offset_samples = offset_samples
        self.clip_samples = clip_samples
        self.frame_samples = frame_samples
        self.hop_samples = hop_samples
        self.n_mels = n_mels
        self.n_mfcc = n_mfcc
        self.input_spec = keras.layers.InputSpec(ndim=2)
        require_not_negative(offset_samples=offset_samples)
        require_sizes(clip_samples=clip_samples, hop_samples=hop_samples)
        require(
            frame_samples % hop_samples == 0,
            "frame_samples must be a multiple of hop_samples",
            frame_samples=frame_samples,
            hop_samples=hop_samples,
        )
        self._mfcc = MFCC(
            n_mfcc=n_mfcc,
            rate_hz=rate_hz,
            window_samples=frame_samples,
            hop_samples=hop_samples,
            n_fft=frame_samples,
            n_mels=n_mels,
        )

    def build(self, input_shape: Shape) -> None:
        """Makes the constants for the MFCC."""
        self._mfcc.build(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The rows of the waveforms `inputs`."""
        cut = inputs[:, self.offset_samples : self.offset_samples + self.clip_samples]
        batch, samples = ops.shape(cut)
        numbers = (1 + samples // self.hop_samples) * self.n_mfcc
        parts = [
            zero_crossing_rate(cut, self.frame_samples, self.hop_samples),
            root_mean_square(cut, self.frame_samples, self.hop_samples),
            ops.reshape(self._mfcc(cut), (batch, numbers)),
        ]
        joined = ops.concatenate(parts, axis=1)
        missing = self._row - ops.shape(joined)[1]
        filled = ops.pad(joined, ((0, 0), (0, missing)))
        return ops.reshape(filled * ops.cast(samples > 0, "float32"), (batch, self._row, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, row, 1)`."""
        return (input_shape[0], self._row, 1)

    @property
    def _row(self) -> int:
        return (2 + self.n_mfcc) * (1 + self.clip_samples // self.hop_samples)


def zero_crossing_rate(waveform: Any, frame_samples: int, hop_samples: int) -> Any:
    """The share of a frame's samples that change sign: `librosa.feature.zero_crossing_rate`.

    Args:
        waveform: `(batch, samples)`.
        frame_samples: length of a frame, even, a multiple of `hop_samples`.
        hop_samples: distance between the centres of two frames.

    Returns:
        `(batch, 1 + samples // hop_samples)`, in [0, 1).
    """
    negative = waveform < -_ZERO
    earlier = ops.concatenate([negative[:, :1], negative[:, :-1]], axis=1)
    changes = ops.cast(ops.not_equal(negative, earlier), "float32")
    hops = _hops(changes, frame_samples, hop_samples)
    counts = _frame_sums(hops, frame_samples // hop_samples)
    # librosa counts in each frame alone, where nothing stands before the first sample.
    return (counts - hops[:, : ops.shape(counts)[1], 0]) / frame_samples


def root_mean_square(waveform: Any, frame_samples: int, hop_samples: int) -> Any:
    """The root of each frame's mean power: `librosa.feature.rms`.

    Args:
        waveform: `(batch, samples)`.
        frame_samples: length of a frame, even, a multiple of `hop_samples`.
        hop_samples: distance between the centres of two frames.

    Returns:
        `(batch, 1 + samples // hop_samples)`.
    """
    hops = _hops(ops.square(waveform), frame_samples, hop_samples)
    return ops.sqrt(_frame_sums(hops, frame_samples // hop_samples) / frame_samples)


def _hops(values: Any, frame_samples: int, hop_samples: int) -> Any:
    padded = centre(values, frame_samples // 2, frame_samples, hop_samples)
    batch, samples = ops.shape(padded)
    return ops.reshape(padded, (batch, samples // hop_samples, hop_samples))


def _frame_sums(hops: Any, hops_per_frame: int) -> Any:
    sums = ops.sum(hops, axis=-1)  # (batch, hops)
    return ops.sum(ops.extract_sequences(sums, hops_per_frame, 1), axis=-1)  # (batch, frames)
