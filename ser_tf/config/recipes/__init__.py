"""Recipes: settings by name, a TOML file each, that hold only what differs from the defaults.

To add one, write `NAME.toml` here; its first lines say what it is for. A recipe may also be a TOML
file anywhere, or the `config.json` of a model folder.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser_tf.config import stored
from ser_tf.config.settings import UsageError
from ser_tf.errors import InputError

DEFAULT = "mfcc-lmu"
"""The recipe that is used where none is named."""

_COMPARE = "compare"


@dataclass(frozen=True)
class Recipe:
    """Settings that a file gives.

    Attributes:
        name: what results are filed under.
        source: where they come from, for messages: "recipe NAME", or the file.
        settings: by dotted key.
        models: what `compare` trains by default; empty: the recipe's own model.
        splits: what `compare` splits by, by default; empty: the recipe's own split.
    """

    name: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()


def names() -> list[str]:
    """The names of the recipes that come with ser_tf."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def load(recipe: str | Path) -> Recipe:
    """A recipe by its name, of a TOML file, or of the `config.json` of a model folder.

    Raises:
        UsageError: if no recipe has that name.
        InputError: if the file is missing or broken.
    """
    path = Path(recipe)
    if path.suffix == ".json":
        return _of_run(path)
    if path.suffix == ".toml":
        return _of_file(path, str(path))
    if str(recipe) in names():
        return _of_file(Path(__file__).parent / f"{recipe}.toml", f"recipe {recipe}")
    near = difflib.get_close_matches(str(recipe), names(), n=1)
    advice = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names())},"
    known = "" if near else " a TOML file, or the config.json of a model folder."
    raise UsageError(f"recipe {recipe}: no such recipe; {advice}{known}", ["recipe"])


def _of_file(path: Path, source: str) -> Recipe:
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}.") from error
    wanted = content.pop(_COMPARE, {})
    if not isinstance(wanted, dict) or set(wanted) - {"models", "splits"}:
        raise UsageError(f"{path}: {_COMPARE} may have models and splits.", [_COMPARE])
    return Recipe(
        name=path.stem,
        source=source,
        settings=stored.flat(content),
        models=tuple(wanted.get("models", ())),
        splits=tuple(wanted.get("splits", ())),
    )


def _of_run(path: Path) -> Recipe:
    """The settings of a run, of a whole cross-validation where it is one of its folds."""
    config, _ = stored.read(path)
    settings = {key: value for key, value in config.items() if key != "split.fold"}
    return Recipe(path.absolute().parent.name, str(path), settings)
