"""Recordings on disk: which files of a folder are some, and the digest that names their content."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ser_tf import files
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
            below = sorted(filter(_is_recording, files.walk(path)))
            if not below:
                raise InputError(f"{path}: the folder holds no recording ({_suffix_list()}).")
            found += below
        else:
            found.append(path)
    return found


def digest(path: str | os.PathLike[str]) -> str:
    """The 128-bit BLAKE2 digest of the file's bytes, as 32 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _is_recording(path: Path) -> bool:
    """By its name; macOS puts companions `._NAME` beside files on foreign disks."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _suffix_list() -> str:
    return " ".join(sorted(SUFFIXES))
