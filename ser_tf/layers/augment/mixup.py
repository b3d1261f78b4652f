"""Mixup: clips that are partly another, and so are their labels."""

from collections.abc import Callable

import tensorflow as tf


def mixup(
    features: tf.Tensor,
    targets: tf.Tensor,
    seed: tf.Tensor,
    share: float,
    mix: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch, some clips of which are mixed with another one of it.

    Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", with alpha = 1: a mixed clip
    keeps a share drawn evenly from 0.5 to 1 of itself.

    Args:
        features: `(batch, frames, channels)`.
        targets: each clip's probabilities of the classes, `(batch, classes)`.
        seed: int `(2,)`, which alone determines who is mixed with whom.
        share: how many of the clips are mixed, 0 to 1.
        mix: the features' own way to mix: features, others, and how much of the others,
            `(batch, 1, 1)` → features.

    Returns:
        Features and targets of the same shapes.
    """
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 3))
    batch = tf.shape(features)[:1]
    others = tf.random.experimental.stateless_shuffle(tf.range(batch[0]), seeds[0])
    mixed = tf.random.stateless_uniform(batch, seeds[1]) < share
    of_others = tf.where(mixed, 0.5 * tf.random.stateless_uniform(batch, seeds[2]), 0.0)
    weight = of_others[:, tf.newaxis]
    targets = (1 - weight) * targets + weight * tf.gather(targets, others)
    return mix(features, tf.gather(features, others), weight[..., tf.newaxis]), targets
