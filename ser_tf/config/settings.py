"""Single settings: their defaults and ranges, and hyperparameters of registry entries."""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ser_tf.models.encoder import Encoder
from ser_tf.models.features import Feature


class UsageError(ValueError):
    """A setting is unknown, is out of range, or contradicts another.

    Attributes:
        keys: the dotted keys of the settings at fault, as "split.folds".
    """

    def __init__(self, message: str, keys: Iterable[str]) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


@dataclass(frozen=True)
class Rule:
    """What the value of a setting must satisfy.

    Attributes:
        text: how it reads after "must be".
        fits: whether a value satisfies it.
    """

    text: str
    fits: Callable[[Any], bool]


def at_least(low: float) -> Rule:
    """A finite number that is not below `low`."""
    return Rule(f"at least {low}", lambda value: low <= value < math.inf)


def one_of(choices: Collection[str]) -> Rule:
    """One of the `choices`."""
    return Rule(f"one of {', '.join(choices)}", lambda value: value in choices)


POSITIVE = Rule("above 0", lambda value: 0 < value < math.inf)
SHARE = Rule("from 0 to 1", lambda value: 0 <= value <= 1)
SEED = Rule(f"from 0 to {2**32 - 1}", lambda value: 0 <= value < 2**32)


def setting(default: Any, text: str, rule: Rule | None = None) -> Any:
    """A field of a configuration.

    Args:
        default: its default.
        text: what it means, for readers and for `fit --show`.
        rule: of its value, or of each item of a tuple; None goes unchecked.
    """
    return field(default=default, metadata={"text": text, "rule": rule})


def texts(group: Any) -> dict[str, str]:
    """What each setting of a configuration's group means, by its name."""
    return {
        item.name: item.metadata["text"]
        for item in dataclasses.fields(group)
        if "text" in item.metadata
    }


def check_fields(group: Any, prefix: str = "") -> None:
    """Checks the type and the rule of every setting of a group; makes tuples of lists.

    Args:
        group: a frozen dataclass whose fields are made by `setting`.
        prefix: stands before the settings' names in their keys, as "split.".

    Raises:
        UsageError: with the first key whose value does not fit.
    """
    hints = typing.get_type_hints(type(group))
    for item in dataclasses.fields(group):
        if "text" not in item.metadata:
            continue
        key, rule = prefix + item.name, item.metadata["rule"]
        value = fitted(key, getattr(group, item.name), hints[item.name], item.default)
        for one in value if isinstance(value, tuple) else (value,):
            if rule and one is not None and not rule.fits(one):
                raise UsageError(f"{key} must be {rule.text}. Received: {one}.", [key])
        object.__setattr__(group, item.name, value)


def complete(entry: Feature | Encoder, options: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """All hyperparameters of a registry entry, those in `options` replaced.

    Raises:
        UsageError: with the keys of options that are unknown or break a rule.
    """
    known = dataclasses.asdict(entry)
    hints = typing.get_type_hints(type(entry))
    for name, value in options.items():
        key = f"{prefix}.{name}"
        if name not in known:
            raise unknown(key, [f"{prefix}.{other}" for other in known])
        known[name] = fitted(key, value, hints[name], known[name])
    try:
        dataclasses.replace(entry, **known)
    except ValueError as error:
        raise UsageError(f"{prefix}: {error}", [f"{prefix}.{name}" for name in options]) from error
    return known


def unknown(key: str, known: Collection[str]) -> UsageError:
    """The error of a key that does not exist; it names the nearest, or all of its group."""
    prefix, _, name = key.rpartition(".")
    names = {other: other.rpartition(".")[2] for other in known}
    group = [other for other in known if other.rpartition(".")[0] == prefix]
    near = [other for other in known if names[other] == name]
    if not near:
        searched = group if prefix and group else known
        close = difflib.get_close_matches(name, {names[other] for other in searched})
        near = [other for other in searched if names[other] in close]
    if near:
        advice = f"did you mean {' or '.join(near)}?"
    else:
        advice = f"choose from {', '.join(group or known)}."
    return UsageError(f"{key}: no such setting; {advice}", [key])


def fitted(key: str, value: Any, type_: Any, example: Any) -> Any:
    """The value as its type has it: of a list, or of a single item, a tuple.

    Raises:
        UsageError: with the key, if the value is of another type.
    """
    if isinstance(value, list):
        value = tuple(value)
    if typing.get_origin(type_) is tuple and not isinstance(value, tuple):
        value = (value,)
    if not _is_a(value, type_):
        raise UsageError(f"{key} must be {_described(type_, example)}. Received: {value!r}.", [key])
    return value


def _described(type_: Any, example: Any) -> str:
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
    members = [member for member in typing.get_args(type_) if member is not type(None)]
    if typing.get_origin(type_) is tuple:
        plain = {int: "integers", float: "numbers", str: "words"}.get(members[0], "values")
        like = f", as {list(example)}" if example else ""
        return f"a list of {plain}{like}"
    if members:
        return " or ".join([*(_described(member, example) for member in members), "none"])
    return names.get(type_, f"like {example}")


def _is_a(value: Any, type_: Any) -> bool:
    """Whether a value is of the type that its field declares."""
    arguments = typing.get_args(type_)
    if typing.get_origin(type_) is tuple:
        return isinstance(value, tuple) and all(_is_a(item, arguments[0]) for item in value)
    if isinstance(type_, types.UnionType) or arguments:
        return any(_is_a(value, argument) for argument in arguments)
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type_


def toml(value: Any) -> str:
    """A setting's value as TOML has it, and "none" for None, which TOML lacks."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml, value))}]"
    if value is None or isinstance(value, str):
        return json.dumps(value or ("none" if value is None else ""), ensure_ascii=False)
    return repr(value)
