"""Files that are whole or absent: written next to their place, then renamed into it; and walks."""

import errno
import json
import logging
import os
import platform
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from ser_tf.errors import InputError

_UNFINISHED = ".publishing-"
_BEFORE = ".replaced-"
_LOCK = ".lock"
_LONGEST_STEM = 100
"""Bytes of a name that the temporary one has; the name itself may be as long as is allowed."""
_LOG = logging.getLogger(__name__)


def walk(root: str | Path) -> Iterator[Path]:
    """All files below `root`, also through links to folders.

    Each folder is entered once, by a link only if it does not lie below `root` itself; a link to a
    folder that holds the link is a loop, and passed over. What cannot be entered is logged.
    """
    entered: set[str] = set()
    pending, dangling = [Path(root)], []
    while pending:
        links = []
        for top in pending:
            for folder, names, filenames in os.walk(top, onerror=_log_unreadable):
                real = os.path.realpath(folder)
                if real in entered:
                    names.clear()
                    continue
                entered.add(real)
                links += [link for link in map(Path(folder).joinpath, names) if link.is_symlink()]
                for path in map(Path(folder).joinpath, filenames):
                    if path.is_file():
                        yield path
                    elif path.is_symlink():
                        dangling.append(path)
        pending = sorted(link for link in links if not _is_loop(link))
    if dangling:
        _LOG.warning("%d links lead nowhere, as does %s; passed over.", len(dangling), dangling[0])


def _is_loop(link: Path) -> bool:
    """Whether a link leads to a folder that it lies in, however deep."""
    return link.parent.resolve().is_relative_to(link.resolve())


def _log_unreadable(error: OSError) -> None:
    _LOG.warning("%s: %s; passed over.", error.filename, error.strerror)


@contextmanager
def holding(folder: str | Path) -> Iterator[None]:
    """Keeps other processes that ask for the same folder out of it; the folder is made.

    The lock ends with the process, however that ends. Where a file system knows no locks, and on
    Windows, nobody is kept out.

    Raises:
        InputError: if another process holds the folder; it is named.
    """
    path = Path(folder) / _LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_lock(path) as file:
        since = datetime.now().isoformat(" ", "seconds")
        file.write(f"process {os.getpid()} on {platform.node()} since {since}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _open_lock(path: Path) -> TextIO:
    """The lock's file, locked, and empty; one that its holder removed meanwhile is opened anew."""
    while True:
        file = path.open("a+")
        try:
            _lock(file)
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                return file
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise InputError(
                f"{path.parent}: in use by {holder}; wait for it, or name another folder."
            ) from None
        file.close()


def _lock(file: TextIO) -> None:
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            _LOG.warning("%s: cannot be locked (%s).", file.name, error.strerror)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path next to `path`, with its suffix, that replaces `path` on success.

    Nobody ever sees half a file, not even after a crash or on a full disk. Parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = os.fsencode(path.stem)[:_LONGEST_STEM].decode(errors="ignore")
    temporary = path.with_name(f".{stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            raise _naming(error, path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Like `replacing`, for a folder, which the caller makes.

    For a moment there is neither the old folder nor the new one; if the process dies then, the
    next call puts the old one back. Leftovers of other interrupted runs next to `path` are removed,
    so only one process at a time may write to a parent folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)
    temporary = path.with_name(f"{_UNFINISHED}{path.name}")
    before = path.with_name(f"{_BEFORE}{path.name}")
    if before.exists() and not path.exists():
        before.rename(path)
    try:
        yield temporary
        shutil.rmtree(before, ignore_errors=True)
        if path.exists():
            path.rename(before)
        temporary.rename(path)
    except OSError as error:
        if error.filename is None:
            raise _naming(error, path) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if before.exists() and not path.exists():
            before.rename(path)
    shutil.rmtree(before, ignore_errors=True)


def _naming(error: OSError, path: Path) -> OSError:
    """The error with the path that could not be written: a full disk names no file."""
    known = error.errno and os.strerror(error.errno)  # h5py adds lines of its own
    text = known or f"cannot be written, the disk may be full ({error})"
    return OSError(error.errno or errno.EIO, text, str(path))


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON.

    Raises:
        ValueError: if a number in it is not finite.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
