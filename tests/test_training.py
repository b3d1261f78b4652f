"""Law 10 and 12: every model trains; runs are reproducible and survive being stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import keras
import numpy as np
import operators
import pandas as pd
import pytest
import tensorflow as tf
from runs import (
    QUICK,
    SMALL,
    TINY_CAUSAL,
    assert_same_weights,
    stop_after,
    weights,
    without_pictures,
)

from ser_tf import evaluate, export, fit, predict
from ser_tf.corpora import splits
from ser_tf.data import dataset, loading
from ser_tf.data.dataset import Dataset
from ser_tf.data.store import FeatureStore
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, removal
from ser_tf.models import MODELS
from ser_tf.training import checkpoint
from ser_tf.training.checkpoint import State
from ser_tf.training.epochs import UAR, Accuracy, Journal


@pytest.fixture(scope="module")
def fitted(run_fit, trained, tmp_path_factory):
    """The folder of a model by its name, fitted for an epoch or, as `trained` is, for three."""
    root = tmp_path_factory.mktemp("fitted")

    def folder_of(model):
        if model == "cnn1" and not (root / model).exists():
            shutil.copytree(trained, root / model)
        if not (root / model).exists():
            assert run_fit(root / model, "--model", model, "--epochs", "1") == 0
        return root / model

    return folder_of


@pytest.mark.parametrize(
    "model", ["cnn1", *(pytest.param(name, marks=pytest.mark.slow) for name in [*MODELS][1:])]
)
def test_every_model_fits_evaluates_and_predicts(model, fitted, cache_dir, capsys):
    folder = fitted(model)
    where = ["--model-dir", str(folder)]
    capsys.readouterr()
    assert evaluate.main([*where, "--cache-dir", str(cache_dir), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert scores["confusion"] == metrics["test"]["confusion"]
    # Loaded weights are the same; batches and so the order of sums may differ.
    assert scores["ece"] == pytest.approx(metrics["test"]["ece"], abs=1e-4)

    rows = pd.read_csv(folder / "predictions.csv")
    assert predict.main([*where, "--json", *rows["path"][:3]]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["emotion"] for line in lines] == rows["predicted"][:3].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_exported(model, fitted):
    folder = fitted(model)
    assert export.main(["--model-dir", str(folder)]) == 0
    assert not operators.used(folder / "1") - operators.KNOWN
    served = tf.saved_model.load(folder / "1").signatures["serving_default"]
    rows = pd.read_csv(folder / "predictions.csv")[:3]
    content = tf.constant([Path(path).read_bytes() for path in rows["path"]])
    probabilities = served(wav_bytes=content)["probabilities"].numpy()
    np.testing.assert_allclose(probabilities, rows.filter(regex="^p_"), atol=1e-4)


def test_the_model_folder_holds_what_the_contract_says(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        *("model.keras", "config.json", "history.csv", "metrics.json", "predictions.csv"),
        *("curves.png", "confusion.png", "speakers.png", "calibration.png", "tensorboard"),
        "litert",
    }
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics) == {
        *("split", "split_seed", "seed", "model", "corpora", "parameters"),
        *("front_end_parameters", "classes", "versions"),
        *("leaky", "temperature", "unsure_below", "train", "validation", "test"),
    }
    assert len(pd.read_csv(trained / "history.csv")) == 3
    columns = pd.read_csv(trained / "predictions.csv").columns.tolist()
    assert columns[:7] == ["path", "copy", "corpus", "speaker", "emotion", "predicted", "unsure"]
    assert columns[7:] == [f"p_{emotion}" for emotion in metrics["classes"]]


def test_the_saved_model_is_that_of_the_best_validation_epoch(trained):
    history = pd.read_csv(trained / "history.csv")
    metrics = json.loads((trained / "metrics.json").read_text())
    # The calibration changes no arg-max; history keeps float32.
    assert metrics["validation"]["uar"] == pytest.approx(history["val_uar"].max(), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_weights(model, run_fit, tmp_path):
    for name, seed in (("one", "0"), ("two", "0"), ("other", "1")):
        run_fit(tmp_path / name, "--model", model, "--epochs", "2", "--seed", seed)
    assert_same_weights(tmp_path / "one", tmp_path / "two")
    assert not all(map(np.array_equal, weights(tmp_path / "one"), weights(tmp_path / "other")))


def test_the_normalisation_knows_the_training_clips_alone(trained, cache_dir):
    artifact = model_folder.load(trained)
    front_end = artifact.model.get_layer("front_end")
    data = loading.load(artifact.config, front_end, cache_dir)
    training = dataset.split(data, artifact.config).of("train")
    assert len(training.rows) < len(data.rows)
    normalisation = artifact.model.get_layer("encoder").get_layer("normalisation")
    expected = training.features.array().mean(axis=(0, 1))
    # Coefficients of hundreds, summed in float32 and in another order.
    np.testing.assert_allclose(np.ravel(normalisation.mean), expected, rtol=1e-3, atol=1e-2)


_COPIES = ("training.keep=last", "training.ema_momentum=0.8", "augmentation.mixup=0.5")
_COPIES += ("augmentation.layers=noise,gain", "augmentation.copies=2")


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(QUICK, id="quick"),
        pytest.param(("--epochs", "3", *SMALL, *_COPIES), id="copies", marks=pytest.mark.slow),
        pytest.param(
            ("--epochs", "3", *TINY_CAUSAL, *_COPIES), id="causal", marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_stopped_by_ctrl_c_goes_on_to_the_same_weights(
    flags, trained, run_fit, cache_dir, tmp_path, monkeypatch, capsys
):
    whole = trained
    if flags != QUICK:
        whole = tmp_path / "whole"
        run_fit(whole, *flags)
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        assert run_fit(tmp_path / "m", *flags) == 130
    assert "--resume" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "m" / "history.csv")) == 1
    with without_pictures():
        resume = ["--resume", "--output", str(tmp_path / "m"), "--cache-dir", str(cache_dir)]
        assert fit.main(resume) == 0
    assert_same_weights(whole, tmp_path / "m")
    histories = [pd.read_csv(folder / "history.csv") for folder in (whole, tmp_path / "m")]
    histories = [history.drop(columns="seconds") for history in histories]
    pd.testing.assert_frame_equal(*histories)


@pytest.mark.slow
def test_a_run_killed_at_any_point_goes_on_to_the_same_weights(trained, data_flags, tmp_path):
    flags = [*data_flags, *QUICK]
    command = [sys.executable, "-m", "ser_tf.fit", *flags, "--output", tmp_path / "m"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for epoch in (1, 2):
        process = subprocess.Popen([*map(str, command), "--resume"], env=environment)
        history = tmp_path / "m" / "history.csv"
        while process.poll() is None:
            if history.exists() and len(history.read_text().splitlines()) > epoch:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        assert process.wait() == -signal.SIGKILL
    subprocess.run([*map(str, command), "--resume"], env=environment, check=True)
    assert_same_weights(trained, tmp_path / "m")


_TWO_REPLICAS = """
import sys
import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from ser_tf import fit
from ser_tf.training import backends

backends.strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
sys.exit(fit.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_several_devices_train_one_model(data_flags, tmp_path):
    command = [sys.executable, "-c", _TWO_REPLICAS, *data_flags, *QUICK, "--output", tmp_path / "m"]
    subprocess.run(list(map(str, command)), check=True)
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert model_folder.load(tmp_path / "m").calibration.temperature > 0


def test_resuming_a_finished_run_trains_nothing(trained, cache_dir, monkeypatch, capsys):
    monkeypatch.setattr(keras.Model, "fit", None)
    flags = ["--resume", "--output", str(trained), "--cache-dir", str(cache_dir)]
    assert fit.main(flags) == 0
    assert str(trained) in capsys.readouterr().out


def test_a_folder_with_a_model_is_not_written_over(trained, capsys, run_fit):
    assert run_fit(trained, *QUICK) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (trained / "metrics.json").is_file()


def test_resume_with_another_flag_names_it(trained, cache_dir, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    arguments = ["--resume", "--output", str(tmp_path), "--epochs", "9"]
    assert fit.main([*arguments, "--cache-dir", str(cache_dir)]) == 1
    assert "training.epochs: the run in" in capsys.readouterr().err


def test_a_broken_checkpoint_is_named(trained, cache_dir, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    (tmp_path / "checkpoint.npz").write_bytes(b"PK not really")
    arguments = ["--resume", "--output", str(tmp_path), "--cache-dir", str(cache_dir)]
    assert fit.main(arguments) == 1
    assert "checkpoint.npz: not a checkpoint of this model" in capsys.readouterr().err


def test_without_validation_the_last_epoch_counts_and_watching_changes_no_weight(run_fit, tmp_path):
    flags = ("--epochs", "2", *SMALL)
    for name, watch in (("with", ("training.watch_test=true",)), ("without", ())):
        run_fit(tmp_path / name, *flags, "split.validation=false", *watch)
    assert_same_weights(tmp_path / "with", tmp_path / "without")
    assert "validation" not in json.loads((tmp_path / "without" / "metrics.json").read_text())
    assert model_folder.load(tmp_path / "without").calibration.temperature == 1.0


def test_folds_test_every_speaker_once_and_report_their_mean(run_fit, tmp_path):
    assert run_fit(tmp_path / "m", "--epochs", "1", *SMALL, "split.folds=2") == 0
    folds = [tmp_path / "m" / f"fold-{number}" for number in (1, 2)]
    tables = [pd.read_csv(fold / "predictions.csv") for fold in folds]
    speakers = [speaker for table in tables for speaker in table["speaker"].unique()]
    assert sorted(speakers) == [f"demo-{number:02}" for number in range(1, 7)]
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    uars = [json.loads((fold / "metrics.json").read_text())["test"]["uar"] for fold in folds]
    assert metrics["test"]["uar"] == pytest.approx(np.mean(uars))
    assert metrics["test"]["n_clips"] == 48


def test_a_protocol_goes_on_with_the_fold_that_was_cut_off(run_fit, tmp_path, monkeypatch):
    folds = [splits.Fold((f"demo-0{n}",), (f"demo-0{n + 1}",)) for n in (1, 2)]
    monkeypatch.setitem(splits.PROTOCOLS, "ravdess", tuple(folds))
    flags = ("--epochs", "2", *SMALL, "split.protocol=ravdess")
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        assert run_fit(tmp_path / "m", *flags) == 130
    assert run_fit(tmp_path / "m", *flags, "--resume") == 0
    tables = [pd.read_csv(tmp_path / "m" / f"fold-{n}" / "predictions.csv") for n in (1, 2)]
    assert [set(table["speaker"]) for table in tables] == [{"demo-01"}, {"demo-02"}]
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["folds"] == 2
    assert metrics["test"]["n_clips"] == 16


def test_class_weights_are_inverse_to_the_share():
    rows = pd.DataFrame({"emotion": ["calm", "calm", "calm", "angry"]})
    features = FeatureStore.of(np.empty((4, 1, 1)))
    of_three = Dataset.labelled(rows, features, ("calm", "angry", "sad"))
    assert of_three.class_weights == pytest.approx({0: 2 / 3, 1: 2.0, 2: 0.0})


def test_class_weights_are_used(run_fit, tmp_path, monkeypatch):
    asked = []

    def fit_not_at_all(*_, class_weight, **__):
        asked.append(class_weight)
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", fit_not_at_all)
    for flags in ((), ("--set", "training.class_weights=true")):
        assert run_fit(tmp_path / "m", "--model", "cnn1", "--overwrite", *flags) == 130
    # Four of the six speakers train, each with every emotion once.
    assert asked == [None, pytest.approx(dict.fromkeys(range(8), 1.0))]


def test_what_is_of_no_emotion_counts_in_no_figure_of_an_epoch():
    targets = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.3, 0.7]], np.float32)
    logits = np.array([[2, 0], [2, 0], [0, 2], [0, 2]], np.float32)
    for metric, expected in ((Accuracy(2), 2 / 3), (UAR(2), (1 + 1 / 2) / 2)):
        metric.update_state(targets, logits)
        assert float(metric.result()) == pytest.approx(expected, abs=1e-6)  # float32


def test_a_run_that_diverges_at_once_says_so(run_fit, tmp_path, capsys):
    flags = ("--epochs", "3", *SMALL, "training.learning_rate=1e38", "training.keep=last")
    assert run_fit(tmp_path / "m", *flags) == 1
    assert "training.learning_rate: epoch" in capsys.readouterr().err
    assert not (tmp_path / "m" / "model.keras").exists()


def test_a_run_that_diverges_ends_with_its_best_epoch(tmp_path, caplog):
    state = State([{"epoch": 1, "val_uar": 0.5}])
    journal = Journal(tmp_path, state, patience=None)
    journal.set_model(types.SimpleNamespace(stop_training=False))
    journal.on_epoch_begin(1)
    journal.on_epoch_end(1, {"loss": 1.0, "val_loss": float("nan")})
    assert journal.model.stop_training
    assert state.epochs == 1
    assert not list(tmp_path.iterdir())
    assert "epoch 2 diverged, a lower rate may help; training ends with epoch 1" in caplog.text


@pytest.mark.parametrize("state", [State([{"epoch": 1}]), State([{"val_uar": 0.5}], keep="last")])
def test_a_run_that_chooses_no_epoch_and_diverges_is_not_finished(state, tmp_path):
    journal = Journal(tmp_path, state, patience=None)
    journal.on_epoch_begin(1)
    with pytest.raises(InputError, match=r"training\.learning_rate: epoch 2 diverged"):
        journal.on_epoch_end(1, {"loss": float("nan")})


def test_memory_that_runs_out_is_one_line(run_fit, tmp_path, monkeypatch, capsys):
    def fit_no_more(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, "fit", fit_no_more)
    assert run_fit(tmp_path / "m", *QUICK) == 1
    assert "training.batch_size: memory ran out in epoch 1" in capsys.readouterr().err


OURS = '{"format": 2, "classes": [], "config": {}}'
THEIRS = ("fold-1/weights.pt", "tensorboard/mine", "fold-2/notes.txt", "fold-4/a/config.json")


def fill(folder, contents):
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.mark.parametrize(
    "config", ["", "{}", "[1]", "7", '{"format": 2}', '{"model_type": "bert"}']
)
def test_nothing_in_a_folder_of_others_is_removed(config, tmp_path):
    names = (
        *THEIRS,
        "metrics.json",
        "fold-1/config.json",
        "tensorboard/train/events.out.tfevents.1",
    )
    fill(tmp_path, {"config.json": config, **dict.fromkeys(names, "theirs")})
    with pytest.raises(InputError, match=r"its config\.json is not of a model folder"):
        removal.remove_run(tmp_path)
    assert all((tmp_path / name).is_file() for name in ("config.json", *names))


def test_only_the_files_of_a_run_are_removed(tmp_path):
    ours = ("config.json", "fold-2/config.json", "fold-3/config.json", "fold-3/model.keras")
    curves = (
        "tensorboard/train/events.out.tfevents.1",
        "fold-3/tensorboard/train/events.out.tfevents.1",
    )
    fill(tmp_path, dict.fromkeys(THEIRS, "theirs"))
    removal.remove_run(tmp_path)
    fill(tmp_path, {**dict.fromkeys(ours, OURS), **dict.fromkeys(curves, "")})
    fill(tmp_path, {"fold-1/config.json": "{}", "5/saved_model.pb": ""})
    removal.remove_run(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*THEIRS, "fold-1/config.json", "5/saved_model.pb"}
    assert not (tmp_path / "fold-3").exists()


def test_what_cannot_be_trained_replaces_nothing(run_fit, tmp_path, capsys):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    flags = ("--model", "cnn1", "--set", "model.dropout=1.5", "--overwrite")
    assert run_fit(tmp_path / "m", *flags) == 1
    assert "model: " in capsys.readouterr().err
    assert (tmp_path / "m" / "config.json").read_text() == "{}"


@pytest.mark.parametrize("folds", [(), ("split.folds=2",)])
def test_a_hyperparameter_that_is_refused_leaves_no_run(run_fit, tmp_path, folds, capsys):
    flags = ("--model", "cnn1", "--epochs", "1", "--set", "model.dropout=1.5", *folds)
    assert run_fit(tmp_path / "m", *flags) == 1
    assert "model: " in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_history_says_what_the_checkpoint_says(tmp_path):
    checkpoint.write_history(tmp_path, State())
    assert not (tmp_path / "history.csv").exists()
    state = State([{"epoch": 1.0, "val_uar": 0.5}])
    (tmp_path / "history.csv").write_text("cut o")
    checkpoint.write_history(tmp_path, state)
    assert pd.read_csv(tmp_path / "history.csv").to_dict("records") == state.history


def test_without_validation_the_last_epoch_is_the_best():
    assert State([{"uar": value} for value in (0.5, 0.1, 0.2)]).best_epoch == 3


def test_patience_ends_a_run_and_the_first_of_equal_epochs_is_best():
    state = State([{"val_uar": value} for value in (0.1, 0.5, 0.5, 0.4)])
    assert state.best_epoch == 2
    assert state.exhausted(2)
    assert not state.exhausted(3)
    assert not state.exhausted(None)


def test_a_run_that_keeps_the_last_epoch_never_loses_patience():
    state = State([{"val_uar": value} for value in (0.5, 0.1, 0.2)], keep="last")
    assert state.best_epoch == 3
    assert not state.exhausted(1)


def test_what_is_validated_and_kept_is_the_weights_average(run_fit, tmp_path):
    for name, flags in (("plain", ()), ("averaged", ("training.ema_momentum=0.9",))):
        folder = tmp_path / name
        run_fit(folder, "--epochs", "1", *SMALL, "training.keep=last", *flags)
        history = pd.read_csv(folder / "history.csv")
        validation = model_folder.load_metrics(folder)["validation"]
        assert history["val_accuracy"].iloc[-1] == pytest.approx(validation["accuracy"], abs=1e-6)
    kept = (weights(tmp_path / name) for name in ("plain", "averaged"))
    for plain, averaged in zip(*kept, strict=True):
        assert plain.ndim < 2 or not np.array_equal(plain, averaged)


def test_without_test_clips_the_validation_clips_are_scored(cache_dir, run_fit, tmp_path, capsys):
    assert run_fit(tmp_path / "m", "--epochs", "1", *SMALL, "split.test=false") == 0
    metrics = model_folder.load_metrics(tmp_path / "m")
    assert "test" not in metrics
    assert metrics["train"]["n_clips"] + metrics["validation"]["n_clips"] == 48
    predictions = pd.read_csv(tmp_path / "m" / "predictions.csv")
    assert len(predictions) == metrics["validation"]["n_clips"]
    capsys.readouterr()
    common = ["--model-dir", str(tmp_path / "m"), "--cache-dir", str(cache_dir)]
    assert evaluate.main([*common, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uar"] == metrics["validation"]["uar"]


def test_the_progress_bars_uar_is_that_of_scikit_learn():
    from sklearn.metrics import recall_score

    rng = np.random.default_rng(0)
    truth, logits = rng.integers(0, 4, 50), rng.standard_normal((50, 6)).astype(np.float32)
    metric = UAR(6)
    for part in (slice(20), slice(20, 50)):
        metric.update_state(np.eye(6, dtype=np.float32)[truth[part]], logits[part])
    expected = recall_score(
        truth, logits.argmax(axis=1), labels=range(4), average="macro", zero_division=0
    )
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)  # float32


def test_a_training_step_is_traced_once(tmp_path):
    class Counting(keras.Sequential):
        traces = 0

        def train_step(self, data):
            Counting.traces += 1
            return super().train_step(data)

    model = Counting([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    checkpoint.restore(tmp_path, model)
    model.fit(np.zeros((8, 2)), np.zeros((8, 1)), batch_size=4, epochs=2, verbose=0)
    assert Counting.traces == 1


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    state = State([{"val_uar": 0.5}], [np.asarray(value) for value in model.variables])
    checkpoint.save(tmp_path, model, state)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, model, state)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
