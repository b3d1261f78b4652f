"""From causal features to one vector a clip: for whole clips, and chunk by chunk for streams."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers import streams
from ser_tf.layers.features.causal import ABSENT_DB
from ser_tf.layers.features.spectrum import DECIBEL
from ser_tf.layers.lmu.parallel import LMU

Tensor = Any
_LARGEST_SCORE = 5.0
_TINY = 1e-12


@keras.saving.register_keras_serializable(package="ser_tf")
class LMUSummary(keras.layers.Layer):
    """What a stack of Legendre Memory Units has made of a clip so far.

    Blocks of `block_frames` frames, each beside `look_back` blocks before it, pass a dense layer,
    layer normalisation and SiLU (a strided convolution that looks back only). LMU layers follow,
    layer normalisation between them. The states of the last one are pooled over time into means
    and standard deviations, once for each of `heads` learned weightings (Okabe et al., 2018,
    "Attentive Statistics Pooling for Deep Speaker Embedding"). A weight also grows with the power
    of its block, so that silence counts for nothing however long it is, and falls with its age.

    A change of the clip's gain changes the weights by a common factor, and nothing else.

    Args:
        block_frames: frames a block, at least 1.
        look_back: blocks before its own that a block sees, at least 0.
        filters: channels of the first, dense layer.
        units: size of the hidden state of each LMU layer.
        order: number of Legendre polynomials a memory keeps.
        theta: length of each LMU layer's memory in frames.
        memory_d: number of memories side by side in each LMU layer.
        memory_frames: age at which a state counts 1/e of what it did.
        exponent: a block's weight is its power to this.
        heads: number of weightings.
        dropout: rate after the dense layer and between LMU layers, in [0, 1).

    Input shape: output of `RelativeLevels` or `FillFrames`, `(batch, frames, channels)`. Frames
        after the last whole block, and blocks with absent frames, are passed over.
    Output shape: `(batch, 2 * heads * units[-1])`, float32: of each head the means, then of each
        the deviations. Before the first block has ended: zeros, and the smallest deviation.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    def __init__(
        self,
        block_frames: int,
        look_back: int,
        filters: int,
        units: tuple[int, ...],
        order: int,
        theta: tuple[float, ...],
        memory_d: int,
        memory_frames: float,
        exponent: float = 0.5,
        heads: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(units) != len(theta) or not units:
            raise ValueError(
                f"units and theta must name one layer or more each. Received: {units}, {theta}."
            )
        self.block_frames = self.stride = block_frames
        self.look_back = look_back
        self.filters = filters
        self.units = tuple(units)
        self.order = order
        self.theta = tuple(theta)
        self.memory_d = memory_d
        self.memory_frames = memory_frames
        self.exponent = exponent
        self.heads = heads
        self.dropout = dropout
        self.dense = keras.layers.Dense(filters, use_bias=False)
        self.memories = [
            LMU(
                memory_d,
                order,
                frames / block_frames,
                size,
                activation="relu",
                memory_activation="relu",
                input_to_hidden=True,
                return_sequences=True,
            )
            for size, frames in zip(units, theta, strict=True)
        ]
        # Silence has nothing to be normalised by: the large epsilon leaves it small.
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-2) for _ in self.units]
        self.drops = [keras.layers.Dropout(dropout) for _ in self.units]
        self.scores = keras.layers.Dense(heads, use_bias=False, kernel_initializer="zeros")
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = input_shape[2] - 1
        widths = (self.filters, *self.units)
        self.dense.build((None, None, (1 + self.look_back) * self.block_frames * channels))
        for memory, norm, width in zip(self.memories, self.norms, widths, strict=False):
            norm.build((None, None, width))
            memory.build((None, None, width))
        self.scores.build((None, None, widths[-1]))
        self._sizes = [
            self.look_back * self.block_frames * channels,
            *(self.memory_d * self.order for _ in self.units),
            self.heads * (2 * widths[-1] + 1),
        ]
        self.built = True

    @property
    def state_size(self) -> int:
        """How many numbers a stream carries from chunk to chunk."""
        return sum(self._sizes)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The summary of clips."""
        blocks, level, heard = self._blocks(inputs)
        tail, *_, sums = self._silence(ops.shape(inputs)[0])
        h, _ = self._look_back(blocks, tail)
        for memory, norm, drop in zip(self.memories, self.norms, self.drops, strict=True):
            h = memory(drop(self._normalise(norm, h), training=training))
        return self._moments(self._pool(h, level, heard, sums))

    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The summary after the next frames, one whole block or more.

        Args:
            chunk: `(batch, frames, channels)`, frames a multiple of `block_frames`.
            state: zeros, or what the call before gave, `(batch, state_size)`.

        Returns:
            The summary of all that was heard up to the end of the chunk, and the next state.
        """
        blocks, level, heard = self._blocks(chunk)
        tail, *states, sums = streams.split(state, self._sizes)
        h, tail = self._look_back(blocks, tail)
        following = []
        for memory, norm, before in zip(self.memories, self.norms, states, strict=True):
            h, after = memory.step(self._normalise(norm, h), before)
            following.append(after)
        sums = self._pool(h, level, heard, sums)
        return self._moments(sums), ops.concatenate([tail, *following, sums], axis=1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (input_shape[0], 2 * self.heads * self.units[-1])

    def get_config(self) -> dict[str, Any]:
        names = (
            "block_frames look_back filters units order theta memory_d memory_frames exponent "
            "heads dropout"
        ).split()
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _blocks(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whole blocks of frames, `(batch, blocks, block_frames * channels)`, and their level.

        Levels in dB and whether all of a block was heard: `(batch, blocks, 1)`.
        """
        batch, steps, channels = ops.shape(frames)
        blocks = steps // self.block_frames
        x = frames[:, : blocks * self.block_frames]
        x = ops.reshape(x, (batch, blocks, self.block_frames, channels))
        levels = x[..., -1]
        heard = ops.min(levels, axis=2, keepdims=True) > ABSENT_DB
        x = ops.reshape(x[..., :-1], (batch, blocks, self.block_frames * (channels - 1)))
        return x, ops.max(levels, axis=2, keepdims=True), heard

    def _silence(self, batch: Any) -> list[Tensor]:
        return [ops.zeros((batch, size)) for size in self._sizes]

    def _look_back(self, blocks: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """The dense layer of every block beside the ones before, and the next chunk's tail."""
        batch, steps, size = ops.shape(blocks)
        x = ops.concatenate([ops.reshape(tail, (batch, self.look_back, size)), blocks], axis=1)
        seen = [x[:, lag : lag + steps] for lag in range(self.look_back + 1)]
        tail = ops.reshape(x[:, steps:], (batch, self.look_back * size))
        return self.dense(ops.concatenate(seen, axis=2)), tail

    def _normalise(self, norm: keras.Layer, h: Tensor) -> Tensor:
        h = norm(h)
        return ops.silu(h) if norm is self.norms[0] else h

    def _pool(self, h: Tensor, level: Tensor, heard: Tensor, before: Tensor) -> Tensor:
        """For each head the sums so far of weights and of weighted states and their squares."""
        h = ops.cast(h, "float32")
        steps, memory_blocks = ops.shape(h)[1], self.memory_frames / self.block_frames
        age = ops.cast(ops.arange(steps - 1, -1, -1), "float32") / memory_blocks
        score = ops.cast(self.scores(h), "float32")
        score = _LARGEST_SCORE * ops.tanh(score / _LARGEST_SCORE)
        loudness = level * (DECIBEL * self.exponent) - ops.expand_dims(age, 1)
        weight = ops.where(heard, ops.exp(score + loudness), 0.0)  # (batch, blocks, heads)
        values = ops.concatenate([ops.ones_like(level), h, ops.square(h)], axis=2)
        sums = ops.matmul(ops.transpose(weight, (0, 2, 1)), values)
        fading = ops.exp(-ops.cast(steps, "float32") / memory_blocks)
        return before * fading + ops.reshape(sums, ops.shape(before))

    def _moments(self, sums: Tensor) -> Tensor:
        """Means and standard deviations of the states, from their sums."""
        size = self.units[-1]
        sums = ops.reshape(sums, (-1, self.heads, 2 * size + 1))
        weight, first, second = ops.split(sums, [1, size + 1], axis=2)
        weight = ops.maximum(weight, _TINY)
        mean, square = first / weight, second / weight
        # The small number keeps the gradient finite where a state never changes.
        deviation = ops.sqrt(ops.maximum(square - ops.square(mean), 0.0) + 1e-4)
        return ops.reshape(ops.concatenate([mean, deviation], axis=1), (-1, 2 * self.heads * size))
