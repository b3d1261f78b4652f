"""Draws speakers, clips or rows; chance comes from a seeded hash."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15

TEST_SPEAKERS = {"tess": "tess-YAF"}
"""Corpora with two speakers whose test speaker is fixed: the older actress (OAF) trains, the
younger (YAF) tests."""

STRATA = {
    "speakers": ["corpus", "sex"],
    "clips": ["corpus", "emotion"],
    "rows": ["corpus"],
    "corpora": ["corpus"],
}
"""The columns by which the units of a split are dealt, so that its parts are alike."""


def choose_test_speakers(table: "pd.DataFrame", seed: int) -> list[str]:
    """About a fifth of every corpus's speakers: at least one, unless it has only one speaker."""
    chosen: list[str] = []
    for corpus, clips in table.groupby("corpus"):
        speakers = _sexes_in_turn(clips, seed)
        if (fixed := TEST_SPEAKERS.get(str(corpus))) in speakers:
            chosen.append(str(fixed))
        elif len(speakers) > 1:
            chosen += speakers[: max(1, round(TEST_SHARE * len(speakers)))]
    return chosen


def choose_validation_speakers(table: "pd.DataFrame", test: "pd.Series", seed: int) -> list[str]:
    """About 15 % of every corpus's speakers, from those that do not test; at least one trains."""
    chosen: list[str] = []
    for _, clips in table.groupby("corpus"):
        rest = _sexes_in_turn(clips[~test[clips.index]], seed)
        everyone = clips.speaker.nunique()
        if everyone > 2 and len(rest) > 1:
            wanted = max(1, round(VALIDATION_SHARE * everyone))
            chosen += rest[: min(wanted, len(rest) - 1)]
    return chosen


def _sexes_in_turn(clips: "pd.DataFrame", seed: int) -> list[str]:
    """A corpus's speakers, shuffled, the sexes alternating as long as both are left."""
    sexes = by_stratum(clips, clips.speaker, ["sex"], seed)
    return [speaker for turn in zip_longest(*sexes) for speaker in turn if speaker is not None]


def draw_clips(table: "pd.DataFrame", share: float, seed: int) -> list[str]:
    """The digests of a share of the clips, by corpus and emotion."""
    strata = by_stratum(table, table.digest, STRATA["clips"], seed)
    return [digest for stratum in strata for digest in stratum[: round(share * len(stratum))]]


def draw_rows(
    table: "pd.DataFrame", rest: "pd.DataFrame", size: float | int, seed: int
) -> "pd.Series":
    """Which rows are drawn from `rest`; `size` is a share of it or a number of rows."""
    from sklearn.model_selection import train_test_split

    try:
        _, drawn = train_test_split(rest, test_size=size, random_state=seed, shuffle=True)
    except ValueError as error:
        raise InputError(f"split.kind=rows: {len(table)} rows are too few to split.") from error
    return table.index.to_series().isin(drawn.index)


def units(table: "pd.DataFrame", kind: str) -> "pd.Series":
    """For every row, its unit: rows of one unit stay together in a split of this kind."""
    if kind == "rows":
        positions = table.index.to_series()
        positions[:] = range(len(table))
        return positions
    return table[{"speakers": "speaker", "clips": "digest", "corpora": "corpus"}[kind]]


def by_stratum(
    table: "pd.DataFrame", units: "pd.Series", columns: Sequence[str], seed: int
) -> list[list[Any]]:
    """The distinct units of every stratum, shuffled; a unit's first row decides its stratum."""
    firsts = table.assign(unit=units).drop_duplicates("unit")
    strata = firsts.groupby(list(columns), dropna=False).unit
    return [_shuffled(stratum, seed) for _, stratum in strata]


def _shuffled(units: Iterable[Any], seed: int) -> list[Any]:
    def rank(unit: object) -> bytes:
        return hashlib.blake2b(f"{seed} {unit}".encode(), digest_size=8).digest()

    return sorted(units, key=rank)
