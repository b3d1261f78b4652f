"""Resolves a recipe and the settings on top of it, and records where each value comes from."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ser_tf.config import recipes, stored
from ser_tf.config.configuration import GROUPS, Config
from ser_tf.config.recipes import Recipe
from ser_tf.config.settings import UsageError, texts, toml, unknown

SHORT = {
    "features": "features.name",
    "model": "model.name",
    "split": "split.kind",
    "epochs": "training.epochs",
}
"""What some settings may be called where no group is given."""

_WORDS = {"none": None, "true": True, "false": False}
_DEFAULT = "default"


class Layer(NamedTuple):
    """Settings from one place.

    Attributes:
        source: where they come from, as "--set".
        values: by dotted key, or nested in groups.
    """

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A configuration and where its values come from.

    Attributes:
        config: the configuration.
        sources: for every key that is set, where its value comes from.
    """

    config: Config
    sources: Mapping[str, str]

    def toml(self) -> str:
        """The whole configuration as TOML that is a recipe; comments say where values come from."""
        about = {
            **texts(Config),
            **{
                f"{group.prefix}.{name}": text
                for group in GROUPS
                for name, text in texts(group).items()
            },
        }
        lines, group = [], ""
        for key, value in self.config.items():
            prefix, _, name = key.rpartition(".")
            if key == "split.fold":
                continue
            if prefix != group:
                lines += ["", f"[{prefix}]"]
                group = prefix
            text = f": {about[key]}" if key in about else ""
            lines.append(f"{name} = {toml(value)}  # {self.sources.get(key, _DEFAULT)}{text}")
        return "\n".join([*lines, ""])


def resolve(recipe: str | Path | None = None, settings: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a recipe with some settings changed.

    Args:
        recipe: the name of a recipe, a TOML file, or the `config.json` of a model folder; None:
            the default one.
        settings: by dotted key (`{"split.folds": 5}`), nested in groups
            (`{"split": {"folds": 5}}`), or by one of the names in `SHORT`.

    Raises:
        UsageError: with the keys that are unknown, out of range or contradict each other.
        InputError: if the recipe's file is missing or broken.
    """
    return layered(recipes.load(recipe or recipes.DEFAULT), [Layer("given", settings or {})]).config


def layered(recipe: Recipe, given: Sequence[Layer]) -> Resolved:
    """The configuration of a recipe under layers of settings, later ones above earlier ones.

    Hyperparameters of a recipe's model or features are dropped where another is given.

    Raises:
        UsageError: with the keys at fault; the message says where each was set.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in given:
        flat = _flat(layer.values)
        values |= flat
        sources |= dict.fromkeys(flat, layer.source)
    base = _flat(recipe.settings)
    for prefix in ("features", "model"):
        name = f"{prefix}.name"
        before = base.get(name, dict(Config().items())[name])
        if values.get(name, before) != before:
            base = {key: value for key, value in base.items() if key.partition(".")[0] != prefix}
    sources = dict.fromkeys(base, recipe.source) | sources
    values = base | values
    try:
        if "split.fold" in values:
            raise unknown("split.fold", ["split.folds"])
        config = Config.from_items(values, recipe.name)
        config.refuse_nonsense()
    except UsageError as error:
        raise UsageError(f"{error}{_origins(error, values, sources)}", error.keys) from error
    return Resolved(config, sources)


def _origins(error: UsageError, values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """Where the values at fault come from, a sentence; "" if from nowhere."""
    told = [f"{key} = {toml(values[key])} ({sources[key]})" for key in error.keys if key in sources]
    return f" Set: {', '.join(told)}." if told else ""


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {SHORT.get(key, key): _plain(value) for key, value in stored.flat(values).items()}


def _plain(value: Any) -> Any:
    """The value as settings have it: tuples, and None for "none"."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return None if value == "none" else value


def parse(text: str) -> Any:
    """The value of a setting as the command line has it.

    Numbers, quoted strings and lists are read as Python reads them, `none`, `true` and `false` as
    these values, "" as no items and words with commas as a list; all else is a string.
    """
    word = text.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    try:
        return _plain(ast.literal_eval(word))
    except (ValueError, SyntaxError):
        items = word.removeprefix("[").removesuffix("]")
        if items != word or "," in word or not word:
            return tuple(parse(item) for item in items.split(",") if item.strip())
        return word
