"""One's own recordings as a corpus: a table with a row a clip, or a folder an emotion."""

import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ser_tf import emotions
from ser_tf.audio import segments
from ser_tf.corpora import listing
from ser_tf.corpora.corpus import Fault, Labels, Scan
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FEW_CLIPS = 10
"""Fewest clips of an emotion that can be divided into training, validation and test."""

RARE = 0.1
"""Share of the usual number of clips below which a speaker's name may be misspelt."""

_SHOWN = 3  # names in a message
_SEXES = {
    **dict.fromkeys(("f", "female", "w", "woman"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
}
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_TIME = re.compile(r"(?:(\d+) days? )?(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Table:
    """A table with a header and a row a clip, or a folder with a sub-folder an emotion.

    The columns of a table are `path` (or `file`), relative to it, and `emotion`; it may also have
    `speaker`, `sex`, `intensity`, `sentence`, `part` of a split, and `start` and `end` of a segment
    within the file, in seconds or as `0 days 00:01:02.5`.

    Attributes:
        path: of the table, as it was written: from the working folder, or below `data_dir`.
    """

    path: str

    rate_hz: ClassVar[None] = None
    quirks: ClassVar[Mapping[str, frozenset[str]]] = {}

    @property
    def name(self) -> str:
        """Its name in results, the file's without suffix; speakers are called NAME-SPEAKER."""
        path = Path(self.path)
        if not _is_folder(self.path):
            return path.stem
        return path.resolve().name if path.name in ("", "..") else path.name

    @property
    def title(self) -> str:
        """Its name in text."""
        return self.name

    def names(self) -> frozenset[str]:
        """The clips that it is known to have: none, but for those it lists."""
        return frozenset()

    def describe(self, found: Scan) -> str:
        """How much of it there is, and where."""
        speakers = {labels.speaker for labels in found.clips.values()}
        return f"{self.name}: {len(found.clips)} clips of {len(speakers)} speakers in {self.path}."

    def locate(self, data_dir: str | Path | None = None) -> Path:
        """The file or folder: below `data_dir` if it is there, else from the working folder.

        Raises:
            InputError: if there is none.
        """
        for folder in ("",) if data_dir is None else (data_dir, ""):
            path = Path(folder, self.path)
            if path.is_dir() if _is_folder(self.path) else path.is_file():
                return path
        kind = "folder" if _is_folder(self.path) else "table"
        raise InputError(f"corpora {self.path}: no such {kind}.")

    def scan(self, data_dir: str | Path | None = None) -> Scan:
        """The clips that it lists and whose files are there, with the words they are called by.

        Raises:
            InputError: if the table is missing or broken, or lists no clip that can be used.
        """
        source = self.locate(data_dir)
        rows = listing.walk(source) if source.is_dir() else listing.read(source)
        root = source if source.is_dir() else source.parent
        rows = rows.assign(place=_places(rows, root, source))
        faults = []
        for kind, chosen, told in _rejections(rows):
            if chosen.any():
                paths = tuple(dict.fromkeys(rows.place[chosen]))
                faults.append(Fault(kind, paths, f"{len(paths)} {told}"))
                rows = rows[~chosen.reindex(rows.index, fill_value=False)]
            if rows.empty:
                raise InputError(
                    f"{source}: no clip is left: {faults[-1].message} [{faults[-1].files[0]}]"
                )
        clips = {row["place"]: self._labels(row, source) for row in rows.to_dict("records")}
        faults += _speaker_faults(rows, clips)
        return Scan(root, dict(sorted(clips.items())), (), (), tuple(faults))

    def _labels(self, row: Mapping[Any, str], source: Path) -> Labels:
        part = row.get("part", "").lower()
        if part and part not in _PARTS:
            raise InputError(
                f"{source}: part must be train, validation or test. Received: {row['part']}."
            )
        return Labels(
            name=row["place"],
            speaker=f"{self.name}-{row.get('speaker') or row['path']}",
            emotion=row["emotion"],
            sex=_SEXES.get(row.get("sex", "").lower(), ""),
            intensity=row.get("intensity", ""),
            sentence=row.get("sentence", ""),
            part=_PARTS.get(part, ""),
        )


def is_path(corpus: str) -> bool:
    """Whether the name of a corpus reads like a table's or a folder's path, there or not."""
    return Path(corpus).suffix.lower() in listing.SUFFIXES or _is_folder(corpus)


def describe_few(names: Iterable[str]) -> str:
    """A sentence on the emotions of clips that have fewer of them than `FEW_CLIPS`; "" if none."""
    counts = Counter(names)
    few = [name for name in emotions.in_order(counts) if counts[name] < FEW_CLIPS]
    if not few:
        return ""
    told = ", ".join(f"{name} ({counts[name]})" for name in few)
    return (
        f"under {FEW_CLIPS} clips of {told}: too few to learn from and to score; "
        f"--map {few[0]}=none leaves them out."
    )


def _is_folder(corpus: str) -> bool:
    if Path(corpus).suffix.lower() in listing.SUFFIXES:
        return False
    return "/" in corpus or os.sep in corpus or corpus in (".", "..")


def _places(rows: "pd.DataFrame", root: Path, source: Path) -> list[str]:
    """Where each row's clip lies, with its segment."""
    places = []
    for number, row in enumerate(rows.to_dict("records"), start=2):
        path = (root / row["path"].replace("\\", "/")).as_posix() if row["path"] else ""
        where = f"{source}: row {number}"
        start, end = (_seconds(row.get(name, ""), name, where) for name in ("start", "end"))
        if end is not None and end <= (start or 0):
            raise InputError(f"{where}: end must be above start. Received: {start}, {end}.")
        whole = not start and end is None
        places.append(path if whole or not path else segments.name(path, start or 0, end))
    return places


def _seconds(text: str, name: str, where: str) -> float | None:
    if text.lower() in ("", "nat", "nan", "none"):
        return None
    if match := _TIME.fullmatch(text):
        days, first, second, rest = (float(part or 0) for part in match.groups())
        # With a single colon, the first number is minutes.
        hours, minutes = (first, second) if match[3] else (0, first)
        return 86_400 * days + 3_600 * hours + 60 * minutes + rest
    raise InputError(f"{where}: {name} must be seconds, as 12.5. Received: {text}.")


def _rejections(rows: "pd.DataFrame") -> Iterator[tuple[str, "pd.Series[bool]", str]]:
    """Rows that cannot be used: the kind of fault, which they are, and what is said of them."""
    words = rows.emotion.map(lambda word: emotions.named(word) or emotions.plain(word))
    yield "missing", rows.place == "", "rows have no path."
    yield "unlabelled", rows.emotion == "", "files have no emotion and are left out."
    labels = words.groupby(rows.place).transform("nunique")
    yield "conflicting", labels > 1, "files have two emotions and are left out."
    doubled = rows.place.duplicated() & (labels == 1)
    yield "doubled", doubled, "files are listed twice; they count once."
    there = {path: Path(_file(path)).is_file() for path in set(rows.place)}
    missing = ~rows.place.map(there)
    yield "missing", missing, "files are not there; paths are relative to the table."


def _file(place: str) -> str | Path:
    segment = segments.parse(place)
    return segment.path if segment else place


def _speaker_faults(rows: "pd.DataFrame", clips: Mapping[str, Labels]) -> Iterator[Fault]:
    nobody = rows.place[rows.speaker == ""] if "speaker" in rows else rows.place
    if len(nobody):
        every = "no speaker is named" if len(nobody) == len(rows) else "have no speaker"
        count = "" if len(nobody) == len(rows) else f"{len(nobody)} clips "
        yield Fault(
            "speakers",
            tuple(nobody),
            f"{count}{every}: each recording counts as a speaker of its own, so that one person "
            "may be in training and in test.",
        )
    parts = defaultdict(set)
    for labels in clips.values():
        parts[labels.speaker].add(labels.part)
    if leaking := sorted(speaker for speaker, found in parts.items() if len(found - {""}) > 1):
        paths = tuple(path for path, labels in clips.items() if labels.speaker in leaking)
        yield Fault("leak", paths, f"speakers in more than one part: {_names(leaking)}.")
    counts = Counter(labels.speaker for labels in clips.values())
    usual = statistics.median(counts.values())
    if rare := sorted(speaker for speaker, count in counts.items() if count < RARE * usual):
        paths = tuple(path for path, labels in clips.items() if labels.speaker in rare)
        yield Fault(
            "few", paths, f"few clips of {_names(rare)}, the usual are {usual:.0f}: is it misspelt?"
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
