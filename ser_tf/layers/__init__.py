"""Keras layers of the models and of their front ends, and nothing else.

Importing this package registers every layer with Keras under the package name `ser_tf`, so that
`keras.saving.load_model` reads any model of this project. Augmentations, which no saved model
holds, compute with TensorFlow and are left out on other back ends.
"""

import keras

from ser_tf.layers import calibration, discriminant, ensemble, features, lmu, pooling, summary

if keras.config.backend() == "tensorflow":
    from ser_tf.layers import augment  # noqa: F401

__all__ = ["calibration", "discriminant", "ensemble", "features", "lmu", "pooling", "summary"]
