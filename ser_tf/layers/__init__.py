"""Keras layers of the models and of their front ends, and nothing else.

Importing this package registers every layer with Keras under the package name `ser_tf`, so that
`keras.saving.load_model` reads any model of this project.
"""

from ser_tf.layers import augment, calibration, ensemble, features, lmu, pooling, summary

__all__ = ["augment", "calibration", "ensemble", "features", "lmu", "pooling", "summary"]
