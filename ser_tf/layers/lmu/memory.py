"""The memory of whole sequences, computed in the way that `choice` finds cheapest."""

from typing import Any

from keras import ops

from ser_tf.layers.lmu import choice, convolution, delay
from ser_tf.layers.lmu.choice import Way
from ser_tf.layers.lmu.constants import constant

Tensor = Any


def every_step(u: Tensor, order: int, theta: float, weights: Tensor = None) -> Tensor:
    """The memory after every step, or its product with weights.

    Args:
        u: what drives the memory, float32 `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        weights: float32 `(channels * order, units)`, or None.

    Returns:
        float32 `(batch, steps, channels * order)`, with weights `(batch, steps, units)`.
    """
    length = delay.audible_steps(order, theta, u.shape[1])
    way = choice.choose(
        order=order,
        length=length,
        channels=u.shape[2],
        units=None if weights is None else weights.shape[1],
        steps=ops.shape(u)[1],
        clips=u.shape[0],
    )
    if way in (Way.KERNELS_BY_PRODUCTS, Way.KERNELS_BY_FFT):
        return _by_kernels(way, u, weights, _response(way, u, order, theta, u.shape[2], length))
    batch, steps, channels = ops.shape(u)
    if way is Way.MEMORY_IN_BLOCKS:
        block = choice.memory_block_steps(length)
        m = convolution.memories(u, order, theta, block=block, length=length)
    else:
        m = _by_responses(way, u, _response(way, u, order, theta, 1, length))
    m = ops.reshape(m, (batch, steps, channels * order))
    return m if weights is None else ops.matmul(m, weights)


def last_step(
    u: Tensor, order: int, theta: float, length: int, *, weights: Tensor = None
) -> Tensor:
    """The memory after the last step, or its product with weights.

    Args:
        u: what drives the memory, the last `length` steps or fewer, float32
            `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        length: steps after which the impulse response is over.
        weights: float32 `(channels * order, units)`, or None.

    Returns:
        float32 `(batch, channels * order)`, with weights `(batch, units)`.
    """
    steps, channels = ops.shape(u)[1], u.shape[2]
    response = constant(convolution.reversed_response, order, theta, length)
    units = None if weights is None else weights.shape[1]
    if choice.choose_last(order, units) is Way.LAST_KERNELS:
        kernel = ops.matmul(response, ops.reshape(weights, (channels, order, units)))
        kernel = ops.reshape(kernel[:, length - steps :], (channels * steps, units))
        u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, channels * steps))
        return ops.matmul(u, kernel)
    u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, steps))
    m = ops.reshape(ops.matmul(u, response[length - steps :]), (-1, channels * order))
    return m if weights is None else ops.matmul(m, weights)


def _by_responses(way: Way, u: Tensor, response: Tensor) -> Tensor:
    """Each channel convolved with the response of each order: `(batch, steps, channels, order)`."""
    batch, steps, channels = ops.shape(u)
    u = ops.reshape(ops.transpose(u, (0, 2, 1)), (-1, steps, 1))
    m = _convolve(way, u, ops.expand_dims(response, 2))
    m = ops.reshape(m, (batch, channels, steps, response.shape[2]))
    return ops.transpose(m, (0, 2, 1, 3))


def _by_kernels(way: Way, u: Tensor, weights: Tensor, response: Tensor) -> Tensor:
    """All channels convolved with products of responses and weights: `(batch, steps, units)`."""
    channels, order, units = u.shape[2], response.shape[2], weights.shape[1]
    weights = ops.transpose(ops.reshape(weights, (channels, order, units)), (1, 0, 2))
    kernel = ops.matmul(
        ops.reshape(response, (-1, order)), ops.reshape(weights, (order, channels * units))
    )
    kernel = ops.reshape(kernel, (response.shape[0], -1, channels, units))
    return _convolve(way, u, kernel)


def _convolve(way: Way, u: Tensor, kernel: Tensor) -> Tensor:
    by_fft = way in (Way.MEMORY_BY_FFT, Way.KERNELS_BY_FFT)
    return (convolution.convolve_by_fft if by_fft else convolution.convolve)(u, kernel)


def _response(way: Way, u: Tensor, order: int, theta: float, channels: int, length: int) -> Tensor:
    """As much of the impulse response as the steps reach, `(block, lags, order)`."""
    if way in (Way.MEMORY_BY_FFT, Way.KERNELS_BY_FFT):
        return constant(convolution.partitioned, order, theta, length, length)
    block = choice.block_steps(length, channels)
    response = constant(convolution.partitioned, order, theta, block, length)
    return response[:, -convolution.reach_blocks(ops.shape(u)[1], block, length) :]
