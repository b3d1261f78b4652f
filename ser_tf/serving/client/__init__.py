"""A client of an exported model on a server."""

from ser_tf.serving.client.client import Client
from ser_tf.serving.client.failures import ClipError, ServerError

__all__ = ["Client", "ClipError", "ServerError"]
