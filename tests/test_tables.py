"""One's own recordings as corpora: tables, folders, words, maps; what is said of broken ones."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from ser_tf import audio, config, corpora, doctor, emotions
from ser_tf.audio import segments
from ser_tf.corpora import naming, splits
from ser_tf.errors import InputError
from ser_tf.evaluation import metrics
from ser_tf.evaluation.task import Task
from ser_tf.inference import model_folder

RATE_HZ = 8_000
HEADER = "path,emotion,speaker,sex,sentence"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes lines as a table in the working folder, next to the recordings 1.wav to 4.wav."""
    monkeypatch.chdir(tmp_path)
    for number in range(1, 5):
        tone(Path(f"{number}.wav"), number)

    def write(*lines: str, name: str = "calls.csv", encoding: str = "utf-8") -> str:
        Path(name).write_text("\n".join([*lines, ""]), encoding=encoding)
        return name

    return write


def tone(path: Path, number: int, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    phase = 2 * np.pi * 100 * number * np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    soundfile.write(path, 0.5 * np.sin(phase), RATE_HZ, subtype="PCM_16")


def test_a_table_is_a_corpus_of_the_name_of_its_file(write):
    index = corpora.load([write(HEADER, "2.wav,Anger,ann,F,hello", "./1.wav,surprised,Bob,male,")])
    assert tuple(index.columns) == corpora.COLUMNS
    assert index.values.tolist() == [
        ["1.wav", "calls", "calls-Bob", "surprise", "male", "", ""],
        ["2.wav", "calls", "calls-ann", "angry", "female", "", "hello"],
    ]


def test_a_table_may_lie_below_the_data_folder(write, tmp_path):
    tone(tmp_path / "data" / "9.wav", 9)
    write(HEADER, "9.wav,sad,ann,,", name="data/calls.csv")
    assert corpora.load(["calls.csv"], "data").path.tolist() == ["data/9.wav"]


@pytest.mark.parametrize(
    ("name", "lines", "encoding"),
    [
        ("calls.tsv", ["FILE\tEmotion\tGender", "1.wav\tsad\tf", "2.wav\tjoy\tm"], "utf-8"),
        ("calls.csv", ["file;emotion;sex", "1.wav;sad;w", "2.wav;joy;m"], "utf-8-sig"),
    ],
)
def test_tables_of_spreadsheets_are_read_as_they_are_saved(name, lines, encoding, write):
    index = corpora.load([write(*lines, name=name, encoding=encoding)])
    assert index[["path", "emotion", "sex"]].values.tolist() == [
        ["1.wav", "sad", "female"],
        ["2.wav", "happy", "male"],
    ]


def test_parquet_is_read_with_the_index_of_audformat(write, monkeypatch):
    places = [("1.wav", pd.Timedelta("0 days 00:00:00.25"), pd.NaT)]
    index = pd.MultiIndex.from_tuples(places, names=["file", "start", "end"])
    table = pd.DataFrame({"emotion": ["anger"]}, index=index)
    Path("calls.parquet").touch()
    monkeypatch.setattr(pd, "read_parquet", lambda _: table)
    assert corpora.load(["calls.parquet"]).path.tolist() == ["1.wav#t=0.25"]


def test_a_segment_is_a_clip_of_its_own(write):
    write("path,emotion,start,end", "1.wav,sad,0.25,0.5", "1.wav,happy,00:00:00.5,")
    first, second = corpora.load(["calls.csv"]).path
    assert (first, second) == ("1.wav#t=0.25,0.5", "1.wav#t=0.5")
    whole = audio.load("1.wav", RATE_HZ)
    np.testing.assert_array_equal(audio.load(first, RATE_HZ), whole[2_000:4_000])
    np.testing.assert_array_equal(audio.load(second, RATE_HZ), whole[4_000:])
    assert segments.name("a.wav", 12_345.678, 12_346.0) == "a.wav#t=12345.678,12346"
    assert len({audio.digest(path) for path in (first, second, "1.wav")}) == 3


def test_a_segment_behind_the_end_is_refused(write):
    with pytest.raises(audio.AudioError, match=r"#t=2,3: the recording ends before the segment"):
        audio.load("1.wav#t=2,3", RATE_HZ)


@pytest.mark.parametrize("name", ["mine", "mine/", "./mine"])
def test_a_folder_with_a_sub_folder_an_emotion_needs_no_table(name, write):
    tone(Path("mine/Wut/a.wav"), 5)
    tone(Path("mine/Freude/ann/b.wav"), 6)
    Path("mine/notes.txt").touch()
    index = corpora.load([name])
    assert index[["path", "speaker", "emotion"]].values.tolist() == [
        ["mine/Freude/ann/b.wav", "mine-Freude/ann/b.wav", "happy"],
        ["mine/Wut/a.wav", "mine-Wut/a.wav", "angry"],
    ]


def test_a_configuration_takes_a_table_and_is_named_after_it(write):
    Path("mine").mkdir()
    found = config.resolve(None, {"corpora": ["far/calls.csv", "mine", "demo"]})
    assert found.name == "lmu-calls-mine-demo"
    Path("mine").rmdir()
    assert config.from_json(config.to_json(found)) == found


def test_a_model_of_a_table_is_loaded_where_the_table_is_not(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "model")
    for name, group, corpus in (("config", "config", "far/calls.csv"), ("metrics", None, "calls")):
        path = tmp_path / "model" / f"{name}.json"
        content = json.loads(path.read_text())
        (content[group] if group else content)["corpora"] = [corpus]
        path.write_text(json.dumps(content))
    assert model_folder.load(tmp_path / "model").config.name == "cnn1-calls"


WORDS = [HEADER, "1.wav,bored,ann,,", "2.wav,sadd,ann,,", "3.wav,sadd,bob,,"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["file,mood", "1.wav,sad"],
            "calls.csv: has no column emotion; its columns are file, mood",
        ),
        (["path,file,emotion", "1,2,sad"], "calls.csv: has two columns path; one of them is"),
        ([HEADER], "calls.csv: has no row below its header."),
        ([""], "calls.csv: has no column path and no column emotion; its columns are ."),
        (
            [HEADER, "1.wav,sad,a,,oh, no"],
            "row 2 has 6 cells and the header 5; text that",
        ),
        (
            WORDS,
            "calls: unknown emotions: bored (1 clip); sadd (2 clips, perhaps sad or fear). Known",
        ),
        (["path,emotion", "a.wav,sad", "1.wav,sad"], "calls: 1 of 2 clips are missing, the first"),
        (["path,emotion", "a.wav,sad"], "calls.csv: no clip is left: 1 files are not there;"),
        (["path,emotion", "1.wav,sad", "1.wav,joy"], "1 files have two emotions and are left out."),
        (["path,emotion", "1.wav,"], "calls.csv: no clip is left: 1 files have no emotion"),
        (["path,emotion,part", "1.wav,sad,mine"], "part must be train, validation or test. Receiv"),
        (["path,emotion,start", "1.wav,sad,soon"], "row 2: start must be seconds, as 12.5. Receiv"),
        (["path,emotion,start,end", "1.wav,sad,2,1"], "row 2: end must be above start. Received"),
    ],
)
def test_a_broken_table_is_refused_in_one_line(lines, message, write):
    with pytest.raises(InputError) as caught:
        corpora.load([write(*lines)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_utf_8_is_refused(write):
    write("path,emotion", "1.wav,fröhlich", encoding="latin-1")
    with pytest.raises(InputError, match=r"calls\.csv: is not UTF-8; save the table as CSV in UTF"):
        corpora.load(["calls.csv"])


def test_training_goes_on_without_what_cannot_be_used(write, caplog):
    lines = ["1.wav,sad,ann", "1.wav,Sadness,ann", "2.wav,joy,", "3.wav,sad,bob", "3.wav,joy,bob"]
    with caplog.at_level(logging.WARNING, "ser_tf"):
        index = corpora.load([write("path,emotion,speaker", *lines, "4.wav,,bob")])
    assert index.path.tolist() == ["1.wav", "2.wav"]
    assert index.speaker.tolist() == ["calls-ann", "calls-2.wav"]
    told = "\n".join(record.getMessage() for record in caplog.records)
    for line in (
        "calls: 1 files have no emotion and are left out. [4.wav]",
        "calls: 1 files have two emotions and are left out. [3.wav]",
        "calls: 1 files are listed twice; they count once. [1.wav]",
        "calls: 1 clips have no speaker: each recording counts as a speaker of its own",
        "under 10 clips of happy (1), sad (1): too few to learn from and to score; --map",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["none.csv"], "corpora none.csv: no such table"),
        (["none/"], "corpora none/: no such folder"),
        (["far/ravdess.csv"], "ravdess is the name of a corpus"),
        (["one/calls.csv", "two/calls.csv"], "both are called calls; rename one of them"),
    ],
)
def test_tables_that_cannot_be_told_apart_or_found_are_refused(names, message, write):
    with pytest.raises(InputError, match=message):
        corpora.load(names)


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        *[("Happiness", "happy"), ("ANGRY", "angry"), ("pleasant surprise", "surprise")],
        *[("Glück", "happy"), ("Aerger", "angry"), ("Überraschung", "surprise")],
        *[("colère", "angry"), ("dégoût", "disgust"), ("ennui", None)],
        *[("tristeza", "sad"), ("złość", "angry"), ("radość", "happy"), ("wstręt", "disgust")],
    ],
)
def test_words_of_five_languages_mean_one_of_the_eight_in_any_case(word, emotion):
    assert emotions.named(word) == emotions.named(word.upper()) == emotion


@pytest.mark.parametrize(
    ("items", "classes"),
    [
        (["bored=neutral", "sadd=Trauer"], ["neutral", "sad", "sad"]),
        (["bored=Bored", "sadd=none"], ["bored"]),
        (["bored=calm", "calm=neutral", "sadd=sadd"], ["calm", "sadd", "sadd"]),
    ],
)
def test_a_map_changes_words_keeps_them_as_classes_or_leaves_them_out(items, classes, write):
    assert corpora.load([write(*WORDS)], mapping=items).emotion.tolist() == classes


def test_a_map_holds_for_the_emotion_that_a_word_means():
    assert naming.resolve(
        {"Wut": 1, "joy": 1, "glad": 1}, ["angry=x", "joy=joy", "glad=y"], ""
    ) == {**{"Wut": "x", "joy": "joy", "glad": "y"}}
    words = dict.fromkeys(emotions.EMOTIONS, 1)
    four = naming.resolve(words, ["four"], "")
    assert set(four.values()) == {"neutral", "happy", "sad", "angry", "none"}
    assert emotions.in_order(naming.resolve(words, ["arousal"], "").values()) == ("high", "low")


def test_one_map_after_another_is_a_map():
    both = naming.follow(
        ["bored=neutral", "calm=neutral"], ["neutral=low", "happy=high", "new=low"]
    )
    assert naming.read(both) == {
        **{"neutral": "low", "happy": "high", "new": "low", "bored": "low", "calm": "low"}
    }


def test_a_map_that_no_clip_meets_is_told(write, caplog):
    corpora.load([write(HEADER, "1.wav,sad,ann,,")], mapping=["clam=neutral", "four"])
    assert "map clam=neutral: no clip is called so." in caplog.text


@pytest.mark.parametrize("item", ["calm", "calm=", "=x", "a=b=c"])
def test_what_is_no_map_is_refused(item):
    with pytest.raises(config.UsageError, match=r"map must be WORD=EMOTION, or four, arousal, "):
        config.resolve(None, {"map": [item]})


def test_classes_of_ones_own_follow_the_eight_by_name():
    assert emotions.in_order(["worried", "sad", "bored", "neutral"]) == (
        *("neutral", "sad", "bored", "worried"),
    )


def test_given_parts_are_followed_and_other_clips_train(write):
    lines = ["1.wav,sad,ann,training", "2.wav,joy,ann,", "3.wav,joy,bob,dev", "4.wav,sad,cai,test"]
    index = corpora.load([write("path,emotion,speaker,part", *lines)])
    rows = index.assign(digest=index.path, copy=0)
    assert splits.assign(rows, "given").part.tolist() == ["train", "train", "validation", "test"]
    with pytest.raises(InputError, match=r"split\.kind=given: needs a table with a column part"):
        splits.assign(rows.drop(columns="given"), "given")
    with pytest.raises(InputError, match=r"split\.folds: the parts that a table states are no"):
        splits.folds(rows, 2, "given")


def test_the_doctor_finds_leaks_and_doubts_in_a_table(write, capsys):
    lines = [
        "1.wav,sad,ann,train",
        "2.wav,joy,ann,test",
        "3.wav,sad,bob,train",
        "4.wav,sad,cai,test",
    ]
    soundfile.write("4.wav", soundfile.read("3.wav")[0], RATE_HZ, subtype="PCM_24")
    write("path,emotion,speaker,part", *lines, "9.wav,sad,cai,test")
    assert doctor.main(["--corpora", "calls.csv", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["corpora"]["calls"]["known_clips"] is None
    assert {(one["kind"], one["severity"], one["message"]) for one in report["findings"]} == {
        ("missing", "error", "1 files are not there; paths are relative to the table."),
        ("leak", "warning", "speakers in more than one part: calls-ann."),
        ("leak", "warning", "the same audio is in test and in train."),
        ("identical", "warning", "2 clips hold the same audio, with the same emotion: sad."),
        (
            "few",
            "warning",
            "under 10 clips of happy (1), sad (3): too few to learn from and to score; "
            "--map happy=none leaves them out.",
        ),
    }
    assert doctor.main(["--corpora", "calls.csv"]) == 1
    assert "calls: 4 clips of 3 speakers in calls.csv." in capsys.readouterr().out


def test_a_task_adds_up_the_probabilities_of_its_classes():
    classes = ("neutral", "calm", "sad", "fear")
    task = Task.of(classes, ["calm=neutral", "fear=none"])
    assert task.classes == ("neutral", "sad")
    answers = pd.DataFrame(
        [["neutral", 0.3, 0.3, 0.4, 0.0], ["sad", 0.3, 0.1, 0.5, 0.1], ["sad", 0.2, 0.1, 0.1, 0.6]],
        columns=["emotion", *(f"p_{name}" for name in classes)],
    ).assign(predicted="sad", corpus="calls", speaker=["a", "b", "c"], sex="")
    added = task._added_up(answers)
    assert added.predicted.tolist() == ["neutral", "sad", "neutral"]
    np.testing.assert_allclose(
        added[["p_neutral", "p_sad"]], [[0.6, 0.4], [4 / 9, 5 / 9], [0.75, 0.25]]
    )
    scores = task.score(answers)
    assert scores["uar"] == 0.75
    assert "ece_uncalibrated" not in scores
    alone = Task.of(classes)
    assert alone.classes == classes
    assert alone.score(answers) == metrics.score(answers, classes)
