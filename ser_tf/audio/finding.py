"""Recordings on disk: which files of a folder are some, and the digest that names their content."""

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ser_tf import files
from ser_tf.audio import segments
from ser_tf.audio.decoding import STANDARD_INPUT
from ser_tf.errors import InputError

SUFFIXES = frozenset(
    ".aac .aif .aiff .amr .au .caf .flac .m4a .mka "
    ".mp3 .mp4 .oga .ogg .opus .wav .weba .webm .wma".split()
)
"""File-name endings, in lower case, by which a folder's recordings are found."""


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files among `paths` as they are, and for each folder all recordings below it, sorted.

    Links to folders are followed, each folder once. `-` stands for standard input.

    Raises:
        InputError: if a path does not exist or a folder holds no recording.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path != STANDARD_INPUT and not path.exists():
            raise InputError(f"{path}: no such file or folder.")
        if path.is_dir():
            below = sorted(filter(is_recording, files.walk(path)))
            if not below:
                raise InputError(f"{path}: the folder holds no recording ({_suffix_list()}).")
            found += below
        else:
            found.append(path)
    return found


def digest(path: str | os.PathLike[str]) -> str:
    """The 128-bit BLAKE2 digest of the file's bytes, as 32 hexadecimal digits.

    That of a segment depends on the whole file's and on its times.
    """
    if segment := segments.parse(path):
        written = segment.path.stat()
        whole = _remembered(segment.path, written.st_mtime_ns, written.st_size)
        key = f"{whole} {segment.start} {segment.end}"
        return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return _digest(Path(path))


@functools.lru_cache(maxsize=64)  # many segments follow each other in one long file
def _remembered(path: Path, *state: int) -> str:
    """The digest of a file as it is in that state."""
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def is_recording(path: Path) -> bool:
    """By its name; macOS puts companions `._NAME` beside files on foreign disks."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _suffix_list() -> str:
    return " ".join(sorted(SUFFIXES))
