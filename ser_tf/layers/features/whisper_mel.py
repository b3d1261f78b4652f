"""Whisper's log-mel frames.

Radford et al., 2023, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2;
https://github.com/openai/whisper/blob/v20231117/whisper/audio.py
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.causal import ABSENT
from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.features.spectrum import hann, in_mel_bands, mel_blocks
from ser_tf.layers.lmu.checks import require_positive

RATE_HZ = 16_000
LONGEST_SECONDS = 30
"""Whisper has no positions beyond this."""

_WINDOW = 400
_HOP = 160
_BANDS = 80
_FRAME = 2 * _HOP
"""Samples in a frame of the encoder, whose second convolution has stride 2."""

_TINY = 1e-30
_LEAST_RATIO = 1e-10
"""-100 dB, the least that a frame's level is taken to be below the loudest."""

SOFTNESS_DB = 2.0
"""Softness of the gate: a frame's weight is 0.5 at the gate and 0.9 at 2.2 times this above it."""

_FACTOR = 20
"""The Fourier transform of 400 samples is done in two steps of 20."""


@keras.saving.register_keras_serializable("ser_tf")
class WhisperLogMel(Float32Layer):
    """Whisper's levels of 80 mel bands, 100 frames a second.

    Frames are 400-sample Hann windows centred on multiples of 160 samples. The clip is reflected
    in front of its first sample and followed by zeros, as in Whisper's training. A level is the
    common logarithm of the power, which is raised to 1e-10 and to 1e-8 of the highest in the clip;
    4 is added, and the sum divided by 4. Only the first 30 s of a longer clip are used.

    Zeros at the end of a clip are padding: the frames after its last other sample are absent, and
    those before do not depend on them.

    Input shape: waveform at 16 kHz, `(batch, samples)`, one sample or more.
    Output shape: `(batch, 2 * ceil(samples / 320), 81)`, at most 3,000 frames: 80 bands, then the
        natural logarithm of the frame's weight, `ABSENT` if it is absent.

    Args:
        gate_db: weights of frames fall, from nearly 1 to nearly 0, around this far below the
            loudest 20 ms of the clip, above 0; None: all frames that are present weigh 1.

    Raises:
        ValueError: if `gate_db` is not above 0.
    """

    arguments = ("gate_db",)

    def __init__(self, gate_db: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if gate_db is not None:
            require_positive(gate_db=gate_db)
        self.gate_db = gate_db
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape: Shape) -> None:
        """Makes the window, the matrices of the Fourier transform and the mel filters."""
        self._window = hann(_WINDOW)
        self._first, self._turn, self._second = _fourier_steps()
        self._mel_blocks = mel_blocks(RATE_HZ, _WINDOW, _BANDS)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The levels of the frames of `inputs`, and the frames' weights."""
        samples = inputs[:, : LONGEST_SECONDS * RATE_HZ]
        batch, length = ops.shape(samples)
        frames = (length + _FRAME - 1) // _FRAME  # ONNX divides negative numbers otherwise
        zeros = frames * _FRAME - length + _WINDOW // 2 - _HOP
        samples = ops.pad(samples, ((0, 0), (0, zeros)))  # longer than half a window
        before = ops.flip(samples[:, 1 : _WINDOW // 2 + 1], axis=1)
        power = self.spectrum(ops.concatenate([before, samples], axis=1))
        power = in_mel_bands(power, self._mel_blocks)
        levels = ops.log10(ops.maximum(power, 1e-10))  # (batch, 2 * frames, 80)
        levels = ops.maximum(levels, ops.max(levels, axis=(1, 2), keepdims=True) - 8.0)
        clip = ops.reshape(samples[:, : frames * _FRAME], (batch, frames, _FRAME))
        weights = ops.repeat(self._weights(ops.mean(ops.square(clip), axis=2)), 2, axis=1)
        return ops.concatenate([(levels + 4.0) / 4.0, weights], axis=2)

    def spectrum(self, samples: Any) -> Any:
        """Power spectra `(batch, frames, 201)` of waveforms, without padding.

        By matrix products, because LiteRT has Fourier transforms of lengths 2**n only, and in two
        steps, because its int8 rounds matrices of 1,024 numbers or more: with n = 20 a + b and
        k = c + 20 d, the sum over n is a sum over a, a turn, and a sum over b (Cooley and Tukey,
        1965).
        """
        frames = ops.extract_sequences(samples, _WINDOW, _HOP)
        batch, count, _ = ops.shape(frames)
        x = ops.reshape(frames * self._window, (batch, count, _FACTOR, _FACTOR))  # a, b
        x = ops.matmul(ops.transpose(x, (0, 1, 3, 2)), self._first)  # b, (real, imaginary) x c
        real, imaginary = x[..., :_FACTOR], x[..., _FACTOR:]
        turned = [
            real * self._turn.real - imaginary * self._turn.imag,
            real * self._turn.imag + imaginary * self._turn.real,
        ]
        x = ops.transpose(ops.concatenate(turned, axis=2), (0, 1, 3, 2))  # c, (r, i) x b
        x = ops.matmul(x, self._second)  # c, (r, i) x d
        half = _FACTOR // 2 + 1
        power = ops.square(x[..., :half]) + ops.square(x[..., half:])
        power = ops.reshape(ops.transpose(power, (0, 1, 3, 2)), (batch, count, half * _FACTOR))
        return power[..., : _WINDOW // 2 + 1]

    def _weights(self, power: Any) -> Any:
        """Logarithms of weights `(batch, frames, 1)`; `ABSENT` after the last frame with `power`.

        The first frame is always present, so that no clip is empty.
        """
        places = ops.arange(ops.shape(power)[1])
        last = ops.max(ops.where(power > 0.0, places, 0), axis=1, keepdims=True)
        weights = ops.zeros_like(power)
        if self.gate_db is not None:
            loudest = ops.max(power, axis=1, keepdims=True)
            ratio = ops.maximum(power, _LEAST_RATIO * loudest) / ops.maximum(loudest, _TINY)
            over_db = self.gate_db + 10.0 * ops.log10(ops.maximum(ratio, _LEAST_RATIO))
            weights = -ops.log(1.0 + ops.exp(-over_db / SOFTNESS_DB))
        return ops.expand_dims(ops.where(places <= last, weights, ABSENT), axis=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, 81)`."""
        batch, samples = input_shape
        frames = None
        if samples is not None:
            frames = 2 * -(-min(samples, LONGEST_SECONDS * RATE_HZ) // _FRAME)
        return (batch, frames, _BANDS + 1)


def _fourier_steps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sums over a `(20, 40)`, the turns `(20, 20)`, complex, and the sums over b `(40, 22)`."""
    number = np.arange(_FACTOR)
    waves = np.exp(-2j * np.pi * np.outer(number, number) / _FACTOR)
    first = np.concatenate([waves.real, waves.imag], axis=1)
    turn = np.exp(-2j * np.pi * np.outer(number, number) / _WINDOW)  # b, c
    half = waves[:, : _FACTOR // 2 + 1]  # b, d
    second = np.block([[half.real, half.imag], [-half.imag, half.real]])
    return first.astype("float32"), turn.astype("complex64"), second.astype("float32")
