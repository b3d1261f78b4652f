"""Configurations from the flags of a command, on top of presets."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ser_tf import config
from ser_tf.commandline import command
from ser_tf.config import Config, UsageError
from ser_tf.config.stored import _KEYS
from ser_tf.corpora.splits import KINDS, PROTOCOLS
from ser_tf.models import MEMORIES, MODELS
from ser_tf.models.augmentations import AUGMENTATIONS
from ser_tf.models.features import FEATURES

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "published": {
        "features.name": "published",
        "augmentation.published_rows": True,
        "split.kind": "rows",
        "split.validation": False,
        "training.watch_test": True,
        "training.all_classes": True,
        "training.epochs": 50,
        "training.patience": None,
        "training.batch_size": 64,
        "training.learning_rate": 1e-3,
        "training.schedule": "constant",
        # Keras adds it before it corrects the bias: at first it weighs more than published.
        "training.epsilon": 1e-6,
    }
}
"""For each preset, the settings it has; any flag that is given overrides."""

_WHOLE = {"type": command.at_least(int, 1), "metavar": "N"}
_SHARE = {"type": command.share, "metavar": "X"}
_WORDS = {"nargs": "+", "metavar": "ID"}
_BOTH = {"action": argparse.BooleanOptionalAction}
_OPTIONS = {"nargs": "+", "type": command.option, "metavar": "NAME=VALUE"}

FLAGS: dict[str, dict[str, Any]] = {
    "preset": {"choices": tuple(PRESETS)},
    "features": {"choices": tuple(FEATURES)},
    "feature_options": _OPTIONS,
    "model": {"choices": tuple(MODELS)},
    "model_options": _OPTIONS,
    "lmu": {"choices": tuple(MEMORIES)},
    "augment": {"nargs": "*", "choices": tuple(AUGMENTATIONS)},
    "augment_copies": _WHOLE,
    "sounds": {"type": command.at_least(int, 0), "metavar": "N"},
    "mixup": _SHARE,
    "teachers": _WORDS,
    "teacher_share": _SHARE,
    "copies": {"choices": ("none", "published")},
    "split": {"choices": KINDS},
    "split_seed": {"type": command.seed, "metavar": "N"},
    "folds": {"type": command.at_least(int, 2), "metavar": "K"},
    "protocol": {"choices": tuple(PROTOCOLS)},
    "test_speakers": _WORDS,
    "validation_speakers": _WORDS,
    "validation": _BOTH,
    "test": _BOTH,
    "watch_test": _BOTH,
    "all_classes": {"action": "store_true"},
    "epochs": _WHOLE,
    "patience": _WHOLE,
    "keep": {"choices": ("best", "last")},
    "batch_size": _WHOLE,
    "learning_rate": {"type": command.positive, "metavar": "X"},
    "schedule": {"choices": ("cosine", "constant")},
    "epsilon": {"type": command.positive, "metavar": "X"},
    "ema_momentum": _SHARE,
    "balance_corpora": {**_SHARE, "nargs": "?", "const": 1.0},
    "class_weights": {"action": "store_true"},
    "seed": {"type": command.seed, "metavar": "N"},
}


def add_flags(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Adds the flags of a configuration, but for those in `without`.

    Flags that are not given leave no trace in the namespace, so that presets can tell.
    """
    for name, argument in FLAGS.items():
        if name not in without:
            flag = "--" + name.replace("_", "-")
            parser.add_argument(flag, default=argparse.SUPPRESS, **argument)


def given_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among the flags `given`, by dotted key."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in ("feature_options", "model_options"):
            prefix = name.partition("_")[0].replace("feature", "features")
            found |= {f"{prefix}.{option}": item for option, item in value}
        elif name == "lmu":
            found["model.memory"] = value
        elif name == "copies":
            found["augmentation.published_rows"] = value == "published"
        elif name in _KEYS and name != "preset":
            found[_KEYS[name]] = str(value) if isinstance(value, Path) else value
    return found


def from_flags(given: Mapping[str, Any]) -> Config:
    """The configuration of the flags `given`, on top of the preset among them.

    Raises:
        UsageError: if two settings exclude each other or one is unknown.
    """
    recipe = given.get("preset")
    preset = PRESETS.get(recipe or "", {})
    settings = given_settings(given)
    try:
        wanted = Config.from_items({**preset, **settings}, recipe)
        wanted.refuse_nonsense()
    except UsageError as error:
        unasked = [key for key in error.keys if key in preset and key not in settings]
        note = " and ".join(f"{key} = {config.toml(preset[key])}" for key in unasked)
        message = f"{error} --preset {recipe} sets {note}." if note else str(error)
        raise UsageError(message, error.keys) from error
    return wanted
