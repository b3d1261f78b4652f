"""Files and folders that list clips, as a table of text: what a user wrote, column by column."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import audio, files
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".parquet")
"""How the names of tables end."""

COLUMNS = ("path", "emotion", "speaker", "sex", "intensity", "sentence", "part", "start", "end")
"""The columns that a table may have; others are passed over."""

_OTHER_NAMES = {"file": "path", "gender": "sex"}
_PARQUET = "Parquet needs pyarrow: pip install pyarrow"


def read(file: Path) -> "pd.DataFrame":
    """The rows of a table, every cell as text without spaces around it, "" where it is empty.

    Columns are found by their names in any case; `file` and `gender`, as audformat has them, are
    `path` and `sex`. A CSV may be separated by semicolons.

    Raises:
        InputError: if the file is no table, or has no row or no path or emotion.
    """
    rows = _raw(file)
    names = [str(column).strip().lower() for column in rows.columns]
    rows.columns = [_OTHER_NAMES.get(name, name) for name in names]
    if missing := [name for name in ("path", "emotion") if name not in rows]:
        raise InputError(
            f"{file}: has no column {' and no column '.join(missing)}; its columns are "
            f"{', '.join(names)}."
        )
    if doubled := sorted({name for name in COLUMNS if list(rows.columns).count(name) > 1}):
        raise InputError(f"{file}: has two columns {doubled[0]}; one of them is enough.")
    if rows.empty:
        raise InputError(f"{file}: has no row below its header.")
    known = rows[[name for name in COLUMNS if name in rows]]
    cleaned: pd.DataFrame = known.apply(lambda column: column.map(_text))
    return cleaned


def walk(folder: Path) -> "pd.DataFrame":
    """The recordings in a folder's sub-folders, which are named after emotions.

    Raises:
        InputError: if there is none.
    """
    import pandas as pd

    rows = []
    for path in sorted(files.walk(folder)):
        below = path.relative_to(folder)
        if len(below.parts) > 1 and audio.is_recording(path):
            rows.append((below.as_posix(), below.parts[0]))
    if not rows:
        raise InputError(
            f"{folder}: no recording in a sub-folder named after an emotion, such as "
            f"{folder / 'happy' / 'clip.wav'}."
        )
    return pd.DataFrame(rows, columns=["path", "emotion"])


def _raw(file: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        if file.suffix.lower() != ".parquet":
            return _of_lines(file)
        rows = pd.read_parquet(file)
        # audformat keeps file, start and end as an index.
        return rows.reset_index() if any(rows.index.names) else rows
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8; save the table as CSV in UTF-8.") from error
    except ImportError as error:
        raise InputError(f"{file}: {_PARQUET}, or save the table as CSV.") from error
    except (csv.Error, ValueError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{file}: cannot be read as a table: {reason}.") from error


def _of_lines(file: Path) -> "pd.DataFrame":
    """The cells of a CSV or TSV; rows may be shorter than the header, and blank lines are none."""
    import pandas as pd

    with file.open(newline="", encoding="utf-8-sig") as lines:
        separator = "\t" if file.suffix.lower() == ".tsv" else _separator(lines.readline())
        lines.seek(0)
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        header, *rows = [row for row in reader if any(cell.strip() for cell in row)] or [[]]
    width = len(header)
    for number, row in enumerate(rows, start=2):
        if any(row[width:]):
            raise ValueError(
                f"row {number} has {len(row)} cells and the header {width}; text that holds the "
                "separator needs quotes"
            )
    return pd.DataFrame([[*row, *[""] * width][:width] for row in rows], columns=header, dtype=str)


def _separator(header: str) -> str:
    return ";" if header.count(";") > header.count(",") else ","


def _text(cell: Any) -> str:
    import pandas as pd

    return "" if pd.isna(cell) else str(cell).strip()
