"""What is known about a corpus, and what a folder holds of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ser_tf import files
from ser_tf.audio import SUFFIXES
from ser_tf.errors import InputError


@dataclass(frozen=True)
class Labels:
    """What a clip's file name says; "" where it says nothing.

    Attributes:
        name: the clip's name in its corpus, the same for every copy, wherever it lies.
        speaker: as in `ravdess-01`.
        emotion: one of `ser_tf.emotions.EMOTIONS`, or a class of one's own; of a clip in a table,
            until `find` has looked it up, the table's word.
        sex: "female" or "male".
        intensity: "normal" or "strong"; "low", "medium" or "high".
        sentence: the corpus's own code for what is said.
        part: "train", "validation" or "test", if a table says so.
    """

    name: str
    speaker: str
    emotion: str
    sex: str = ""
    intensity: str = ""
    sentence: str = ""
    part: str = ""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a table.

    Attributes:
        kind: a key of `health.SEVERITIES`.
        files: paths of the files concerned.
        message: what was found, in one line.
    """

    kind: str
    files: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Corpus:
    """One corpus.

    Attributes:
        name: its name in flags and tables.
        title: its name in text.
        handle: its data set on Kaggle, `owner/name`; None if it is made, not downloaded.
        clips: the number of its clips.
        rate_hz: sampling rate of its clips; all are mono.
        licence: its short name, and where to read it.
        citation: what to cite.
        example: the path of one of its files.
        parse: returns the labels that a path states, or None if it is not a clip of this corpus.
        names: returns the names of all its clips.
        quirks: its known harmless defects: for a kind of finding, the clips that have it.
    """

    name: str
    title: str
    handle: str | None
    clips: int
    rate_hz: int
    licence: str
    citation: str
    example: str
    parse: Callable[[PurePath], Labels | None]
    names: Callable[[], frozenset[str]]
    quirks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of its folder besides its own: that of its Kaggle data set, if it has one."""
        return (self.handle.split("/")[1],) if self.handle else ()

    def describe(self, found: "Scan") -> str:
        """How much of it there is, and where."""
        return (
            f"{self.title}: {len(found.clips)} clips of {self.clips} in {found.root}; "
            f"second copies: {len(found.copies)}, not clips: {len(found.passed_over)}."
        )


@dataclass(frozen=True)
class Scan:
    """What a folder holds of a corpus.

    Attributes:
        root: the folder.
        clips: the labels of each clip by its path, sorted by path.
        copies: paths of second copies of those clips.
        passed_over: paths of files that are not clips of the corpus.
        faults: what is wrong with a table.
        words: the words that its clips were called by, before a map.
    """

    root: Path
    clips: Mapping[str, Labels]
    copies: tuple[str, ...]
    passed_over: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    words: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """The names of the clips."""
        return frozenset(labels.name for labels in self.clips.values())


def scan(corpus: Corpus, root: str | Path) -> Scan:
    """Finds the clips of `corpus` below `root`, in the same order on every file system.

    Links to folders are followed, each folder once. Of several copies of a clip, the first in
    sorted order counts, a WAV file before all others.

    Raises:
        InputError: if there is no clip.
    """
    root = Path(root)
    paths = sorted(path.as_posix() for path in files.walk(root))
    clips: dict[str, Labels] = {}
    copies, passed_over, seen = [], [], set()
    # CREMA-D's own repository has each clip as MP3 too, and some of those are blank:
    # https://github.com/CheyneyComputerScience/CREMA-D/issues/13
    for path in sorted(paths, key=lambda path: not path.lower().endswith(".wav")):
        pure = PurePath(path)
        labels = corpus.parse(pure) if pure.suffix.lower() in SUFFIXES else None
        if labels is None:
            passed_over.append(path)
        elif labels.name in seen:
            copies.append(path)
        else:
            seen.add(labels.name)
            clips[path] = labels
    if not clips:
        raise InputError(
            f"{root}: no clip of {corpus.title} among {len(paths)} files; data_dir should hold "
            f"its folder ({corpus.name}), or be it, with files such as {corpus.example}."
        )
    return Scan(root, dict(sorted(clips.items())), tuple(copies), tuple(passed_over))
