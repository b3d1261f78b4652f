"""Tensors that layers of equal sizes share, kept out of their weights and files."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def constant(make: Callable[..., np.ndarray], *key: Any) -> Any:
    """`make(*key)` as a float32 tensor; equal calls give the same tensor.

    Under TensorFlow it lies outside every graph: each graph that uses it refers to it, and a
    saved model holds it once.
    """
    return shared(keras.backend.backend(), make, key)


@functools.lru_cache(maxsize=32)
def shared(backend: str, make: Callable[..., np.ndarray], key: tuple[Any, ...]) -> Any:
    """What `constant` keeps: the 32 tensors used last."""
    with _outside_graphs(backend):
        return ops.convert_to_tensor(make(*key).astype("float32"))


def _outside_graphs(backend: str) -> contextlib.AbstractContextManager[Any]:
    if backend != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.init_scope()
