"""Hyperparameters of registry entries, given by name."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any


class UsageError(ValueError):
    """Flags that exclude each other, or an option that does not exist."""


def complete(entry: Any, options: Mapping[str, Any] | None, named: str) -> dict[str, Any]:
    """All hyperparameters of `entry`, those in `options` replaced.

    Raises:
        UsageError: that begins with `named`, if an option is unknown or breaks a rule.
    """
    known = dataclasses.asdict(entry)
    types = typing.get_type_hints(type(entry))
    for name, value in (options or {}).items():
        if name not in known:
            raise UsageError(f"{named}: no option {name}; choose from {', '.join(known)}.")
        if typing.get_origin(types[name]) is tuple and not isinstance(value, tuple):
            value = (value,)
        if not _is_a(value, types[name]):
            raise UsageError(f"{named}: {name} is like {known[name]}. Received: {value}.")
        known[name] = value
    try:
        dataclasses.replace(entry, **known)
    except ValueError as error:
        raise UsageError(f"{named}: {error}") from error
    return known


def _is_a(value: Any, type_: Any) -> bool:
    """Whether a hyperparameter's value is of the type that its field declares."""
    arguments = typing.get_args(type_)
    if typing.get_origin(type_) is tuple:
        return isinstance(value, tuple) and all(_is_a(item, arguments[0]) for item in value)
    if arguments:
        return any(_is_a(value, argument) for argument in arguments)
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type_
