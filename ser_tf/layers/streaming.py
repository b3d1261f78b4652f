"""Streams: layers that can go on, chunk by chunk, where the chunk before left them.

A streaming layer has beside `call(inputs)` for whole clips

- `stride`, how many of the steps of time it reads make one that it gives: a chunk is a whole
  number of them;
- `state_size`, how many numbers it carries from chunk to chunk; and
- `step(chunk, state)`, the output of the next chunk and the next state, `(batch, state_size)`.

A stream begins with a state of zeros. Step by step a layer gives what `call` gives for all chunks
together, whatever their lengths. Other layers of a stream treat every step of time on its own:
Keras' layers for which that holds, and layers with an attribute `timeless` that is true.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

Tensor = Any
_BLOCK = 64

_TIMELESS = (keras_layers.Dense, keras_layers.Dropout, keras_layers.Normalization)


def flatten(model: keras.Model) -> list[keras.Layer]:
    """The layers of a chain of layers, those of models within it in their place."""
    return [
        inner
        for layer in model.layers
        for inner in (flatten(layer) if isinstance(layer, keras.Model) else [layer])
        if not isinstance(inner, keras_layers.InputLayer)
    ]


def can_stream(layers: Sequence[keras.Layer]) -> bool:
    """Whether the layers know how to go on where a chunk ended."""
    return any(map(_has_state, layers)) and all(
        _has_state(layer) or _is_timeless(layer) for layer in layers
    )


def stride(layers: Sequence[keras.Layer]) -> int:
    """How many steps of the first layer's input make one of the last: chunks are of so many."""
    return math.prod(layer.stride for layer in layers if _has_state(layer))


def state_size(layers: Sequence[keras.Layer]) -> int:
    """How many numbers the layers carry from chunk to chunk."""
    return sum(layer.state_size for layer in layers if _has_state(layer))


def step(layers: Sequence[keras.Layer], chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The output of a chain of layers for the next chunk.

    Args:
        layers: a chain, each reading the one before, that `can_stream`.
        chunk: what the first layer takes, `(batch, ...)`.
        state: zeros, or what the call before gave, `(batch, state_size(layers))`.

    Returns:
        The output of the last layer, and the next state.
    """
    stateful = [layer for layer in layers if _has_state(layer)]
    states = iter(split(state, [layer.state_size for layer in stateful]))
    following = []
    for layer in layers:
        if _has_state(layer):
            chunk, after = layer.step(chunk, next(states))
            following.append(after)
        else:
            chunk = layer(chunk, training=False)
    return chunk, ops.concatenate(following, axis=1)


def state_size_beside(chains: Sequence[Sequence[keras.Layer]]) -> int:
    """How many numbers chains side by side, which read the same, carry from chunk to chunk.

    Raises:
        AttributeError: if one cannot stream; so what is made of them is no streaming layer.
    """
    if not all(map(can_stream, chains)):
        raise AttributeError("a chain cannot stream")
    return sum(map(state_size, chains))


def step_beside(
    chains: Sequence[Sequence[keras.Layer]], chunk: Tensor, state: Tensor
) -> tuple[list[Tensor], Tensor]:
    """The output of each of several chains for the next chunk, which all of them read.

    Args:
        chains: as of `step`.
        chunk: what the first layer of each takes.
        state: zeros, or what the call before gave, `(batch, state_size_beside(chains))`.

    Returns:
        The output of each, and the next state of all.
    """
    states = split(state, [state_size(chain) for chain in chains])
    steps = [step(chain, chunk, before) for chain, before in zip(chains, states, strict=True)]
    return [output for output, _ in steps], ops.concatenate([after for _, after in steps], axis=1)


def split(state: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """A state `(batch, sum(sizes))` as one of each size."""
    ends = np.cumsum(sizes).tolist()
    return [state[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


def fading_sums(x: Tensor, before: Tensor, memory_steps: float) -> Tensor:
    """For every step the sum of `x` up to it, each weighted by `exp(-age / memory_steps)`.

    By matrix products over blocks of steps: nothing overflows, however long the sequence, and a
    small addend that comes before a large one is not rounded away.

    Args:
        x: float32 `(batch, steps, channels)`, a step or more.
        before: the sum as of the step before the first, `(batch, channels)`.
        memory_steps: age at which a step counts 1/e of what it did.

    Returns:
        `(batch, steps, channels)`.
    """
    batch, steps, channels = ops.shape(x)
    blocks = -(-steps // _BLOCK)
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


def _is_timeless(layer: keras.Layer) -> bool:
    return isinstance(layer, _TIMELESS) or getattr(layer, "timeless", False)


def _has_state(layer: keras.Layer) -> bool:
    return hasattr(layer, "state_size") and hasattr(layer, "step")
