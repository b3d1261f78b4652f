"""Files that are whole or absent: written beside their place and renamed into it."""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_UNFINISHED = ".publishing-"
_BEFORE = ".replaced-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, of the same suffix, that takes its place on success.

    A reader, a crash or a full disk never sees half a file; parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, of a folder, which the caller makes.

    For a moment there is neither the old folder nor the new one; where the process dies then, the
    next call puts the old one back. What other interrupted runs left beside `path` is removed: one
    parent folder takes one at a time.
    """
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
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if before.exists() and not path.exists():
            before.rename(path)
    shutil.rmtree(before, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON; numbers that are not finite are refused."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
