"""The memory of streams, carried from chunk to chunk."""

import functools
from typing import Any

import numpy as np
from keras import ops

from ser_tf.layers.lmu import convolution, delay
from ser_tf.layers.lmu.constants import constant

Tensor = Any
_LARGEST = 2**20


def memories(u: Tensor, state: Tensor, order: int, theta: float) -> Tensor:
    """The memory after every step of a chunk.

    Args:
        u: what drives the memory, float32 `(batch, steps, channels)`, steps at least 1.
        state: the memory before the chunk, float32 `(batch, channels, order)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.

    Returns:
        float32 `(batch, steps, channels, order)`.
    """
    batch, steps, channels = ops.shape(u)
    longest = block_steps(order)
    block = min(steps, longest) if isinstance(steps, int) else longest
    blocks = (steps + block - 1) // block
    x = convolution.pad(u, 0, blocks * block - steps)
    x = ops.reshape(ops.transpose(x, (0, 2, 1)), (batch * channels, blocks, block))
    before = ops.reshape(state, (batch * channels, 1, order))
    if not (isinstance(blocks, int) and blocks == 1):
        before = _before_blocks(x, before, order, theta)
    x = ops.concatenate([x, before], axis=-1)
    m = ops.matmul(x, constant(convolution.advance, order, theta, block))
    m = ops.reshape(m, (batch, channels, blocks * block, order))
    return convolution.first(ops.transpose(m, (0, 2, 1, 3)), steps)


def block_steps(order: int) -> int:
    """Steps computed by one product: as many as fit a constant of 4 MB, at most 64."""
    steps = next((n for n in range(64, 1, -1) if n * (n + order) * order <= _LARGEST), 1)
    return steps


def _before_blocks(x: Tensor, state: Tensor, order: int, theta: float) -> Tensor:
    """The memory before each block of `(rows, blocks, block)`: `(rows, blocks, order)`.

    Each round doubles the number of earlier blocks that a block's memory holds (Hillis and Steele,
    1986, "Data Parallel Algorithms"), until all are in it, or older ones have faded.
    """
    blocks, block = ops.shape(x)[1:]
    added = ops.matmul(x, constant(convolution.reversed_response, order, theta, block))
    m = ops.concatenate([state, added[:, :-1]], axis=1)
    reach = 1
    while not (isinstance(blocks, int) and reach >= blocks) and not _fades(
        order, theta, reach * block
    ):
        moved_on = ops.matmul(m, constant(_jump, order, theta, reach * block))
        m = m + convolution.first(convolution.pad(moved_on, reach, 0), blocks)
        reach *= 2
    return m


def _jump(order: int, theta: float, steps: int) -> np.ndarray:
    """What becomes of a memory, as a row, over `steps` without input: `(order, order)`."""
    return np.linalg.matrix_power(delay.discretise(order, theta)[0], steps).T


@functools.lru_cache(maxsize=64)
def _fades(order: int, theta: float, steps: int) -> bool:
    """Whether nothing is left of a memory after `steps` without input."""
    return bool(np.abs(_jump(order, theta, steps)).max() < delay.SILENCE)
