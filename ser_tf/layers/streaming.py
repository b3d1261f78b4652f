"""Streams: layers that continue, chunk by chunk, where the chunk before left them.

A chain of layers can stream if each of its layers is `Streaming`, or treats every time step on its
own, as `Timeless` layers and some of Keras' do. Chunk by chunk the chain gives what it gives for
all chunks at once, whatever their lengths.
"""

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

Tensor = Any
_BLOCK = 64
"""Time steps that `fading_sums` adds up by one matrix product."""


class Timeless:
    """Marks a layer that treats every time step on its own."""


_TIMELESS = (Timeless, keras_layers.Dense, keras_layers.Dropout, keras_layers.Normalization)


class Streaming(abc.ABC):
    """A layer that has `step` for the next chunk as well as `call` for whole clips.

    A stream begins with a state of zeros.
    """

    @property
    def can_stream(self) -> bool:
        """Whether the layer can stream; a layer made of others can if they can."""
        return True

    @property
    @abc.abstractmethod
    def stride(self) -> int:
        """Input steps per output step; chunk lengths are multiples of it."""

    @property
    @abc.abstractmethod
    def state_size(self) -> int:
        """How many numbers the layer carries from chunk to chunk."""

    @abc.abstractmethod
    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output for the next chunk, and the next state.

        Args:
            chunk: the next steps of the input, a multiple of `stride`, `(batch, steps, ...)`.
            state: zeros, or the state after the chunk before, `(batch, state_size)`.
        """


class StreamingChains(Streaming):
    """A layer made of chains of layers that all read the same input."""

    @abc.abstractmethod
    def all_chains(self) -> Sequence[Sequence[keras.Layer]]:
        """The chains, in each of which a layer reads the one before it.

        No property: Keras would look for the weights of what it lists under its name.
        """

    @property
    def can_stream(self) -> bool:
        """Whether every chain can stream."""
        return all(map(can_stream, self.all_chains()))

    @property
    def stride(self) -> int:
        """Input steps per output step, the same for all chains."""
        return stride(self.all_chains()[0])

    @property
    def state_size(self) -> int:
        """How many numbers all chains carry from chunk to chunk."""
        return sum(map(state_size, self.all_chains()))

    def step_chains(self, chunk: Tensor, state: Tensor) -> tuple[list[Tensor], Tensor]:
        """The output of each chain for the next chunk, and the next state of all."""
        chains = self.all_chains()
        states = split(state, [state_size(chain) for chain in chains])
        steps = [step(chain, chunk, before) for chain, before in zip(chains, states, strict=True)]
        outputs, following = zip(*steps, strict=True)
        return list(outputs), ops.concatenate(following, axis=1)


def flatten(model: keras.Model) -> list[keras.Layer]:
    """The layers of a chain; models within it are replaced by their layers."""
    return [
        inner
        for layer in model.layers
        for inner in (flatten(layer) if isinstance(layer, keras.Model) else [layer])
        if not isinstance(inner, keras_layers.InputLayer)
    ]


def can_stream(layers: Sequence[keras.Layer]) -> bool:
    """Whether a chain of layers can continue where a chunk ended."""
    return any(map(_streams, layers)) and all(
        _streams(layer) or isinstance(layer, _TIMELESS) for layer in layers
    )


def stride(layers: Sequence[keras.Layer]) -> int:
    """Input steps of a chain per output step; chunk lengths are multiples of it."""
    return math.prod(layer.stride for layer in layers if _streams(layer))


def state_size(layers: Sequence[keras.Layer]) -> int:
    """How many numbers a chain of layers carries from chunk to chunk."""
    return sum(layer.state_size for layer in layers if _streams(layer))


def step(layers: Sequence[keras.Layer], chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The output of a chain of layers for the next chunk, and the next state.

    Args:
        layers: a chain that `can_stream`, in which each layer reads the one before it.
        chunk: the next steps of the first layer's input, `(batch, ...)`.
        state: zeros, or the state after the chunk before, `(batch, state_size(layers))`.
    """
    streaming = [layer for layer in layers if _streams(layer)]
    states = iter(split(state, [layer.state_size for layer in streaming]))
    following = []
    for layer in layers:
        if _streams(layer):
            chunk, after = layer.step(chunk, next(states))
            following.append(after)
        else:
            chunk = layer(chunk, training=False)
    return chunk, ops.concatenate(following, axis=1)


def split(state: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """A state `(batch, sum(sizes))` as one of each size."""
    ends = np.cumsum(sizes).tolist()
    return [state[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


def fading_sums(x: Tensor, before: Tensor, memory_steps: float) -> Tensor:
    """For every step the sum of `x` up to it, each addend weighted by `exp(-age / memory_steps)`.

    By matrix products over blocks of steps: nothing overflows, however long the sequence, and a
    small addend before a large one is not rounded away.

    Args:
        x: float32 `(batch, steps, channels)`, one step or more.
        before: the sum as of the step before the first, `(batch, channels)`.
        memory_steps: age at which a step counts 1/e of what it did.

    Returns:
        `(batch, steps, channels)`.
    """
    batch, steps, channels = ops.shape(x)
    blocks = (steps + _BLOCK - 1) // _BLOCK
    x = ops.pad(x, ((0, 0), (0, blocks * _BLOCK - steps), (0, 0)))
    x = ops.reshape(x, (batch, blocks, _BLOCK, channels))
    age = np.subtract.outer(np.arange(_BLOCK), np.arange(_BLOCK))
    within = ops.matmul(_fading(age, memory_steps), x)
    ends = ops.concatenate([ops.expand_dims(before, 1), within[:, :-1, -1]], axis=1)
    ages = ops.expand_dims(ops.arange(blocks), 1) - ops.arange(blocks)
    fading = ops.exp(ops.cast(ops.maximum(ages, 0), "float32") * (-_BLOCK / memory_steps))
    carried = ops.matmul(ops.where(ages < 0, 0.0, fading), ends)  # (batch, blocks, channels)
    since = np.exp(-np.arange(1, _BLOCK + 1) / memory_steps).astype("float32")[:, None]
    sums = within + since * ops.expand_dims(carried, 2)
    return ops.reshape(sums, (batch, blocks * _BLOCK, channels))[:, :steps]


def _fading(age: np.ndarray, memory_steps: float) -> np.ndarray:
    return np.where(age < 0, 0.0, np.exp(-np.maximum(age, 0) / memory_steps)).astype("float32")


def _streams(layer: keras.Layer) -> bool:
    return isinstance(layer, Streaming) and layer.can_stream
