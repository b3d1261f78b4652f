"""One's own recordings as a corpus: a table with a row a clip."""

import difflib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import emotions
from ser_tf.corpora.corpus import Labels, Scan
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv",)
"""How the names of tables end."""

_SEXES = {
    **dict.fromkeys(("f", "female", "w", "woman"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
}
_SHOWN = 3  # examples in a message

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """A table with a header and a row a clip.

    Its columns are `path`, relative to the table, and `emotion`; it may also have `speaker`,
    `sex`, `intensity` and `sentence`. Others are passed over.

    Attributes:
        path: of the table, as it was written: from the working folder, or below `data_dir`.
    """

    path: str

    @property
    def name(self) -> str:
        """Its name in results, the file's without suffix; speakers are called NAME-SPEAKER."""
        return Path(self.path).stem

    @property
    def title(self) -> str:
        """Its name in text."""
        return self.name

    def locate(self, data_dir: str | Path | None = None) -> Path:
        """The file: below `data_dir` if it is there, else from the working folder.

        Raises:
            InputError: if there is none.
        """
        for folder in ("",) if data_dir is None else (data_dir, ""):
            path = Path(folder, self.path)
            if path.is_file():
                return path
        raise InputError(f"corpora {self.path}: no such table.")

    def scan(self, data_dir: str | Path | None = None) -> Scan:
        """The clips that the table lists, whether or not their files are there.

        Raises:
            InputError: if the table is missing or broken, or has no clip.
        """
        file = self.locate(data_dir)
        rows = _read(file)
        heard = _emotions(rows["emotion"], file)
        speakers = rows.get("speaker")
        if speakers is None:
            _LOG.warning(
                "%s: has no column speaker; each recording counts as a speaker of its own.", file
            )
        clips = {}
        for row in rows.to_dict("records"):
            path = row["path"]
            clips[(file.parent / path).as_posix()] = Labels(
                name=path,
                speaker=f"{self.name}-{row['speaker'] if speakers is not None else path}",
                emotion=heard[row["emotion"]],
                sex=_SEXES.get(row.get("sex", "").strip().lower(), ""),
                intensity=row.get("intensity", ""),
                sentence=row.get("sentence", ""),
            )
        return Scan(file.parent, dict(sorted(clips.items())), (), ())


def _read(file: Path) -> "pd.DataFrame":
    """All cells as text."""
    import pandas as pd

    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{file}: cannot be read as a table: {reason}.") from error
    rows.columns = [str(column).strip().lower() for column in rows.columns]
    if missing := [name for name in ("path", "emotion") if name not in rows]:
        raise InputError(
            f"{file}: has no column {' and no column '.join(missing)}; its columns are "
            f"{', '.join(rows.columns)}."
        )
    if rows.empty:
        raise InputError(f"{file}: has no row below its header.")
    return rows


def _emotions(column: "pd.Series", file: Path) -> Mapping[str, str]:
    """The emotion of each word in a column.

    Raises:
        InputError: naming the words that mean none of the eight, how often each occurs, and
            emotions of similar spelling.
    """
    counts = Counter(column)
    found = {word: emotions.named(word) for word in counts}
    if unknown := [word for word in counts if found[word] is None]:
        told = [_describe_unknown(word, counts[word]) for word in sorted(unknown)]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise InputError(
            f"{file}: unknown emotions: {'; '.join(told[:_SHOWN])}{more}. "
            f"Known are {', '.join(emotions.EMOTIONS)}."
        )
    return {word: emotion for word, emotion in found.items() if emotion is not None}


def _describe_unknown(word: str, count: int) -> str:
    near = difflib.get_close_matches(emotions.plain(word), emotions.EMOTIONS, 2, 0.5)
    meant = f", perhaps {' or '.join(near)}" if near else ""
    return f"{word or 'an empty cell'} ({count} row{'s' * (count > 1)}{meant})"
