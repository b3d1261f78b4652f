"""The commands as a user meets them: answers, and one line for everything that goes wrong."""

import functools
import io
import itertools
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from runs import SMALL, without_pictures

from ser_tf import audio, backend, benchmark, evaluate, export, files, fit, predict
from ser_tf.benchmark import requests, serving
from ser_tf.commandline.command import command
from ser_tf.commandline.flags import REMOVED
from ser_tf.config.configuration import known_keys
from ser_tf.inference import model_folder
from ser_tf.inference.recogniser import Recogniser
from ser_tf.inference.runtimes import KerasRuntime

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def model_dir(small_dir, cache_dir, tmp_path_factory) -> Path:
    """A model of seven classes, trained on 41 clips: of surprise there is none, one is corrupt."""
    data = tmp_path_factory.mktemp("data")
    for path in small_dir.glob("*.wav"):
        if "surprise" not in path.name:
            shutil.copy(path, data)
    (data / "demo-03_fear_s1_t1.wav").write_bytes(b"RIFF")
    folder = tmp_path_factory.mktemp("models") / "m"
    flags = ["--corpora", "demo", "--data-dir", str(data), "--cache-dir", str(cache_dir)]
    quick = ["--output", str(folder), "--epochs", "1", *SMALL, "export.litert=false"]
    with without_pictures():
        assert fit.main([*flags, *quick]) == 0
    return folder


@pytest.fixture
def clip(small_dir) -> Path:
    return small_dir / "demo-01_happy_s1_t1.wav"


def one_error_line(capsys: pytest.CaptureFixture) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, lines
    return errors[0]


def test_predict_answers_a_line_of_json_a_recording(model_dir, clip, tmp_path, capsys):
    shutil.copy(clip, tmp_path / "a.wav")
    samples, rate_hz = soundfile.read(clip)
    soundfile.write(tmp_path / "b.flac", samples, rate_hz)
    assert predict.main([str(tmp_path), "--model-dir", str(model_dir), "--json"]) == 0
    wav, flac = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(wav) == ["path", "emotion", "probability", "probabilities", "unsure"]
    assert wav["path"] == str(tmp_path / "a.wav")
    assert wav["probabilities"] == flac["probabilities"]  # both hold the same 16-bit samples
    assert sum(wav["probabilities"].values()) == pytest.approx(1, abs=1e-6)  # float32
    assert wav["probability"] == max(wav["probabilities"].values())


def test_predict_names_a_bad_file_and_answers_the_others(model_dir, clip, tmp_path, capsys):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    assert predict.main([str(bad), str(clip), "--model-dir", str(model_dir)]) == 1
    captured = capsys.readouterr()
    assert str(bad) in captured.err
    assert str(clip) in captured.out


def test_predict_says_what_a_path_is_not(model_dir, tmp_path, capsys):
    assert predict.main([str(tmp_path / "none.wav"), "--model-dir", str(model_dir)]) == 1
    assert "none.wav: no such file or folder" in one_error_line(capsys)


def test_a_clip_is_heard_whole_and_a_long_recording_in_windows(model_dir):
    artifact = model_folder.load(model_dir)
    recogniser = Recogniser(artifact, KerasRuntime(artifact))
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(10 * RATE_HZ)).astype(np.float32)
    model = recogniser.artifact.model

    clip = sound[: 8 * RATE_HZ]
    whole = np.asarray(model(clip[np.newaxis]))[0]
    found = list(recogniser.answer(clip).probabilities.values())
    np.testing.assert_allclose(found, whole, atol=1e-6)  # a graph sums in another order

    windows = [sound[start * RATE_HZ :][: 4 * RATE_HZ] for start in (0, 2, 4, 6)]
    mean = np.asarray(model(np.stack(windows))).mean(axis=0)
    found = list(recogniser.answer(sound).probabilities.values())
    np.testing.assert_allclose(found, mean, atol=1e-6)  # float32 sums in another order


def test_the_timeline_covers_a_recording_in_text_json_and_picture(
    model_dir, clip, tmp_path, capsys
):
    samples, rate_hz = soundfile.read(clip)
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.tile(samples, 5), rate_hz)
    seconds = 5 * len(samples) / rate_hz
    flags = [str(path), "--model-dir", str(model_dir), "--timeline", "--plot-dir", str(tmp_path)]
    assert predict.main([*flags, "--json"]) == 0
    timeline = json.loads(capsys.readouterr().out)["timeline"]
    assert timeline[0]["start_seconds"] == 0
    assert timeline[-1]["end_seconds"] == pytest.approx(seconds, abs=1 / rate_hz)
    assert all(a["end_seconds"] > b["start_seconds"] for a, b in itertools.pairwise(timeline))
    assert (tmp_path / "talk-timeline.png").read_bytes().startswith(b"\x89PNG")
    assert predict.main(flags) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(timeline)


def test_only_plot_dir_draws(model_dir, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [str(clip), "--model-dir", str(model_dir)]
    assert predict.main([*flags, "--timeline", "--json"]) == 0
    assert not list(tmp_path.iterdir())
    capsys.readouterr()
    assert predict.main([*flags, "--plot-dir", "pictures"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert [path.name for path in Path("pictures").iterdir()] == [f"{clip.stem}-timeline.png"]


def test_a_picture_that_cannot_be_written_costs_no_answer(model_dir, clip, tmp_path, capsys):
    long = tmp_path / f"{'é' * 120}.wav"
    shutil.copy(clip, long)
    flags = [str(long), str(clip), "--model-dir", str(model_dir), "--plot-dir"]
    assert predict.main([*flags, str(clip / "below-a-file")]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert printed.err.count("not drawn, Not a directory.") == 2
    assert predict.main([*flags, str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*-timeline.png"))) == 2


def test_timelines_of_recordings_of_one_name_do_not_replace_each_other(model_dir, clip, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(clip, tmp_path / name / "talk.wav")
    flags = ["--model-dir", str(model_dir), "--timeline", "--plot-dir", str(tmp_path)]
    assert predict.main([str(tmp_path), *flags]) == 0
    assert {path.name for path in tmp_path.glob("*.png")} == {
        *("talk-timeline.png", "talk-2-timeline.png")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names cannot be")
def test_a_name_that_the_terminal_cannot_show_is_answered(model_dir, clip, tmp_path, monkeypatch):
    shutil.copy(clip, os.fsencode(tmp_path) + b"/caf\xe9.wav")
    terminal = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdout", terminal)
    assert predict.main([str(tmp_path), "--model-dir", str(model_dir)]) == 0
    terminal.flush()
    assert b"caf\\udce9.wav  " in terminal.buffer.getvalue()
    assert terminal.errors == "strict"


def test_evaluate_leaves_out_and_counts_classes_the_model_lacks(model_dir, data_flags, capsys):
    assert evaluate.main(["--model-dir", str(model_dir), *data_flags, "--json"]) == 0
    captured = capsys.readouterr()
    assert "6 clips are left out: the model does not know surprise" in captured.err
    assert "trained on clips of the synthetic demo corpus: these scores say little" in captured.err
    assert json.loads(captured.out)["n_clips"] == 42


def test_evaluate_scores_the_classes_of_a_task(model_dir, data_flags, cache_dir, capsys):
    flags = ["--model-dir", str(model_dir), "--json", "--map"]
    assert evaluate.main([*flags, "valence", *data_flags]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {name: one["n_clips"] for name, one in scores["per_class"].items()} == {
        **{"negative": 24, "positive": 24}
    }
    assert evaluate.main([*flags, "calm=neutral", "--cache-dir", str(cache_dir)]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert "calm" not in scores["per_class"]
    assert scores["n_clips"] == model_folder.load_metrics(model_dir)["test"]["n_clips"]


def test_evaluate_prints_a_table(model_dir, cache_dir, capsys):
    assert evaluate.main(["--model-dir", str(model_dir), "--cache-dir", str(cache_dir)]) == 0
    output = capsys.readouterr().out
    assert "synthetic" in output
    assert "recall" in output


def test_the_benchmark_reports_rates_side_by_side(data_flags, monkeypatch, capsys):
    monkeypatch.setattr(benchmark.pipeline, "ROUNDS", 1)
    assert benchmark.main(["pipeline", *data_flags, "--clips", "10", "--json"]) == 0
    slow, first, cached = json.loads(capsys.readouterr().out)
    assert slow["times_librosa"] == 1
    for result in (first, cached):
        ratio = result["rows_per_second"] / slow["rows_per_second"]
        assert result["times_librosa"] == pytest.approx(ratio)


def test_the_benchmark_of_serving_compares_ways_and_rates(
    model_dir, data_flags, monkeypatch, capsys
):
    load = functools.cache(tf.saved_model.load)

    def in_this_process(arguments, version, cores):
        serve = load(str(version)).signatures["serving_default"]
        if cores == 1:
            return requests.one_by_one(arguments.model_dir, serve, arguments.turns)
        return requests.batches(serve, arguments.turns)

    monkeypatch.setattr(serving, "_requests", in_this_process)
    monkeypatch.setattr(serving, "RATES_HZ", (8_000,))
    monkeypatch.setattr(requests, "BATCH", 4)
    flags = ["serving", "--model-dir", str(model_dir), "--turns", "2", "--clips", "6"]
    assert benchmark.main([*flags, *data_flags, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    latencies = [row for row in rows if row["part"] == "latency"]
    assert [row["rate_hz"] for row in latencies] == [RATE_HZ, RATE_HZ, 48_000, 48_000]
    for row in latencies:
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["largest_difference"] < 0.01  # librosa's features, and soxr's samples
    assert rows[-1]["same"] == rows[-1]["clips"] == 6
    assert rows[-1]["difference_db"] > 60
    assert "clips/s" in serving.table(rows)


def broken_model(model_dir: Path, folder: Path, name: str, content: bytes | None) -> Path:
    copy = folder / "copy"
    shutil.copytree(model_dir, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    return copy


@pytest.mark.parametrize("main", [evaluate.main, export.main])
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", None, "lacks config.json"),
        ("config.json", b"{", "config.json: broken"),
        ("config.json", b"\xff", "config.json: broken"),
        ("config.json", b'{"format": 1, "classes": [], "config": []}', "config.json: broken"),
        (
            "config.json",
            b'{"format": 1, "classes": [], "config": {"teacher": 1}}',
            "config.json: not of this version of ser_tf",
        ),
        ("config.json", b'{"format": 99}', "update ser_tf"),
        ("config.json", b'{"format": 1, "classes": []}', "config.json: broken"),
        ("model.keras", None, "lacks model.keras"),
        ("model.keras", b"PK", "model.keras: broken"),
    ],
)
def test_an_incomplete_or_newer_model_folder_is_named(
    main, name, content, reason, model_dir, tmp_path, capsys
):
    copy = broken_model(model_dir, tmp_path, name, content)
    assert main(["--model-dir", str(copy)]) == 1
    assert reason in one_error_line(capsys)


def test_a_model_file_damaged_within_is_named(model_dir, tmp_path, capsys):
    content = bytearray((model_dir / "model.keras").read_bytes())
    with zipfile.ZipFile(model_dir / "model.keras") as archive:
        weights = archive.getinfo("model.weights.h5").header_offset
    content[weights + 128 : weights + 192] = bytes(64)  # the archive's directory stays as it was
    copy = broken_model(model_dir, tmp_path, "model.keras", bytes(content))
    assert evaluate.main(["--model-dir", str(copy)]) == 1
    assert "model.keras: broken" in one_error_line(capsys)


def test_broken_metrics_are_named(model_dir, tmp_path, capsys):
    copy = broken_model(model_dir, tmp_path, "metrics.json", b"{")
    assert fit.main(["--resume", "--corpora", "demo", "--output", str(copy)]) == 1
    assert "metrics.json: broken" in one_error_line(capsys)


def test_the_folder_of_a_cross_validation_says_where_its_models_are(model_dir, tmp_path, capsys):
    copy = broken_model(model_dir, tmp_path, "model.keras", None)
    content = json.loads((copy / "config.json").read_text())
    content["config"]["split"]["folds"] = 2
    (copy / "config.json").write_text(json.dumps(content))
    assert export.main(["--model-dir", str(copy)]) == 1
    assert "in its fold-1, fold-2 and so on" in one_error_line(capsys)


def test_a_missing_model_folder_is_named(tmp_path, capsys):
    assert export.main(["--model-dir", str(tmp_path / "none")]) == 1
    assert "none: no such model folder" in one_error_line(capsys)


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        (lambda name: "happy" in name, "1 emotion"),
        (lambda name: name.startswith("demo-01"), "no clips are left"),
        (lambda name: False, "data_dir"),
    ],
    ids=["one emotion", "one speaker", "no clips"],
)
def test_fit_says_why_data_cannot_be_trained_on(
    keep, reason, small_dir, cache_dir, tmp_path, capsys
):
    data = tmp_path / "data"
    data.mkdir()
    for path in small_dir.glob("*.wav"):
        if keep(path.name):
            shutil.copy(path, data)
    flags = ["--corpora", "demo", "--data-dir", str(data), "--cache-dir", str(cache_dir)]
    assert fit.main([*flags, "--output", str(tmp_path / "m")]) == 1
    assert reason in one_error_line(capsys)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--set", "split.folds=7"], "split.folds=7: there are 6 speakers"),
        (["--set", "split.test_speakers=demo-77"], "choose from demo-01"),
        (["--set", "features.n_mfcc=99"], "n_mfcc"),
        (["--data-dir", "nowhere"], "no such folder"),
    ],
)
def test_fit_names_the_flag_that_cannot_be_followed(flags, reason, run_fit, tmp_path, capsys):
    assert run_fit(tmp_path / "m", *flags) == 1
    assert reason in one_error_line(capsys)
    assert not (tmp_path / "m").exists()


def test_fit_trains_on_past_a_corrupt_clip(model_dir):
    metrics = model_folder.load_metrics(model_dir)
    assert sum(metrics[part]["n_clips"] for part in ("train", "validation", "test")) == 41


def test_an_output_that_is_a_file_is_named(run_fit, tmp_path, capsys):
    (tmp_path / "m").touch()
    assert run_fit(tmp_path / "m") == 1
    assert f"{tmp_path / 'm'}: " in one_error_line(capsys)


def test_a_full_disk_is_one_line_and_the_checkpoint_stays(run_fit, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device", str(tmp_path / "m" / "predictions.csv"))

    flags = ["--epochs", "1", *SMALL]
    with monkeypatch.context() as patch:
        patch.setattr("pandas.DataFrame.to_csv", full)
        assert run_fit(tmp_path / "m", *flags) == 1
    assert one_error_line(capsys).endswith("predictions.csv: No space left on device.")
    assert (tmp_path / "m" / "checkpoint.npz").is_file()
    assert run_fit(tmp_path / "m", *flags, "--resume") == 0


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (audio.AudioError("a.wav: broken."), 1),
        (OSError(13, "Permission denied", "models"), 1),
        (KeyboardInterrupt(), 130),
        (None, 0),
    ],
)
def test_commands_turn_failures_into_a_line_and_an_exit_code(failure, code, capsys):
    @command
    def main(argv=None):
        if failure:
            raise failure
        return 0

    assert main([]) == code
    if failure:
        assert one_error_line(capsys)


@pytest.mark.parametrize(("given", "used"), [(None, "true"), ("false", "false")])
def test_tensorflow_keeps_its_memory_unless_the_user_says_otherwise(given, used, monkeypatch):
    name = "TF_CPU_ALLOCATOR_USE_BFC"
    monkeypatch.delenv(name, raising=False)
    if given:
        monkeypatch.setenv(name, given)
    backend.import_tensorflow()
    assert os.environ[name] == used


def test_a_reader_that_goes_away_is_no_error_to_report(capfd):
    @command
    def main(argv=None):
        raise BrokenPipeError

    kept = os.dup(1)
    try:
        assert main([]) == 1
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert capfd.readouterr().err == ""


DOCTOR = [sys.executable, "-m", "ser_tf.doctor", "--cache", "--cache-dir"]


@pytest.mark.parametrize(
    ("streams", "code", "line"),
    [
        (">&-", 1, "error: stdout: it is closed, and a command prints."),
        (">&- <&-", 1, "error: stdout: it is closed, and a command prints."),
        (">/dev/full", 1, "error: stdout: No space left on device."),
        ("<&-", 0, ""),
        (">&- 2>&-", 1, ""),
        ("2>&- >/dev/null", 0, ""),
    ],
)
def test_closed_and_full_streams_are_one_line(streams, code, line, tmp_path):
    command = f"{shlex.join([*DOCTOR, str(tmp_path / 'none')])} {streams}"
    # Unbuffered, Python forgets what could not be written, and nobody can tell whose it was.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    result = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, env=buffered
    )
    assert (result.returncode, result.stderr.strip()) == (code, line)


def test_ctrl_c_while_a_command_is_imported_is_one_line():
    code = "import sys; sys.argv = ['-m']; import ser_tf; raise {}"
    for error, lines in (("KeyboardInterrupt", 1), ("ValueError", 3)):
        command = [sys.executable, "-c", code.format(error)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode != 0
        assert len(result.stderr.splitlines()) == lines
    assert "ser_tf" not in sys.excepthook.__module__


@pytest.mark.parametrize(
    ("main", "flags"),
    [
        (fit.main, ["--output", ""]),
        (fit.main, ["--data-dir="]),
        (evaluate.main, ["--model-dir", ""]),
        (predict.main, [""]),
        (predict.main, ["a.wav", "--plot-dir", ""]),
    ],
)
def test_an_empty_path_is_a_usage_error(main, flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(flags)
    assert "must name a file or folder; received an empty name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "write",
    [
        lambda path: np.save(path, np.zeros(9_999)),
        lambda path: path.write_text("x" * 9_999),
    ],
)
def test_a_file_that_grows_too_large_or_a_full_disk_is_named(write, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with (
            pytest.raises(OSError, match=r"a\.npy") as error,
            files.replacing(tmp_path / "a.npy") as new,
        ):
            write(new)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.filename == str(tmp_path / "a.npy")
    assert re.search("File too large|disk may be full", error.value.strerror)
    assert not [*tmp_path.iterdir()]


def test_fit_has_few_flags_and_a_help_of_one_screen_and_a_half(capsys):
    with pytest.raises(SystemExit):
        fit.main(["--help"])
    text = capsys.readouterr().out
    options = text.partition("options:")[2]
    assert len(set(re.findall(r"--[a-z-]+", options)) - {"--help"}) <= 16
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize("flag", REMOVED)
def test_a_flag_that_is_gone_is_answered_with_its_key(flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        fit.main([flag, "3"])
    [key] = re.findall(rf"{flag} is now --set (\S+)=", capsys.readouterr().err)
    assert key in {*known_keys({}), "features.NAME", "model.NAME"}


def test_show_prints_where_each_setting_comes_from(tmp_path, capsys):
    asked = ["--recipe", "published", "--set", "training.batch_size=8", "--split", "clips"]
    assert fit.main([*asked, "--show"]) == 0
    shown = capsys.readouterr().out
    lines = dict(line.split(" = ", 1) for line in shown.splitlines() if " = " in line)
    sources = {"epochs": "recipe published", "batch_size": "--set", "kind": "--split"}
    sources |= {"patience": "recipe published", "keep": "default"}
    assert {name: lines[name].partition("# ")[2].partition(":")[0] for name in sources} == sources
    (tmp_path / "again.toml").write_text(shown)
    assert fit.main(["--recipe", str(tmp_path / "again.toml"), "--show"]) == 0
    again = capsys.readouterr().out
    assert [line.partition("#")[0] for line in again.splitlines()] == [
        line.partition("#")[0] for line in shown.splitlines()
    ]
