"""One's own recordings as corpora: tables, their words, and what is said of broken ones."""

from pathlib import Path

import pytest

from ser_tf import config, corpora, emotions
from ser_tf.errors import InputError

HEADER = "path,emotion,speaker,sex,sentence"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes lines as a table in the working folder and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(*lines: str, name: str = "calls.csv") -> str:
        Path(name).write_text("\n".join([*lines, ""]), encoding="utf-8")
        return name

    return write


def test_a_table_is_a_corpus_of_the_name_of_its_file(write):
    table = write(HEADER, "b/2.wav,Anger,ann,F,hello", "b/1.wav,surprised,Bob,male,")
    index = corpora.load([table])
    assert tuple(index.columns) == corpora.COLUMNS
    assert index.values.tolist() == [
        ["b/1.wav", "calls", "calls-Bob", "surprise", "male", "", ""],
        ["b/2.wav", "calls", "calls-ann", "angry", "female", "", "hello"],
    ]


def test_a_table_may_lie_below_the_data_folder(write, tmp_path):
    (tmp_path / "data").mkdir()
    write(HEADER, "1.wav,sad,ann,,", name="data/calls.csv")
    assert corpora.load(["calls.csv"], "data").path.tolist() == ["data/1.wav"]


def test_a_configuration_takes_a_table_and_is_named_after_it(write):
    found = config.resolve(None, {"corpora": ["far/calls.csv", "demo"]})
    assert found.name == "lmu-calls-demo"
    assert config.from_json(config.to_json(found)) == found


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,emotion", "1.wav,sad"], "calls.csv: has no column path; its columns are"),
        ([HEADER], "calls.csv: has no row below its header."),
        (
            [HEADER, "1.wav,boredom,ann,,", "2.wav,sadd,ann,,", "3.wav,sadd,ann,,"],
            "unknown emotions: boredom (1 row); sadd (2 rows, perhaps sad). Known are neutral,",
        ),
    ],
)
def test_a_broken_table_is_refused_in_one_line(lines, message, write):
    with pytest.raises(InputError) as caught:
        corpora.load([write(*lines)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["none.csv"], "corpora none.csv: no such table"),
        (["far/ravdess.csv"], "ravdess is the name of a corpus; call the table something else"),
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
        *[("Glück", "happy"), ("Ärger", "angry"), ("Überraschung", "surprise")],
        *[("colère", "angry"), ("dégoût", "disgust"), ("sérénité", None)],
        *[("tristeza", "sad"), ("złość", "angry"), ("radość", "happy"), ("wstręt", "disgust")],
    ],
)
def test_words_of_five_languages_mean_one_of_the_eight_in_any_case(word, emotion):
    assert emotions.named(word) == emotions.named(word.upper()) == emotion
