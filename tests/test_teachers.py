"""Teachers: what a model learns from the answers of others."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from runs import QUICK, assert_same_weights, weights

from ser_tf.config import Features
from ser_tf.data import dataset, loading
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, predictions
from ser_tf.training import teachers


def taught_by(folder, *settings):
    return (*QUICK, f"training.teachers={folder}", *settings)


@pytest.fixture(scope="module")
def taught(run_fit, trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "taught"
    assert run_fit(folder, *taught_by(trained, "training.teacher_share=0.8")) == 0
    return folder


@pytest.fixture(scope="module")
def split(taught, cache_dir):
    config, _ = model_folder.load_config(taught)
    data = loading.load(config, config.features.entry.build(), cache_dir)
    return config, dataset.split(data, config)


def test_answers_are_the_mean_of_the_teachers_and_of_training_clips_alone(
    split, trained, taught, cache_dir
):
    config, data = split
    both = config.changed({"training.teachers": (str(trained), str(taught))})
    found = teachers.answers(both, data, cache_dir)
    training = data.rows["part"] == "train"
    said = [
        predictions.predict_rows(model_folder.load(folder).model, data.of("train")).filter(
            regex="^p_"
        )
        for folder in (trained, taught)
    ]
    np.testing.assert_allclose(found[training], np.mean(said, axis=0), atol=1e-6)
    assert not found[~training].any()


def test_a_teacher_of_other_features_answers_on_the_clips_by_its_own(split, trained, cache_dir):
    config, data = split
    front_end = Features("logmel").entry.build()
    pupil = dataclasses.replace(config, features=Features("logmel"))
    seen = dataset.split(loading.load(pupil, front_end, cache_dir), pupil)
    both = pupil.changed({"training.teachers": (str(trained),)})
    expected = config.changed({"training.teachers": (str(trained),)})
    np.testing.assert_allclose(
        teachers.answers(both, seen, cache_dir), teachers.answers(expected, data, cache_dir)
    )


def test_what_is_learnt_is_the_label_and_the_answer_by_their_shares(split):
    _, data = split
    answers = np.random.default_rng(0).dirichlet(np.ones(8), len(data.rows)).astype(np.float32)
    chosen = (data.rows["part"] == "train").to_numpy()
    labels = np.eye(8, dtype=np.float32)[data.labels]
    np.testing.assert_array_equal(data.taught(answers, 0.0).targets, labels)
    np.testing.assert_array_equal(data.taught(answers, 1.0).targets[chosen], answers[chosen])
    taught = data.taught(answers, 0.75).targets
    expected = 0.25 * labels + 0.75 * answers
    np.testing.assert_allclose(taught[chosen], expected[chosen], rtol=1e-6)
    np.testing.assert_array_equal(taught[~chosen], labels[~chosen])
    assert taught.dtype == np.float32


def test_teachers_change_what_is_learnt_and_with_a_share_of_nothing_no_weight(
    run_fit, trained, taught, tmp_path
):
    assert run_fit(tmp_path / "m", *taught_by(trained, "training.teacher_share=0")) == 0
    assert_same_weights(tmp_path / "m", trained)
    assert not all(map(np.array_equal, weights(taught), weights(trained)))


def test_every_fold_has_the_teacher_that_has_not_heard_its_test_speakers(
    split, trained, cache_dir, tmp_path
):
    config, data = split
    cross = config.changed(
        {"split.folds": 2, "training.teachers": (), "training.teacher_share": 0.5}
    )
    model_folder.save_config(tmp_path, cross, data.classes)
    for number in (1, 2):
        folder = tmp_path / f"fold-{number}"
        folder.mkdir()
        model_folder.save_config(folder, cross.changed({"split.fold": number}), data.classes)
        shutil.copy(trained / model_folder.MODEL, folder)
    for number in (1, 2):
        own = tmp_path / f"fold-{number}"
        pupil = cross.changed({"split.fold": number, "training.teachers": (str(tmp_path),)})
        parts = dataset.split(data, pupil)
        training = (parts.rows["part"] == "train").to_numpy()
        assert teachers.answers(pupil, parts, cache_dir)[training].any(axis=1).all()
        other = pupil.changed({"training.teachers": (str(tmp_path / f"fold-{3 - number}"),)})
        with pytest.raises(InputError, match="was trained on"):
            teachers.check(other, parts)
        teachers.check(pupil.changed({"training.teachers": (str(own),)}), parts)


def test_a_teacher_who_has_heard_who_judges_is_refused(run_fit, trained, tmp_path, capsys):
    judge = model_folder.load_metrics(trained)["train"]["per_speaker"]
    speaker = next(iter(judge))
    flags = taught_by(trained, f"split.test_speakers={speaker}")
    assert run_fit(tmp_path / "m", *flags) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(
        f"error: training.teachers: {trained} was trained on 8 clips that this run "
    )
    assert speaker in told
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--set", "training.all_classes=true"), "error: training.all_classes: the run in "),
        (("--set", "training.teachers=nowhere"), "error: nowhere: no such model folder"),
    ],
)
def test_who_cannot_teach_is_named(flags, told, run_fit, trained, tmp_path, capsys):
    for folds in ((), ("split.folds=2",)):
        assert run_fit(tmp_path / "m", *taught_by(trained), *folds, *flags) == 1
        assert told in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ("--set", "training.teachers=m", "training.teacher_share=1.5"),
            "training.teacher_share must",
        ),
        (
            ("--set", "training.teacher_share=0.7"),
            "teacher_share needs training.teachers.",
        ),
    ],
)
def test_flags_that_cannot_be_followed_are_named(flags, told, run_fit, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_fit(tmp_path / "m", *QUICK, *flags)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
