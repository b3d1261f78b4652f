"""The memory of whole sequences, in the form that is cheapest for their shape."""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from ser_tf.layers.lmu import convolution, delay
from ser_tf.layers.lmu.constants import constant

Tensor = Any


def every_step(u: Tensor, order: int, theta: float) -> Tensor:
    """The memory after every step.

    Args:
        u: what drives the memory, float32 `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.

    Returns:
        float32 `(batch, steps, channels * order)`.
    """
    batch, steps, channels = ops.shape(u)
    length = delay.audible_steps(order, theta, u.shape[1])
    if _few(order, length):
        block = convolution.memory_block_steps(length)
        m = convolution.memories(u, order, theta, block, length)
    else:
        convolve, response = _form(steps, order, theta, 1, length)
        u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, steps, 1))
        m = convolve(u, ops.expand_dims(response, 2))
        m = ops.transpose(ops.reshape(m, (batch, channels, steps, order)), (0, 2, 1, 3))
    return ops.reshape(m, (batch, steps, channels * order))


def every_step_times(u: Tensor, weights: Tensor, order: int, theta: float) -> Tensor:
    """The memory after every step, times weights.

    The product with the weights comes first where that is cheaper: with a kernel a unit rather
    than an impulse response an order, no step's memory is ever computed.

    Args:
        u: what drives the memory, float32 `(batch, steps, channels)`.
        weights: float32 `(channels * order, units)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.

    Returns:
        float32 `(batch, steps, units)`.
    """
    steps, channels = ops.shape(u)[1], u.shape[2]
    length = delay.audible_steps(order, theta, u.shape[1])
    units = weights.shape[1]
    outputs = steps * u.shape[0] if isinstance(steps, int) and u.shape[0] else math.inf
    if _memory_is_cheaper(outputs, length, channels, order, units):
        return ops.matmul(every_step(u, order, theta), weights)
    convolve, response = _form(steps, order, theta, channels, length)
    weights = ops.transpose(ops.reshape(weights, (channels, order, units)), (1, 0, 2))
    kernel = ops.matmul(
        ops.reshape(response, (-1, order)), ops.reshape(weights, (order, channels * units))
    )
    return convolve(u, ops.reshape(kernel, (response.shape[0], -1, channels, units)))


def last_step(u: Tensor, order: int, theta: float, length: int) -> Tensor:
    """The memory after the last step: one product with the reversed impulse response.

    Args:
        u: what drives the memory, the last `length` steps or fewer, float32
            `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        length: steps after which the impulse response is over.

    Returns:
        float32 `(batch, channels * order)`.
    """
    steps, channels = ops.shape(u)[1], u.shape[2]
    response = constant(convolution.reversed_response, order, theta, length)[length - steps :]
    u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, steps))
    return ops.reshape(ops.matmul(u, response), (-1, channels * order))


def last_step_times(u: Tensor, weights: Tensor, order: int, theta: float, length: int) -> Tensor:
    """The memory after the last step, times weights, which come first where they are the fewer.

    Args:
        u: as for `last_step`.
        weights: float32 `(channels * order, units)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        length: steps after which the impulse response is over.

    Returns:
        float32 `(batch, units)`.
    """
    steps, channels, units = ops.shape(u)[1], u.shape[2], weights.shape[1]
    if units >= order:
        return ops.matmul(last_step(u, order, theta, length), weights)
    response = constant(convolution.reversed_response, order, theta, length)
    kernel = ops.matmul(response, ops.reshape(weights, (channels, order, units)))
    kernel = ops.reshape(kernel[:, length - steps :], (channels * steps, units))
    u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, channels * steps))
    return ops.matmul(u, kernel)


def _form(
    steps: Any, order: int, theta: float, channels: int, length: int
) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
    """How to convolve, and as much of the impulse response as the steps reach.

    The response is `(block, lags, order)`.
    """
    if convolution.fft_is_cheaper(steps, length, channels):
        whole = constant(convolution.partitioned, order, theta, length, length)
        return convolution.convolve_by_fft, whole
    block = convolution.block_steps(length, channels)
    response = constant(convolution.partitioned, order, theta, block, length)
    return convolution.convolve, response[:, -convolution.reach_blocks(steps, block, length) :]


def _few(order: int, length: int) -> bool:
    """Whether to compute a memory from the one at the start of its block.

    An output costs `2 sqrt(length) + order` multiplications so, and `4 sqrt(2 length)` by
    `convolve`.
    """
    return order < 3 * length**0.5


def _memory_is_cheaper(outputs: float, length: int, channels: int, order: int, units: int) -> bool:
    """Whether to compute every memory and then multiply, by multiplications a step of a clip.

    The kernel and its spectrum cost the same however many steps of clips, the `outputs`, share
    them: one clip alone is hardly worth a kernel, in time or, as a constant of a converted model,
    in space.
    """
    a_memory = 2 * length**0.5 + order if _few(order, length) else (32 * length) ** 0.5
    memory_first = channels * order * (a_memory + units)
    block = convolution.block_steps(length, channels)
    a_kernel = channels * units * length * (order + 4 * block)
    kernel_first = units * (2 * block + 4 * channels * length / block) + a_kernel / outputs
    return memory_first < kernel_first
