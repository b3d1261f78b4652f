"""What the commands share: common flags, one line for an error, exit codes."""

import argparse
import ast
import functools
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ser_tf import files
from ser_tf.corpora import CORPORA
from ser_tf.errors import InputError
from ser_tf.inference import shipped

_WORDS = ("none", "true", "false")


def command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Wraps a command's `main(argv)`: failures become one line on stderr and an exit code.

    Usage errors exit with 2 (argparse), bad input and failing disks with 1, Ctrl-C with 130.
    """

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        try:
            with _logging_to_stderr(), _any_path_on_stdout():
                return main(argv)
        except InputError as error:
            return _fail(str(error))
        except BrokenPipeError:
            # The reader of our output is gone (`| head`): nothing is left to say to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}.")
        except KeyboardInterrupt:
            _fail("stopped by Ctrl-C.")
            return 130

    return wrapped


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The argument parser of `python -m ser_tf.NAME`."""
    return argparse.ArgumentParser(prog=f"python -m ser_tf.{name}", description=description)


def add_corpora(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--corpora`, `--data-dir` and `--cache-dir`; `default` says what None stands for."""
    parser.add_argument(
        "--corpora",
        nargs="+",
        choices=tuple(CORPORA),
        help=f"corpora to use (default: {default})",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder that holds one folder a corpus, or the corpus's own folder when one is "
        "named; without it kagglehub downloads the corpora",
    )
    add_cache_dir(parser)


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """Adds `--cache-dir`."""
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        default=files.default_cache_dir(),
        help="folder for decoded clips, features and the synthetic demo corpus "
        "(default: %(default)s)",
    )


def add_model_dir(parser: argparse.ArgumentParser) -> None:
    """Adds `--model-dir`, by default the model that comes with the package."""
    default = shipped.model_dir()
    parser.add_argument(
        "--model-dir",
        type=Path,
        metavar="DIR",
        default=default,
        required=default is None,
        help="model folder made by fit (default: the shipped one, %(default)s)",
    )


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Adds `--prepare`."""
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only leave in the cache what training on another back end of Keras needs "
        "(KERAS_BACKEND), here or, with those files, on a machine without TensorFlow",
    )


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


positive = _number(float, lambda value: 0 < value < math.inf, "above 0")
"""The type of a flag whose value is a number above 0."""

seed = _number(int, lambda value: 0 <= value < 2**32, f"from 0 to {2**32 - 1}")
"""The type of a flag whose value is a seed."""

share = _number(float, lambda value: 0 <= value <= 1, "from 0 to 1")
"""The type of a flag whose value is a number from 0 to 1."""


def option(text: str) -> tuple[str, Any]:
    """The type of a flag whose value reads NAME=VALUE: the name, and the value as Python reads it.

    `none`, `true` and `false` are those values; what is no Python stays a string.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must read NAME=VALUE; received {text}")
    try:
        return name, ast.literal_eval(value.capitalize() if value in _WORDS else value)
    except (ValueError, SyntaxError):
        return name, value


@contextmanager
def _any_path_on_stdout() -> Iterator[None]:
    """Lets a path that stdout cannot encode be written with escapes rather than end the command."""
    errors = getattr(sys.stdout, "errors", None)
    if not hasattr(sys.stdout, "reconfigure"):  # a notebook's
        yield
        return
    stream = sys.stdout
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors=errors)


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Shows what the package logs as bare lines while a command runs."""
    # `python -m ser_tf.fit` gives the command's own module the name __main__.
    loggers = [logging.getLogger(name) for name in ("ser_tf", "__main__")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for logger in loggers:
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False  # TensorFlow's saving gives the root logger a handler of its own
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers = handlers
            logger.setLevel(level)
            logger.propagate = propagate


def _fail(line: str) -> int:
    sys.stderr.write(f"error: {line}\n")
    return 1
