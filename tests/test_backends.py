"""Training on another back end of Keras, and where neither TensorFlow nor librosa is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from ser_tf import compare, evaluate, fit, predict
from ser_tf.data import dataset, loading
from ser_tf.data.store import FeatureStore
from ser_tf.errors import InputError
from ser_tf.evaluation import comparison
from ser_tf.inference import model_folder, predictions
from ser_tf.models import MODELS
from ser_tf.training import checkpoint
from ser_tf.training.backends import ShuffledBatches
from ser_tf.training.checkpoint import State

QUICK = ("--epochs", "2", "--set", "training.batch_size=8")
QUICK += ("model.filters=8", "model.units=8", "model.order=4", "model.memory_d=2")
COMPARE = ("published", "--models", "cnn1", "--splits", "rows")
COMPARE += ("--set", "model.filters=4", "training.batch_size=8", "training.epochs=1")

WITHOUT_TENSORFLOW = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras_lmu", "librosa", "soundfile", "kagglehub"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
"""

COMMANDS = """
from pathlib import Path
from ser_tf import compare, fit
from ser_tf.evaluation import plots
from ser_tf.training.epochs import Journal

plots.save = lambda figure, path: Path(path).touch()

def interrupt(self, batch, logs=None):
    if self.state.epochs == stop_after and batch == 2:
        raise KeyboardInterrupt

Journal.on_train_batch_end = interrupt
for command, flags, stop_after in json.loads(sys.argv[1]):
    code = {"fit": fit, "compare": compare}[command].main(flags)
    assert code == (0 if stop_after is None else 130)
"""

MODELS_STEP = """
import keras
import numpy as np
from ser_tf.models import MODELS

with np.load(sys.argv[1]) as stored:
    for name, entry in MODELS.items():
        model = entry.build(stored["features"].shape[1:], 8)
        model.set_weights([stored[f"{name}_{i}"] for i in range(len(model.weights))])
        found = model.predict(stored["features"], verbose=0)
        np.testing.assert_allclose(found, stored[name], atol=1e-5, err_msg=name)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
        assert np.isfinite(model.train_on_batch(stored["features"], np.arange(4)))
        assert not np.array_equal(model.predict(stored["features"], verbose=0), found)
"""


def run_on_jax(code: str, argument: str, folder: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW + code, argument]
    subprocess.run(command, env=environment, cwd=folder, check=True)


@pytest.fixture(scope="module")
def trained(data_flags, tmp_path_factory) -> Path:
    """Where models were trained on JAX alone: whole; stopped and resumed; compared."""
    folder = tmp_path_factory.mktemp("jax")
    assert compare.main(["mfcc-lmu", "published", *data_flags, "--prepare"]) == 0
    jobs = [
        ("fit", [*QUICK, "--output", "whole"], None),
        ("fit", [*QUICK, "--output", "resumed"], 1),
        ("fit", [*QUICK, "--output", "resumed", "--resume"], None),
        ("compare", [*COMPARE], None),
    ]
    with_data = [(name, [*flags, *data_flags], stop_after) for name, flags, stop_after in jobs]
    run_on_jax(COMMANDS, json.dumps(with_data), folder)
    return folder


def test_a_model_trained_without_tensorflow_is_used_as_any_other(trained, data_flags, capsys):
    where = ["--model-dir", str(trained / "whole")]
    metrics = model_folder.load_metrics(trained / "whole")
    assert metrics["versions"]["backend"] == "jax"
    assert evaluate.main([*where, *data_flags[-2:], "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["confusion"] == metrics["test"]["confusion"]
    assert scores["ece"] == pytest.approx(metrics["test"]["ece"], abs=1e-4)
    path = pd.read_csv(trained / "whole" / "predictions.csv")["path"][0]
    assert predict.main([*where, path]) == 0


def test_probabilities_on_jax_are_those_on_tensorflow(trained, cache_dir):
    artifact = model_folder.load(trained / "whole")
    data = loading.load(artifact.config, artifact.model.get_layer("front_end"), cache_dir)
    test = dataset.split(data, artifact.config).of("test")
    on_tensorflow = predictions.predict_rows(artifact.model, test).filter(regex="^p_")
    on_jax = pd.read_csv(trained / "whole" / "predictions.csv").filter(regex="^p_")
    # float32, summed in another order.
    np.testing.assert_allclose(on_jax, on_tensorflow, atol=1e-5)


def test_a_run_stopped_and_resumed_on_jax_ends_in_the_same_weights(trained):
    pairs = (model_folder.load(trained / name).model.get_weights() for name in ("whole", "resumed"))
    for one, same in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, same)
    histories = [pd.read_csv(trained / name / "history.csv") for name in ("whole", "resumed")]
    pd.testing.assert_frame_equal(*(history.drop(columns="seconds") for history in histories))


def test_models_are_compared_on_jax(trained, monkeypatch):
    monkeypatch.chdir(trained)
    rows = comparison.load("published-demo")
    assert [result.split for result in rows] == ["rows"]
    assert "backend-jax" in rows[0].versions
    history = pd.read_csv("saved_models/compare-published-demo/cnn1-rows-0/history.csv")
    # Scored after the epoch and at the end: the same weights on the same rows.
    assert history["test_uar"].iloc[-1] == pytest.approx(rows[0].test_uar, abs=1e-4)


@pytest.mark.slow
def test_every_model_computes_the_same_on_jax_and_takes_a_step(tmp_path):
    arrays = {"features": np.random.default_rng(0).normal(size=(4, 401, 20)).astype("float32")}
    for name, entry in MODELS.items():
        model = entry.build(arrays["features"].shape[1:], 8)
        arrays[name] = model.predict(arrays["features"], verbose=0)
        arrays |= {f"{name}_{i}": weight for i, weight in enumerate(model.get_weights())}
    np.savez(tmp_path / "models.npz", **arrays)
    run_on_jax(MODELS_STEP, str(tmp_path / "models.npz"), tmp_path)


def batches(seed: int = 0, epochs: range = range(2)) -> list[list[float]]:
    """The targets in each batch of ten rows whose features are their own numbers."""
    numbers = np.arange(10.0)
    features = FeatureStore.of(numbers[:, None, None])
    chain = ShuffledBatches(features, numbers, 4, seed=seed, epochs=epochs)
    pairs = [chain[number] for number in range(len(chain))]
    for features, targets in pairs:
        np.testing.assert_array_equal(features[:, 0, 0], targets)
    return [targets.tolist() for _, targets in pairs]


def test_every_epoch_has_every_row_once_in_an_order_of_seed_and_epoch():
    whole = batches()
    assert [len(batch) for batch in whole] == [4, 4, 2] * 2
    first, second = ([row for batch in half for row in batch] for half in (whole[:3], whole[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert batches(epochs=range(1, 2)) == whole[3:]
    assert batches(seed=1) != whole


def test_prepare_names_the_files_that_another_machine_needs(data_flags, capsys):
    assert compare.main([*data_flags, "--prepare"]) == 0
    counts, *paths = capsys.readouterr().out.splitlines()
    assert counts == "48 clips, 48 rows of features:"
    assert len(paths) == 2
    assert all(Path(path).is_file() for path in paths)


def test_without_features_in_the_cache_another_back_end_asks_for_them(
    data_flags, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    flags = ["--set", "features.n_mfcc=7", "--output", str(tmp_path / "m")]
    assert fit.main([*data_flags, *flags]) == 1
    assert "--prepare" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--set", "augmentation.layers=specaugment"], "augmentation.layers: "),
        (["--set", "augmentation.mixup=0.5"], "augmentation.mixup: "),
        (["--set", "training.balance_corpora=1"], "training.balance_corpora: "),
        (["--set", "augmentation.sounds=4"], "augmentation.sounds: "),
        (["--set", "training.teachers=m"], "training.teachers: "),
        (["--set", "model.memory=keras_lmu"], "model.memory=keras_lmu: "),
    ],
)
def test_what_needs_tensorflow_is_named(flags, named, data_flags, tmp_path, monkeypatch, capsys):
    assert compare.main([*data_flags, "--prepare"]) == 0
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    assert fit.main([*data_flags, *flags, "--output", str(tmp_path / "m")]) == 1
    assert named in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_checkpoint_of_another_back_end_is_refused(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    checkpoint.save(tmp_path, model, State())
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"checkpoint\.npz: written on the back end tensorflow"):
        checkpoint.restore(tmp_path, model)
