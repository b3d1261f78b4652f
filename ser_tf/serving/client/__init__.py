"""A published model asked over the network."""

from ser_tf.serving.client.client import Client
from ser_tf.serving.client.failures import ClipError, ServerError

__all__ = ["Client", "ClipError", "ServerError"]
