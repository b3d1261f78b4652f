"""Scale and channels of samples in the graph, by the rules of `ser_tf.audio.levels`."""

from typing import Any

import tensorflow as tf

from ser_tf.audio.levels import CANCELLED, INTEGER_SCALES, LOUDEST

NO_SCALE = "samples of no known scale"
"""The error of samples beyond the scale of any integers."""


def full_scale(peak: Any) -> Any:
    """The value that stands for 1 in float samples that reach `peak`; 0 if there is none.

    Args:
        peak: float32 of any shape.

    Returns:
        float32 of that shape.
    """
    scale = tf.zeros_like(peak)
    for known in reversed(INTEGER_SCALES):
        scale = tf.where(peak <= 2 * known, known, scale)
    return tf.where(peak <= LOUDEST, 1.0, scale)


def rescale(samples: Any) -> tuple[Any, Any]:
    """Samples with those of integers scaled to [-1, 1], and whether their scale is known.

    Args:
        samples: float32 `(..., samples)`; what the last axis holds has one scale.

    Returns:
        float32 of the same shape, and bool `(...)`.
    """
    scale = full_scale(tf.reduce_max(tf.abs(samples), axis=-1, keepdims=True))
    return samples / tf.where(scale > 0, scale, 1.0), tf.squeeze(scale > 0, axis=-1)


def mix(samples: Any) -> Any:
    """One channel: the mean of all or, where they cancel each other, the loudest.

    Args:
        samples: float32 `(samples, channels)` in [-1, 1] or not far beyond.

    Returns:
        float32 `(samples,)`.
    """
    power = tf.reduce_mean(tf.square(samples), axis=0)  # (channels,)
    mean = tf.reduce_mean(samples, axis=1)
    share = CANCELLED / tf.cast(tf.square(tf.size(power)), tf.float32)
    cancel = tf.reduce_mean(tf.square(mean)) < share * tf.reduce_sum(power)
    return tf.where(cancel, tf.gather(samples, tf.argmax(power), axis=1), mean)
