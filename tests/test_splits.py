import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from ser_tf.corpora import splits
from ser_tf.emotions import EMOTIONS
from ser_tf.errors import InputError

DRAWN = [kind for kind in splits.KINDS if kind != splits.GIVEN]
SPEAKERS = {
    "cremad": [f"cremad-{number}" for number in range(1001, 1092)],
    "demo": [f"demo-{number:02}" for number in range(1, 9)],
    "ravdess": [f"ravdess-{number:02}" for number in range(1, 25)],
    "savee": ["savee-DC", "savee-JE", "savee-JK", "savee-KL"],
    "tess": ["tess-OAF", "tess-YAF"],
}


def sex_of(speaker):
    corpus, name = speaker.split("-")
    if corpus in ("savee", "tess"):
        return "male" if corpus == "savee" else "female"
    return "male" if int(name) % 2 else "female"


def make_rows(*corpora, takes=2, copies=1, emotions=EMOTIONS[:4]):
    clips = [
        (f"{corpus}/{speaker}-{emotion}-{take:02}.wav", corpus, speaker, emotion, sex_of(speaker))
        for corpus in sorted(corpora)
        for speaker in SPEAKERS[corpus]
        for emotion in emotions
        for take in range(takes)
    ]
    table = pd.DataFrame(clips, columns=["path", "corpus", "speaker", "emotion", "sex"])
    table = table.sort_values(["corpus", "path"])
    table["digest"] = table.path
    table = table.loc[table.index.repeat(copies)].reset_index(drop=True)
    return table.assign(copy=table.index % copies)


def speakers_of(table, part):
    return set(table.speaker[table.part == part])


def parts_by_row(table):
    return table.set_index(["path", "copy"]).part.sort_index()


@st.composite
def random_rows(draw):
    """Indices of one to three corpora, any number of speakers and clips, sexes known or not."""
    clips = []
    for corpus in draw(st.sets(st.sampled_from(list(SPEAKERS)), min_size=1, max_size=3)):
        for speaker in draw(st.sets(st.sampled_from(SPEAKERS[corpus]), min_size=1, max_size=12)):
            sex = draw(st.sampled_from(["female", "male", None]))
            emotions = draw(st.lists(st.sampled_from(EMOTIONS), min_size=2, max_size=6))
            clips += [(corpus, speaker, emotion, sex) for emotion in emotions]
    table = pd.DataFrame(clips, columns=["corpus", "speaker", "emotion", "sex"])
    table["path"] = [f"{number:04}.wav" for number in range(len(table))]
    contents = st.integers(0, draw(st.sampled_from([20, 10_000])))
    digests = draw(st.lists(contents, min_size=len(table), max_size=len(table)))
    table["digest"] = [f"{digest:05}" for digest in digests]
    table = table.sort_values(["corpus", "path"])
    copies = draw(st.sampled_from([1, 4]))
    table = table.loc[table.index.repeat(copies)].reset_index(drop=True)
    return table.assign(copy=table.index % copies)


def assign_or_reject(rows, **options):
    """Hypothesis complains where too many of its indices cannot be split."""
    try:
        return splits.assign(rows, **options)
    except InputError:
        reject()


@settings(max_examples=15, deadline=None)
@given(random_rows(), st.integers(0, 3), st.booleans())
def test_no_speaker_is_on_both_sides(rows, seed, validation):
    table = assign_or_reject(rows, seed=seed, validation=validation)
    tested = speakers_of(table, "test")
    assert tested
    assert not tested & (speakers_of(table, "train") | speakers_of(table, "validation"))
    shared = speakers_of(table, "train") & speakers_of(table, "validation")
    if shared:  # Only where no corpus has a speaker to spare.
        assert rows.groupby("corpus").speaker.nunique().max() <= 2


@settings(max_examples=15, deadline=None)
@given(random_rows(), st.sampled_from(["speakers", "clips"]), st.integers(0, 3))
def test_no_clip_or_copy_or_identical_file_is_in_two_parts(rows, kind, seed):
    table = assign_or_reject(rows, kind=kind, seed=seed)
    assert (table.groupby("digest").part.nunique() == 1).all()
    assert (table.groupby("path").part.nunique() == 1).all()


@settings(max_examples=15, deadline=None)
@given(random_rows(), st.integers(2, 5), st.sampled_from(["speakers", "clips", "rows"]))
def test_folds_of_anything_test_what_is_kept_at_most_once(rows, count, kind):
    try:
        tables = splits.folds(rows, count, kind)
    except InputError:
        reject()
    tested = pd.concat([table[table.part == "test"] for table in tables])
    assert not tested.duplicated(["path", "copy"]).any()
    assert set(tested.path) == set(rows.path)


@pytest.mark.parametrize("kind", DRAWN)
def test_the_order_of_the_rows_changes_nothing(kind):
    rows = make_rows("demo", "ravdess", "tess", copies=2)
    rows.loc[3, "digest"] = rows.loc[400, "digest"]
    shuffled = rows.sample(frac=1, random_state=3)
    table = splits.assign(shuffled, kind)
    pd.testing.assert_series_equal(
        parts_by_row(table), parts_by_row(splits.assign(rows, kind)), check_names=False
    )
    for fold, other in zip(
        splits.folds(rows, 3, kind), splits.folds(shuffled, 3, kind), strict=True
    ):
        pd.testing.assert_series_equal(parts_by_row(fold), parts_by_row(other))


@pytest.mark.parametrize("kind", DRAWN)
def test_the_rows_come_back_as_they_were_given(kind):
    rows = make_rows("ravdess", "savee", copies=2).sample(frac=1, random_state=1)
    before = rows.copy()
    table = splits.assign(rows, kind)
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(table.drop(columns="part"), rows.reset_index(drop=True))
    assert set(table.part) == set(splits.PARTS)


def test_a_seed_gives_one_split_and_another_seed_another():
    rows = make_rows("ravdess")
    tested = [frozenset(speakers_of(splits.assign(rows, seed=seed), "test")) for seed in range(4)]
    assert tested[0] == frozenset(speakers_of(splits.assign(rows, seed=0), "test"))
    assert len(set(tested)) == 4


def test_the_speakers_drawn_with_seed_zero_stay_the_same_for_ever():
    # A golden: results made with earlier versions stay comparable.
    table = splits.assign(make_rows("ravdess"))
    numbers = {part: sorted(s[-2:] for s in speakers_of(table, part)) for part in splits.PARTS}
    assert numbers["test"] == ["03", "10", "12", "16", "21"]
    assert numbers["validation"] == ["09", "15", "20", "24"]


@pytest.mark.parametrize(
    ("corpus", "test", "validation"),
    [("cremad", 18, 14), ("ravdess", 5, 4), ("demo", 2, 1), ("savee", 1, 1)],
)
def test_a_fifth_of_the_speakers_test_and_the_sexes_are_balanced(corpus, test, validation):
    table = splits.assign(make_rows(corpus, takes=1))
    for part, wanted in (("test", test), ("validation", validation)):
        speakers = speakers_of(table, part)
        assert len(speakers) == wanted
        females = sum(sex_of(speaker) == "female" for speaker in speakers)
        if corpus != "savee":
            assert abs(2 * females - wanted) <= 1


def test_a_corpus_is_split_the_same_alone_and_in_a_pool():
    pool = splits.assign(make_rows("demo", "ravdess", "savee", "tess"))
    for corpus in ("demo", "ravdess", "savee"):
        alone = splits.assign(make_rows(corpus))
        in_pool = pool[pool.corpus == corpus].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, in_pool)


def test_tess_in_a_pool_trains_on_the_older_and_tests_on_the_younger_speaker():
    table = splits.assign(make_rows("savee", "tess")).query("corpus == 'tess'")
    assert speakers_of(table, "train") == {"tess-OAF"}
    assert speakers_of(table, "test") == {"tess-YAF"}
    assert speakers_of(table, "validation") == set()


def test_tess_alone_validates_on_clips_of_the_training_speaker_emotion_by_emotion():
    rows = make_rows("tess", takes=40, copies=2)
    twins = rows.path.str.contains("OAF") & rows.path.str.contains("-0[0-4]")
    rows.loc[twins, "digest"] = rows.emotion[twins]
    table = splits.assign(rows)
    assert speakers_of(table, "train") == speakers_of(table, "validation") == {"tess-OAF"}
    assert speakers_of(table, "test") == {"tess-YAF"}
    assert (table.groupby("digest").part.nunique() == 1).all()
    # 36 distinct files an emotion, of which 15 % is 5; a group of five twins may be among them.
    files = table[table.part == "validation"].groupby("emotion").digest.nunique()
    assert (files == 5).all()


def test_without_validation_there_are_two_parts():
    for kind in DRAWN:
        table = splits.assign(make_rows("demo", "savee"), kind, validation=False)
        assert set(table.part) == {"train", "test"}


def test_without_test_the_others_train_and_validate():
    table = splits.assign(make_rows("ravdess"), validation_speakers=["ravdess-03"], test=False)
    assert table.query("part == 'validation'").speaker.unique().tolist() == ["ravdess-03"]
    assert table.query("part == 'train'").speaker.nunique() == 23


def test_listed_test_speakers_test_and_validation_is_chosen_from_the_rest():
    listed = ["ravdess-02", "ravdess-05", "ravdess-14", "ravdess-15", "ravdess-16"]
    table = splits.assign(make_rows("ravdess"), test_speakers=listed)
    assert speakers_of(table, "test") == set(listed)
    assert len(speakers_of(table, "validation")) == 4
    assert not speakers_of(table, "validation") & set(listed)


def test_listed_validation_speakers_validate_and_test_is_chosen_from_the_rest():
    for seed in range(5):
        table = splits.assign(
            make_rows("demo"), seed=seed, validation_speakers=["demo-03", "demo-06"]
        )
        assert speakers_of(table, "validation") == {"demo-03", "demo-06"}
        assert speakers_of(table, "test")
        assert not speakers_of(table, "test") & {"demo-03", "demo-06"}


def test_both_lists_are_taken_to_the_letter():
    table = splits.assign(
        make_rows("ravdess", "tess"), test_speakers=["tess-OAF"], validation_speakers=["ravdess-06"]
    )
    assert speakers_of(table, "test") == {"tess-OAF"}
    assert speakers_of(table, "validation") == {"ravdess-06"}
    assert len(speakers_of(table, "train")) == 24


def test_one_of_two_speakers_left_trains():
    table = splits.assign(make_rows("ravdess"), test_speakers=SPEAKERS["ravdess"][2:])
    assert len(speakers_of(table, "train")) == len(speakers_of(table, "validation")) == 1


def test_a_last_training_speaker_is_not_taken_for_validation():
    rows = make_rows("savee", takes=10)
    table = splits.assign(rows, test_speakers=["savee-DC", "savee-JE", "savee-JK"])
    assert speakers_of(table, "train") == speakers_of(table, "validation") == {"savee-KL"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "random"}, r"split.kind=random: unknown; choose from speakers, clips, rows"),
        (
            {"test_speakers": ["demo-9"]},
            r"no clips of demo-9.*demo-01, demo-02",
        ),
        ({"validation_speakers": ["x"]}, r"split.validation_speakers: no clips of x; choose from"),
        (
            {"test_speakers": ["demo-01"], "validation_speakers": ["demo-01"]},
            r"split.test_speakers and split.validation_speakers both name demo-01",
        ),
        (
            {"test_speakers": ["demo-01"], "kind": "clips"},
            r"split.test_speakers: needs split.kind=speakers. Received: clips",
        ),
        (
            {"validation_speakers": ["demo-01"], "validation": False},
            r"split.validation_speakers: this run has no validation part",
        ),
        ({"test_speakers": SPEAKERS["demo"]}, r"no clips are left for train"),
    ],
)
def test_what_cannot_be_split_is_named(options, message):
    with pytest.raises(InputError, match=message) as caught:
        splits.assign(make_rows("demo"), **options)
    assert "\n" not in str(caught.value)


def test_one_speaker_alone_has_no_test_part():
    rows = make_rows("tess").query("speaker == 'tess-OAF'")
    with pytest.raises(InputError, match=r"no clips are left for test.*8 clips of 1 speaker"):
        splits.assign(rows)


def test_one_emotion_alone_is_refused():
    with pytest.raises(InputError, match=r"have 1 emotion\(s\) \(happy\); at least 2"):
        splits.assign(make_rows("demo", emotions=["happy"]))


def test_no_clips_at_all_are_refused():
    with pytest.raises(InputError, match=r"The 0 clips"):
        splits.assign(make_rows("demo").iloc[:0])


def test_an_emotion_that_only_tested_speakers_have_does_not_count_as_trained():
    rows = make_rows("tess", emotions=["happy", "sad"], takes=10)
    rows = rows[(rows.speaker == "tess-YAF") | (rows.emotion == "sad")]
    with pytest.raises(InputError, match=r"1 emotion\(s\) \(sad\)"):
        splits.assign(rows)


@pytest.mark.parametrize("kind", ["clips", "rows"])
def test_too_few_clips_for_three_parts_are_refused(kind):
    rows = make_rows("tess", emotions=["happy", "sad"], takes=1).iloc[:2]
    with pytest.raises(InputError, match=f"split.kind={kind}"):
        splits.assign(rows, kind)


def test_a_twin_of_a_tested_clip_is_left_out_of_training_and_named(caplog):
    rows = make_rows("ravdess", copies=2)
    table = splits.assign(rows)
    tested = table[table.part == "test"].iloc[0]
    trained = table[table.part == "train"].iloc[0]
    rows.loc[rows.path == trained.path, "digest"] = tested.digest
    with caplog.at_level(logging.WARNING):
        again = splits.assign(rows)
    pd.testing.assert_frame_equal(
        again.drop(columns="digest"),
        table[table.path != trained.path].reset_index(drop=True).drop(columns="digest"),
    )
    assert f"{trained.path} is left out of train" in caplog.text
    assert f"identical to {tested.path}, which is in test" in caplog.text


def test_clips_are_drawn_by_corpus_and_emotion_with_their_copies():
    rows = make_rows("demo", "savee", takes=10, copies=4)
    table = splits.assign(rows, "clips")
    clips = table.drop_duplicates("path").groupby(["corpus", "emotion"]).part
    shares = clips.value_counts(normalize=True).unstack()
    # Half a clip of a stratum of 40 is 0.0125.
    np.testing.assert_allclose(shares["test"], 0.2, atol=0.0125)
    np.testing.assert_allclose(shares["validation"], 0.15, atol=0.0125)
    assert (table.groupby("path").size() == 4).all()


def test_rows_are_the_published_train_test_split(caplog):
    rows = make_rows("ravdess", "tess", copies=4)
    _, test = train_test_split(rows, test_size=0.2, random_state=0, shuffle=True)
    with caplog.at_level(logging.WARNING):
        table = splits.assign(rows, "rows", validation=False)
    assert sorted(table.index[table.part == "test"]) == sorted(test.index)
    assert "leaks" in caplog.text
    with_validation = splits.assign(rows, "rows")
    assert ((with_validation.part == "test") == (table.part == "test")).all()
    assert (with_validation.part == "validation").sum() == round(0.15 * len(rows))


def test_only_rows_leak_and_only_rows_warn(caplog):
    assert [kind for kind in splits.KINDS if splits.leaky(kind)] == ["rows"]
    with caplog.at_level(logging.WARNING):
        splits.assign(make_rows("demo"), "speakers")
        splits.assign(make_rows("demo"), "clips")
    assert not caplog.records


def test_folds_test_every_speaker_once_and_are_even():
    rows = make_rows("demo", "ravdess", "savee", "tess", takes=1)
    tables = splits.folds(rows, 5)
    tested = [speakers_of(table, "test") for table in tables]
    assert sorted(speaker for group in tested for speaker in group) == sorted(set(rows.speaker))
    for corpus in rows.corpus.unique():
        for sex in ("female", "male"):
            counts = [
                sum(s.startswith(corpus) and sex_of(s) == sex for s in group) for group in tested
            ]
            assert max(counts) - min(counts) <= 1
    assert max(map(len, tested)) - min(map(len, tested)) <= 1


def test_a_fold_is_the_split_of_its_test_speakers_with_a_seed_of_its_own():
    rows = make_rows("ravdess", takes=1)
    for fold, table in enumerate(splits.folds(rows, 5, seed=3)):
        assert len(speakers_of(table, "validation")) == 4
        listed = speakers_of(table, "test")
        pd.testing.assert_frame_equal(
            table, splits.assign(rows, seed=3 + fold, test_speakers=listed)
        )


def test_tess_in_a_pool_has_no_validation_clips_in_any_fold():
    for table in splits.folds(make_rows("ravdess", "tess", takes=1), 5):
        assert not any(s.startswith("tess") for s in speakers_of(table, "validation"))


def test_every_tess_speaker_can_be_a_fold():
    first, second = splits.folds(make_rows("tess", takes=10), 2)
    assert speakers_of(first, "test") | speakers_of(second, "test") == {"tess-OAF", "tess-YAF"}
    assert speakers_of(first, "validation") == speakers_of(first, "train")


def test_listed_validation_speakers_are_in_no_fold():
    tables = splits.folds(make_rows("demo"), 3, validation_speakers=["demo-01", "demo-02"])
    for table in tables:
        assert speakers_of(table, "validation") == {"demo-01", "demo-02"}
    tested = set().union(*(speakers_of(table, "test") for table in tables))
    assert tested == set(SPEAKERS["demo"]) - {"demo-01", "demo-02"}


@pytest.mark.parametrize("kind", ["clips", "rows"])
def test_folds_of_clips_and_rows_are_even(kind):
    rows = make_rows("demo", takes=3, copies=2)
    sizes = [(table.part == "test").sum() for table in splits.folds(rows, 5, kind)]
    assert sum(sizes) == len(rows)
    assert max(sizes) - min(sizes) <= 2


@pytest.mark.parametrize("count", [0, 1, 9])
def test_folds_need_as_many_speakers(count):
    with pytest.raises(InputError, match=rf"split\.folds={count}: there are 8 speakers to test"):
        splits.folds(make_rows("demo"), count)


def test_the_ravdess_protocol_is_the_published_one_and_tests_every_actor_once():
    # The folds of ResLSTM-SA: test actors; validation actors.
    published = (
        "2 5 14 15 16; 3 6 | 3 6 7 13 18; 10 11 | 10 11 12 19 20; 8 17 | "
        "8 17 21 23 24; 1 14 | 1 4 9 22; 2 5"
    )
    folds = [[set(map(int, part.split())) for part in f.split(";")] for f in published.split("|")]
    tables = splits.follow(make_rows("ravdess"), "ravdess")
    for table, (test, validation) in zip(tables, folds, strict=True):
        found = [{int(s[-2:]) for s in speakers_of(table, part)} for part in splits.PARTS]
        assert found == [set(range(1, 25)) - test - validation, validation, test]
    assert sorted(actor for test, _ in folds for actor in test) == list(range(1, 25))


def test_speakers_of_other_corpora_are_dealt_over_the_folds_of_a_protocol():
    rows = pd.concat([make_rows("ravdess"), make_rows("cremad")], ignore_index=True)
    others = sorted(rows.speaker[rows.corpus == "cremad"].unique())
    tables = splits.follow(rows, "ravdess")
    tested = [
        sorted(speaker for speaker in speakers_of(table, "test") if speaker in others)
        for table in tables
    ]
    assert sorted(speaker for fold in tested for speaker in fold) == others
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    for table, alone in zip(tables, splits.follow(make_rows("ravdess"), "ravdess"), strict=True):
        assert speakers_of(table, "validation") == speakers_of(alone, "validation")
        assert set(speakers_of(table, "test")) - set(others) == set(speakers_of(alone, "test"))


def test_a_protocol_needs_its_speakers():
    message = r"split\.protocol=ravdess: no clips of 1 of its 24 speakers, the first is ravdess-07;"
    with pytest.raises(InputError, match=message):
        splits.follow(make_rows("ravdess").query("speaker != 'ravdess-07'"), "ravdess")
    with pytest.raises(InputError, match="no clips of 24 of its 24 speakers"):
        splits.follow(make_rows("demo"), "ravdess")


def test_each_corpus_is_left_out_once_and_speakers_of_the_others_validate():
    rows = make_rows("savee", "demo", "ravdess")
    tables = splits.folds(rows, 3, "corpora")
    for corpus, table in zip(("demo", "ravdess", "savee"), tables, strict=True):
        assert set(table.corpus[table.part == "test"]) == {corpus}
        assert set(table.part[table.corpus == corpus]) == {"test"}
        assert not speakers_of(table, "validation") & speakers_of(table, "train")
        assert set(table.corpus[table.part == "validation"]) == set(rows.corpus) - {corpus}
    single = splits.assign(rows, "corpora", seed=1)
    assert set(single.corpus[single.part == "test"]) == {"ravdess"}


def test_clips_of_a_left_out_corpus_whose_emotion_nothing_trains_on_are_counted_out(caplog):
    rows = make_rows("savee", "demo")
    rows["emotion"] = rows.emotion.where(
        rows.corpus == "savee", rows.emotion.replace("calm", "sad")
    )
    table = splits.folds(rows, 2, "corpora")[1]
    assert "calm" not in set(table.emotion)
    assert "8 clips of calm in savee are left out of test" in caplog.text


def test_a_corpus_alone_cannot_be_left_out():
    with pytest.raises(InputError, match=r"split\.kind=corpora: needs two corpora or more"):
        splits.assign(make_rows("savee"), "corpora")
