"""Which clips train, which validate and which test; and folds of them.

Rows are the index of the corpora with two more columns: `digest`, the content digest of the file,
and `copy`, the number of a published copy (0 for the clip itself). Which part a row belongs to
depends on the seed and on speakers, contents and labels alone: not on the order of the rows, and
not on the other corpora. Chance comes from a hash, so it is the same with every library version.
Only `rows`, the published split, is scikit-learn's and depends on the order of the paths.
"""

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ser_tf.corpora.splits import draws
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("speakers", "clips", "rows", "corpora", "given")
"""`speakers`: no speaker in two parts. `clips`: no clip, copy of it or byte-identical file in two
parts. `rows`: every row by itself, as published, so that copies of a clip are in several parts.
`corpora`: a whole corpus tests; speakers of the others validate. `given`: the parts that tables
state; all other clips train."""

GIVEN = "given"
"""The kind of split that follows tables, and the column of the index with what they state."""

PARTS = ("train", "validation", "test")
"""The parts in ascending priority: a clip found in two of them stays in the later one."""

_LOG = logging.getLogger(__name__)


class _Plan(NamedTuple):
    """The arguments of `assign` and `folds`."""

    kind: str
    seed: int
    test_speakers: Collection[str]
    validation_speakers: Collection[str]
    validation: bool
    test: bool = True


def leaky(kind: str) -> bool:
    """Whether a split of this kind puts copies of one clip into both training and test."""
    return kind == "rows"


def assign(
    rows: "pd.DataFrame",
    kind: str = "speakers",
    seed: int = 0,
    *,
    test_speakers: Collection[str] = (),
    validation_speakers: Collection[str] = (),
    validation: bool = True,
    test: bool = True,
) -> "pd.DataFrame":
    """The rows with a column `part`: about 20 % test, 15 % validate, the others train.

    With `speakers`, each corpus contributes its own share, the sexes in turn. A corpus with fewer
    than three speakers contributes no validation speaker; if no corpus can, clips of the training
    speakers validate. A clip that is byte-identical to one of a later part (of another speaker) is
    left out, with a warning. With `corpora`, one corpus tests, but for clips of emotions that no
    other corpus has: these are left out, and counted in a warning. `rows` is scikit-learn's
    `train_test_split` of the rows sorted by corpus, path and copy.

    Args:
        rows: columns `path, corpus, speaker, emotion, sex, digest, copy` and any others.
        kind: one of `KINDS`.
        seed: chooses speakers, clips or rows; independent of a training run's seed.
        test_speakers: the speakers to test on, of all corpora; if empty, they are chosen.
        validation_speakers: the speakers to validate on; if empty, they are chosen from the others.
        validation: whether there is a validation part.
        test: whether there is a test part.

    Returns:
        The rows in the order given, with a new `RangeIndex`.

    Raises:
        InputError: if a kind or speaker is unknown, a speaker is listed twice, a part would be
            empty, or the training part would have only one emotion.
    """
    plan = _Plan(kind, seed, test_speakers, validation_speakers, validation, test)
    table = _prepare(rows, plan)
    return _complete(table, _test(table, plan), plan)


def folds(
    rows: "pd.DataFrame",
    count: int,
    kind: str = "speakers",
    seed: int = 0,
    *,
    validation_speakers: Collection[str] = (),
    validation: bool = True,
) -> list["pd.DataFrame"]:
    """One table per fold, as from `assign`: every row is tested in exactly one fold.

    Speakers are dealt to the folds by corpus and sex (clips by corpus and emotion), so the folds
    differ by one speaker at most, overall and within each corpus. With `corpora`, as many folds as
    corpora leave each of them out once, by name. Each fold chooses its validation
    part from the rest as `assign` does, with a seed of its own. Listed validation speakers validate
    in every fold and are never tested.

    Args:
        rows: as for `assign`.
        count: the number of folds, at least 2.
        kind: as for `assign`.
        seed: as for `assign`.
        validation_speakers: as for `assign`.
        validation: as for `assign`.

    Returns:
        A table per fold, as from `assign`.

    Raises:
        InputError: as `assign`, and if there are fewer than two folds or too few speakers.
    """
    if kind == GIVEN:
        raise InputError("split.folds: the parts that a table states are no folds.")
    plan = _Plan(kind, seed, (), validation_speakers, validation)
    table = _prepare(rows, plan)
    units = draws.units(table, kind)
    eligible = ~table.speaker.isin(list(validation_speakers))
    strata = draws.by_stratum(table[eligible], units[eligible], draws.STRATA[kind], seed)
    dealt = [unit for stratum in strata for unit in stratum]
    if not 2 <= count <= len(dealt):
        raise InputError(
            f"split.folds={count}: there are {len(dealt)} {kind} to test; "
            f"choose from 2 to {len(dealt)} folds."
        )
    return [
        _complete(table, units.isin(dealt[fold::count]), plan._replace(seed=seed + fold))
        for fold in range(count)
    ]


def _prepare(rows: "pd.DataFrame", plan: _Plan) -> "pd.DataFrame":
    """The checked rows, sorted by corpus, path and copy; the index keeps the order given."""
    table = rows.reset_index(drop=True).sort_values(["corpus", "path", "copy"])
    _check_plan(plan, sorted(table.speaker.unique()))
    _check_emotions(table)
    if plan.kind == "corpora" and table.corpus.nunique() < 2:
        raise InputError(
            f"split.kind=corpora: needs two corpora or more. Received: {table.corpus.iloc[0]}."
        )
    if plan.kind == GIVEN and GIVEN not in table:
        raise InputError("split.kind=given: needs a table with a column part.")
    if leaky(plan.kind):
        _LOG.warning(
            "The split 'rows' leaks: copies of a clip and clips of a speaker are in training and "
            "in test. Its results say nothing about unseen speakers."
        )
    return table


def _check_plan(plan: _Plan, known: Sequence[str]) -> None:
    if plan.kind not in KINDS:
        raise InputError(f"split.kind={plan.kind}: unknown; choose from {', '.join(KINDS)}.")
    if plan.validation_speakers and not plan.validation:
        raise InputError("split.validation_speakers: this run has no validation part.")
    if plan.test_speakers and not plan.test:
        raise InputError("split.test_speakers: this run has no test part.")
    lists = {
        "split.test_speakers": plan.test_speakers,
        "split.validation_speakers": plan.validation_speakers,
    }
    for flag, listed in lists.items():
        if listed and plan.kind != "speakers":
            raise InputError(f"{flag}: needs split.kind=speakers. Received: {plan.kind}.")
        if unknown := sorted(set(listed) - set(known)):
            raise InputError(
                f"{flag}: no clips of {', '.join(unknown)}; choose from {', '.join(known)}."
            )
    if both := sorted(set(plan.test_speakers) & set(plan.validation_speakers)):
        raise InputError(
            f"split.test_speakers and split.validation_speakers both name {', '.join(both)}; "
            "a speaker belongs to one part."
        )


def _check_emotions(table: "pd.DataFrame") -> None:
    emotions = table.emotion.unique()
    if len(emotions) < 2:
        raise InputError(
            f"The {len(table)} clips to train on have {len(emotions)} emotion(s)"
            f"{''.join(f' ({emotion})' for emotion in emotions)}; at least 2 are needed."
        )


def _test(table: "pd.DataFrame", plan: _Plan) -> "pd.Series":
    """Which rows test: those listed, or those the kind of split chooses; boolean."""
    if not plan.test:
        return table.path.isna()  # none of them
    if plan.test_speakers:
        return table.speaker.isin(list(plan.test_speakers))
    if plan.kind == "speakers":
        others = table[~table.speaker.isin(list(plan.validation_speakers))]
        return table.speaker.isin(draws.choose_test_speakers(others, plan.seed))
    if plan.kind == GIVEN:
        return table[GIVEN] == "test"
    if plan.kind == "corpora":
        names = sorted(table.corpus.unique())
        return table.corpus.isin([names[plan.seed % len(names)]])
    if plan.kind == "clips":
        return table.digest.isin(draws.draw_clips(table, draws.TEST_SHARE, plan.seed))
    return draws.draw_rows(table, table, draws.TEST_SHARE, plan.seed)


def _validation(table: "pd.DataFrame", test: "pd.Series", plan: _Plan) -> "pd.Series":
    """Which rows validate, of those that do not test; boolean."""
    rest = table[~test]
    if plan.kind == "rows":
        return draws.draw_rows(table, rest, round(draws.VALIDATION_SHARE * len(table)), plan.seed)
    share = draws.VALIDATION_SHARE / (1 - draws.TEST_SHARE)
    if plan.kind == GIVEN and (table[GIVEN] == "validation").any():
        return table[GIVEN] == "validation"
    if plan.kind in ("speakers", "corpora", GIVEN):
        listed = list(plan.validation_speakers)
        if speakers := listed or draws.choose_validation_speakers(table, test, plan.seed):
            return table.speaker.isin(speakers)
        share = draws.VALIDATION_SHARE
    return ~test & table.digest.isin(draws.draw_clips(rest, share, plan.seed))


def _complete(table: "pd.DataFrame", test: "pd.Series", plan: _Plan) -> "pd.DataFrame":
    """The prepared table with its column `part`, checked, in the order given to `assign`."""
    validation = _validation(table, test, plan) if plan.validation else test
    table = table.assign(part="train")
    table.loc[validation, "part"] = "validation"
    table.loc[test, "part"] = "test"
    if plan.kind != "rows":
        table = _without_twins(table)
    if plan.kind == "corpora":
        table = _without_untaught(table)
    _check_parts(table, plan)
    return table.sort_index().reset_index(drop=True)


def _without_twins(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table without clips that are byte-identical to one of a later part."""
    rank = table.part.map(PARTS.index)
    twins = rank < rank.groupby(table.digest).transform("max")
    for path, digest, part in table.loc[twins, ["path", "digest", "part"]].to_numpy():
        kept = table[(table.digest == digest) & ~twins].iloc[0]
        _LOG.warning(
            "%s is left out of %s: it is byte-identical to %s, which is in %s.",
            *(path, part, kept.path, kept.part),
        )
    return table[~twins]


def _without_untaught(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table without test clips of emotions that nothing trains on."""
    taught = table.emotion.isin(table.emotion[table.part == "train"].unique())
    untaught = ~taught & (table.part == "test")
    for emotion, clips in table[untaught].groupby("emotion"):
        corpora = ", ".join(clips.corpus.unique())
        _LOG.warning(
            "%d clips of %s in %s are left out of test: no other corpus has it.",
            len(clips),
            emotion,
            corpora,
        )
    return table[~untaught]


def _check_parts(table: "pd.DataFrame", plan: _Plan) -> None:
    wanted = {"train": True, "validation": plan.validation, "test": plan.test}
    advice = "; split.kind=clips does with one speaker" if plan.kind == "speakers" else ""
    for part in ("test", "train", "validation"):
        if wanted[part] and not (table.part == part).any():
            raise InputError(
                f"split.kind={plan.kind}: no clips are left for {part}; there are "
                f"{table.path.nunique()} clips of {table.speaker.nunique()} speakers in all"
                f"{advice}."
            )
    _check_emotions(table[table.part == "train"])
