"""The grammars of the corpora, and the one index made of them."""

import itertools
import logging
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

from ser_tf.corpora import COLUMNS, CORPORA, Labels, demo, load, locate, scan
from ser_tf.emotions import EMOTIONS
from ser_tf.errors import InputError

SMALL = {
    "ravdess": "Actor_02/03-01-05-02-01-01-02.wav",
    "cremad": "AudioWAV/1001_IEO_HAP_LO.wav",
    "savee": "ALL/DC_a01.wav",
    "tess": "OAF_Fear/OAF_back_fear.wav",
    "demo": "demo-01/demo-01_happy_s1_t2.wav",
}


def plant(root: Path, files: Iterable[str]) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def labels(corpus: str, path: str) -> Labels | None:
    return CORPORA[corpus].parse(PurePath(path))


@pytest.mark.parametrize(
    ("corpus", "path", "expected"),
    [
        (
            "ravdess",
            SMALL["ravdess"],
            ("03-01-05-02-01-01-02", "ravdess-02", "angry", "female", "strong", "01"),
        ),
        (
            "ravdess",
            "03-01-01-01-02-02-23.wav",
            ("03-01-01-01-02-02-23", "ravdess-23", "neutral", "male", "normal", "02"),
        ),
        (
            "cremad",
            SMALL["cremad"],
            ("1001_IEO_HAP_LO", "cremad-1001", "happy", "male", "low", "IEO"),
        ),
        (
            "cremad",
            "AudioWAV/1040_ITH_SAD_X.wav",
            ("1040_ITH_SAD_XX", "cremad-1040", "sad", "male", "", "ITH"),
        ),
        (
            "cremad",
            "1091_WSI_DIS_XX.wav",
            ("1091_WSI_DIS_XX", "cremad-1091", "disgust", "female", "", "WSI"),
        ),
        (
            "cremad",
            "1092_IEO_FEA_HI.wav",
            ("1092_IEO_FEA_HI", "cremad-1092", "fear", "", "high", "IEO"),
        ),
        ("savee", SMALL["savee"], ("DC_a01", "savee-DC", "angry", "male", "", "a01")),
        ("savee", "AudioData/KL/su15.wav", ("KL_su15", "savee-KL", "surprise", "male", "", "su15")),
        ("savee", "AudioData/JE/sa02.wav", ("JE_sa02", "savee-JE", "sad", "male", "", "sa02")),
        ("tess", SMALL["tess"], ("OAF_back_fear", "tess-OAF", "fear", "female", "", "back")),
        (
            "tess",
            "OAF_neutral/OA_bite_neutral.wav",
            ("OAF_bite_neutral", "tess-OAF", "neutral", "female", "", "bite"),
        ),
        (
            "tess",
            "YAF_pleasant_surprised/YAF_dog_ps.wav",
            ("YAF_dog_ps", "tess-YAF", "surprise", "female", "", "dog"),
        ),
        # Other spellings, as renamed copies have them.
        *(
            ("tess", path, (f"{who}_back_{word}", f"tess-{who}", emotion, "female", "", "back"))
            for path, who, word, emotion in [
                ("OAF_back_Angry.wav", "OAF", "angry", "angry"),
                ("oaf_back_ps.wav", "OAF", "ps", "surprise"),
                ("YAF_back_pleasant_surprised.wav", "YAF", "ps", "surprise"),
                ("YAF-back-pleasant-surprise.WAV", "YAF", "ps", "surprise"),
                ("OAF back Pleasant Surprise.wav", "OAF", "ps", "surprise"),
                ("OA_BACK_SURPRISE.wav", "OAF", "ps", "surprise"),
                ("yaf_back_fearful.wav", "YAF", "fear", "fear"),
            ]
        ),
        (
            "ravdess",
            "03_01_05_02_01_01_02.wav",
            ("03-01-05-02-01-01-02", "ravdess-02", "angry", "female", "strong", "01"),
        ),
        (
            "cremad",
            "1001_ieo_hap_lo.wav",
            ("1001_IEO_HAP_LO", "cremad-1001", "happy", "male", "low", "IEO"),
        ),
        ("savee", "all/dc_A01.wav", ("DC_a01", "savee-DC", "angry", "male", "", "a01")),
        (
            "savee",
            "audio_data/kl/SU15.wav",
            ("KL_su15", "savee-KL", "surprise", "male", "", "su15"),
        ),
        ("demo", SMALL["demo"], ("demo-01_happy_s1_t2", "demo-01", "happy", "male", "", "1")),
        (
            "demo",
            "demo-10_calm_s2_t1.wav",
            ("demo-10_calm_s2_t1", "demo-10", "calm", "female", "", "2"),
        ),
    ],
)
def test_a_file_name_tells_its_labels(corpus: str, path: str, expected: tuple[str, ...]) -> None:
    assert labels(corpus, path) == Labels(*expected)


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        ("ravdess", "03-02-05-01-01-01-02.wav"),  # song
        ("ravdess", "01-01-05-01-01-01-02.wav"),  # video
        ("ravdess", "03-01-09-01-01-01-02.wav"),  # no such emotion
        ("ravdess", "._03-01-05-01-01-01-02.wav"),
        ("cremad", "1001_IEO_SUR_XX.wav"),
        ("cremad", "1001_IEO_HAP.wav"),
        ("savee", "ALL/XY_a01.wav"),
        ("savee", "AudioData/a01.wav"),
        ("savee", "AudioData/DC/x01.wav"),
        ("tess", "OAF_back.wav"),
        ("tess", "OAF_back_bored.wav"),
        ("tess", "OAF_back_pleasant.wav"),
        ("tess", "OAFback_angry.wav"),
        ("ravdess", "03010502010102.wav"),
        ("demo", "demo-01_bored_s1_t1.wav"),
    ],
)
def test_a_file_name_outside_the_grammar_is_no_clip(corpus: str, path: str) -> None:
    assert labels(corpus, path) is None


def test_all_ravdess_names_are_read_as_the_corpus_defines_them() -> None:
    emotions = "neutral calm happy sad angry fear disgust surprise".split()
    expected = set()
    for emotion, intensity, sentence, take, actor in itertools.product(
        range(8), range(2), range(2), range(2), range(24)
    ):
        if emotions[emotion] == "neutral" and intensity == 1:
            continue
        fields = (emotion, intensity, sentence, take, actor)
        name = "-".join(["03", "01", *(f"{field + 1:02}" for field in fields)])
        expected.add(name)
        assert labels("ravdess", f"{name}.wav") == Labels(
            name,
            f"ravdess-{actor + 1:02}",
            emotions[emotion],
            ("male", "female")[actor % 2],
            ("normal", "strong")[intensity],
            f"{sentence + 1:02}",
        )
    assert CORPORA["ravdess"].names() == expected


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=list(CORPORA))
def test_the_names_of_a_corpus_are_as_many_as_its_clips_and_each_names_itself(corpus) -> None:
    names = corpus.names()
    assert len(names) == corpus.clips
    assert {corpus.parse(PurePath(f"{name}.wav")).name for name in names} == names
    assert set().union(*corpus.quirks.values()) <= names
    assert labels(corpus.name, corpus.example).name in names


def every_real_clip() -> Iterator[tuple[str, Labels]]:
    for corpus in CORPORA.values():
        if corpus.handle:
            for name in corpus.names():
                yield corpus.name, corpus.parse(PurePath(f"{name}.wav"))


def test_the_four_corpora_have_the_published_numbers() -> None:
    clips = list(every_real_clip())
    assert len(clips) == 12_162
    assert Counter(clip.emotion for _, clip in clips) == {
        **dict.fromkeys(("fear", "angry", "disgust", "happy", "sad"), 1923),
        **{"neutral": 1703, "surprise": 652, "calm": 192},
    }
    speakers = {(corpus, clip.speaker, clip.sex) for corpus, clip in clips}
    assert Counter((corpus, sex) for corpus, _, sex in speakers) == {
        ("ravdess", "male"): 12,
        ("ravdess", "female"): 12,
        ("cremad", "male"): 48,  # H. Cao et al. (2014), section 3
        ("cremad", "female"): 43,
        ("savee", "male"): 4,
        ("tess", "female"): 2,
    }


@pytest.mark.parametrize("name", CORPORA)
def test_another_sound_format_is_a_clip_and_a_text_file_is_none(name: str, tmp_path: Path) -> None:
    flac = PurePath(SMALL[name]).with_suffix(".FLAC").as_posix()
    plant(tmp_path, [flac, PurePath(SMALL[name]).with_suffix(".txt").as_posix()])
    found = scan(CORPORA[name], tmp_path)
    assert list(found.clips) == [f"{tmp_path.as_posix()}/{flac}"]
    assert len(found.passed_over) == 1


def test_a_clip_held_twice_is_indexed_once_at_its_first_path(tmp_path: Path) -> None:
    clip = "Actor_02/03-01-05-02-01-01-02.wav"
    plant(tmp_path, [f"audio_speech_actors_01-24/{clip}", clip, f"Zweit/{clip}"])
    found = scan(CORPORA["ravdess"], tmp_path)
    assert list(found.clips) == [f"{tmp_path.as_posix()}/{clip}"]
    assert len(found.copies) == 2


@pytest.mark.parametrize(
    ("name", "files", "first"),
    [
        ("savee", ["AudioData/DC/a01.wav", "ALL/DC_a01.wav"], "ALL/DC_a01.wav"),
        ("cremad", ["1040_ITH_SAD_XX.wav", "1040_ITH_SAD_X.wav"], "1040_ITH_SAD_X.wav"),
        ("tess", ["b/OA_bite_neutral.wav", "a/OAF_bite_neutral.wav"], "a/OAF_bite_neutral.wav"),
        # The MP3 of CREMA-D's own repository are not what was recorded.
        (
            "cremad",
            ["MP3/1001_IEO_HAP_LO.mp3", "WAV/1001_IEO_HAP_LO.wav"],
            "WAV/1001_IEO_HAP_LO.wav",
        ),
    ],
)
def test_a_clip_under_two_names_is_indexed_once(
    name: str, files: list[str], first: str, tmp_path: Path
) -> None:
    found = scan(CORPORA[name], plant(tmp_path, files))
    assert list(found.clips) == [f"{tmp_path.as_posix()}/{first}"]
    assert len(found.copies) == 1


def test_the_index_does_not_depend_on_the_order_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(CORPORA["savee"].names())
    plant(tmp_path, [f"{folder}/{name}.wav" for name in names for folder in ("ALL", "b/ALL", "a")])
    plant(tmp_path, ["Info.txt", "b/readme.wav"])
    usual = scan(CORPORA["savee"], tmp_path)
    listing = os.walk

    def shuffled(top: str, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for folder, names, filenames in listing(top, **options):
            for entries in (names, filenames):
                random.Random(0).shuffle(entries)
            yield folder, names, filenames

    monkeypatch.setattr(os, "walk", shuffled)
    again = scan(CORPORA["savee"], tmp_path)
    assert again == usual
    assert list(again.clips) == list(usual.clips)
    assert all(path.startswith(f"{tmp_path.as_posix()}/ALL/") for path in usual.clips)


def test_folders_behind_links_are_indexed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, elsewhere = tmp_path / "ravdess", tmp_path / "elsewhere"
    plant(corpus, ["Actor_02/03-01-05-02-01-01-02.wav"])
    plant(elsewhere, ["one/03-01-05-02-01-01-01.wav", "two/03-01-05-02-01-01-04.wav"])
    links = {
        "Actor_01": elsewhere / "one",
        "again": elsewhere / "one",
        "Actor_0": corpus / "Actor_02",  # first by name, yet its clip keeps its own path
        "loop": corpus,
        "up": tmp_path,
        "Actor_02/back": Path(".."),
        "Actor_03": elsewhere / "nowhere",
        "03-01-05-02-01-01-04.wav": elsewhere / "two" / "03-01-05-02-01-01-04.wav",
    }
    for name, target in links.items():
        (corpus / name).symlink_to(target)
    (elsewhere / "one" / "out").symlink_to(elsewhere)  # a loop beyond the corpus
    (tmp_path / "data").symlink_to(corpus)
    for root in (corpus, tmp_path / "data"):
        found = scan(CORPORA["ravdess"], root)
        assert [Path(path).relative_to(root).as_posix() for path in found.clips] == [
            "03-01-05-02-01-01-04.wav",
            "Actor_01/03-01-05-02-01-01-01.wav",
            "Actor_02/03-01-05-02-01-01-02.wav",
        ]
        assert not found.copies
    assert "1 links lead nowhere" in caplog.text


def test_the_index_is_sorted_text_by_corpus_and_path(tmp_path: Path) -> None:
    for name, file in SMALL.items():
        plant(tmp_path / name.upper(), [file])
    plant(tmp_path / "SAVEE", ["ALL/JK_n01.wav", "ALL/KL_a-1.wav"])
    index = load(["tess", "savee", "ravdess", "cremad", "demo", "tess"], tmp_path)
    assert tuple(index.columns) == COLUMNS
    assert index.index.equals(type(index.index)(range(6)))
    assert list(index.corpus) == ["cremad", "demo", "ravdess", "savee", "savee", "tess"]
    assert list(index.path) == [
        f"{tmp_path.as_posix()}/{name.upper()}/{file}"
        for name, file in sorted([*SMALL.items(), ("savee", "ALL/JK_n01.wav")])
    ]
    assert list(index.loc[3]) == [
        *(f"{tmp_path.as_posix()}/SAVEE/ALL/DC_a01.wav", "savee", "savee-DC", "angry"),
        *("male", "", "a01"),
    ]
    assert all(type(value) is str for value in index.to_numpy().ravel())


@pytest.mark.parametrize(
    "folder", ["ravdess", "RAVDESS", "Ravdess", "ravdess-emotional-speech-audio", "."]
)
def test_a_corpus_is_found_under_the_names_its_folder_has(folder: str, tmp_path: Path) -> None:
    plant(tmp_path / folder, [SMALL["ravdess"]])
    assert len(load(["ravdess"], tmp_path)) == 1


def test_the_plain_name_of_a_folder_comes_first(tmp_path: Path) -> None:
    for folder in ("CREMA-D", "cremad", "ejlok1-cremad"):
        plant(tmp_path / folder, [SMALL["cremad"]])
    assert locate(CORPORA["cremad"], tmp_path) == tmp_path / "cremad"


def test_what_is_no_clip_is_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, [SMALL["tess"], "again/OAF_back_fear.wav", "readme.txt", "noise.wav"])
    with caplog.at_level(logging.INFO, "ser_tf"):
        load(["tess"], tmp_path)
    assert "1 clips of 2800 in" in caplog.text
    assert "second copies: 1, not clips: 2" in caplog.text


def test_an_empty_folder_is_refused_with_what_would_be_right(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no clip of TESS among 0 files.*OAF_back_fear\.wav"):
        load(["tess"], tmp_path)


def test_a_folder_of_another_corpus_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, [SMALL["tess"]])
    with pytest.raises(InputError, match=rf"{tmp_path.name}: no clip of SAVEE among 1 files"):
        load(["tess", "savee"], tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_dir .*nowhere: no such folder"):
        load(["tess"], tmp_path / "nowhere")


def test_a_file_for_a_folder_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, ["file"])
    with pytest.raises(InputError, match=r"file: not a folder"):
        load(["tess"], tmp_path / "file")


@pytest.mark.parametrize(("names", "received"), [(["tess", "emodb"], "emodb"), ([], "none")])
def test_an_unknown_corpus_is_refused_with_the_choices(names: list[str], received: str) -> None:
    with pytest.raises(InputError, match=rf"ravdess, .*demo, the path .*\. Received: {received}"):
        load(names)


def test_the_demo_corpus_is_made_and_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(cache_dir: Path) -> Path:
        return plant(cache_dir / "made", [path.as_posix() for path, _ in demo.paths()])

    monkeypatch.setattr(demo, "make", make)
    index = load(["demo"], cache_dir=tmp_path)
    assert len(index) == CORPORA["demo"].clips
    assert set(index.emotion) == set(EMOTIONS)
    assert set(index.groupby("speaker").sex.nunique()) == {1}
    assert set(index.sentence) == {"1", "2"}


def test_naming_the_corpora_imports_nothing_heavy() -> None:
    code = (
        "import sys, ser_tf.corpora\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'sklearn', 'librosa', 'kagglehub', 'requests'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
