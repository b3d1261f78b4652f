"""What can go wrong between client and server, and the words for it."""

from ser_tf.errors import InputError

# TensorFlow Serving's words for what it does not have.
_UNKNOWN = ("Servable not found", "Could not find", "version label")


class ServerError(InputError):
    """No server answers, or it lacks the model or the version: no recording can be answered."""


class ClipError(InputError):
    """This recording cannot be answered; others may be."""


class UnavailableError(Exception):
    """The server cannot be reached or is too busy; another try may succeed."""


class UnknownModelError(ServerError):
    """The server lacks the model, the version or the label."""


def late(timeout_seconds: float) -> ClipError:
    """The error when no answer came in time."""
    return ClipError(f"no answer within {timeout_seconds:g} s.")


def refusal(reason: str) -> InputError:
    """The error that a refusal stands for, told from TensorFlow Serving's words."""
    if any(words in reason for words in _UNKNOWN):
        return UnknownModelError(f"the server says: {reason}.")
    return ClipError(f"the server refuses it ({reason}).")
