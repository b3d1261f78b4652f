"""The models that ship: small, found wherever the package is, unsure where they should be."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ser_tf import audio, predict
from ser_tf.corpora.demo import synthesise
from ser_tf.data import sounds
from ser_tf.inference import model_folder, shipped
from ser_tf.inference.flatbuffers import LiteRTRuntime
from ser_tf.inference.recogniser import Recogniser
from ser_tf.inference.runtimes import KerasRuntime

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "saved_models" / shipped.SMALL
MEGABYTES = {shipped.SMALL: 8, shipped.ACCURATE: 60}


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    """By the Keras model; `test_runtimes.py` compares the flatbuffers with it."""
    artifact = model_folder.load(FOLDER)
    return Recogniser(artifact, KerasRuntime(artifact))


@pytest.mark.parametrize("name", shipped.NAMES)
def test_a_checkout_finds_the_model_beside_the_package(name):
    assert shipped.model_dir(name) == ROOT / "saved_models" / name


@pytest.mark.parametrize("name", shipped.NAMES)
def test_the_folder_is_small_and_names_no_place_on_a_machine(name):
    folder = ROOT / "saved_models" / name
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1e6 * MEGABYTES[name]
    config, _ = model_folder.load_config(folder)
    assert config.data_dir is None
    assert not any(Path(corpus).is_absolute() for corpus in config.corpora)
    assert (folder / "README.md").is_file()


def test_the_accurate_models_flatbuffer_answers_as_keras_does():
    artifact = model_folder.load(ROOT / "saved_models" / shipped.ACCURATE)
    waveforms = [synthesise(2, "sad", 1, 1), 1e-3 * synthesise(1, "angry", 1, 1)[:9000]]
    by_keras, by_litert = (
        [
            [*Recogniser(artifact, runtime).answer(waveform).probabilities.values()]
            for waveform in waveforms
        ]
        for runtime in (KerasRuntime(artifact), LiteRTRuntime(artifact))
    )
    np.testing.assert_allclose(by_litert, by_keras, atol=1e-4)


@pytest.mark.parametrize("kind", sounds.KINDS)
def test_what_is_no_speech_the_accurate_model_answers_unsure(kind):
    """Sounds of seeds that training has never heard."""
    artifact = model_folder.load(ROOT / "saved_models" / shipped.ACCURATE)
    accurate = Recogniser(artifact, LiteRTRuntime(artifact))
    heard = [sounds.make_sound(kind, 3.0, 16_000, 10_000 + seed) for seed in range(10)]
    assert np.mean([accurate.answer(sound).unsure for sound in heard]) >= 0.9


def test_predict_needs_no_training_and_no_flag(tmp_path, capsys):
    path = tmp_path / "a.wav"
    path.write_bytes(audio.to_wav(synthesise(1, "angry", 1, 1), 16_000))
    assert predict.main([str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_the_published_version_answers_as_the_model(recogniser):
    import tensorflow as tf

    served = tf.saved_model.load(str(FOLDER / "1")).signatures["serving_default"]
    waveform = synthesise(2, "sad", 1, 1)
    wav = audio.to_wav(waveform, recogniser.artifact.rate_hz)
    probabilities = served(wav_bytes=tf.constant([wav]))["probabilities"]
    expected = [*recogniser.answer(waveform).probabilities.values()]
    np.testing.assert_allclose(probabilities[0], expected, atol=1e-5)


def test_keras_loads_the_model_in_a_process_that_imported_the_layers_alone(recogniser):
    code = (
        "import importlib, json, keras, pkgutil, ser_tf.layers\n"
        "known = {*keras.saving.get_custom_objects()}\n"
        f"model = keras.saving.load_model({str(FOLDER / 'model.keras')!r})\n"
        "print(json.dumps(model(keras.ops.ones((1, 16_000)))[0].numpy().tolist()))\n"
        "for module in pkgutil.walk_packages(ser_tf.layers.__path__, 'ser_tf.layers.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert known == {*keras.saving.get_custom_objects()}\n"
    )
    # Keras only warns of weights that it does not find.
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    expected = recogniser.artifact.model(np.ones((1, 16_000), np.float32))[0]
    np.testing.assert_array_equal(np.float32(json.loads(answer.stdout)), expected)


@pytest.mark.parametrize("gain_db", [6, -30])
def test_gain_changes_hardly_a_probability(recogniser, gain_db):
    waveform = 0.3 * synthesise(3, "happy", 1, 1)
    answers = [
        [*recogniser.answer(gain * waveform).probabilities.values()]
        for gain in (np.float32(1), np.float32(10 ** (gain_db / 20)))
    ]
    np.testing.assert_allclose(*answers, atol=1e-3)


@pytest.mark.parametrize("kind", sounds.KINDS)
def test_what_is_no_speech_is_answered_unsure(recogniser, kind):
    """Sounds of seeds that training has never heard."""
    heard = [sounds.make_sound(kind, 3.0, 16_000, 10_000 + seed) for seed in range(20)]
    unsure = [recogniser.answer(sound).unsure for sound in heard]
    assert np.mean(unsure) >= 0.9


def test_a_wheel_brings_the_model_along(tmp_path):
    source = tmp_path / "source"  # building leaves traces
    kept = shutil.ignore_patterns(".*", "build", "*.egg-info", "notebooks", "tests", "__pycache__")
    shutil.copytree(ROOT, source, ignore=kept)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    parts = ("model.keras", "config.json", "README.md", "litert/model.tflite", "litert/model.json")
    parts = [f"{name}/{part}" for name in shipped.NAMES for part in parts]
    for part in (*parts, f"{shipped.SMALL}/1/saved_model.pb"):
        assert sum(name.endswith(f"share/ser_tf/{part}") for name in names) == 1
    assert wheel.stat().st_size < 35e6
    home = tmp_path / "venv"
    venv.create(home)
    Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}), "this.pth").write_text(
        sysconfig.get_path("purelib")  # what the wheel needs, without an editable ser_tf
    )
    python = home / "bin/python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet"]
    subprocess.run([*install, wheel], check=True)
    found = subprocess.run(
        [python, "-c", "from ser_tf.inference import shipped; print(shipped.model_dir('ser-lmu'))"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(found.stdout.strip())
    assert folder.is_relative_to(home)
    assert (folder / "model.keras").read_bytes() == (FOLDER / "model.keras").read_bytes()
