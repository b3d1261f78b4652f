"""Flatbuffers whose exact constants are stored in half precision."""

import numpy as np
import pytest
import tensorflow as tf

from ser_tf.serving import litert
from ser_tf.serving.halving import halve


def flatbuffer(kernel):
    """The product with a kernel."""
    function = tf.function(
        lambda x: {"y": tf.matmul(x, tf.constant(kernel))},
        input_signature=[tf.TensorSpec([1, kernel.shape[0]], tf.float32, name="x")],
    )
    concrete = function.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert()


def answer(content, x):
    return litert.runner(content)(x=x)["y"]


def test_a_flatbuffer_of_exact_weights_is_half_as_large_and_answers_the_same():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(128, 96)).astype("float16").astype("float32")
    whole = flatbuffer(kernel)
    half = halve(whole)
    assert len(half) < 0.6 * len(whole)
    x = rng.normal(size=(1, 128)).astype("float32")
    np.testing.assert_array_equal(answer(half, x), answer(whole, x))
    assert halve(half) == half


@pytest.mark.parametrize(
    "kernel", [np.full((128, 96), 0.1), np.full((128, 96), 1e6), np.ones((8, 8))]
)
def test_weights_that_would_change_and_small_ones_stay_as_they_are(kernel):
    whole = flatbuffer(kernel.astype("float32"))
    assert halve(whole) is whole
