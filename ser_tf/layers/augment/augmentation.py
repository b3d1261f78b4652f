"""What all augmentations share: the identity outside training, seeded in training."""

import math
from typing import Any

import keras
import tensorflow as tf


class Augmentation(keras.layers.Layer):
    """A layer that changes its input at random in training, and is the identity otherwise.

    `layer(inputs, training=True, seed=seed)` draws numbers for every item of the batch from `seed`
    alone, int32 `(2,)`: the same seed gives the same draws, and an item's output depends on its own
    content and its place in the batch. Each layer of a chain needs a seed of its own
    (`tf.random.fold_in`), or all draw the same. Without `seed` each call gets a new one from a
    generator. Computes in float32 whatever the dtype policy. Output shape: the input's.

    Args:
        seed: seed of the generator; None: random.
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
        """`inputs`, changed by what is drawn from `seed`."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"seed": self.seed}


def draw(seed: tf.Tensor, inputs: tf.Tensor, bounds: tuple[float, float]) -> tf.Tensor:
    """A number for each item, uniform within `bounds`: `(batch,)`."""
    low, high = bounds
    return low + (high - low) * tf.random.stateless_uniform(tf.shape(inputs)[:1], seed)


def fft_length(samples: tf.Tensor) -> tf.Tensor:
    """The least power of 2 that is at least `samples`, and at least 2: a fast length for an FFT."""
    octaves = tf.math.log(tf.cast(tf.maximum(samples, 2), tf.float64)) / math.log(2.0)
    return tf.bitwise.left_shift(1, tf.cast(tf.math.ceil(octaves), tf.int32))
