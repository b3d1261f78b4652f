"""One frozen configuration of a training run: from flags, to JSON and back; presets."""

from ser_tf.commandline.flags import PRESETS, add_flags, from_flags, given_names, refuse_changes
from ser_tf.config.configuration import Config, UnknownValueError
from ser_tf.config.options import UsageError
from ser_tf.config.rules import flag

__all__ = [
    "PRESETS",
    "Config",
    "UnknownValueError",
    "UsageError",
    "add_flags",
    "flag",
    "from_flags",
    "given_names",
    "refuse_changes",
]
