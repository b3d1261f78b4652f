"""Causal convolutions with the delay system's impulse response.

All but one are made of matrix products: up to some thousand steps products are faster than
TensorFlow's FFT, and their gradients are products, compile under XLA and convert to LiteRT.
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
"""Most numbers in the constant of one long product: half a megabyte, in exported models too."""


def convolve(u: Tensor, kernel: Tensor) -> Tensor:
    """Each channel convolved with its own kernels, summed over channels.

    The sequence is cut into blocks. A discrete Fourier transform as long as two blocks, one matrix
    product, turns the convolution into one matrix product a frequency, over all channels and all
    earlier blocks (overlap-save with a partitioned kernel; Stockham, 1966).

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
    blocks = (steps + block - 1) // block  # ONNX rounds quotients below 0 up
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
    """The result of `convolve`, for a known number of steps and a kernel in one block."""
    steps = u.shape[1]
    size = next_fast_len(steps + kernel.shape[0] - 1, real=True)
    u_re, u_im = ops.rfft(ops.transpose(u, (0, 2, 1)), size)  # (batch, channels, bins)
    k_re, k_im = ops.rfft(ops.transpose(kernel[:, 0], (1, 2, 0)), size)  # (channels, units, bins)
    product = functools.partial(ops.einsum, "bcf,cuf->buf")
    y_re = product(u_re, k_re) - product(u_im, k_im)
    y_im = product(u_re, k_im) + product(u_im, k_re)
    y = ops.irfft((y_re, y_im), size)
    return first(ops.transpose(y, (0, 2, 1)), steps)


def memories(u: Tensor, order: int, theta: float, *, block: int, length: int) -> Tensor:
    """The memory after every step, for few orders: one product within blocks, one across them.

    Args:
        u: float32 `(batch, steps, channels)`.
        order: number of Legendre polynomials.
        theta: length of the memory in steps.
        block: steps in a block.
        length: steps after which the impulse response is over.

    Returns:
        float32 `(batch, steps, channels, order)`.
    """
    batch, steps, channels = ops.shape(u)
    blocks = (steps + block - 1) // block
    x = pad(u, 0, blocks * block - steps)
    x = ops.reshape(ops.transpose(x, (0, 2, 1)), (batch * channels, blocks, block))
    before = _before_blocks(x, order, theta, length)
    x = ops.concatenate([x, before], axis=-1)
    x = ops.matmul(x, constant(advance, order, theta, block))
    x = ops.reshape(x, (batch, channels, blocks * block, order))
    return first(ops.transpose(x, (0, 2, 1, 3)), steps)


def _before_blocks(x: Tensor, order: int, theta: float, length: int) -> Tensor:
    """The memory before each block of `(rows, blocks, block)`: `(rows, blocks, order)`.

    For a short sequence that the response spans to its end this is one product, which moves less
    data than gathering the earlier blocks of each block.
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
    response = constant(reversed_response, order, theta, (length + block - 1) // block * block)
    return ops.matmul(earlier, response[-reach * block :])


def lagged(x: Tensor, lags: Any) -> Tensor:
    """Every block together with the ones before it; zeros stand before the first.

    Args:
        x: `(..., blocks)`.
        lags: number of blocks up to and with the block itself, at least 1.

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


def partitioned(order: int, theta: float, block: int, length: int) -> np.ndarray:
    """The impulse response in blocks, the latest lag first: `(block, lags, order)`."""
    lags = (length + block - 1) // block
    response = np.zeros((lags * block, order))
    response[:length] = delay.impulse_response(order, theta, length)
    return response.reshape(lags, block, order)[::-1].transpose(1, 0, 2)


def advance(order: int, theta: float, block: int) -> np.ndarray:
    """The matrix from a block's inputs and the memory before it to the memory after each step.

    Returns:
        `(block + order, block * order)`: one row for each input, oldest first, then one for each
        order.
    """
    response = delay.impulse_response(order, theta, block)
    result = np.zeros((block + order, block, order))
    for step in range(block):
        result[step, step:block] = response[: block - step]
    result[block:] = delay.powers(order, theta, block).transpose(2, 0, 1)
    return result.reshape(block + order, block * order)


def starts(order: int, theta: float, block: int, blocks: int, length: int) -> np.ndarray:
    """The matrix from a sequence's inputs to the memory before each block.

    Returns:
        `(blocks * block, blocks * order)`: one row for each input, which counts for `length` steps.
    """
    response = np.zeros((blocks * block, order))
    reach = min(length, blocks * block)
    response[:reach] = delay.impulse_response(order, theta, reach)
    result = np.zeros((blocks * block, blocks, order))
    for number in range(1, blocks):
        result[: number * block, number] = response[: number * block][::-1]
    return result.reshape(blocks * block, blocks * order)


def reversed_response(order: int, theta: float, length: int) -> np.ndarray:
    """The impulse response `(length, order)`, the latest step first."""
    return delay.impulse_response(order, theta, length)[::-1]


def _fourier(block: int, part: str) -> np.ndarray:
    """Real discrete Fourier transforms of length `2 block` as matrices, by name.

    "forward": from two blocks to their spectrum, `(bins * (re, im), 2 block)`. "real_of" and
    "imaginary_of": from a block followed by zeros to the factor that gives the real or imaginary
    part of a product of spectra, `(bins * (re, im) of the other factor, block)`. "real_back" and
    "imaginary_back": from a part of a spectrum to its share in the second block, `(block, bins)`.
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
    """`x` with zeros before and after on axis 1; their numbers may be tensors."""
    first, _, last = ops.shape(x)
    parts = [x]
    if not (isinstance(before, int) and before == 0):
        parts.insert(0, ops.zeros((first, before, last), x.dtype))
    if not (isinstance(after, int) and after == 0):
        parts.append(ops.zeros((first, after, last), x.dtype))
    return ops.concatenate(parts, axis=1) if len(parts) > 1 else x


def reach_blocks(steps: Any, block: int, length: int) -> Any:
    """Number of blocks that the kernel spans: as many as the sequence or the response has."""
    blocks, longest = (steps + block - 1) // block, -(-length // block)
    return min(blocks, longest) if isinstance(blocks, int) else ops.minimum(blocks, longest)
