"""Model folders: one process at a time fills them, and their files are of one model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ser_tf import api, files
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, shipped

FOLDER = shipped.model_dir(shipped.SMALL)

HOLD = (
    "import sys, time; from ser_tf import files\n"
    "with files.holding(sys.argv[1]): print('holds', flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module")
def model():
    return model_folder.load(FOLDER).model


@pytest.fixture
def copied(model, tmp_path, monkeypatch):
    """A copy of the shipped model's folder but for the weights, which are not read anew."""
    monkeypatch.setattr(model_folder, "_load_model", lambda path: model)
    (tmp_path / model_folder.MODEL).touch()
    for name in (model_folder.CONFIG, model_folder.METRICS):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    return tmp_path


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        _ = model_folder.load(folder).model
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_files_of_one_model_are_loaded(copied):
    assert model_folder.load(copied).model
    (copied / model_folder.METRICS).unlink()
    assert model_folder.load(copied).model


def test_a_configuration_of_other_classes_is_named(copied):
    change(copied / model_folder.CONFIG, classes=["happy", "sad"])
    assert "model.keras is of another model than config.json (classes: 8 and 2)" in refusal(copied)


def test_a_configuration_of_other_features_is_named(copied):
    config, classes = model_folder.load_config(copied)
    model_folder.save_config(copied, config.changed({"features.n_mfcc": 10}), classes)
    assert "config.json (channels of features: " in refusal(copied)


def test_scores_of_another_model_are_named(copied):
    change(copied / model_folder.METRICS, temperature=2.0, seed=7)
    assert "metrics.json is of another model than model.keras and config.json" in refusal(copied)


def test_weights_of_another_model_are_named(copied):
    change(copied / model_folder.METRICS, temperature=2.0)
    assert "model.keras is of another model than config.json and metrics.json" in refusal(copied)


def test_a_configuration_of_another_run_is_named(copied):
    config, classes = model_folder.load_config(copied)
    model_folder.save_config(copied, config.changed({"seed": 7}), classes)
    said = refusal(copied)
    assert "config.json is of another model than model.keras and metrics.json (seed: 7 and" in said


def test_a_folder_is_held_by_one_process_until_that_ends(tmp_path):
    folder = tmp_path / "model"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        with pytest.raises(InputError, match=rf"model: in use by process {holder.pid} on .* since"):
            api.train(corpora=["demo"], output=folder)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with files.holding(folder):
            assert f"process {os.getpid()}" in (folder / ".lock").read_text()
        assert not list(folder.iterdir())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_lock_that_is_let_go_of_is_there_for_the_next(tmp_path):
    for _ in range(2):
        with files.holding(tmp_path), pytest.raises(InputError, match="in use by process"):
            files.holding(tmp_path).__enter__()
