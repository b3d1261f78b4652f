"""Which way to compute an LMU layer: one choice, next to the measurements that it rests on.

All ways give the same numbers. Costs are multiplications, as measured with TensorFlow on two cores,
forward and backward. An "output" is one number of one step of one clip.
"""

import enum
import math
from typing import Any


class Way(enum.Enum):
    """How to get from the drive `u` to the memory, or to the memory times weights."""

    MEMORY_IN_BLOCKS = enum.auto()
    """Every step's memory, from that at the start of its block: `convolution.memories`."""
    MEMORY_BY_PRODUCTS = enum.auto()
    """Every step's memory, `u` convolved with each order's response: `convolution.convolve`."""
    MEMORY_BY_FFT = enum.auto()
    """The same by `convolution.convolve_by_fft`."""
    KERNELS_BY_PRODUCTS = enum.auto()
    """Responses times weights first, a kernel for each unit: no step's memory is ever computed."""
    KERNELS_BY_FFT = enum.auto()
    """The same by `convolution.convolve_by_fft`."""
    LAST_MEMORY = enum.auto()
    """The last step's memory: one product with the reversed response."""
    LAST_KERNELS = enum.auto()
    """Reversed responses times weights first, then one product."""


def choose(
    *, order: int, length: int, channels: int, units: int | None, steps: Any, clips: int | None
) -> Way:
    """The cheapest way to compute all steps of sequences.

    Args:
        order: number of Legendre polynomials.
        length: steps after which the impulse response is over.
        channels: number of memories side by side.
        units: columns of the weights that follow; None: no weights follow.
        steps: length of the sequences; a tensor where it is unknown.
        clips: number of sequences; None where it is unknown.
    """
    if units is not None:
        outputs = steps * clips if isinstance(steps, int) and clips else math.inf
        if not _memory_is_cheaper(outputs, length, channels, order, units):
            by_fft = _fft_is_cheaper(steps, length, channels)
            return Way.KERNELS_BY_FFT if by_fft else Way.KERNELS_BY_PRODUCTS
    if _few(order, length):
        return Way.MEMORY_IN_BLOCKS
    # Memories are convolved one by one, as if each were a clip.
    by_fft = _fft_is_cheaper(steps, length, channels=1)
    return Way.MEMORY_BY_FFT if by_fft else Way.MEMORY_BY_PRODUCTS


def choose_last(order: int, units: int | None) -> Way:
    """The cheapest way to compute the last step: weights come first where they are the fewer."""
    return Way.LAST_MEMORY if units is None or units >= order else Way.LAST_KERNELS


def block_steps(length: int, channels: int) -> int:
    """Steps in a block that make `convolution.convolve` cheapest.

    An output costs `2 block` multiplications for the inverse transform and
    `4 channels length / block` for the product of the spectra, whose smaller matrices take a
    little longer.
    """
    return _divisor(length, 1.7 * (channels * length) ** 0.5)


def memory_block_steps(length: int) -> int:
    """Steps in a block that make `convolution.memories` cheapest.

    An output costs `block + length / block` multiplications.
    """
    return _divisor(length, length**0.5)


def _memory_is_cheaper(outputs: float, length: int, channels: int, order: int, units: int) -> bool:
    """Whether to compute every memory and then multiply, by multiplications a step of a clip.

    Kernels and their spectra cost the same however many steps of clips, the `outputs`, share them.
    For one clip alone they hardly pay, in time or, as constants of a converted model, in space.
    """
    a_memory = 2 * length**0.5 + order if _few(order, length) else (32 * length) ** 0.5
    memory_first = channels * order * (a_memory + units)
    block = block_steps(length, channels)
    a_kernel = channels * units * length * (order + 4 * block)
    kernel_first = units * (2 * block + 4 * channels * length / block) + a_kernel / outputs
    return memory_first < kernel_first


def _few(order: int, length: int) -> bool:
    """Whether to compute a memory from the one at the start of its block.

    An output costs `2 sqrt(length) + order` multiplications this way, and `4 sqrt(2 length)` by
    `convolution.convolve`.
    """
    return order < 3 * length**0.5


def _fft_is_cheaper(steps: Any, length: int, channels: int) -> bool:
    """Whether to convolve by FFT; never for an unknown number of steps.

    An output of the FFT takes as long as `400 + 130 channels` multiplications of
    `convolution.convolve`, hardly more for longer sequences. With one channel that is 1.6 times as
    long at 2,376 steps and half as long at 16,000.
    """
    block = block_steps(length, channels)
    products = 2 * block + 4 * channels * length / block
    return isinstance(steps, int) and products > 400 + 130 * channels


def _divisor(length: int, wanted: float) -> int:
    """The block size near the wanted one that covers `length` with the least waste."""
    sizes = range(max(1, round(wanted * 0.75)), max(1, round(wanted * 1.33)) + 1)

    def cost(size: int) -> float:
        covered = -(-length // size) * size
        return covered / length + 0.1 * abs(size / wanted - 1) + 0.05 * (covered != length)

    return min(length, min(sizes, key=cost))
