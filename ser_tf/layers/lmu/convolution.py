"""Causal convolutions with the delay system's impulse response.

Made of matrix products, but for very long sequences: up to some thousand steps products are
faster than TensorFlow's FFT, differentiate into products, compile under XLA and convert to LiteRT.
"""

import functools
from typing import Any

import numpy as np
from keras import ops
from scipy.fft import next_fast_len

from ser_tf.layers.lmu import delay
from ser_tf.layers.lmu.constants import constant

Tensor = Any
_LARGEST = 2**17
"""Numbers in the constant of one long product, at most: half a megabyte, in exported models too."""


def convolve(u: Tensor, kernel: Tensor) -> Tensor:
    """Inputs of all channels, each convolved with kernels of its own, summed.

    The sequence is cut into blocks. A discrete Fourier transform of two blocks' length, one
    matrix product, turns the convolution into one matrix product a frequency, over all channels
    and all earlier blocks (overlap-save with a partitioned kernel; Stockham, 1966).

    Args:
        u: float32 `(batch, steps, channels)`.
        kernel: float32 `(block, lags, channels, units)`; `kernel[c, lags - 1 - j]` answers an
            input `j * block + c` steps ago.

    Returns:
        float32 `(batch, steps, units)`.
    """
    block, units = kernel.shape[0], kernel.shape[3]
    batch, steps, channels = ops.shape(u)
    lags = ops.shape(kernel)[1]
    blocks = -(-steps // block)
    bins = block + 1
    parts = "forward real_of imaginary_of real_back imaginary_back".split()
    forward, *of_product = (constant(_fourier, block, part) for part in parts)

    x = pad(u, block, blocks * block - steps)
    x = ops.reshape(x, (batch, blocks + 1, block, channels))
    x = ops.concatenate([x[:, :-1], x[:, 1:]], axis=2)  # (batch, blocks, 2 block, channels)
    x = ops.reshape(ops.transpose(x, (2, 0, 3, 1)), (2 * block, -1))
    x = ops.reshape(ops.matmul(forward, x), (bins, 2, batch, channels, blocks))
    x = lagged(ops.transpose(x, (0, 2, 1, 3, 4)), lags)
    x = ops.transpose(x, (0, 1, 4, 2, 3, 5))  # (bins, batch, blocks, re | im, channels, lags)
    x = ops.reshape(x, (bins, batch * blocks, 2 * channels * lags))
    k = ops.transpose(kernel, (0, 2, 1, 3))
    k = ops.reshape(k, (block, channels * lags * units))
    y = 0.0
    for of_kernel, inverse in zip(of_product[:2], of_product[2:], strict=True):
        z = ops.reshape(ops.matmul(of_kernel, k), (bins, 2 * channels * lags, units))
        z = ops.matmul(x, z)  # (bins, batch blocks, units)
        y = y + ops.matmul(inverse, ops.reshape(z, (bins, batch * blocks * units)))
    y = ops.reshape(y, (block, batch, blocks, units))
    y = ops.reshape(ops.transpose(y, (1, 2, 0, 3)), (batch, blocks * block, units))
    return first(y, steps)


def convolve_by_fft(u: Tensor, kernel: Tensor) -> Tensor:
    """What `convolve` gives, for a known number of steps and a kernel in one block."""
    steps = u.shape[1]
    size = next_fast_len(steps + kernel.shape[0] - 1, real=True)
    u_re, u_im = ops.rfft(ops.transpose(u, (0, 2, 1)), size)  # (batch, channels, bins)
    k_re, k_im = ops.rfft(ops.transpose(kernel[:, 0], (1, 2, 0)), size)  # (channels, units, bins)
    product = functools.partial(ops.einsum, "bcf,cuf->buf")
    y_re = product(u_re, k_re) - product(u_im, k_im)
    y_im = product(u_re, k_im) + product(u_im, k_re)
    y = ops.irfft((y_re, y_im), size)
    return first(ops.transpose(y, (0, 2, 1)), steps)


def fft_is_cheaper(steps: Any, length: int, channels: int) -> bool:
    """Whether to choose `convolve_by_fft`; never for an unknown number of steps.

    Measured with TensorFlow on two cores, forward and backward: an output of the FFT takes as
    long as `400 + 130 channels` multiplications of `convolve`, hardly more for longer sequences.
    With one channel that is 1.6 times longer at 2,376 steps and half as long at 16,000.
    """
    block = block_steps(length, channels)
    products = 2 * block + 4 * channels * length / block
    return isinstance(steps, int) and products > 400 + 130 * channels


def memories(u: Tensor, order: int, theta: float, block: int, length: int) -> Tensor:
    """The memory after every step, for few orders: one product within blocks, one across them.

    Args:
        u: float32 `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        block: steps a block.
        length: steps after which the impulse response is over.

    Returns:
        float32 `(batch, steps, channels, order)`.
    """
    batch, steps, channels = ops.shape(u)
    blocks = -(-steps // block)
    x = pad(u, 0, blocks * block - steps)
    x = ops.reshape(ops.transpose(x, (0, 2, 1)), (batch * channels, blocks, block))
    before = _before_blocks(x, order, theta, length)
    x = ops.concatenate([x, before], axis=-1)
    x = ops.matmul(x, constant(advance, order, theta, block))
    x = ops.reshape(x, (batch, channels, blocks * block, order))
    return first(ops.transpose(x, (0, 2, 1, 3)), steps)


def _before_blocks(x: Tensor, order: int, theta: float, length: int) -> Tensor:
    """The memory before each block of `(rows, blocks, block)`: `(rows, blocks, order)`.

    Of a short sequence, all of which is heard to the end, it is one product, which moves less data
    than to lay the earlier blocks beside each.
    """
    rows, blocks, block = ops.shape(x)
    reach = reach_blocks(blocks * block, block, length)
    if isinstance(blocks, int) and reach == blocks and blocks * block * blocks * order <= _LARGEST:
        answers = constant(starts, order, theta, block, blocks, length)
        before = ops.matmul(ops.reshape(x, (rows, blocks * block)), answers)
        return ops.reshape(before, (rows, blocks, order))
    earlier = lagged(ops.transpose(pad(x, 1, 0)[:, :-1], (0, 2, 1)), reach)
    earlier = ops.transpose(earlier, (0, 2, 3, 1))
    earlier = ops.reshape(earlier, (rows, blocks, reach * block))
    response = constant(reversed_response, order, theta, -(-length // block) * block)
    return ops.matmul(earlier, response[-reach * block :])


def lagged(x: Tensor, lags: Any) -> Tensor:
    """Every block with the ones before it, zeros before the first.

    Args:
        x: `(..., blocks)`.
        lags: how many blocks to look back, at least 1; 1 is the block itself.

    Returns:
        `(..., blocks, lags)`; `[..., i, j]` is block `i - (lags - 1 - j)`.
    """
    *rows, blocks = ops.shape(x)
    source = ops.reshape(ops.arange(blocks), (-1, 1, 1))
    target = ops.reshape(ops.arange(blocks), (-1, 1)) + ops.arange(1 - lags, 1)
    # A product with ones and zeros is faster than a gather, and its gradient no scatter.
    choice = ops.cast(source == target, x.dtype)  # (blocks, blocks, lags)
    x = ops.matmul(ops.reshape(x, (-1, blocks)), ops.reshape(choice, (blocks, -1)))
    return ops.reshape(x, (*rows, blocks, lags))


def block_steps(length: int, channels: int) -> int:
    """Steps a block that make `convolve` cheapest, as measured with TensorFlow on two cores.

    An output costs `2 block` multiplications for the inverse transform and
    `4 channels length / block` for the product of the spectra, whose smaller matrices take a
    little longer.
    """
    return _divisor(length, 1.7 * (channels * length) ** 0.5)


def memory_block_steps(length: int) -> int:
    """Steps a block that make `memories` cheapest: an output costs `block + length / block`."""
    return _divisor(length, length**0.5)


def _divisor(length: int, wanted: float) -> int:
    """The size near the wanted one that covers `length` with the least waste."""
    sizes = range(max(1, round(wanted * 0.75)), max(1, round(wanted * 1.33)) + 1)

    def cost(size: int) -> float:
        covered = -(-length // size) * size
        return covered / length + 0.1 * abs(size / wanted - 1) + 0.05 * (covered != length)

    return min(length, min(sizes, key=cost))


def partitioned(order: int, theta: float, block: int, length: int) -> np.ndarray:
    """The impulse response in blocks, the latest lag first: `(block, lags, order)`."""
    lags = -(-length // block)
    response = np.zeros((lags * block, order))
    response[:length] = delay.impulse_response(order, theta, length)
    return response.reshape(lags, block, order)[::-1].transpose(1, 0, 2)


def advance(order: int, theta: float, block: int) -> np.ndarray:
    """What a block's inputs and the memory before it give for the memory after each step.

    Returns:
        `(block + order, block * order)`: a row an input, oldest first, then a row an order.
    """
    response = delay.impulse_response(order, theta, block)
    result = np.zeros((block + order, block, order))
    for step in range(block):
        result[step, step:block] = response[: block - step]
    result[block:] = delay.powers(order, theta, block).transpose(2, 0, 1)
    return result.reshape(block + order, block * order)


def starts(order: int, theta: float, block: int, blocks: int, length: int) -> np.ndarray:
    """What a sequence's inputs give for the memory before each block.

    Returns:
        `(blocks * block, blocks * order)`: a row an input, an input counted for `length` steps.
    """
    response = np.zeros((blocks * block, order))
    heard = min(length, blocks * block)
    response[:heard] = delay.impulse_response(order, theta, heard)
    result = np.zeros((blocks * block, blocks, order))
    for number in range(1, blocks):
        result[: number * block, number] = response[: number * block][::-1]
    return result.reshape(blocks * block, blocks * order)


def reversed_response(order: int, theta: float, length: int) -> np.ndarray:
    """The impulse response `(length, order)`, the latest step first."""
    return delay.impulse_response(order, theta, length)[::-1]


def _fourier(block: int, part: str) -> np.ndarray:
    """Real discrete Fourier transforms of length `2 block` as matrices, by name of the part.

    "forward": two blocks to their spectrum, `(bins * (re, im), 2 block)`. "real_of" and
    "imaginary_of": a block before zeros to what gives the real and the imaginary part of a
    product of spectra, `(bins * (re, im) of the other factor, block)`. "real_back" and
    "imaginary_back": a part of a spectrum to its share in the second block, `(block, bins)`.
    """
    size, bins = 2 * block, block + 1
    angle = 2 * np.pi * (np.outer(np.arange(bins), np.arange(size)) % size) / size
    re, im = np.cos(angle), -np.sin(angle)
    if part == "forward":
        return np.stack([re, im], axis=1).reshape(2 * bins, size)
    if part == "real_of":
        return np.stack([re, -im], axis=1).reshape(2 * bins, size)[:, :block]
    if part == "imaginary_of":
        return np.stack([im, re], axis=1).reshape(2 * bins, size)[:, :block]
    weight = np.full((bins, 1), 2.0 / size)
    weight[[0, -1]] = 1.0 / size
    back = (re if part == "real_back" else im) * weight
    return back[:, block:].T


def first(x: Tensor, steps: Any) -> Tensor:
    """The first steps of axis 1: `x[:, :steps]`, whose gradient TensorFlow computes slowly."""
    shape = ops.shape(x)
    if isinstance(steps, int) and steps == shape[1]:
        return x
    return ops.slice(x, [0] * len(shape), (shape[0], steps, *shape[2:]))


def pad(x: Tensor, before: Any, after: Any) -> Tensor:
    """Zeros before and after on axis 1; the numbers may be tensors."""
    first, _, last = ops.shape(x)
    parts = [x]
    if not (isinstance(before, int) and before == 0):
        parts.insert(0, ops.zeros((first, before, last), x.dtype))
    if not (isinstance(after, int) and after == 0):
        parts.append(ops.zeros((first, after, last), x.dtype))
    return ops.concatenate(parts, axis=1) if len(parts) > 1 else x


def reach_blocks(steps: Any, block: int, length: int) -> Any:
    """Blocks that the kernel reaches over: as many as the sequence or the response has."""
    blocks, longest = -(-steps // block), -(-length // block)
    return min(blocks, longest) if isinstance(blocks, int) else ops.minimum(blocks, longest)
