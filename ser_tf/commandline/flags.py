"""Configurations from the flags of a command, on top of presets."""

import argparse
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ser_tf.config import rules
from ser_tf.config.configuration import Config
from ser_tf.config.options import UsageError
from ser_tf.config.rules import flag
from ser_tf.errors import InputError

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "published": {
        "features": "published",
        "copies": "published",
        "split": "rows",
        "validation": False,
        "watch_test": True,
        "all_classes": True,
        "epochs": 50,
        "patience": None,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        # Keras adds it before it corrects the bias: at first it weighs more than published.
        "epsilon": 1e-6,
    }
}
"""For each preset, the fields it sets; any flag that is given overrides."""


def add_flags(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Adds a flag for every field of `Config` that has a help text, but for those in `without`.

    Flags that are not given leave no trace in the namespace, so that presets can tell.
    """
    for item in fields(Config):
        if "help" in item.metadata and item.name not in without:
            default = item.default
            absent = default is None or default is False or default == ()
            shown = "" if absent else f" (default: {default})"
            parser.add_argument(
                flag(item.name),
                default=argparse.SUPPRESS,
                help=item.metadata["help"] + shown,
                **item.metadata["argument"],
            )


def given_names(given: Mapping[str, Any]) -> set[str]:
    """The fields of `Config` among the flags `given`."""
    names = {item.name for item in fields(Config)}
    return {name for name, value in given.items() if name in names and value is not None}


def from_flags(given: Mapping[str, Any]) -> Config:
    """The configuration of the flags `given`, on top of the preset among them.

    Raises:
        UsageError: if two flags exclude each other or an option is unknown.
    """
    values = {name: _plain(given[name]) for name in given_names(given)}
    preset = PRESETS.get(values.get("preset", ""), {})
    try:
        config = Config(**{**preset, **values})
        rules.refuse_nonsense(config)
    except UsageError as error:
        unasked = [_as_set(name, preset[name], str(error)) for name in preset if name not in values]
        note = " and ".join(filter(None, unasked))
        raise UsageError(
            f"{error} --preset {values['preset']} sets {note}." if note else str(error)
        ) from error
    return config


def _as_set(name: str, value: Any, message: str) -> str:
    """How a flag reads where it has that value, if a message names it; "" if not."""
    yes, no = flag(name), flag(f"no_{name}")
    named = any(re.search(rf"(?<![\w-]){form}(?![\w-])", message) for form in (yes, no))
    return (no if value is False else yes) if named else ""


def refuse_changes(
    stored: Config, wanted: Config, names: Collection[str], folder: Path, advice: str
) -> None:
    """Checks that the run in `folder` has what is wanted now; data may have moved.

    Args:
        stored: the configuration in `folder`.
        wanted: the configuration that a command asks for.
        names: the fields that must not differ.
        folder: where the run is.
        advice: how else to go on; ends the message.

    Raises:
        InputError: naming the first flag that differs.
    """
    # In their order: what a model is comes before its options.
    for name in (item.name for item in fields(Config) if item.name in {*names} - {"data_dir"}):
        had, asked = getattr(stored, name), getattr(wanted, name)
        if had != asked:
            told = had, asked
            if isinstance(had, Mapping):
                told = _differing(had, asked), _differing(asked, had)
            raise InputError(
                f"{flag(name)}: the run in {folder} has {told[0]}, this command says {told[1]}; "
                f"{advice}"
            )


def _differing(options: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """The options that others lack or have otherwise, as they are written."""
    return " ".join(
        f"{name}={value}" for name, value in options.items() if others.get(name) != value
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list):
        pairs = bool(value) and all(isinstance(item, tuple) for item in value)
        return dict(value) if pairs else tuple(value)
    return value
