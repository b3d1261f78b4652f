"""Masked sequences: moves the true steps together, and outputs back to their places."""

from typing import Any

from keras import ops

Tensor = Any


def at_the_end(x: Tensor, mask: Tensor) -> Tensor:
    """The true steps of `x` `(batch, steps, channels)` in their order, then zeros."""
    steps = ops.shape(x)[1]
    place = ops.arange(steps)
    return _sorted(x, mask, ops.where(mask, place, place + steps))


def in_front(x: Tensor, mask: Tensor) -> Tensor:
    """Zeros, then the true steps of `x` `(batch, steps, channels)` in their order."""
    steps = ops.shape(x)[1]
    place = ops.arange(steps)
    return _sorted(x, mask, ops.where(mask, place + steps, place))


def silence(u: Tensor, mask: Tensor) -> Tensor:
    """`u` `(batch, steps, channels)`, from the end of `in_front`'s output, with its zeros back."""
    steps = ops.shape(u)[1]
    left = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    counts = ops.expand_dims(ops.arange(steps, 0, -1) <= left, -1)
    return ops.where(counts, u, ops.zeros_like(u))


def put_back(h: Tensor, mask: Tensor) -> Tensor:
    """Outputs of packed steps at the places of the true ones, each held until the next.

    Zeros stand before the first true step.
    """
    place = ops.cumsum(ops.cast(mask, "int32"), axis=1)  # 0: before the first
    h = ops.concatenate([ops.zeros_like(h[:, :1]), h], axis=1)
    return ops.take_along_axis(h, ops.expand_dims(place, -1), axis=1)


def _sorted(x: Tensor, mask: Tensor, key: Tensor) -> Tensor:
    x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
    return ops.take_along_axis(x, ops.expand_dims(ops.argsort(key, axis=1), -1), axis=1)
