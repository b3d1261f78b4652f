"""The memory of streams, carried from chunk to chunk."""

from typing import Any

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
    blocks = -(-steps // block)
    x = convolution.pad(u, 0, blocks * block - steps)
    x = ops.reshape(ops.transpose(x, (0, 2, 1)), (batch * channels, blocks, block))
    before = ops.reshape(state, (1, batch * channels, order))
    if not (isinstance(blocks, int) and blocks == 1):
        before = _before_blocks(x, before[0], order, theta)
    x = ops.concatenate([x, ops.transpose(before, (1, 0, 2))], axis=-1)
    m = ops.matmul(x, constant(convolution.advance, order, theta, block))
    m = ops.reshape(m, (batch, channels, blocks * block, order))
    return convolution.first(ops.transpose(m, (0, 2, 1, 3)), steps)


def block_steps(order: int) -> int:
    """Steps computed by one product: as many as fit a constant of 4 MB, at most 64."""
    steps = next((n for n in range(64, 1, -1) if n * (n + order) * order <= _LARGEST), 1)
    return steps


def _before_blocks(x: Tensor, state: Tensor, order: int, theta: float) -> Tensor:
    """The memory before each block of `(rows, blocks, block)`: `(blocks, rows, order)`."""
    block = x.shape[2]
    added = ops.matmul(x, constant(convolution.reversed_response, order, theta, block))
    jump = constant(_jump, order, theta, block)
    _, before = ops.scan(
        lambda m, more: (ops.matmul(m, jump) + more, m), state, ops.transpose(added, (1, 0, 2))
    )
    return before


def _jump(order: int, theta: float, block: int) -> Any:
    return delay.powers(order, theta, block)[-1].T
