"""The corpora: what their file names say, where their clips come from, and one index of them.

To add one, write a grammar and an entry in `entries.py` and add it to `CORPORA`. Anybody's own is
a table (`table.py`), named by its path.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import home
from ser_tf.corpora import naming
from ser_tf.corpora.corpus import Corpus, Fault, Labels, Scan, scan
from ser_tf.corpora.download import download
from ser_tf.corpora.entries import CREMAD, DEMO, RAVDESS, SAVEE, TESS
from ser_tf.corpora.listing import SUFFIXES
from ser_tf.corpora.splits import GIVEN
from ser_tf.corpora.table import Table, describe_few, is_path
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHOICES",
    "COLUMNS",
    "CORPORA",
    "MAX_LOST_SHARE",
    "REAL_CORPORA",
    "Corpus",
    "Fault",
    "Labels",
    "Scan",
    "Table",
    "check_names",
    "corpus_name",
    "entry",
    "find",
    "is_known",
    "load",
    "locate",
    "naming",
    "scan",
    "spell",
    "title",
]

COLUMNS = ("path", "corpus", "speaker", "emotion", "sex", "intensity", "sentence")
"""The columns of the index; `GIVEN` follows where a table gives the parts of a split."""

MAX_LOST_SHARE = 0.05
"""Largest share of clips that may be missing or broken; with more, something is wrong with the
data."""

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus for corpus in (RAVDESS, CREMAD, SAVEE, TESS, DEMO)
}

REAL_CORPORA = tuple(name for name, corpus in CORPORA.items() if corpus.handle)
"""Those of `CORPORA` that people spoke; they are downloaded."""

CHOICES = (
    f"{', '.join(CORPORA)}, the path of an own table ({', '.join(SUFFIXES)}), "
    "or that of a folder with a sub-folder an emotion"
)
"""What a corpus may be called, in words."""

_LOG = logging.getLogger(__name__)


def is_known(corpus: str) -> bool:
    """Whether it is a key of `CORPORA`, a folder, or reads like a path of one or of a table."""
    return corpus in CORPORA or is_path(corpus) or Path(corpus).is_dir()


def spell(corpus: str) -> str:
    """The name of a corpus as settings keep it: a folder's tells that it is one by a slash."""
    bare = corpus not in CORPORA and not is_path(corpus)
    return f"{corpus}/" if bare and Path(corpus).is_dir() else corpus


def entry(corpus: str) -> Corpus | Table:
    """What is known of a corpus, by its key in `CORPORA` or the path of its table or folder.

    Raises:
        InputError: if it is neither.
    """
    corpus = spell(corpus)
    if not is_known(corpus):
        raise InputError(f"corpora: choose from {CHOICES}. Received: {corpus}.")
    return CORPORA.get(corpus) or Table(corpus)


def corpus_name(corpus: str) -> str:
    """The name of a corpus in results: its key in `CORPORA`, or its table's name."""
    return entry(corpus).name


def title(name: str) -> str:
    """What a corpus of this name in results is called in text."""
    return CORPORA[name].title if name in CORPORA else name


def load(
    names: Iterable[str],
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    mapping: Iterable[str] = (),
) -> "pd.DataFrame":
    """The index of the named corpora: one row per clip, the same on every machine.

    A clip that a folder holds twice is indexed once. Without `data_dir`, kagglehub downloads the
    corpora into its own cache, and a copy that lacks clips is refused.

    Args:
        names: keys of `CORPORA`, or paths of tables; a repeated one counts once.
        data_dir: holds one folder per corpus, or the clips themselves if one corpus is named.
        cache_dir: where the synthetic demo corpus is made; by default `home.default_cache_dir()`.
        mapping: items `WORD=EMOTION` of a map, as in `naming`.

    Returns:
        A table with the columns `COLUMNS`, all text, sorted by corpus and path, its rows numbered
        from 0. `sex` is "female" or "male"; a value that the corpus does not state is "". The path
        of a segment of a recording ends in its times, as `audio.segments` has it.

    Raises:
        InputError: if a corpus is unknown, cannot be downloaded, or has no clip in its folder, or
            two have the same name; if over 5 % of a table's files are missing.
    """
    import pandas as pd

    items = tuple(mapping)
    clips: list[tuple[str, str, Labels]] = []
    words: set[str] = set()
    tables = False
    for corpus in _entries(names):
        found = find(corpus, data_dir, cache_dir, items)
        if data_dir is None and isinstance(corpus, Corpus):
            _require_whole(corpus, found)
        _LOG.info("%s", corpus.describe(found))
        _report_faults(corpus, found)
        clips += [(corpus.name, path, labels) for path, labels in found.clips.items()]
        words |= found.words
        tables |= isinstance(corpus, Table)
    for item in naming.unmet(items, words):
        _LOG.warning("map %s: no clip is called so.", item)
    if tables and (told := describe_few(labels.emotion for _, _, labels in clips)):
        _LOG.warning("%s", told)
    rows = [
        (path, name, *(getattr(labels, column) for column in COLUMNS[2:]), labels.part)
        for name, path, labels in sorted(clips, key=lambda clip: clip[:2])
    ]
    index = pd.DataFrame(rows, columns=[*COLUMNS, GIVEN])
    if not index[GIVEN].any():
        return index.drop(columns=GIVEN)
    _LOG.info("split.kind=given (--split given) follows the column part.")
    return index


def find(
    corpus: Corpus | Table,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    mapping: Iterable[str] = (),
) -> Scan:
    """The clips of a corpus, where `locate` or its table says, called as a map says.

    Raises:
        InputError: if there is none, the corpus cannot be had, or a word means no emotion.
    """
    if isinstance(corpus, Table):
        found = corpus.scan(data_dir)
    else:
        found = scan(corpus, locate(corpus, data_dir, cache_dir))
    counts = Counter(labels.emotion for labels in found.clips.values())
    classes = naming.resolve(counts, mapping, corpus.title)
    clips = {
        path: dataclasses.replace(labels, emotion=classes[labels.emotion])
        for path, labels in found.clips.items()
        if classes[labels.emotion] != naming.LEFT_OUT
    }
    if not clips:
        raise InputError(f"{corpus.title}: the map leaves out all {len(found.clips)} clips.")
    return dataclasses.replace(found, clips=clips, words=frozenset(counts))


def locate(
    corpus: Corpus, data_dir: str | Path | None = None, cache_dir: str | Path | None = None
) -> Path:
    """The folder that holds `corpus`: below `data_dir`, downloaded, or made (the demo corpus).

    Below `data_dir` it is the folder with the name of the corpus, its title or its Kaggle data set
    (as in `ravdess`, `CREMA-D`, `ravdess-emotional-speech-audio`), or else `data_dir` itself.

    Raises:
        InputError: if `data_dir` is not a folder, or the corpus cannot be downloaded or made.
    """
    if data_dir is not None:
        return _below(Path(data_dir), corpus)
    if corpus.handle is None:
        from ser_tf.corpora import demo

        return demo.make(cache_dir or home.default_cache_dir())
    return download(corpus.title, corpus.handle)


def check_names(corpora: Iterable[str]) -> None:
    """Checks that corpora can be told apart in results.

    Raises:
        InputError: if two have the same name, or one's own that of an entry of `CORPORA`.
    """
    seen: dict[str, str] = {}
    for corpus in dict.fromkeys(corpora):
        own = corpus_name(corpus)
        if corpus != own and own in CORPORA:
            raise InputError(
                f"corpora {corpus}: {own} is the name of a corpus (--corpora {own} "
                "--data-dir DIR takes it); call one's own something else."
            )
        if own in seen:
            raise InputError(
                f"corpora {seen[own]} and {corpus}: both are called {own}; rename one of them."
            )
        seen[own] = corpus


def _entries(names: Iterable[str]) -> list[Corpus | Table]:
    distinct = list(dict.fromkeys(names))
    if not distinct:
        raise InputError(f"corpora: choose from {CHOICES}. Received: none.")
    check_names(distinct)
    return [entry(corpus) for corpus in distinct]


def _report_faults(corpus: Corpus | Table, found: Scan) -> None:
    """Logs what is wrong with a table, and refuses one of which too much is missing."""
    for fault in found.faults:
        listed = len(found.clips) + len(fault.files)
        if fault.kind == "missing" and len(fault.files) > MAX_LOST_SHARE * listed:
            raise InputError(
                f"{corpus.title}: {len(fault.files)} of {listed} clips are missing, the first is "
                f"{fault.files[0]}; paths are relative to the table."
            )
        _LOG.warning("%s: %s [%s]", corpus.title, fault.message, fault.files[0])


def _below(data_dir: Path, corpus: Corpus) -> Path:
    if not data_dir.is_dir():
        found = "not a folder" if data_dir.exists() else "no such folder"
        raise InputError(f"data_dir {data_dir}: {found}; it should hold {corpus.title}'s clips.")
    wanted = {_plain(name) for name in (corpus.name, corpus.title, *corpus.folders)}
    folders = [path for path in data_dir.iterdir() if _plain(path.name) in wanted and path.is_dir()]
    return min(folders, key=lambda path: (path.name != corpus.name, path.name), default=data_dir)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _require_whole(corpus: Corpus, found: Scan) -> None:
    if missing := corpus.names() - found.names:
        raise InputError(
            f"{corpus.title}: {len(missing)} of its {corpus.clips} clips are missing from "
            f"{found.root}; delete that folder to download {corpus.handle or 'it'} again, or name "
            "a whole copy with --data-dir (data_dir=...)."
        )
