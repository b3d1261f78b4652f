"""The first blocks of Whisper's encoder (Radford et al., 2023, section 2.2).

https://github.com/openai/whisper/blob/v20231117/whisper/model.py
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.causal import ABSENT
from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.lmu.checks import require, require_sizes

_POSITIONS = 1500
_EPSILON = 1e-5
_TINY = 1e-30


@keras.saving.register_keras_serializable("ser_tf")
class WhisperEncoder(Float32Layer):
    """The first blocks of Whisper's encoder: from log-mel frames to 50 frames a second.

    Two convolutions, the second with stride 2, sinusoidal positions counted from the first frame,
    and pre-norm transformer blocks. A clip ends before its first absent frame, and nothing after
    that changes the frames before.

    The weights are to be Whisper's own, so `trainable` is False by default.

    Input shape: `(batch, mel_frames, bands + 1)`, at most 3,000 frames, the last channel the
        logarithm of the frame's weight; absent frames, marked by `ABSENT`, come last.
    Output shape: `(batch, ceil(mel_frames / 2), width + 1)`, the last channel as before; absent
        frames are zeros but for that.

    Args:
        width: channels, a multiple of 2 and of `heads`.
        heads: heads of attention, at least 1.
        blocks: number of transformer blocks, at least 1.
        last_norm: whether layer normalisation follows the last block, as after the whole encoder.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    arguments = ("width", "heads", "blocks", "last_norm")

    def __init__(
        self, width: int, heads: int, blocks: int, last_norm: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**{"trainable": False} | kwargs)
        require_sizes(width=width, heads=heads, blocks=blocks)
        rule = "width must be a multiple of 2 and of heads"
        require(width % 2 == 0 and width % heads == 0, rule, width=width, heads=heads)
        self.width = width
        self.heads = heads
        self.blocks = blocks
        self.last_norm = last_norm
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.convolutions = [
            keras.layers.Conv1D(width, 3, stride, dtype="float32", name=f"convolution_{stride}")
            for stride in (1, 2)
        ]
        self.transformers = [
            WhisperBlock(width, heads, name=f"block_{number + 1}") for number in range(blocks)
        ]
        self.norm = _norm("norm") if last_norm else None

    def build(self, input_shape: Shape) -> None:
        """Makes the weights, and the positions."""
        bands = (input_shape[-1] or 0) - 1
        parts = [*self.convolutions, *self.transformers, *filter(None, [self.norm])]
        for number, part in enumerate(parts):
            part.build((None, None, self.width if number else bands))
            part.trainable = self.trainable
        # A weight, because Whisper's own positions are rounded to half precision.
        self.positions = self.add_weight(
            shape=(_POSITIONS, self.width),
            initializer=lambda *_, **__: _sinusoids(self.width),
            trainable=False,
            name="positions",
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The encoder's frames of whole clips."""
        counts = inputs[..., -1:]
        heard = ops.cast(counts > ABSENT, "float32")
        x = inputs[..., :-1]
        for convolution in self.convolutions:
            # A convolution pads with zeros, so zeros are to follow each clip too.
            x = ops.pad(x * heard, ((0, 0), (1, 1), (0, 0)))
            x = _gelu(convolution(x))
        counts, heard = counts[:, ::2], heard[:, ::2]  # (batch, frames, 1)
        x = x + self.positions[: ops.shape(x)[1]]
        unheard = (1.0 - ops.transpose(heard, (0, 2, 1))[:, None]) * ABSENT  # (batch, 1, 1, frames)
        for block in self.transformers:
            x = block(x, unheard)
        if self.norm is not None:
            x = self.norm(x)
        return ops.concatenate([x * heard, counts], axis=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, width + 1)`."""
        batch, frames, _ = input_shape
        return (batch, None if frames is None else -(-frames // 2), self.width + 1)


class WhisperBlock(Float32Layer):
    """A pre-norm transformer block: self-attention, then a dense network, each added to its input.

    Input shape: frames `(batch, frames, width)`, and what is added to the logits of attention,
        `(batch, 1, 1, frames)`.
    Output shape: `(batch, frames, width)`.

    Args:
        width: channels, a multiple of `heads`.
        heads: heads of attention.
    """

    arguments = ("width", "heads")

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.heads = heads
        self.attention_norm = _norm("attention_norm")
        self.query = _dense(width, name="query")
        self.key = _dense(width, use_bias=False, name="key")
        self.value = _dense(width, name="value")
        self.attended = _dense(width, name="attended")
        self.dense_norm = _norm("dense_norm")
        self.inner = _dense(4 * width, name="inner")
        self.outer = _dense(width, name="outer")

    def build(self, input_shape: Shape) -> None:
        """Makes the weights."""
        frames = (None, None, self.width)
        parts = (self.attention_norm, self.query, self.key, self.value, self.attended)
        for part in (*parts, self.dense_norm, self.inner):
            part.build(frames)
        self.outer.build((None, None, 4 * self.width))
        self.built = True

    def call(self, inputs: Any, unheard: Any) -> Any:
        """The frames after this block."""
        x = inputs + self._attention(self.attention_norm(inputs), unheard)
        return x + self.outer(_gelu(self.inner(self.dense_norm(x))))

    def compute_output_shape(self, input_shape: Shape, unheard_shape: Shape = ()) -> Shape:
        """`(batch, frames, width)`."""
        return input_shape

    def _attention(self, x: Any, unheard: Any) -> Any:
        if x.shape[1] == 1:  # Keras would warn of a softmax over one frame
            return self.attended(self.value(x))
        batch, frames, _ = ops.shape(x)
        size = self.width // self.heads

        def by_head(y: Any) -> Any:
            return ops.reshape(y, (batch, frames, self.heads, size))

        query = ops.transpose(by_head(self.query(x)), (0, 2, 1, 3)) / math.sqrt(size)
        key = ops.transpose(by_head(self.key(x)), (0, 2, 3, 1))
        value = ops.transpose(by_head(self.value(x)), (0, 2, 1, 3))
        share = ops.softmax(ops.matmul(query, key) + unheard)  # (batch, heads, frames, frames)
        found = ops.transpose(ops.matmul(share, value), (0, 2, 1, 3))
        return self.attended(ops.reshape(found, (batch, frames, self.width)))


@keras.saving.register_keras_serializable("ser_tf")
class ThinFrames(Float32Layer):
    """Frames thinned in time: means over `stride` frames, of those that are present.

    Input shape: `(batch, frames, channels)`, the last channel the natural logarithm of the frame's
        weight, `ABSENT` for the absent frames, which come last.
    Output shape: `(batch, ceil(frames / stride), channels)`, weights averaged like frames, absent
        ones as 0; absent frames are zeros but for the last channel.

    Args:
        stride: number of frames in a mean, at least 1.

    Raises:
        ValueError: if `stride` is less than 1.
    """

    arguments = ("stride",)

    def __init__(self, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_sizes(stride=stride)
        self.stride = stride
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        """The means of every `stride` frames."""
        batch, frames, channels = ops.shape(inputs)
        thinned = (frames + self.stride - 1) // self.stride
        heard = ops.cast(inputs[..., -1:] > ABSENT, "float32")
        x = ops.concatenate([inputs[..., :-1] * heard, ops.exp(inputs[..., -1:]), heard], axis=2)
        x = ops.pad(x, ((0, 0), (0, thinned * self.stride - frames), (0, 0)))
        x = ops.sum(ops.reshape(x, (batch, thinned, self.stride, channels + 1)), axis=2)
        weight, count = x[..., -2:-1] / self.stride, x[..., -1:]
        weights = ops.where(count > 0.0, ops.log(ops.maximum(weight, _TINY)), ABSENT)
        return ops.concatenate([x[..., :-2] / ops.maximum(count, 1.0), weights], axis=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        batch, frames, channels = input_shape
        return (batch, None if frames is None else -(-frames // self.stride), channels)


def _gelu(x: Any) -> Any:
    """The exact GELU, in the one form for which LiteRT has an operator.

    LiteRT needs the factors in this order, and freezing a graph sorts them by name.
    """
    with keras.name_scope("gelu_first"):
        half = 0.5 * x
    with keras.name_scope("gelu_second"):
        return half * (1.0 + ops.erf(x * math.sqrt(0.5)))


def _dense(units: int, **kwargs: Any) -> keras.layers.Dense:
    return keras.layers.Dense(units, dtype="float32", **kwargs)


def _norm(name: str) -> keras.layers.LayerNormalization:
    return keras.layers.LayerNormalization(epsilon=_EPSILON, dtype="float32", name=name)


def _sinusoids(width: int) -> np.ndarray:
    """`(1500, width)`: sines, then cosines, of wavelengths from 2 pi to 20,000 pi frames."""
    half = width // 2
    rates = np.exp(-math.log(10_000) / (half - 1) * np.arange(half))
    phases = np.outer(np.arange(_POSITIONS), rates)
    return np.concatenate([np.sin(phases), np.cos(phases)], axis=1).astype("float32")
