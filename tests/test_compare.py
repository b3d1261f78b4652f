"""Comparisons: what is run, and what is kept."""

import dataclasses
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from runs import assert_same_weights

from ser_tf import compare
from ser_tf.config import Layer, recipes, resolve
from ser_tf.corpora import splits
from ser_tf.errors import InputError
from ser_tf.evaluation import comparison, plots, report
from ser_tf.evaluation.comparison import Result
from ser_tf.inference import model_folder
from ser_tf.models import PUBLISHED
from ser_tf.training.epochs import Journal

QUICK = ("published", "--models", "cnn1", "--set", "model.filters=4")
NAME = "published-demo"
PICTURES = [f"{NAME}{kind}.png" for kind in ("", "-confusions-cnn1", "-curves-cnn1")]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(data_flags, monkeypatch):
    monkeypatch.setattr(plots, "save", lambda figure, path: Path(path).touch())
    return lambda *flags: compare.main([*data_flags, *flags])


@pytest.fixture(scope="module")
def finished(data_flags, tmp_path_factory) -> Path:
    """Where one model was compared on two splits."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("compared")
        patch.chdir(folder)
        flags = [*data_flags, *QUICK, "training.epochs=2", "--splits", "rows", "speakers"]
        assert compare.main(flags) == 0
    return folder


def make_result(**fields) -> Result:
    values = {
        **{"model": "lmu", "split": "rows", "seed": 0, "recipe": "published", "epochs": 50},
        **{"parameters": 1_321_693, "classes": 8, "leaky": True, "train_accuracy": 0.97},
        **{"train_uar": 0.96, "test_accuracy": 0.9, "test_uar": 0.89, "test_macro_f1": 0.88},
        **{"seconds_per_epoch": 61.04, "versions": "ser_tf-0"},
    }
    return Result(**{**values, **fields})


def test_the_jobs_differ_in_model_split_and_seed_alone(monkeypatch):
    ran = []
    monkeypatch.setattr(compare, "_run", lambda jobs, *_: ran.extend(jobs) or 0)
    monkeypatch.setattr(compare, "_finish", lambda *_: [])
    assert compare.main(["published", "--seeds", "0", "1"]) == 0
    assert len(ran) == len({folder for _, folder in ran}) == 5 * 3 * 2
    for wanted, _ in ran:
        assert wanted.model.entry == PUBLISHED[wanted.model.name]
        assert wanted.recipe == "published"
        assert wanted.training == resolve("published").training
        same = dataclasses.replace(
            ran[0].config,
            model=wanted.model,
            split=dataclasses.replace(ran[0].config.split, kind=wanted.split.kind),
            seed=wanted.seed,
        )
        assert wanted == same


def test_a_comparison_leaves_a_line_of_csv_a_job_and_pictures(finished):
    rows = pd.read_csv(finished / comparison.FOLDER / f"{NAME}.csv")
    assert rows["split"].tolist() == ["rows", "speakers"]
    assert rows["leaky"].tolist() == [True, False]
    assert (rows["epochs"] == 2).all()
    for split, row in zip(rows["split"], rows.itertuples(), strict=True):
        metrics = model_folder.load_metrics(
            finished / f"saved_models/compare-{NAME}/cnn1-{split}-0"
        )
        assert row.train_accuracy == pytest.approx(metrics["train"]["accuracy"], abs=1e-4)
        assert row.test_uar == pytest.approx(metrics["test"]["uar"], abs=1e-4)
        assert row.parameters == metrics["parameters"]
        assert f"keras-{metrics['versions']['keras']}" in row.versions
    for picture in PICTURES:
        assert matplotlib.image.imread(finished / comparison.FOLDER / picture).shape[1] == 1200


def test_the_rows_split_is_marked_leaky_and_scored_on_all_copies(finished):
    folder = finished / f"saved_models/compare-{NAME}/cnn1-rows-0"
    metrics = model_folder.load_metrics(folder)
    assert metrics["leaky"] is True
    assert "LEAKY" in report.describe_run(metrics, folder)
    assert metrics["test"]["n_clips"] == 39  # a fifth of 48 clips with four copies
    assert len(metrics["classes"]) == 8
    assert set(pd.read_csv(folder / "predictions.csv")["copy"]) == {0, 1, 2, 3}
    history = pd.read_csv(folder / "history.csv")
    # Scored after the epoch and at the end: the same weights on the same rows.
    for name in ("uar", "accuracy"):
        assert history[f"test_{name}"].iloc[-1] == pytest.approx(metrics["test"][name], abs=1e-6)


def test_what_is_kept_of_a_run_is_enough_for_its_pictures(finished, tmp_path, monkeypatch):
    before, kept = finished / comparison.FOLDER, tmp_path / comparison.FOLDER
    shutil.copytree(before, kept, ignore=shutil.ignore_patterns("*.png"))
    monkeypatch.chdir(tmp_path)
    compare._finish(Path("saved_models/elsewhere"), NAME)
    for picture in PICTURES:
        drawn = [
            matplotlib.image.imread(root / picture) for root in (kept, finished / comparison.FOLDER)
        ]
        np.testing.assert_array_equal(*drawn)


def test_the_scaler_is_that_of_the_training_rows(finished, small_dir, cache_dir):
    from sklearn.preprocessing import StandardScaler

    from ser_tf.data import dataset, loading

    artifact = model_folder.load(finished / f"saved_models/compare-{NAME}/cnn1-rows-0")
    data = loading.load(artifact.config, artifact.model.get_layer("front_end"), cache_dir)
    training = dataset.split(data, artifact.config).of("train").features.array()[..., 0]
    scaler = StandardScaler().fit(training.astype(np.float64))
    normalisation = artifact.model.get_layer("encoder").get_layer("normalisation")
    found = np.asarray(normalisation(training[..., np.newaxis]))[..., 0]
    # float32; columns that hardly vary leave few digits after the mean is taken off.
    np.testing.assert_allclose(found, scaler.transform(training), atol=2e-3)


def test_a_job_is_the_run_of_fit_with_its_flags(finished, run_fit, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "save", lambda figure, path: Path(path).touch())
    flags = ["--recipe", "published", "--model", "cnn1", "--set", "model.filters=4"]
    assert run_fit(tmp_path / "m", *flags, "--split", "speakers", "--epochs", "2") == 0
    assert_same_weights(finished / f"saved_models/compare-{NAME}/cnn1-speakers-0", tmp_path / "m")


def test_what_is_done_is_kept_and_the_rest_goes_on(finished, run, monkeypatch, capsys):
    begin = Journal.on_epoch_begin

    def interrupt(self, epoch, logs=None):
        if "speakers" in self.folder.name and self.state.epochs == 1:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    flags = (*QUICK, "training.epochs=2", "--splits", "rows", "speakers")
    done = f"saved_models/compare-{NAME}/cnn1-rows-0"
    shutil.copytree(finished / done, done)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "on_epoch_begin", interrupt)
        assert run(*flags) == 130
    assert len(comparison.load(NAME)) == 1
    assert "The same command goes on" in capsys.readouterr().err
    rows = Path(done, "model.keras")
    before = rows.stat().st_mtime_ns
    assert run(*flags) == 0
    assert rows.stat().st_mtime_ns == before
    lines = [line for line in capsys.readouterr().out.splitlines() if " of 2: " in line]
    assert [line.split(":")[1] for line in lines] == [
        " cnn1, rows (LEAKY), seed 0",
        " cnn1, speakers, seed 0",
    ]
    job = f"saved_models/compare-{NAME}/cnn1-speakers-0"
    assert_same_weights(finished / job, Path(job))


@pytest.mark.parametrize("split", ["rows", "clips"], ids=["a job again", "another job"])
def test_runs_of_other_flags_are_not_mixed_in(split, finished, run, capsys):
    shutil.copytree(finished / "saved_models", "saved_models")
    assert run(*QUICK, "training.epochs=3", "--splits", split) == 1
    assert "training.epochs: the run in" in capsys.readouterr().err


def test_the_table_needs_no_tensorflow(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    assert compare.main(["--table", NAME]) == 0
    code = (
        f"import sys\nfrom ser_tf import compare\ncompare.main(['--table', '{NAME}'])\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode() == capsys.readouterr().out


def test_the_table_of_unknown_results_names_the_known(capsys):
    assert compare.main(["--table", "best"]) == 1
    assert "no such results; saved_models/results holds nothing" in capsys.readouterr().err


def test_a_protocol_is_a_mean_over_folds(run, monkeypatch):
    folds = [splits.Fold((f"demo-0{n}",), (f"demo-0{n + 1}",)) for n in (1, 2)]
    monkeypatch.setitem(splits.PROTOCOLS, "ravdess", tuple(folds))
    flags = ("--models", "cnn1", "--set", "split.protocol=ravdess", "model.filters=4")
    assert run(*flags, "training.epochs=1", "--seeds", "1", "--output", "compare-p") == 0
    [found] = comparison.load("p")
    folder = Path("compare-p/cnn1-ravdess-folds-1")
    scores = [model_folder.load_metrics(folder / f"fold-{n}")["test"] for n in (1, 2)]
    for name in ("accuracy", "uar", "macro_f1"):
        mean = statistics.mean(score[name] for score in scores)
        assert getattr(found, f"test_{name}") == pytest.approx(mean, abs=1e-4)
    assert "`ravdess folds`, macro F1" in comparison.markdown(comparison.load("p"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--splits", "random"], "'rows'"),
        (["--models", "rnn"], "'lmu'"),
        (["--seeds", "-1"], "from 0 to"),
        (["--last-epochs", "0", "--table", "n"], "--last-epochs"),
        (["--last-epochs", "5"], "--table"),
        (["--set", "split.protocol=ravdess", "--splits", "rows"], "split.kind=speakers"),
        (["--set", "split.protocol=ravdess", "split.folds=3"], "exclude each other"),
    ],
)
def test_wrong_flags_exit_with_2_and_name_what_is_right(arguments, named, capsys):
    with pytest.raises(SystemExit) as stop:
        compare.main(arguments)
    assert stop.value.code == 2
    assert named in capsys.readouterr().err


def test_the_table_gives_means_and_sample_deviations_and_marks_the_leak():
    accuracies = (0.90, 0.93, 0.86)
    runs = [make_result(seed=seed, test_accuracy=rate) for seed, rate in enumerate(accuracies)]
    honest = make_result(
        split="speakers", leaky=False, test_accuracy=0.31, test_uar=0.3, seconds_per_epoch=62.9
    )
    heading, _, row, _, caption, *_ = comparison.markdown([*runs, honest]).splitlines()
    assert heading.split(" | ")[2:5] == [
        *("*published* (**leaky**)", "`rows` (**leaky**)", "`speakers`")
    ]
    deviation = 100 * np.std(accuracies, ddof=1)
    assert row == (
        f"| `lmu` | 1,321,693 | 97 / 92 | 97.0 ± 0.0 / 89.7 ± {deviation:.1f} (89.0 ± 0.0) | "
        "97.0 / 31.0 (30.0) | 0, 1, 2 | 50 | 61 to 63 |"
    )
    assert "Speech Emotion Classification on 4 datasets" in caption


def test_the_mean_of_the_last_epochs_is_that_of_the_histories(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    assert compare.main(["--table", NAME, "--last-epochs", "2"]) == 0
    _, _, row, _, caption = capsys.readouterr().out.splitlines()
    assert "the mean of its last 2 epochs" in caption
    cells = []
    for split in ("rows", "speakers"):
        history = pd.read_csv(comparison.FOLDER / NAME / f"cnn1-{split}-0" / model_folder.HISTORY)
        means = 100 * history[["accuracy", "test_accuracy", "test_uar"]].mean()
        cells.append("{:.1f} / {:.1f} ({:.1f})".format(*means))
    assert row.split(" | ")[3:5] == cells


@pytest.mark.parametrize(
    ("text", "named"), [("epoch,accuracy\n", "no history"), ("epoch,uar\n1,0.5\n", "no run")]
)
def test_without_scores_of_every_epoch_there_are_no_means(text, named, capsys):
    comparison.add("n", [make_result()])
    history = comparison.find_kept("n", make_result()) / model_folder.HISTORY
    history.parent.mkdir(parents=True)
    history.write_text(text)
    assert compare.main(["--table", "n", "--last-epochs", "3"]) == 1
    assert named in capsys.readouterr().err


def test_without_the_preset_there_are_no_published_figures():
    assert "published" not in comparison.markdown([make_result(recipe="")])


def test_a_job_that_cannot_be_done_does_not_stop_the_others(run, capsys, monkeypatch):
    def train(job, data, cache_dir):
        raise InputError(f"{job.config.split.kind}: diverged.")

    monkeypatch.setattr(compare, "_train", train)
    assert run(*QUICK, "training.epochs=1", "--splits", "rows", "speakers") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [line.rsplit(": ", 2)[1:] for line in errors] == [
        ["rows", "diverged."],
        ["speakers", "diverged."],
    ]


def test_runs_without_test_clips_cannot_be_compared(capsys):
    with pytest.raises(SystemExit, match="2"):
        compare.main(["--set", "split.test=false"])
    assert "split.test" in capsys.readouterr().err


def test_runs_that_are_no_longer_there_are_named(finished, monkeypatch, caplog):
    monkeypatch.chdir(finished)
    comparison.add(NAME, [make_result()])
    with caplog.at_level("WARNING", "ser_tf.compare"):
        compare._finish(Path(f"saved_models/compare-{NAME}"), NAME)
    assert "perhaps of other settings: lmu, rows (LEAKY), seed 0" in caplog.text


def test_results_survive_the_csv_and_later_runs_replace_earlier_ones():
    first, other = make_result(), make_result(split="clips", leaky=False)
    assert comparison.add("n", [other, first]) == [first, other] == comparison.load("n")
    later = make_result(test_uar=0.5)
    assert comparison.add("n", [later]) == [later, other] == comparison.load("n")


def test_several_recipes_have_folders_and_rows_of_their_own():
    found = comparison.plan(
        [recipes.load("published"), recipes.load("mfcc-lmu")],
        [Layer("--set", {"training.epochs": 2})],
        seeds=(0, 1),
    )
    assert len({job.folder for job in found}) == len(found) == 2 * (5 * 3 + 1)
    assert {job.config.training.epochs for job in found} == {2}
    assert len({str(job.data) for job in found}) == 2
    lines = comparison.markdown(
        [make_result(recipe=recipe, split="rows") for recipe in ("mfcc-lmu", "published")]
    ).splitlines()
    assert [line.split(" | ")[0] for line in lines[:4:3]] == ["| recipe", "| `published`"]


def test_a_recipe_alone_is_one_job_of_its_own_split():
    [job] = comparison.plan([recipes.load("ravdess-folds")], [])
    assert job.folder == Path("saved_models/compare-ravdess-folds-ravdess/lmu-ravdess-folds-0")


def test_results_of_version_0_1_can_be_read():
    comparison.add("n", [make_result()])
    path = comparison.FOLDER / "n.csv"
    path.write_text(path.read_text().replace("recipe", "preset", 1))
    assert comparison.load("n") == [make_result()]
