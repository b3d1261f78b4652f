"""Configurations as JSON: written in format 2, read in format 1 (version 0.1) as well."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ser_tf.config.configuration import GROUPS, Config
from ser_tf.config.settings import UsageError
from ser_tf.errors import InputError
from ser_tf.models import of_features

FORMAT = 2
"""The number of the format that is written; those from 1 to it are read."""


class UnknownValueError(ValueError):
    """A stored configuration has a setting or a value that this version does not know."""


def to_json(config: Config) -> dict[str, Any]:
    """Builtins only, group by group; `from_json` restores the equal configuration."""
    top: dict[str, Any] = {"recipe": config.recipe}
    groups: dict[str, dict[str, Any]] = {group.prefix: {} for group in GROUPS}
    for key, value in config.items():
        prefix, _, name = key.rpartition(".")
        (groups[prefix] if prefix else top)[name] = value
    return {**top, **groups}


def from_json(values: Mapping[str, Any], number: int = FORMAT) -> Config:
    """The configuration that `to_json`, or version 0.1, described.

    Args:
        values: the content.
        number: of its format, from 1 to `FORMAT`.

    Raises:
        UnknownValueError: if a setting or its value is unknown to this version.
    """
    try:
        items = _of_format_1(values) if number == 1 else flat(values)
        recipe = items.pop("recipe", None)
        return Config.from_items(items, recipe)
    except (UsageError, TypeError, KeyError, ValueError) as error:
        raise UnknownValueError(str(error)) from error


def read(path: Path) -> tuple[Config, tuple[str, ...]]:
    """The configuration and the classes in the `config.json` of a model folder.

    Raises:
        OSError: if it cannot be read.
        InputError: if the file is broken, or from a newer version.
    """
    try:
        content = json.loads(path.read_text())
        if content["format"] not in range(1, FORMAT + 1):
            raise InputError(
                f"{path}: format {content['format']}, this version of ser_tf reads formats up to "
                f"{FORMAT}; update ser_tf."
            )
        if not isinstance(content["config"], dict):
            raise TypeError
        return from_json(content["config"], content["format"]), tuple(content["classes"])
    except (InputError, OSError):
        raise
    except UnknownValueError as error:
        raise InputError(f"{path}: not of this version of ser_tf ({error}).") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: broken, it is not the JSON that fit writes.") from error


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted key, as {"split": {"folds": 5}} by `split.folds`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{name}": item for name, item in value.items()}
        else:
            found[key] = value
    return found


_KEYS = {
    **{"preset": "recipe", "corpora": "corpora", "data_dir": "data_dir", "seed": "seed"},
    **{"features": "features.name", "model": "model.name", "copies": "augmentation.published_rows"},
    **{"augment": "augmentation.layers", "augment_copies": "augmentation.copies"},
    **{name: f"augmentation.{name}" for name in ("mixup", "sounds")},
    **{"split": "split.kind", "split_seed": "split.seed"},
    **{
        name: f"split.{name}"
        for name in (
            *("folds", "protocol", "fold", "test_speakers", "validation_speakers"),
            *("validation", "test"),
        )
    },
    **{
        name: f"training.{name}"
        for name in (
            *("epochs", "patience", "keep", "batch_size", "learning_rate", "schedule", "epsilon"),
            *("ema_momentum", "balance_corpora", "class_weights", "all_classes", "watch_test"),
            *("teachers", "teacher_share"),
        )
    },
}
"""The fields of version 0.1 and their keys now."""

_CONVERT: Mapping[str, Callable[[Any], Any]] = {"copies": {"none": False, "published": True}.get}


def _of_format_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key from the flat fields of version 0.1."""
    fields = dict(values)
    lmu = fields.pop("lmu", None)
    found: dict[str, Any] = {}
    for name in ("feature_options", "model_options"):
        options = fields.pop(name, None) or {}
        prefix = "features" if name == "feature_options" else "model"
        found |= {f"{prefix}.{option}": value for option, value in options.items()}
    for name, value in fields.items():
        found[_KEYS[name]] = _CONVERT[name](value) if name in _CONVERT else value
    entry = of_features(found.get("features.name", "mfcc"))[found.get("model.name", "lmu")]
    if lmu and "memory" in {field.name for field in dataclasses.fields(entry)}:
        found.setdefault("model.memory", lmu)
    return found
