"""Where decoded clips, their labels and their features are kept from run to run.

Entries are named by a digest of the content, the parameters and the code here that they depend on,
so that they cannot be stale; `clips` alone knows a folder by its name. Nothing here needs
TensorFlow or the recordings.
"""

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The code on which waveforms, indices and features depend.
_DECODER = ("audio.py",)
_CLIPS = (*_DECODER, "corpora", "emotions.py")
_FEATURES = (
    *_DECODER,
    "models/augmentations.py",
    "models/features",
    "data/decode.py",
    "layers/features",
    "layers/augment",
    "layers/signal",
    "layers/streaming.py",
)


def waveform(digest: str, rate_hz: int, cache_dir: Path) -> Path:
    """The samples, raw little-endian float32, of the recording with that digest."""
    key = _key(_DECODER, digest, rate_hz)
    return cache_dir / "waveforms" / key[:2] / f"{key}.f32"


def features(digests: Iterable[str], cache_dir: Path, *made_by: Any) -> Path:
    """An array of features of the recordings with those digests.

    Args:
        digests: of the recordings' content.
        cache_dir: the cache.
        made_by: the entry of `FEATURES` and all else that the features depend on.
    """
    return cache_dir / "features" / f"{_key(_FEATURES, *map(repr, made_by), *digests)}.npy"


def clips(corpora: Iterable[str], data_dir: str | None, rate_hz: int, cache_dir: Path) -> Path:
    """The index of corpora as they were when last decoded: JSON of the columns, with digests.

    `data_dir` is taken as it is written, so that the file means the same on another machine.
    """
    return cache_dir / "clips" / f"{_key(_CLIPS, *corpora, data_dir, rate_hz)}.json"


def _key(sources: tuple[str, ...], *parts: Any) -> str:
    return hashlib.blake2b(
        json.dumps([digest_of(sources), *parts]).encode(), digest_size=16
    ).hexdigest()


@functools.cache
def digest_of(sources: tuple[str, ...]) -> str:
    """A digest of the code in files and folders of this package, to name what depends on it."""
    digest = hashlib.blake2b(digest_size=16)
    for place in (Path(__file__).parents[1] / source for source in sources):
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()
