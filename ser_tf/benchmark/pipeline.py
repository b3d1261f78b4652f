"""The published features: librosa, one clip at a time, against the pipeline."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import backend
from ser_tf.commandline import flags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SUMMARY = "published features with librosa, one clip at a time, against the pipeline"
ROUNDS = 5


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the corpora and the number of clips."""
    flags.add_corpora(parser, "the four that kagglehub can download")
    parser.add_argument(
        "--clips",
        type=flags.at_least(int, 10),
        metavar="N",
        default=480,
        help="clips a turn (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows a second of the published features, three ways, in `ROUNDS` turns on the same clips.

    Each turn times librosa on a tenth of the clips, then the pipeline's first pass over all
    from the files (decode, resample, four copies, features; nothing cached), then ten epochs of
    shuffled batches over the cached features.
    """
    backend.import_tensorflow()
    from ser_tf import corpora
    from ser_tf.corpora import REAL_CORPORA

    names = arguments.corpora or REAL_CORPORA
    index = corpora.load(names, arguments.data_dir, arguments.cache_dir)
    clips = index.sample(min(arguments.clips, len(index)), random_state=0).reset_index(drop=True)
    ways = {
        "librosa, clip by clip": _with_librosa,
        "pipeline, first pass": _first_pass,
        "pipeline, cached": _cached_pass(clips),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            rows = way(clips)
            if number:  # the first turn warms up
                rates[name].append(rows / (time.perf_counter() - began))
    slowest = statistics.median(rates["librosa, clip by clip"])
    return [
        {
            "way": name,
            "rows_per_second": statistics.median(values),
            "lowest": min(values),
            "highest": max(values),
            "times_librosa": statistics.median(values) / slowest,
        }
        for name, values in rates.items()
    ]


def table(results: Sequence[dict[str, Any]]) -> str:
    """The rates as lines of text."""
    lines = [f"{'':<24}{'rows/s':>10}{'lowest':>10}{'highest':>10}{'ratio':>8}"]
    lines += [
        f"{result['way']:<24}{result['rows_per_second']:>10.0f}{result['lowest']:>10.0f}"
        f"{result['highest']:>10.0f}{result['times_librosa']:>8.1f}"
        for result in results
    ]
    return "\n".join(lines)


def published_rows(path: str | Path, rng: "np.random.Generator") -> "np.ndarray":
    """The four rows of a clip as published, computed with librosa: float32 `(4, 2376)`."""
    import librosa
    import numpy as np
    from librosa.effects import pitch_shift

    waveform, rate_hz = librosa.load(path, duration=2.5, offset=0.6)

    def with_noise(samples: "np.ndarray") -> "np.ndarray":
        amplitude = 0.035 * rng.uniform() * np.max(samples)
        return samples + amplitude * rng.standard_normal(len(samples))

    raised = pitch_shift(waveform, sr=rate_hz, n_steps=0.7)
    copies = (waveform, with_noise(waveform), raised, with_noise(raised))
    rows = np.zeros((4, 2376), np.float32)
    for row, samples in zip(rows, copies, strict=True):
        parts = (
            librosa.feature.zero_crossing_rate(samples)[0],
            librosa.feature.rms(y=samples)[0],
            librosa.feature.mfcc(y=samples, sr=rate_hz).T.ravel(),
        )
        joined = np.concatenate(parts)
        row[: len(joined)] = joined
    return rows


def _with_librosa(clips: "pd.DataFrame") -> int:
    import numpy as np

    rng = np.random.default_rng(0)
    few = clips["path"][: max(1, len(clips) // 10)]
    return sum(len(published_rows(path, rng)) for path in few)


def _first_pass(clips: "pd.DataFrame") -> int:
    with tempfile.TemporaryDirectory() as cache_dir:
        return len(_features(clips, Path(cache_dir)))


def _features(clips: "pd.DataFrame", cache_dir: Path) -> "np.ndarray":
    import numpy as np

    from ser_tf.config import Features
    from ser_tf.data import decode, extract

    published = Features("published")
    decoded = decode.decode(clips, published.entry.rate_hz, cache_dir)
    front_end = published.entry.build()
    found = extract.clip_features(decoded, published, front_end, cache_dir, published_rows=True)
    return np.array(found)  # the cache that it is mapped from is a temporary folder


def _cached_pass(clips: "pd.DataFrame") -> Callable[["pd.DataFrame"], int]:
    import numpy as np

    from ser_tf.data import batches
    from ser_tf.data.dataset import Dataset
    from ser_tf.data.store import FeatureStore

    with tempfile.TemporaryDirectory() as cache_dir:
        features = _features(clips, Path(cache_dir))
    rows = clips.loc[np.repeat(clips.index, len(features) // len(clips))]
    data = Dataset.labelled(rows, FeatureStore.of(features), sorted(set(rows["emotion"])))

    def one_epoch(_: "pd.DataFrame") -> int:
        seen = batches.plain(data, batches.Epochs(batch_size=64, seed=0, numbers=range(10)))
        return sum(len(batch) for _, batch in seen)

    return one_epoch
