"""A published model asked over the network."""

from ser_tf.remote.client import Client
from ser_tf.remote.failures import ClipError, ServerError

__all__ = ["Client", "ClipError", "ServerError"]
