"""The data of a configuration: index, waveforms and features, from the cache where they are."""

import functools
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_tf import corpora, emotions, files
from ser_tf.config import Config
from ser_tf.data import cache, decode
from ser_tf.data.dataset import PUBLISHED_ROWS, Dataset
from ser_tf.data.sounds import make_sounds
from ser_tf.data.store import FeatureStore
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import keras
    import pandas as pd

_LOG = logging.getLogger(__name__)


def load(config: Config, front_end: "keras.Layer", cache_dir: str | Path) -> Dataset:
    """All clips of the configuration's corpora, decoded and turned into features, not split.

    TensorFlow computes them. Another back end of Keras takes what TensorFlow left in the cache
    when it last read these corpora; the recordings need not be there.

    Args:
        config: names the corpora and the features.
        front_end: the layers from waveform to features.
        cache_dir: where decoded clips and features are kept.

    Raises:
        InputError: if a corpus is missing or too many of its clips are broken; on another back
            end, if the cache lacks them.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return _dataset(config, *_cached(config, cache_dir))
    clips, features = _computed(config, front_end, cache_dir)
    copies = _copies(clips, config, front_end, cache_dir)
    data = _dataset(config, clips, features, copies)
    if not config.augmentation.sounds:
        return data
    return data.followed_by(_sounds(data, config, front_end, cache_dir))


def load_clips(config: Config, cache_dir: str | Path) -> Dataset:
    """As `load`, but decoded only: rows without features, and no synthetic sounds.

    Raises:
        InputError: as `load`.
    """
    clips = _decoded(config, cache_dir)
    rows = PUBLISHED_ROWS if config.augmentation.published_rows else 1
    nothing = FeatureStore.of(np.empty((rows * len(clips), 0, 0), np.float32))
    return _dataset(config, clips, nothing)


def prepare(config: Config, cache_dir: str | Path) -> str:
    """Leaves in the cache what `load` needs on other back ends.

    Returns:
        For a person: how much there is, and the files that another machine's cache must hold.

    Raises:
        InputError: as `load`.
    """
    from ser_tf.models import assemble

    front_end = assemble.build_front_end(config.features.entry)
    clips, features = _computed(config, front_end, cache_dir)
    paths = (_clips_file(config, cache_dir), *_features_files(clips, config, cache_dir))
    counts = f"{len(clips)} clips, {len(features)} rows of features:"
    return "\n".join([counts, *map(str, paths), ""])


def _dataset(
    config: Config,
    clips: "pd.DataFrame",
    features: FeatureStore,
    copies: tuple[FeatureStore, ...] = (),
) -> Dataset:
    per_clip = len(features) // len(clips)
    rows = clips.loc[clips.index.repeat(per_clip)].reset_index(drop=True)
    rows = rows.assign(copy=rows.index % per_clip)
    every = config.training.all_classes
    classes = emotions.in_order([*rows["emotion"], *(_every_class(config) if every else ())])
    return Dataset.labelled(rows, features, classes, copies)


def _every_class(config: Config) -> set[str]:
    """The eight emotions as the configuration's map calls them."""
    pairs = corpora.naming.read(config.map)
    return {corpora.naming.rename(emotion, pairs) for emotion in emotions.EMOTIONS} - {
        corpora.naming.LEFT_OUT
    }


def _decoded(config: Config, cache_dir: str | Path) -> "pd.DataFrame":
    index = corpora.load(config.corpora, config.data_dir, cache_dir, config.map)
    return decode.decode(index, config.features.entry.rate_hz, cache_dir)


def _computed(
    config: Config, front_end: "keras.Layer", cache_dir: str | Path
) -> tuple["pd.DataFrame", FeatureStore]:
    """The table of clips and their features; leaves both in the cache."""
    from ser_tf.data import extract

    clips = _decoded(config, cache_dir)
    of_corpus = functools.partial(
        extract.clip_features,
        features=config.features,
        front_end=front_end,
        cache_dir=cache_dir,
        published_rows=config.augmentation.published_rows,
    )
    features = _stored([of_corpus(part) for part in _by_corpus(clips)])
    files.write_json(_clips_file(config, cache_dir), clips.to_dict("list"))
    return clips, features


def _by_corpus(clips: "pd.DataFrame") -> list["pd.DataFrame"]:
    """The clips of each corpus: a corpus's files in the cache serve whatever it is pooled with."""
    return [part for _, part in clips.groupby("corpus", sort=False)]


def _stored(tables: "list[np.ndarray]") -> FeatureStore:
    """The rows of all tables, one table after another."""
    return functools.reduce(FeatureStore.followed_by, map(FeatureStore.of, tables))


def _cached(config: Config, cache_dir: str | Path) -> tuple["pd.DataFrame", FeatureStore]:
    """What `_computed` left in the cache."""
    import pandas as pd

    path = _clips_file(config, cache_dir)
    if path.is_file():
        try:
            clips = pd.DataFrame(json.loads(path.read_text()))
        except ValueError as error:
            raise InputError(f"{path}: damaged; `compare --prepare` makes it again.") from error
        features = _features_files(clips, config, cache_dir)
        if all(map(cache.is_whole, features)):
            _LOG.info("%d clips as decoded on %s: %s", len(clips), _written(path), path)
            return clips, _stored([cache.load(file) for file in features])
    raise InputError(
        f"{cache_dir}: holds no features for these settings, and only TensorFlow computes them; "
        "`python -m ser_tf.compare RECIPE --prepare` does, here or on the machine that has the "
        "recordings."
    )


def _written(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "minutes")


def _clips_file(config: Config, cache_dir: str | Path) -> Path:
    rate_hz = config.features.entry.rate_hz
    return cache.clips(config.corpora, config.map, config.data_dir, rate_hz, cache_dir)


def _features_files(clips: "pd.DataFrame", config: Config, cache_dir: str | Path) -> list[Path]:
    published_rows = config.augmentation.published_rows
    return [
        cache.features(part["digest"], config.features, cache_dir, published_rows=published_rows)
        for part in _by_corpus(clips)
    ]


def _copies(
    clips: "pd.DataFrame", config: Config, front_end: "keras.Layer", cache_dir: str | Path
) -> tuple[FeatureStore, ...]:
    """The features of each augmented copy of the clips; none where none are wanted."""
    from ser_tf.data import extract

    if not config.augmentation.copies:
        return ()
    copies_of = functools.partial(
        extract.augmented_copies,
        features=config.features,
        front_end=front_end,
        cache_dir=cache_dir,
        names=config.augmentation.layers,
        copies=config.augmentation.copies,
    )
    tables = [copies_of(part) for part in _by_corpus(clips)]
    return tuple(
        _stored([table[:, number] for table in tables])
        for number in range(config.augmentation.copies)
    )


def _sounds(
    clips: Dataset, config: Config, front_end: "keras.Layer", cache_dir: str | Path
) -> Dataset:
    """Synthetic sounds other than speech, as rows to follow the `clips`."""
    from ser_tf.data import extract

    made = make_sounds(config.augmentation.sounds, config.features.entry.rate_hz)
    kept = decode.keep_sounds(made, cache_dir)
    rows = kept.assign(copy=0).reindex(columns=clips.rows.columns, fill_value="")
    features = extract.clip_features(rows, config.features, front_end, cache_dir)
    copies = _copies(rows, config, front_end, cache_dir)
    return Dataset.labelled(rows, FeatureStore.of(features), clips.classes, copies)
