"""`import ser_tf` alone: quick, and enough to ask, score, export and train a model."""

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from runs import without_pictures

import ser_tf
from ser_tf import audio
from ser_tf.corpora.demo import synthesise
from ser_tf.errors import InputError
from ser_tf.inference import shipped

HEAVY = ("tensorflow", "keras", "keras_lmu", "pandas", "sklearn", "librosa", "kagglehub")


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def recogniser() -> ser_tf.Recogniser:
    return ser_tf.load(shipped.model_dir(shipped.SMALL))


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """A clip at 16 kHz in 16 bits, as a file of it would hold."""
    return np.round(synthesise(1, "angry", 1, 1) * 32_767).astype(np.int16)


def test_the_import_brings_nothing_heavy():
    code = (
        "import sys\nimport ser_tf\nassert 'numpy' not in sys.modules\n"
        "ser_tf.EMOTIONS, ser_tf.Answer, ser_tf.Recogniser, ser_tf.Run, ser_tf.load, ser_tf.train\n"
        f"print(*set({HEAVY}) & set(sys.modules))"
    )
    assert not run_python(code).split()


def test_every_public_name_is_there_and_no_other():
    for name in ser_tf.__all__:
        assert name in dir(ser_tf)
        assert getattr(ser_tf, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = ser_tf.nothing


def test_a_path_and_its_samples_have_one_answer(recogniser, voice, tmp_path):
    path = tmp_path / "a.wav"
    stereo = np.stack([voice, voice[::-1]], axis=1)
    soundfile.write(path, stereo, 22_050, subtype="PCM_16")
    expected = recogniser.answer(path)
    assert recogniser.answer(str(path)) == expected
    assert recogniser.answer(stereo, rate_hz=22_050) == expected
    assert recogniser.answer(stereo / 32_768, 22_050) == expected
    assert recogniser.answer(stereo.astype(np.int32) * 65_536, 22_050.0) == expected


def test_samples_are_at_the_models_rate_unless_said_otherwise(recogniser, voice):
    assert recogniser.answer(voice) == recogniser.answer(voice, recogniser.rate_hz)
    assert recogniser.answer(voice[:, None].tolist(), 16_000).emotion in recogniser.classes


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [
        ([], None, "there are none"),
        (np.zeros((2, 48_000)), None, "(samples, channels)"),
        (np.zeros((3, 2, 1)), None, "(samples, channels)"),
        (0.5, None, "(samples,)"),
        (np.full(9, np.nan), None, "9 samples are not finite"),
        (np.full(9, 1e300), None, "9 samples are not finite"),
        (np.full(9, 1e10), None, "no samples have so large a scale"),
        (np.full(9, 2**40), None, "no samples have so large a scale"),
        (np.zeros(9, bool), None, "bool"),
        (np.zeros(9, complex), None, "complex"),
        (["a", "b"], None, "Received"),
        (np.zeros(9), 0, "whole number from 1000 to 768000"),
        (np.zeros(9), 999, "whole number from 1000 to 768000"),
        (np.zeros(9), -8_000, "whole number from 1000 to 768000"),
        (np.zeros(9), 8_000.5, "whole number from 1000 to 768000"),
        (np.zeros(9), float("nan"), "whole number from 1000 to 768000"),
        ("a.wav", 16_000, "leave rate_hz out"),
        ("nowhere.wav", None, "nowhere.wav: no such file"),
    ],
)
def test_what_is_no_sound_is_refused_in_a_line(recogniser, samples, rate_hz, reason):
    with pytest.raises(InputError, match=re.escape(reason)) as error:
        recogniser.answer(samples, rate_hz)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_samples_of_any_type_are_read_as_a_file_of_them_is(dtype, tmp_path):
    subtype = {"uint8": "PCM_U8", "int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT"}
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        samples = rng.integers(limits.min, limits.max, (500, 2), dtype, endpoint=True)
    else:
        samples = rng.uniform(-1, 1, (500, 2)).astype(dtype)
    path = tmp_path / "a.wav"
    stored = samples
    if dtype == np.uint8:  # soundfile writes no bytes: they are the upper half of 16 bits
        stored = ((samples.astype(np.int16) - 128) * 256).astype(np.int16)
    soundfile.write(path, stored, 8_000, subtype=subtype.get(np.dtype(dtype).name, "DOUBLE"))
    np.testing.assert_array_equal(audio.to_mono(samples), audio.load(path, 8_000))


@pytest.mark.parametrize("windows", [0.3, 1.0, 1.5, 2.0, 3.7])
def test_listening_gives_the_answer_and_the_timeline(recogniser, windows):
    """Up to one window, up to two, and more are three ways to the answer."""
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.1, 0.1, round(windows * recogniser.window_samples))
    answer, timeline = recogniser.listen(sound)
    assert answer == recogniser.answer(sound)
    assert timeline.equals(recogniser.timeline(sound))
    if windows > 2:
        mean = timeline.filter(regex="^p_").mean().to_numpy()
        np.testing.assert_allclose(list(answer.probabilities.values()), mean, atol=1e-6)  # float32


def test_a_long_recordings_windows_are_computed_once(recogniser, monkeypatch):
    computed = []
    compute = recogniser.runtime.of_clip
    monkeypatch.setattr(
        recogniser.runtime, "of_clip", lambda x: (computed.append(len(x)), compute(x))[1]
    )
    _, timeline = recogniser.listen(np.zeros(4 * recogniser.window_samples))
    assert computed == [recogniser.window_samples] * len(timeline)


def test_a_stream_takes_what_an_answer_takes(recogniser, voice):
    stream, other = recogniser.stream(), recogniser.stream()
    assert stream.feed(voice) == other.feed((voice / 32_768).tolist())
    with pytest.raises(InputError, match="not finite"):
        stream.feed([np.inf])
    with pytest.raises(InputError, match="in a stream they are in"):
        stream.feed(voice.astype(np.float32))
    assert stream.feed([]) == other.feed(np.zeros(0))


def test_a_missing_folder_is_named_before_tensorflow_is_imported(tmp_path):
    code = (
        "import sys, ser_tf\ntry:\n    ser_tf.load('nowhere')\n"
        "except ValueError as error:\n    print(error)\nassert 'tensorflow' not in sys.modules"
    )
    assert "nowhere: no such model folder" in run_python(code)


class Page(HTMLParser):
    """The elements, the text and the styles of a page; every element is closed."""

    def __init__(self, text: str, void: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.void = void
        self.open, self.tags, self.styles, self.words = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open += [] if tag in self.void else [tag]
        self.tags.append(tag)
        self.styles += [value for name, value in attributes if name == "style"]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("unsure", [False, True])
def test_a_notebook_shows_an_answer_as_bars(unsure):
    shares = {"<b>sad</b>": 0.75, "happy & glad": 0.25, "angry": 0.0}
    answer = ser_tf.Answer("<b>sad</b>", 0.75, shares, unsure)
    page = Page(answer._repr_html_())
    assert not {"script", "b", "img", "link", "style"} & set(page.tags)
    assert page.tags.count("tr") == page.tags.count("div") == 3
    assert set(shares) <= set(page.words)  # escaped, or it would be an element
    widths = [re.match(r"width:([\d.]+)%", style) for style in page.styles]
    assert [float(found[1]) for found in widths if found] == [75, 25, 0]
    assert any("unsure" in word for word in page.words) == unsure
    assert html.escape("<b>sad</b>") in answer._repr_html_()


def test_an_answer_reads_as_the_command_prints_it(recogniser, voice, tmp_path, capsys):
    from ser_tf import predict

    path = tmp_path / "a.wav"
    soundfile.write(path, voice, 16_000)
    assert predict.main([str(path), "--model-dir", str(recogniser.folder)]) == 0
    assert capsys.readouterr().out == f"{path}  {recogniser.answer(path)}\n"


@pytest.fixture(scope="module")
def run(small_dir, cache_dir, tmp_path_factory) -> ser_tf.Run:
    """A run of one epoch on 48 clips."""
    return ser_tf.train(
        corpora="demo",
        data_dir=str(small_dir),
        cache_dir=str(cache_dir),
        output=str(tmp_path_factory.mktemp("models") / "m"),
        model={"name": "cnn1", "filters": (8, 8)},
        training={"epochs": 1},
        export={"litert": False},
    )


def test_training_is_that_of_the_command(run, small_dir, cache_dir, tmp_path, capsys):
    from ser_tf import fit
    from ser_tf.inference import model_folder

    where = ["--data-dir", str(small_dir), "--cache-dir", str(cache_dir)]
    where += ["--output", str(tmp_path)]
    flags = ["--corpora", "demo", "--epochs", "1", *where]
    flags += ["--model", "cnn1", "--set", "model.filters=8,8", "export.litert=false"]
    with without_pictures():
        assert fit.main(flags) == 0
    expected = f"{run}\n".replace(str(run.folder), str(tmp_path))
    assert capsys.readouterr().out.endswith(expected)  # after Keras's line an epoch
    assert model_folder.load_metrics(tmp_path) == run.metrics


def test_a_run_shows_its_history_its_pictures_and_its_model(run):
    assert run.history["epoch"].tolist() == [1]
    assert set(run.figures) == {"curves", "confusion", "speakers", "calibration"}
    for picture in run.figures.values():
        assert picture._repr_png_().startswith(b"\x89PNG")
    page = Page(run.figures._repr_html_(), void={"img"})
    assert page.tags == ["img"] * 4
    assert run.recogniser.folder == run.folder
    assert run.recogniser is run.recogniser


def test_scores_are_those_of_the_run_and_of_the_command(run, cache_dir, capsys):
    from ser_tf import evaluate

    scores = run.recogniser.evaluate(cache_dir=cache_dir)
    assert scores == run.metrics["test"]
    flags = ["--model-dir", str(run.folder), "--cache-dir", str(cache_dir), "--json"]
    assert evaluate.main(flags) == 0
    assert json.loads(capsys.readouterr().out) == scores


def test_a_finished_run_is_resumed_as_it_is_and_not_replaced_unasked(run, small_dir, cache_dir):
    where = {"corpora": ["demo"], "data_dir": small_dir, "cache_dir": cache_dir}
    where |= {"output": run.folder, "model": {"name": "cnn1", "filters": (8, 8)}}
    where |= {"export": {"litert": False}}
    assert ser_tf.train(**where, resume=True).metrics == run.metrics
    with pytest.raises(InputError, match="resume=True"):
        ser_tf.train(**where)
    with pytest.raises(InputError, match=re.escape("training.epochs: the run in")):
        ser_tf.train(**where, epochs=2, resume=True)
    with pytest.raises(InputError, match="exclude each other"):
        ser_tf.train(**where, resume=True, overwrite=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"recipe": "best"}, "mfcc-lmu"),
        ({"epoch": 3}, "epochs"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"corpora": ["emodb"]}, "ravdess"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(settings, reason):
    with pytest.raises(ValueError, match=reason):
        ser_tf.train(**settings)


def test_an_export_is_described_and_its_options_are_named(run):
    exported = run.recogniser.export(version=3)
    assert exported.folder == run.folder / "3"
    assert "wav_bytes" in str(exported)
    with pytest.raises(InputError, match="saved_model, litert, onnx"):
        run.recogniser.export("tfjs")
    with pytest.raises(InputError, match="it has none"):
        run.recogniser.export("litert", version=3)
