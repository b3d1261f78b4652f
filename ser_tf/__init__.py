"""Speech emotion recognition with TensorFlow, Keras and Legendre Memory Units.

    import ser_tf

    ser_tf.load().answer("clip.wav")

The names below are imported when they are used, so that `import ser_tf` is immediate.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ser_tf.api import Recogniser, Run, load, train
    from ser_tf.emotions import EMOTIONS
    from ser_tf.inference.answers import Answer

__version__ = "0.2.0"

__all__ = ["EMOTIONS", "Answer", "Recogniser", "Run", "load", "train"]

_ROOMS = {"EMOTIONS": "emotions", "Answer": "inference.answers"}
"""Where a name is defined, unless in `api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_ROOMS.get(name, 'api')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _say_stopped(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """One line for Ctrl-C while a command is still being imported, before it can catch that."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("error: stopped by Ctrl-C.\n")
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # `python -m ser_tf.X` is looking for X
    sys.excepthook = _say_stopped
