"""Where decoded clips, their labels and their features are kept from run to run.

Each kind of entry has a folder whose name carries the versions of what made it: `features-1.2`
are features of version 2, computed from waveforms of version 1. An entry is named by a digest of
the content and the parameters that it depends on, so it cannot be stale; `clips` alone knows a
data folder by its name. Nothing here needs TensorFlow or the recordings.
"""

import functools
import hashlib
import io
import json
import logging
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ser_tf import files

if TYPE_CHECKING:
    from ser_tf.config import Features

VERSIONS: Mapping[str, int] = {
    "waveforms": 2,  # `decode`, and `ser_tf.audio`; 2: unscaled integers, cancelling channels
    "sounds": 1,  # `sounds`
    "clips": 1,  # the index of corpora, with digests
    "features": 1,  # the front ends of `FEATURES`, and the published copies
    "copies": 1,  # the augmentations of waveforms in `AUGMENTATIONS`
}
"""The version of each producer. Raise it whenever the same input gives other values than before;
`tests/test_cache.py` holds values that tell."""

_MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "clips": ("waveforms",),
    "features": ("waveforms",),
    "copies": ("waveforms", "features"),
}

_CHECKSUM = re.compile(rb"# ([0-9a-f]{8})\s*$")
_PIECE = 2**20

_LOG = logging.getLogger(__name__)


def version(kind: str) -> tuple[int, ...]:
    """The versions that an entry of a kind depends on; its own comes last."""
    return tuple(VERSIONS[name] for name in (*_MADE_FROM.get(kind, ()), kind))


def folder(kind: str, cache_dir: str | Path) -> Path:
    """The folder of all entries of a kind and of its present version."""
    return Path(cache_dir) / f"{kind}-{'.'.join(map(str, version(kind)))}"


def waveform(digest: str, rate_hz: int, cache_dir: str | Path) -> Path:
    """The file of the samples at `rate_hz` of the recording with that digest."""
    key = _key(digest, rate_hz)
    return folder("waveforms", cache_dir) / key[:2] / f"{key}.npy"


def sound(digest: str, cache_dir: str | Path) -> Path:
    """The file of the samples of a synthetic sound, of which `digest` is the content's."""
    return folder("sounds", cache_dir) / f"{digest}.npy"


def clips(
    corpora: Iterable[str],
    mapping: Sequence[str],
    data_dir: str | None,
    rate_hz: int,
    cache_dir: str | Path,
) -> Path:
    """The index of corpora as they were when last decoded: JSON of its columns, with digests.

    `data_dir` is taken as it is written, so that the file means the same on another machine.
    """
    return folder("clips", cache_dir) / f"{_key(*corpora, *mapping, data_dir, rate_hz)}.json"


def features(
    digests: Iterable[str], chosen: "Features", cache_dir: str | Path, *, published_rows: bool
) -> Path:
    """The file of the features of recordings.

    Args:
        digests: of the recordings' content, in the order of the rows.
        chosen: which features.
        cache_dir: the cache.
        published_rows: whether a recording has the four published rows rather than one.
    """
    key = _key(chosen.name, chosen.options, published_rows, *digests)
    return folder("features", cache_dir) / f"{key}.npy"


def copies(
    digests: Iterable[str],
    chosen: "Features",
    cache_dir: str | Path,
    *,
    augmentations: Sequence[str],
    count: int,
) -> Path:
    """The file of the features of augmented copies of recordings.

    Args:
        digests: of the recordings' content, in the order of the rows.
        chosen: which features.
        cache_dir: the cache.
        augmentations: their names, in order.
        count: how many copies of each recording.
    """
    key = _key(chosen.name, chosen.options, [*augmentations], count, *digests)
    return folder("copies", cache_dir) / f"{key}.npy"


def is_whole(path: Path) -> bool:
    """Whether `path` holds a whole array, by its size and checksum; a damaged one is logged.

    A crash, a full or a failing disk may have emptied it, cut it off or changed it.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
            if begin + math.prod(shape) * dtype.itemsize == path.stat().st_size:
                file.seek(0)
                claimed = _CHECKSUM.search(file.read(begin))
                pieces = iter(lambda: file.read(_PIECE), b"")
                # Files of earlier versions have no checksum.
                if not claimed or _checksum(pieces) == claimed[1].decode():
                    return True
    except ValueError:
        pass  # no header
    _LOG.warning("%s: damaged; it is made again.", path)
    return False


def save(path: Path, array: np.ndarray) -> None:
    """Writes an array with its checksum so that it is whole or absent."""
    _write(path, array.shape, array.dtype, [array])


def load_or_make(
    path: Path, shape: tuple[int, ...], dtype: str, make: Callable[[], Iterable[np.ndarray]]
) -> np.ndarray:
    """The array in `path`, mapped; made first if it is absent or damaged.

    Args:
        path: where it is kept.
        shape: its shape.
        dtype: the type of its numbers, "float32" or "float16".
        make: returns its parts in order; they are written one by one, so that the whole never
            needs to be in memory.
    """
    if not is_whole(path):
        _write(path, shape, np.dtype(dtype), make())
    return load(path)


def _write(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]
) -> None:
    """Writes parts of an array one by one; the checksum is a comment in the header's padding."""
    stored = dtype.newbyteorder("<")
    description = {"descr": stored.str, "fortran_order": False, "shape": shape}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, description)
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.write(header.getvalue())
        checksum = _checksum(_passed_on(parts, stored, file)).encode()
        text = header.getvalue().rstrip() + b" # " + checksum
        file.seek(0)
        file.write(text.ljust(len(header.getvalue()) - 1) + b"\n")


def _passed_on(parts: Iterable[np.ndarray], stored: np.dtype, file: BinaryIO) -> Iterator[bytes]:
    """The bytes of each part, which are written to `file`."""
    for part in parts:
        content = part.astype(stored).tobytes()
        file.write(content)
        yield content


def _checksum(pieces: Iterable[bytes]) -> str:
    """The CRC-32 of what follows one another, as 8 hexadecimal digits."""
    return f"{functools.reduce(lambda crc, piece: zlib.crc32(piece, crc), pieces, 0):08x}"


def load(path: Path) -> np.ndarray:
    """The array in `path`, mapped: it may be gigabytes, of which few rows are wanted at a time."""
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def _key(*parts: Any) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()
