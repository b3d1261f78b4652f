"""From causal features to one vector a clip, for whole clips and chunk by chunk."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.features.causal import ABSENT
from ser_tf.layers.lmu.checks import (
    require,
    require_not_negative,
    require_positive,
    require_rates,
    require_sizes,
)
from ser_tf.layers.lmu.parallel import LMU
from ser_tf.layers.streaming import Streaming, split

Tensor = Any
_TINY = 1e-30


@keras.saving.register_keras_serializable(package="ser_tf")
class LMUSummary(Streaming, keras.layers.Layer):
    """One vector a clip from a stack of Legendre Memory Units.

    Each block of `block_frames` frames, together with the `look_back` blocks before it, passes a
    dense layer, batch normalisation and ReLU: a strided convolution that looks back only. LMU
    layers follow, with layer normalisation between them. The states of the last one are pooled over
    time into means and standard deviations (Snyder et al., 2018), weighted by the frames' weights
    and by `exp(-age / memory_frames)`.

    Args:
        block_frames: frames in a block, at least 1.
        look_back: number of earlier blocks read with each block, at least 0.
        filters: channels of the first, dense layer.
        units: size of the hidden state of each LMU layer.
        order: number of Legendre polynomials a memory keeps.
        theta: length of each LMU layer's memory in frames.
        memory_d: number of memories side by side in each LMU layer.
        memory_frames: age at which a state counts 1/e of what it did, above 0.
        dropout: rate after the dense layer and between LMU layers, in [0, 1).
        channel_dropout: rate of a clip's channels dropped in training, in [0, 1).
        noise: standard deviation of the Gaussian noise on the channels in training, in [0, 1].

    Input shape: `(batch, frames, channels)`, at least `block_frames` frames, the last channel the
        logarithm of a frame's weight. Frames after the last whole block, and blocks with absent
        frames, are left out.
    Output shape: `(batch, 2 * units[-1])`, float32: means, then standard deviations. Of a clip
        that is all absent: zeros, then the smallest deviation.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    def __init__(
        self,
        *,
        block_frames: int,
        look_back: int,
        filters: int,
        units: tuple[int, ...],
        order: int,
        theta: tuple[float, ...],
        memory_d: int,
        memory_frames: float,
        dropout: float = 0.0,
        channel_dropout: float = 0.0,
        noise: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rule = (
            "units and theta must have one number for each LMU layer, of which there is one or more"
        )
        require(len(units) == len(theta) > 0, rule, units=units, theta=theta)
        require_sizes(block_frames=block_frames, filters=filters)
        require_not_negative(look_back=look_back)
        require_positive(memory_frames=memory_frames)
        require_rates(dropout=dropout, channel_dropout=channel_dropout)
        self.block_frames = block_frames
        self.look_back = look_back
        self.filters = filters
        self.units = tuple(units)
        self.order = order
        self.theta = tuple(theta)
        self.memory_d = memory_d
        self.memory_frames = memory_frames
        self.dropout = dropout
        self.channel_dropout = channel_dropout
        self.noise = noise
        self.noises = keras.layers.GaussianNoise(noise)
        self.channel_drops = keras.layers.SpatialDropout1D(channel_dropout)
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
        between = [keras.layers.LayerNormalization(epsilon=1e-5) for _ in self.units[1:]]
        self.norms = [keras.layers.BatchNormalization(), *between]
        self.drops = [keras.layers.Dropout(dropout) for _ in self.units]
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = input_shape[2] - 1
        widths = (self.filters, *self.units)
        self.dense.build((None, None, (1 + self.look_back) * self.block_frames * channels))
        for memory, norm, width in zip(self.memories, self.norms, widths, strict=False):
            norm.build((None, None, width))
            memory.build((None, None, width))
        self._sizes = [
            self.look_back * self.block_frames * channels,
            *(self.memory_d * self.order for _ in self.units),
            2 * widths[-1] + 1,
        ]
        self.built = True

    @property
    def stride(self) -> int:
        """Frames per block."""
        return self.block_frames

    @property
    def state_size(self) -> int:
        """How many numbers the layer carries from chunk to chunk."""
        return sum(self._sizes)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The summary of clips."""
        frames = self._noisy(inputs[..., :-1], training)
        blocks, weight = self._blocks(frames, inputs[..., -1])
        tail, *_, sums = [ops.zeros((ops.shape(inputs)[0], size)) for size in self._sizes]
        h, _ = self._look_back(blocks, tail)
        for number, (memory, drop) in enumerate(zip(self.memories, self.drops, strict=True)):
            h = memory(drop(self._normalise(number, h, weight, training), training=training))
        return self._moments(self._pool(h, weight, sums))

    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The summary after the next frames, one whole block or more.

        Args:
            chunk: `(batch, frames, channels)`, frames a multiple of `block_frames`.
            state: zeros, or the state after the chunk before, `(batch, state_size)`.

        Returns:
            The summary of all frames up to the end of the chunk, and the next state.
        """
        blocks, weight = self._blocks(chunk[..., :-1], chunk[..., -1])
        tail, *states, sums = split(state, self._sizes)
        h, tail = self._look_back(blocks, tail)
        following = []
        for number, (memory, before) in enumerate(zip(self.memories, states, strict=True)):
            h, after = memory.step(self._normalise(number, h, weight, False), before)
            following.append(after)
        sums = self._pool(h, weight, sums)
        return self._moments(sums), ops.concatenate([tail, *following, sums], axis=1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (input_shape[0], 2 * self.units[-1])

    def get_config(self) -> dict[str, Any]:
        names = (
            "block_frames look_back filters units order theta memory_d memory_frames dropout "
            "channel_dropout noise"
        ).split()
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _noisy(self, frames: Tensor, training: bool) -> Tensor:
        return self.channel_drops(self.noises(frames, training=training), training=training)

    def _blocks(self, frames: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Whole blocks of frames and their weights, 0.0 where a frame is absent.

        Returns:
            `(batch, blocks, block_frames * channels)` and `(batch, blocks, 1)`.
        """
        batch, steps, channels = ops.shape(frames)
        size = self.block_frames
        blocks = steps // size
        x = ops.reshape(frames[:, : blocks * size], (batch, blocks, size * channels))
        counts = ops.reshape(counts[:, : blocks * size], (batch, blocks, size))
        counts = ops.cast(counts, "float32")
        weight = ops.mean(ops.exp(counts), axis=2, keepdims=True)
        return x, ops.where(ops.min(counts, axis=2, keepdims=True) > ABSENT, weight, 0.0)

    def _look_back(self, blocks: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """The dense layer of every block with the ones before it, and the next chunk's tail."""
        batch, steps, size = ops.shape(blocks)
        x = ops.concatenate([ops.reshape(tail, (batch, self.look_back, size)), blocks], axis=1)
        seen = [x[:, lag : lag + steps] for lag in range(self.look_back + 1)]
        tail = ops.reshape(x[:, steps:], (batch, self.look_back * size))
        return self.dense(ops.concatenate(seen, axis=2)), tail

    def _normalise(self, number: int, h: Tensor, weight: Tensor, training: bool) -> Tensor:
        """The input of LMU layer `number`, from the dense layer or from the LMU layer before it."""
        if number:
            return self.norms[number](h)
        return ops.relu(self.norms[0](h, training=training, mask=weight[..., 0] > 0))

    def _pool(self, h: Tensor, weight: Tensor, before: Tensor) -> Tensor:
        """The sums so far of weights, of weighted states and of weighted squares."""
        h = ops.cast(h, "float32")
        steps, memory_blocks = ops.shape(h)[1], self.memory_frames / self.block_frames
        age = ops.cast(ops.arange(steps - 1, -1, -1), "float32")[:, None]
        weight = weight * ops.exp(-age / memory_blocks)
        values = ops.concatenate([ops.ones_like(weight), h, ops.square(h)], axis=2)
        fading = ops.exp(-ops.cast(steps, "float32") / memory_blocks)
        return before * fading + ops.sum(weight * values, axis=1)

    def _moments(self, sums: Tensor) -> Tensor:
        """Means and standard deviations of the states, from their sums."""
        weight, first, second = ops.split(sums, [1, 1 + self.units[-1]], axis=1)
        weight = ops.maximum(weight, _TINY)
        mean, square = first / weight, second / weight
        # The small number keeps the gradient finite where a state never changes.
        deviation = ops.sqrt(ops.maximum(square - ops.square(mean), 0.0) + 1e-4)
        return ops.concatenate([mean, deviation], axis=1)
