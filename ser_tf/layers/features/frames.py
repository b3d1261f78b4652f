"""Features of centred frames: mel-band levels, cepstral coefficients, derivatives in time."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.features.spectrum import MelFrames, cosine_vectors, decibels
from ser_tf.layers.lmu.checks import require, require_positive, require_sizes


@keras.saving.register_keras_serializable("ser_tf")
class LogMel(MelFrames):
    """Levels of mel bands in dB: librosa's `power_to_db(melspectrogram(...), top_db=top_db)`.

    Input shape: waveform `(batch, samples)`, one sample or more.
    Output shape: `(batch, 1 + samples // hop_samples, n_mels)`, at least -100 dB.

    Args:
        top_db: how far a level may lie below the loudest of its clip, above 0.
        **kwargs: those of `MelFrames`; the centres of two frames lie `hop_samples` apart.

    Raises:
        ValueError: as for `MelFrames`, or if `top_db` is not above 0.
    """

    arguments = (*MelFrames.arguments, "top_db")

    def __init__(self, top_db: float = 80.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(top_db=top_db)
        self.top_db = top_db

    def call(self, inputs: Any) -> Any:
        """The levels of the waveforms `inputs`, in dB."""
        power = self.power(self.centred(inputs))
        loudest = ops.max(power, axis=(1, 2), keepdims=True)
        return decibels(ops.maximum(power, loudest * 10 ** (-self.top_db / 10)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, n_mels)`."""
        batch, samples = input_shape
        return (batch, self.centred_frames(samples), self.n_mels)


@keras.saving.register_keras_serializable("ser_tf")
class MFCC(LogMel):
    """Mel-frequency cepstral coefficients (Davis and Mermelstein, 1980): `librosa.feature.mfcc`.

    Input shape: waveform `(batch, samples)`, one sample or more.
    Output shape: `(batch, 1 + samples // hop_samples, n_mfcc)`.

    Args:
        n_mfcc: number of coefficients, at most `n_mels`.
        **kwargs: those of `LogMel`, whose levels are transformed.

    Raises:
        ValueError: as for `LogMel`, or if `n_mfcc` is not an integer from 1 to `n_mels`.
    """

    arguments = (*LogMel.arguments, "n_mfcc")

    def __init__(self, n_mfcc: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_mfcc = n_mfcc
        require_sizes(n_mfcc=n_mfcc)
        rule = "n_mfcc must be at most n_mels"
        require(n_mfcc <= self.n_mels, rule, n_mfcc=n_mfcc, n_mels=self.n_mels)

    def build(self, input_shape: Shape) -> None:
        """Makes the window, the mel filters and the vectors of the cosine transform."""
        self._dct = cosine_vectors(self.n_mels, self.n_mfcc)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """The coefficients of the waveforms `inputs`."""
        return ops.matmul(super().call(inputs), self._dct)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, n_mfcc)`."""
        return (*super().compute_output_shape(input_shape)[:2], self.n_mfcc)


@keras.saving.register_keras_serializable("ser_tf")
class Deltas(Float32Layer):
    """The frames, and as further channels their derivatives in time: `librosa.feature.delta`.

    The n-th derivative of a frame is that of the polynomial of degree n fitted to the `width`
    frames around it (Savitzky and Golay, 1964); at the ends, to the first or last `width`.

    Input shape: `(batch, frames, channels)`, at least `width` frames.
    Output shape: `(batch, frames, (1 + orders) * channels)`.

    Args:
        orders: highest derivative, at least 1 and less than `width`.
        width: number of frames in a fit, odd, at least 3.

    Raises:
        ValueError: if an argument breaks its rule, or fewer frames than `width` are declared.
    """

    arguments = ("orders", "width")

    def __init__(self, orders: int = 2, width: int = 9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.orders = orders
        self.width = width
        self.input_spec = keras.layers.InputSpec(ndim=3)
        require(width >= 3 and width % 2 == 1, "width must be odd and at least 3", width=width)
        require(1 <= orders < width, "orders must be from 1 to width - 1", orders=orders)

    def build(self, input_shape: tuple[int | None, int | None, int]) -> None:
        """Makes the kernel that takes each channel's derivatives."""
        _, frames, channels = input_shape
        require(
            frames is None or frames >= self.width,
            "there must be at least width frames",
            frames=frames,
            width=self.width,
        )
        taps = _derivative_taps(self.width, self.orders)
        each_channel = np.eye(channels, dtype="float32")
        self._kernel = np.concatenate([tap[:, None, None] * each_channel for tap in taps], axis=-1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """`inputs` and their derivatives."""
        inner = ops.conv(inputs, self._kernel, padding="valid", data_format="channels_last")
        # The n-th derivative of a polynomial of degree n is a constant: all the frames that only
        # the first fit covers share its value; likewise the last.
        half = self.width // 2
        first = ops.repeat(inner[:, :1], half, axis=1)
        last = ops.repeat(inner[:, -1:], half, axis=1)
        return ops.concatenate([inputs, ops.concatenate([first, inner, last], axis=1)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, int | None, int]) -> Shape:
        """`(batch, frames, (1 + orders) * channels)`."""
        *leading, channels = input_shape
        return (*leading, (1 + self.orders) * channels)


def _derivative_taps(width: int, orders: int) -> list[np.ndarray]:
    """For each order, the weights of `width` frames in the derivative of the fit."""
    powers = np.vander(np.arange(width) - width // 2, orders + 1, increasing=True)
    fits = {order: np.linalg.pinv(powers[:, : order + 1]) for order in range(1, orders + 1)}
    return [(fit[n] * math.factorial(n)).astype("float32") for n, fit in fits.items()]
