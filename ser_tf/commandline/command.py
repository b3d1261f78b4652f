"""What the commands share: common flags, one line for an error, exit codes."""

import argparse
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ser_tf import __version__
from ser_tf.errors import InputError

VERSION = f"ser_tf {__version__}"
"""What `--version` prints."""


def command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Wraps a command's `main(argv)`: failures become one line on stderr and an exit code.

    Usage errors exit with 2 (argparse), bad input and failing disks with 1, Ctrl-C with 130.
    """

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        _open_streams()
        if sys.stdout is None:
            return _fail("stdout: it is closed, and a command prints.")
        try:
            with _logging_to_stderr(), _any_path_on_stdout():
                code = main(argv)
                sys.stdout.flush()
                return code
        except InputError as error:
            return _fail(str(error))
        except OSError as error:
            if error.filename is None and _is_stdout_lost():
                error.filename = "stdout"
            if isinstance(error, BrokenPipeError):  # `| head`: nothing is left to say to it
                return 1
            return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}.")
        except KeyboardInterrupt:
            _fail("stopped by Ctrl-C.")
            return 130

    return wrapped


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """The argument parser of `python -m ser_tf.NAME`, or of `python -m ser_tf` without a name."""
    prog = f"python -m ser_tf.{name}".rstrip(".")
    # A command may have another use for --version as well: `ValueOrVersion`.
    parser = argparse.ArgumentParser(prog=prog, description=description, conflict_handler="resolve")
    parser.add_argument(
        "--version", action="version", version=VERSION, help="print the version of ser_tf"
    )
    return parser


class ValueOrVersion(argparse.Action):
    """Of a flag `--version`: takes a value; without one, prints the version of ser_tf."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings | {"nargs": "?"})

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *found: Any
    ) -> None:
        value, _ = found
        if value is None:
            sys.stdout.write(f"{VERSION}\n")
            parser.exit()
        setattr(namespace, self.dest, value)


def _open_streams() -> None:
    """Makes stdin and stderr usable where they are closed, as under some schedulers.

    Otherwise the next file to be opened takes their place, and is sent what is meant for them.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _is_stdout_lost() -> bool:
    """Whether stdout takes nothing any more; what is still to be written is then forgotten.

    Python would try it once more at its end, and complain.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


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
