"""Protocols: folds whose speakers are published, so that results can be compared."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ser_tf.corpora.splits import draws
from ser_tf.corpora.splits.assignment import assign
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class Fold(NamedTuple):
    """A fold of a protocol: the speakers to test and to validate on; all others train."""

    test: tuple[str, ...]
    validation: tuple[str, ...]


def _ravdess(test: Iterable[int], validation: Iterable[int]) -> Fold:
    tested, validated = (
        tuple(f"ravdess-{actor:02}" for actor in actors) for actors in (test, validation)
    )
    return Fold(tested, validated)


PROTOCOLS: dict[str, tuple[Fold, ...]] = {
    "ravdess": (
        _ravdess((2, 5, 14, 15, 16), (3, 6)),
        _ravdess((3, 6, 7, 13, 18), (10, 11)),
        _ravdess((10, 11, 12, 19, 20), (8, 17)),
        _ravdess((8, 17, 21, 23, 24), (1, 14)),
        _ravdess((1, 4, 9, 22), (2, 5)),
    ),
}
"""`ravdess`: the five folds of RAVDESS for which ResLSTM-SA reports a UAR of 62.3 ± 1.2 %. Every
actor is tested once."""


def follow(rows: "pd.DataFrame", name: str) -> list["pd.DataFrame"]:
    """One table per fold of a protocol, as from `assign`.

    Speakers of other corpora are dealt to the folds by corpus and sex: each tests in one of them
    and trains in the others.

    Args:
        rows: as for `assign`.
        name: a key of `PROTOCOLS`.

    Raises:
        InputError: if the rows lack speakers of the protocol.
    """
    wanted = {speaker for fold in PROTOCOLS[name] for speaker in (*fold.test, *fold.validation)}
    if missing := sorted(wanted - set(rows.speaker)):
        raise InputError(
            f"split.protocol={name}: no clips of {len(missing)} of its {len(wanted)} speakers, the "
            f"first is {missing[0]}; it needs the whole corpus {missing[0].split('-')[0]}."
        )
    others = rows[~rows.corpus.isin(rows.corpus[rows.speaker.isin(list(wanted))])]
    strata = draws.by_stratum(others, others.speaker, draws.STRATA["speakers"], seed=0)
    dealt = [speaker for stratum in strata for speaker in stratum]
    folds = PROTOCOLS[name]
    return [
        assign(
            rows,
            test_speakers=(*fold.test, *dealt[number :: len(folds)]),
            validation_speakers=fold.validation,
        )
        for number, fold in enumerate(folds)
    ]
