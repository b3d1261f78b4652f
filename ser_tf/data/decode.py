"""From the index to waveforms: each clip decoded once, mono, at the model's rate, and cached."""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_tf import audio, console, parallel
from ser_tf.corpora import MAX_LOST_SHARE
from ser_tf.data import cache
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)


def decode(index: "pd.DataFrame", rate_hz: int, cache_dir: str | Path) -> "pd.DataFrame":
    """Decodes every clip of the index on all cores, with a progress bar.

    Args:
        index: the table of `corpora.load`.
        rate_hz: the rate to resample to.
        cache_dir: where decoded clips are kept from run to run.

    Returns:
        The index of the clips that could be decoded, with two more columns: `digest`, of the
        file's content, and `waveform`, the path of its samples (float32 `(samples,)`, which
        `numpy.load` reads).

    Raises:
        InputError: if more than 5 % of the clips cannot be decoded. If fewer, each is named in a
            warning and left out.
    """

    def decode_one(path: str) -> tuple[str, str] | audio.AudioError:
        try:
            digest = audio.digest(path)
        except OSError as error:
            return audio.AudioError(f"{path}: {(error.strerror or str(error)).lower()}.")
        try:
            return digest, str(_waveform(path, digest, rate_hz, cache_dir))
        except audio.AudioError as error:
            return error

    with ThreadPoolExecutor(parallel.CORES) as pool:
        decoded = pool.map(decode_one, index["path"])
        results = list(console.bar(decoded, "decoding", len(index)))
    _report([result for result in results if isinstance(result, audio.AudioError)], len(index))
    kept = [not isinstance(result, audio.AudioError) for result in results]
    pairs = [result for result in results if isinstance(result, tuple)]
    return (
        index[kept]
        .reset_index(drop=True)
        .assign(digest=[digest for digest, _ in pairs], waveform=[path for _, path in pairs])
    )


def keep_sounds(waveforms: Sequence[np.ndarray], cache_dir: str | Path) -> "pd.DataFrame":
    """Writes synthetic sounds to the cache.

    Args:
        waveforms: float32 `(samples,)` each.
        cache_dir: where they are kept from run to run.

    Returns:
        A row per sound with the columns `digest` and `waveform`, as from `decode`.
    """
    import pandas as pd

    rows = []
    for samples in waveforms:
        digest = hashlib.blake2b(samples.astype("<f4").tobytes(), digest_size=16).hexdigest()
        path = cache.sound(digest, cache_dir)
        if not cache.is_whole(path):
            cache.save(path, samples.astype("<f4"))
        rows.append((digest, str(path)))
    return pd.DataFrame(rows, columns=["digest", "waveform"])


def _report(errors: Sequence[audio.AudioError], count: int) -> None:
    for error in errors:
        _LOG.warning("left out: %s", error)
    if len(errors) > MAX_LOST_SHARE * count:
        raise InputError(
            f"{len(errors)} of {count} clips cannot be decoded, the first is {errors[0]} "
            "`python -m ser_tf.doctor` lists them all."
        )


def _waveform(path: str, digest: str, rate_hz: int, cache_dir: str | Path) -> Path:
    kept = cache.waveform(digest, rate_hz, cache_dir)
    if not cache.is_whole(kept):
        cache.save(kept, audio.load(path, rate_hz).astype("<f4"))
    return kept
