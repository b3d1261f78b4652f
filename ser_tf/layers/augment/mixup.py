"""Mixup: weighted means of two clips and of their labels."""

from collections.abc import Callable

import tensorflow as tf


def mixup(
    features: tf.Tensor,
    targets: tf.Tensor,
    seed: tf.Tensor,
    share: float,
    mix: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch in which some clips are mixed with another clip of the batch.

    Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", with alpha = 1: the share that
    a mixed clip keeps of itself is uniform from 0.5 to 1.

    Args:
        features: `(batch, frames, channels)`.
        targets: probabilities of the classes for each clip, `(batch, classes)`.
        seed: int `(2,)`, which alone decides what is mixed.
        share: share of the clips that are mixed, 0 to 1.
        mix: how features are mixed (`Feature.mix`): features, others, and the share of the others,
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
