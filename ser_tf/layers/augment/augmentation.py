"""What all augmentations share: off outside training, seeded in it."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Augmentation(keras.layers.Layer):
    """What the augmentations share: off outside training, and one seed for a call.

    `layer(inputs, training=True, seed=seed)` draws anew for every item of the batch from `seed`,
    int32 `(2,)`, alone: the same seed gives the same draws, and an item's result depends on its
    own content and its place in the batch. Layers of a chain need seeds of their own
    (`tf.random.fold_in`), else they draw alike. Without `seed` a generator started from the
    constructor's `seed` (None: at random) gives a new one for each call. Computes in float32
    whatever the global policy. Output shape: the input's.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"dtype": "float32"}))
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor = None) -> tf.Tensor:
        """`inputs`, changed in training."""
        if not training:
            return inputs
        if seed is None:
            seed = tf.cast(self.generator.next(), tf.int32)
        return self.augment(inputs, seed)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, changed as `seed` says."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"seed": self.seed}


def ordered(name: str, bounds: Sequence[float]) -> tuple[float, float]:
    """`bounds` as a pair.

    Raises:
        ValueError: unless they are two finite numbers, the lower first.
    """
    low, high = bounds if len(bounds) == 2 else (math.nan, math.nan)
    if not (low <= high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} is two finite numbers, the lower first. Received: {bounds}.")
    return low, high


def proportion(name: str, value: float) -> float:
    """`value` as it is.

    Raises:
        ValueError: unless it is from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is from 0 to 1. Received: {value}.")
    return value


def draw(seed: tf.Tensor, inputs: tf.Tensor, bounds: tuple[float, float]) -> tf.Tensor:
    """A number for each item, drawn evenly from `bounds`: `(batch,)`."""
    low, high = bounds
    return low + (high - low) * tf.random.stateless_uniform(tf.shape(inputs)[:1], seed)


def fft_length(samples: tf.Tensor) -> tf.Tensor:
    """The least power of 2, two or more, that reaches so many samples: a fast length of the FFT."""
    octaves = tf.math.log(tf.cast(tf.maximum(samples, 2), tf.float64)) / math.log(2.0)
    return tf.bitwise.left_shift(1, tf.cast(tf.math.ceil(octaves), tf.int32))
