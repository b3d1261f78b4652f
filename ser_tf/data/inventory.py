"""What the cache holds, and what of it nothing uses any more."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ser_tf.corpora import demo
from ser_tf.data import cache

LEFTOVER_SECONDS = 3600.0
"""Age from which a temporary file is the leftover of a killed run, not the work of a live one."""

_HASH = "[0-9a-f]{32}"
_ENTRY = re.compile(rf"{_HASH}\.(npy|json|f32)")
_TEMPORARY = re.compile(rf"\.{_HASH}-[0-9a-f]{{8}}\.(npy|json|f32)")
_FOLDER = re.compile(rf"({'|'.join((*cache.VERSIONS, 'demo'))})(?:-([0-9.]+|[0-9a-f]{{10}}))?")
_BELOW = re.compile("[0-9a-f]{2}")
_DEMO_TEMPORARY = ".demo-"


@dataclass(frozen=True)
class Holding:
    """Entries of one kind and version.

    Attributes:
        kind: a key of `cache.VERSIONS`, "demo", or "leftovers" of killed runs.
        version: as in the folder's name; "0.1" of the entries of that version of ser_tf, and
            "" of leftovers.
        used: whether this version of ser_tf, or a later one, can use them.
        paths: the entries: files, of the demo corpus its folder.
        size_bytes: of all of them.
    """

    kind: str
    version: str
    used: bool
    paths: tuple[Path, ...]
    size_bytes: int


def survey(cache_dir: str | Path) -> list[Holding]:
    """What the cache holds, by kind and version; files of others are passed over."""
    cache_dir = Path(cache_dir)
    found: list[Holding] = []
    leftovers: list[Path] = []
    for path in sorted(cache_dir.iterdir()) if cache_dir.is_dir() else ():
        if path.is_dir() and path.name.startswith(_DEMO_TEMPORARY):
            leftovers += [path] if _is_old(path) else []
        elif path.is_dir() and (match := _FOLDER.fullmatch(path.name)):
            kind, version = match[1], match[2] or ""
            files = [path] if kind == "demo" else [*_files(path, _ENTRY)]
            leftovers += filter(_is_old, _files(path, _TEMPORARY))
            if files:
                found.append(_holding(kind, version, files))
    if leftovers:
        found.append(Holding("leftovers", "", False, tuple(leftovers), _size(leftovers)))
    return found


def remove(holding: Holding) -> None:
    """Removes the entries, and the folders that are then empty."""
    for path in holding.paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for path in holding.paths:
        _remove_if_empty(path.parent)
        _remove_if_empty(path.parent.parent)


def _holding(kind: str, version: str, paths: list[Path]) -> Holding:
    current = (demo.VERSION,) if kind == "demo" else cache.version(kind)
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})*", version):  # none, or a digest of the code
        return Holding(kind, "0.1", False, tuple(paths), _size(paths))
    numbers = tuple(map(int, version.split(".")))
    later = any(own > present for own, present in zip(numbers, current, strict=False))
    return Holding(kind, version, numbers == current or later, tuple(paths), _size(paths))


def _files(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
    """The files of that name in a folder, and one below it, as waveforms are."""
    for pattern in ("*", "*/*"):
        yield from (path for path in folder.glob(pattern) if name.fullmatch(path.name))


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LEFTOVER_SECONDS
    except OSError:  # gone meanwhile
        return False


def _size(paths: list[Path]) -> int:
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove_if_empty(folder: Path) -> None:
    ours = _FOLDER.fullmatch(folder.name) or _BELOW.fullmatch(folder.name)
    if ours and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
