"""LiteRT and Keras give one answer; recordings pass by in constant memory; nothing heavy is met."""

import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser_tf
from ser_tf import audio, export, parallel, predict
from ser_tf.corpora.demo import synthesise
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, runtimes, shipped, windows
from ser_tf.inference.recogniser import Recogniser
from ser_tf.serving import targets

# Other operators sum and take logarithms in float32.
CLOSE = {"rtol": 0, "atol": 1e-4}
NEVER = ("tensorflow", "keras", "keras_lmu", "librosa", "numba", "pandas", "sklearn", "scipy")
NEVER += ("matplotlib", "kagglehub", "h5py")
"""What `predict` does without, unless it draws."""


def speech(samples, seed=0):
    """Synthetic speech, over and over, of an odd level."""
    rng = np.random.default_rng(seed)
    spoken = np.concatenate([synthesise(1 + seed % 10, "sad", 1, 1), rng.normal(0, 0.01, 5000)])
    return (0.7 * np.resize(spoken, samples)).astype(np.float32)


@pytest.fixture(scope="module", params=["shipped", "trained"])
def pair(request):
    """The shipped model, which takes clips of any length, and one that takes 4 s, by both."""
    folder = shipped.model_dir(shipped.SMALL)
    if request.param == "trained":
        folder = request.getfixturevalue("trained")
    artifact = model_folder.load(folder)
    return [Recogniser(artifact, runtimes.choose(artifact, name)) for name in runtimes.RUNTIMES]


def assert_same(pair, waveform):
    found, expected = (recogniser.answer(waveform) for recogniser in pair)
    np.testing.assert_allclose(
        [*found.probabilities.values()], [*expected.probabilities.values()], **CLOSE
    )


@pytest.mark.parametrize("spans", [0, 0.01, 0.5, 1, 1.5, 2, 2.01, 5.3])
def test_both_runtimes_give_one_answer_at_awkward_lengths(pair, spans):
    assert_same(pair, speech(1 + round(spans * pair[0].window_samples)))


@pytest.mark.parametrize("seed", range(4))
def test_both_runtimes_give_one_answer_at_random_lengths(pair, seed):
    samples = np.random.default_rng(seed).integers(2, 3 * pair[0].window_samples)
    assert_same(pair, speech(samples, seed))


def test_both_runtimes_refuse_no_samples_in_the_same_line(pair):
    for recogniser in pair:
        with pytest.raises(InputError, match="there are none"):
            recogniser.answer([])


def test_both_runtimes_give_one_timeline(pair):
    found, expected = (recogniser.listen(speech(300_001)) for recogniser in pair)
    columns = ["start_seconds", "end_seconds"]
    assert found.timeline[columns].equals(expected.timeline[columns])
    probabilities = (heard.timeline.filter(regex="^p_") for heard in (found, expected))
    np.testing.assert_allclose(*probabilities, **CLOSE)


def test_both_runtimes_give_the_same_stream():
    artifact = model_folder.load(shipped.model_dir(shipped.SMALL))
    streams = [
        Recogniser(artifact, runtimes.choose(artifact, name)).stream() for name in runtimes.RUNTIMES
    ]
    sound = speech(60_000)
    for chunk in np.split(sound, [100, 1_000, 17_000, 17_640, 40_001]):
        found, expected = (stream.feed(chunk) for stream in streams)
        assert (found is None) == (expected is None)
        if found:
            shares = [[*answer.probabilities.values()] for answer in (found, expected)]
            np.testing.assert_allclose(*shares, **CLOSE)


# Which runtime


def test_fit_leaves_flatbuffers_of_its_weights(trained):
    described = json.loads((trained / "litert" / "model.json").read_text())
    assert described["weights"] == model_folder.fingerprint(trained)
    assert not list((trained / "litert").glob("*-int8*"))
    assert ser_tf.load(trained).runtime.name == "litert"


def test_the_shipped_flatbuffers_are_of_the_shipped_weights():
    assert ser_tf.load().runtime.name == "litert"


@pytest.fixture
def copy(trained, tmp_path):
    """A folder that may be changed."""
    return shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("*.png"))


def refused(folder, caplog):
    """The note with which Keras takes over; LiteRT, if asked for, says the same."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert ser_tf.load(folder).runtime.name == "keras"
    [note] = [record.getMessage() for record in caplog.records if record.name[:6] == "ser_tf"]
    assert "\n" not in note
    with pytest.raises(InputError) as error:
        ser_tf.load(folder, "litert")
    assert note == f"{error.value} Keras answers instead."
    return note


def test_flatbuffers_of_other_weights_are_noticed(copy, caplog):
    with zipfile.ZipFile(copy / "model.keras") as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}

    def write():
        with zipfile.ZipFile(copy / "model.keras", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)

    parts["metadata.json"] += b" "
    write()
    assert ser_tf.load(copy).runtime.name == "litert"  # the same weights, saved on another day
    parts["config.json"] += b" "
    write()
    assert "of other weights than model.keras" in refused(copy, caplog)


def test_flatbuffers_of_an_earlier_version_are_not_used(copy, caplog):
    path = copy / "litert" / "model.json"
    described = json.loads(path.read_text())
    del described["weights"]
    path.write_text(json.dumps(described))
    assert "of other weights than model.keras" in refused(copy, caplog)


@pytest.mark.parametrize("name", ["model.json", "model.tflite"])
def test_broken_flatbuffers_are_not_used(copy, name, caplog):
    (copy / "litert" / name).write_bytes(b"{")
    assert "export --target litert" in refused(copy, caplog)


def test_a_machine_without_litert_says_so_in_a_line(trained, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert "ai-edge-litert is not installed, or not for this machine" in refused(trained, caplog)


def test_a_folder_without_flatbuffers_is_answered_by_keras_without_a_word(copy, caplog):
    shutil.rmtree(copy / "litert")
    with caplog.at_level(logging.INFO):
        assert ser_tf.load(copy).runtime.name == "keras"
    assert not [record for record in caplog.records if record.name[:6] == "ser_tf"]


def test_an_unknown_runtime_names_the_choices(trained):
    with pytest.raises(InputError, match=r"choose from litert, keras\. Received: torch"):
        ser_tf.load(trained, "torch")


def test_a_model_that_litert_cannot_express_is_kept_with_a_note(copy, caplog, monkeypatch):
    def refuse(*_):
        raise InputError("copy: LiteRT's built-in operators cannot express this model.")

    monkeypatch.setattr(targets, "_leave_flatbuffers", refuse)
    targets.leave_flatbuffers(copy)
    assert caplog.messages == [
        "copy: LiteRT's built-in operators cannot express this model. Keras will answer."
    ]


def test_flatbuffers_are_left_in_the_folders_of_folds(tmp_path, monkeypatch):
    for number in (1, 2):
        (tmp_path / f"fold-{number}").mkdir()
        (tmp_path / f"fold-{number}" / "model.keras").touch()
    asked = []
    monkeypatch.setattr(model_folder, "load", lambda folder: folder)
    monkeypatch.setattr(targets, "_leave_flatbuffers", asked.append)
    targets.leave_flatbuffers(tmp_path)
    assert asked == [tmp_path / "fold-1", tmp_path / "fold-2"]


def test_exporting_says_nothing_of_the_flatbuffers_it_replaces(copy, capsys, monkeypatch):
    (copy / "litert" / "model.json").write_text("{}")
    monkeypatch.setattr(targets, "export", lambda *_: "exported")
    assert export.main(["--target", "litert", "--model-dir", str(copy)]) == 0
    assert capsys.readouterr() == ("exported\n", "")


# In constant memory


@pytest.mark.parametrize("length", [1, 9, 10, 11, 15, 19, 20, 21, 97])
@pytest.mark.parametrize("size", [7, 10])
def test_windows_overlap_by_half_however_the_pieces_are_cut(length, size):
    sound = np.random.default_rng(length).normal(size=length).astype(np.float32)
    last = max(0, length - size)
    starts = [*range(0, last, size // 2), last]
    for step in (1, 3, 100):
        pieces = [sound[start : start + step] for start in range(0, length, step)]
        found = [*windows.cut(pieces, size)]
        assert [start for start, _ in found] == starts
        for start, window in found:
            np.testing.assert_array_equal(window, sound[start : start + size])


@pytest.mark.parametrize("length", [5, 5_001, 1_000_003])
def test_an_outline_looks_like_the_recording(length):
    sound = np.random.default_rng(0).normal(size=length) * np.linspace(0, 1, length)
    outline = windows.Outline(16_000)
    pieces = np.array_split(sound, 7)
    assert sum(map(len, outline.watch(pieces))) == length
    drawn = outline.waveform
    assert len(drawn) < 17_000
    # It may lack a stretch of a 4,096th.
    assert len(drawn) / outline.rate_hz == pytest.approx(length / 16_000, rel=1 / 2_000)
    for ours, whole in zip(np.array_split(drawn, 5), np.array_split(sound, 5), strict=True):
        assert ours.max() == pytest.approx(whole.max(), rel=0.1)
    assert (drawn.min(), drawn.max()) == (sound.min(), sound.max())


class Silent:
    """A runtime that finds the same in everything, and one window at a time."""

    unsure_below = 0.5

    def of_clip(self, waveform):
        return np.full(8, 0.125, np.float32)

    def of_windows(self, given):
        return map(self.of_clip, given)


def test_an_hour_takes_the_memory_of_a_few_windows(monkeypatch):
    recogniser = Recogniser(model_folder.load(shipped.model_dir(shipped.SMALL)), Silent())

    def pieces(path, rate_hz):
        return (np.zeros(2**18, np.float32) for _ in range(3600 * rate_hz // 2**18))

    monkeypatch.setattr(audio, "pieces", pieces)
    outline = windows.Outline(recogniser.rate_hz)
    import pandas as pd  # noqa: F401, its own memory does not count

    tracemalloc.start()
    heard = recogniser.listen("an hour.wav", outline=outline)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert heard.timeline["end_seconds"].iloc[-1] == pytest.approx(3600, abs=17)
    assert peak < 20e6  # the waveform takes 230 MB


def test_results_come_in_order_and_items_are_taken_as_they_are_needed():
    items = iter(range(99))
    results = parallel.in_order(lambda item: item * item, items, 3)
    assert [*itertools.islice(results, 4)] == [0, 1, 4, 9]
    assert next(items) < 12  # and not 99
    results.close()


def test_a_folder_is_answered_in_order_with_the_bad_ones_named(tmp_path, capsys):
    for number in range(9):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(audio.to_wav(speech(20_000 - 2_000 * number, number), 16_000))
    (tmp_path / "4.wav").write_bytes(b"RIFF")
    assert predict.main([str(tmp_path), "--jobs", "3", "--json"]) == 1
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    names = [Path(answer["path"]).name for answer in answers]
    assert names == [f"{number}.wav" for number in range(9) if number != 4]
    assert captured.err.count("4.wav") == 1
    recogniser = ser_tf.load()
    for answer in answers:
        assert answer["probabilities"] == recogniser.answer(answer["path"]).probabilities


# What is imported


def imported(code, path):
    """The modules that a process has imported after `code`, in which `PATH` is a recording."""
    code = f"import sys\nPATH = {str(path)!r}\n{code}\nprint(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return set(result.stderr.splitlines()[-1].split()), result.stderr.splitlines()[:-1]


@pytest.mark.parametrize(
    "code",
    [
        "from ser_tf.predict import main\nassert main([PATH, '--json']) == 0",
        "from ser_tf.stream import main\nassert main([PATH]) == 0",
        "import ser_tf\nser_tf.load().answer(PATH)",
    ],
    ids=["predict", "stream", "load"],
)
def test_an_answer_imports_nothing_heavy(code, tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(48_000), 48_000)  # to be resampled
    modules, said = imported(code, tmp_path / "a.wav")
    assert not modules & set(NEVER)
    assert not [line for line in said if "INFO" in line]


def test_evaluating_by_litert_needs_no_tensorflow(trained, small_dir, cache_dir, tmp_path):
    flags = ["--model-dir", str(trained), "--cache-dir", str(cache_dir), "--runtime", "litert"]
    code = f"from ser_tf.evaluate import main\nassert main({[*flags, '--json']!r}) == 0"
    modules, _ = imported(code, tmp_path)
    assert not modules & {"tensorflow", "keras", "librosa"}
