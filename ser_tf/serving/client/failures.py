"""What can go wrong when a server is asked, and the words by which it is told."""

from ser_tf.errors import InputError

# TensorFlow Serving's words for what it does not have.
_UNKNOWN = ("Servable not found", "Could not find", "version label")


class ServerError(InputError):
    """There is no server, no such model or no such version: nothing can be answered."""


class ClipError(InputError):
    """One recording cannot be answered."""


class UnavailableError(Exception):
    """The server cannot be reached or is too busy; it may be worth another try."""


class UnknownModelError(ServerError):
    """The server does not know the model, the version or the label."""


def late(timeout_seconds: float) -> ClipError:
    """What to raise when no answer came in time."""
    return ClipError(f"no answer within {timeout_seconds:g} s.")


def refusal(reason: str) -> InputError:
    """What a refusal means, by the words of TensorFlow Serving."""
    if any(words in reason for words in _UNKNOWN):
        return UnknownModelError(f"the server says: {reason}.")
    return ClipError(f"the server refuses it ({reason}).")
