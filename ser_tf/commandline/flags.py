"""Flags that commands share: their types, common ones, and those that make a configuration."""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ser_tf import config
from ser_tf.config import Layer
from ser_tf.corpora import CHOICES, CORPORA, is_known, naming, spell
from ser_tf.inference import shipped
from ser_tf.inference.runtimes import RUNTIMES

REMOVED: Mapping[str, str] = {
    "--feature-options": "--set features.NAME=...",
    "--model-options": "--set model.NAME=...",
    "--lmu": "--set model.memory=...",
    "--augment": "--set augmentation.layers=...",
    "--augment-copies": "--set augmentation.copies=...",
    "--copies": "--set augmentation.published_rows=...",
    "--mixup": "--set augmentation.mixup=...",
    "--sounds": "--set augmentation.sounds=...",
    "--split-seed": "--set split.seed=...",
    "--no-validation": "--set split.validation=false",
    "--no-test": "--set split.test=false",
    "--no-watch-test": "--set training.watch_test=false",
    **{
        "--" + name.replace("_", "-"): f"--set split.{name}=..."
        for name in ("folds", "protocol", "test_speakers", "validation_speakers")
    },
    **{f"--{name}": f"--set split.{name}=true" for name in ("validation", "test")},
    **{
        "--" + name.replace("_", "-"): f"--set training.{name}=..."
        for name in (
            *("patience", "keep", "batch_size", "learning_rate", "schedule", "epsilon"),
            *("ema_momentum", "balance_corpora", "teachers", "teacher_share"),
        )
    },
    **{
        "--" + name.replace("_", "-"): f"--set training.{name}=true"
        for name in ("class_weights", "all_classes", "watch_test")
    },
}
"""Flags of version 0.1, and how their settings are given now."""


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, removed: Mapping[str, str]
) -> dict[str, Any]:
    """The values of flags by name; a removed flag ends the command and names its successor.

    Args:
        parser: of the command.
        argv: the arguments; None: those of the process.
        removed: what became of flags of this command, in addition to `REMOVED`.
    """
    arguments = sys.argv[1:] if argv is None else argv
    now = {**REMOVED, **removed}
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag in now:
            parser.error(f"{flag} is now {now[flag]}")
    return vars(parser.parse_args(arguments))


def add_corpora(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--corpora`, `--data-dir` and `--cache-dir`; `default` says what None stands for."""
    parser.add_argument(
        "--corpora",
        nargs="+",
        type=corpus,
        metavar="NAME|TABLE",
        help=f"corpora to use: {', '.join(CORPORA)}, or your own: a table with the columns path "
        f"and emotion, or a folder with a sub-folder an emotion (default: {default})",
    )
    parser.add_argument(
        "--data-dir",
        type=path,
        metavar="DIR",
        help="folder that holds one folder per corpus, or the corpus's own folder when one is "
        "named; without it kagglehub downloads the corpora",
    )
    add_cache_dir(parser)


def add_map(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds `--map`; `text` says what it does."""
    parser.add_argument(
        "--map",
        nargs="+",
        action="extend",
        type=map_item,
        metavar="WORD=EMOTION",
        help=f"{text}, as in bored=neutral; bored=bored keeps a class of your own, bored=none "
        f"leaves clips out, and {', '.join(naming.TASKS)} are maps by name",
    )


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """Adds `--cache-dir`."""
    parser.add_argument(
        "--cache-dir",
        type=path,
        metavar="DIR",
        help="folder for decoded clips, features and the synthetic demo corpus "
        "(default: ser_tf in XDG_CACHE_HOME, which by default is ~/.cache)",
    )


def add_model_dir(parser: argparse.ArgumentParser, name: str = shipped.ACCURATE) -> None:
    """Adds `--model-dir`, by default the model of that name that comes with the package."""
    default = shipped.model_dir(name)
    parser.add_argument(
        "--model-dir",
        type=path,
        metavar="DIR",
        default=default,
        required=default is None,
        help="model folder made by fit (default: the shipped one, %(default)s)",
    )


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Adds the recordings to ask about, `paths`."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=path,
        metavar="PATH",
        help="recording, folder of them, or - for standard input",
    )


def add_runtime(
    parser: argparse.ArgumentParser,
    default: str | None = None,
    about: str = "litert answers at once, keras is the reference; by default litert where it can",
) -> None:
    """Adds `--runtime`; `about` says what the choices do."""
    parser.add_argument("--runtime", choices=RUNTIMES, default=default, help=about)


def add_set(parser: argparse.ArgumentParser) -> None:
    """Adds `--set`, whose value is a list of pairs of key and value."""
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        type=assignment,
        default=[],
        metavar="KEY=VALUE",
        help="settings by key, as in training.batch_size=64 model.units=64,32 split.folds=none; "
        "`python -m ser_tf.fit --show` lists all keys",
    )


def layers(given: Mapping[str, Any], keys: Mapping[str, str]) -> list[Layer]:
    """The settings that flags give, lowest first.

    Args:
        given: the flags' values by name.
        keys: the setting of each flag that stands for one, by name.
    """
    values = {name: given[name] for name in keys if given.get(name) is not None}
    flags = [
        Layer("--" + name.replace("_", "-"), {keys[name]: _plain(value)})
        for name, value in values.items()
    ]
    return [Layer("--set", dict(given["set"])), *flags]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def assignment(text: str) -> tuple[str, Any]:
    """The type of a flag whose value reads KEY=VALUE: the key and the value."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must read KEY=VALUE; received {text}")
    return key, config.parse(value)


def corpus(text: str) -> str:
    """The type of a flag whose value names a corpus."""
    if not is_known(text):
        raise argparse.ArgumentTypeError(f"choose from {CHOICES}; received {text}")
    return spell(text)


def map_item(text: str) -> str:
    """The type of a flag whose value is an item of a map."""
    if not naming.is_item(text):
        raise argparse.ArgumentTypeError(f"must be {naming.ITEM}; received {text}")
    return text


def path(text: str) -> Path:
    """The type of a flag that names a file or folder; an empty name would be the current one."""
    if not text:
        raise argparse.ArgumentTypeError("must name a file or folder; received an empty name")
    return Path(text)


def at_least(type_: type, low: float) -> Callable[[str], Any]:
    """The type of a flag whose value is a finite number of `type_` that is not below `low`."""
    return _number(type_, lambda value: low <= value < math.inf, f"of at least {low}")


def _number(type_: type, fits: Callable[[float], bool], rule: str) -> Callable[[str], Any]:
    wanted = f"must be {'an integer' if type_ is int else 'a number'} {rule}"

    def number(text: str) -> Any:
        try:
            value = type_(text)
        except ValueError:
            value = math.nan  # fits nothing
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{wanted}; received {text}")
        return value

    return number


seed = _number(int, lambda value: 0 <= value < 2**32, f"from 0 to {2**32 - 1}")
"""The type of a flag whose value is a seed."""
