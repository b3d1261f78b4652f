"""Constant tensors that layers of equal sizes share, outside their weights and files."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def constant(make: Callable[..., np.ndarray], *key: Any) -> Any:
    """`make(*key)` as a float32 constant; equal calls give the same one.

    With TensorFlow it lies outside every graph: each graph that uses it refers to it, and a saved
    model holds it once. With other back ends it is an array, which belongs to no trace.
    """
    return shared(keras.backend.backend(), make, key)


@functools.lru_cache(maxsize=32)
def shared(backend: str, make: Callable[..., np.ndarray], key: tuple[Any, ...]) -> Any:
    """The constant; the 32 used last are kept."""
    values = make(*key).astype("float32")
    if backend != "tensorflow":
        return values
    import tensorflow as tf

    with tf.init_scope():
        return tf.convert_to_tensor(values)
