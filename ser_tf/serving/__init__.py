"""A trained model as a SavedModel that answers WAV files in TensorFlow Serving, without Python."""

from ser_tf.serving import config
from ser_tf.serving.publishing import describe, megabytes, publish
from ser_tf.serving.signatures import Signatures

__all__ = ["Signatures", "config", "describe", "megabytes", "publish"]
