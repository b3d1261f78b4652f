import dataclasses
import json

import pytest

from ser_tf import config
from ser_tf.commandline import command
from ser_tf.config import PRESETS, Config, UnknownValueError, UsageError
from ser_tf.errors import InputError
from ser_tf.models import MODELS, PUBLISHED
from ser_tf.models.features import FEATURES


def parse(*arguments: str) -> Config:
    parser = command.parser("fit", "")
    config.add_flags(parser)
    return config.from_flags(vars(parser.parse_args(arguments)))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--preset", "published"),
        ("--model", "cnn1", "--features", "logmel", "--augment", "noise", "specaugment"),
        ("--model-options", "units=32,16", "order=8", "theta=none"),
        ("--test-speakers", "ravdess-02", "ravdess-05", "--no-validation"),
        ("--protocol", "ravdess", "--seed", "3"),
    ],
)
def test_a_configuration_survives_json(arguments):
    wanted = parse(*arguments)
    assert Config.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted


def test_json_holds_every_hyperparameter():
    stored = parse("--model", "lmu").to_json()
    assert stored["model_options"] == dataclasses.asdict(MODELS["lmu"])
    assert stored["feature_options"] == dataclasses.asdict(FEATURES["mfcc"])


def test_the_published_preset_is_the_published_setting():
    wanted = parse("--preset", "published")
    assert {name: getattr(wanted, name) for name in PRESETS["published"]} == PRESETS["published"]
    assert wanted.model_entry == PUBLISHED["lmu"]
    assert (wanted.epsilon, wanted.learning_rate, wanted.epochs) == (1e-6, 1e-3, 50)


def test_a_flag_overrides_the_preset():
    wanted = parse("--preset", "published", "--split", "speakers", "--epochs", "3")
    assert (wanted.split, wanted.epochs, wanted.copies) == ("speakers", 3, "published")


def test_options_reach_the_entries():
    wanted = parse("--feature-options", "n_mfcc=13", "--model-options", "units=32", "dropout=0.5")
    assert wanted.feature_entry == dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)
    assert (wanted.model_entry.units, wanted.model_entry.dropout) == ((32,), 0.5)


def test_a_configuration_of_another_version_is_refused():
    with pytest.raises(UnknownValueError, match="teacher"):
        Config.from_json({**parse().to_json(), "teacher": "hubert"})


def test_an_unknown_option_names_the_choices():
    with pytest.raises(UsageError, match="choose from rate_hz"):
        Config(feature_options={"n_bark": 24})


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--no-test", "--folds", "3"], "--no-test and --folds exclude"),
        (["--no-test", "--protocol", "ravdess"], "--no-test and --protocol exclude"),
        (["--no-test", "--no-validation"], "--no-test needs --validation"),
        (["--ema-momentum", "0.9", "--no-validation"], "--ema-momentum needs --validation"),
        (["--augment-copies", "2"], "--augment-copies needs --augment"),
        (["--augment-copies", "2", "--augment", "specaugment"], "choose from noise"),
        (["--preset", "published", "--mixup", "0.2"], "--copies published and --mixup exclude"),
        (["--features", "causal", "--augment", "specaugment"], "specaugment and --features causal"),
        (["--class-weights", "--sounds", "9"], "--class-weights and --sounds exclude"),
        (
            ["--lmu", "keras_lmu", "--model", "lmu_cell"],
            "--lmu keras_lmu and --model lmu_cell exclude",
        ),
        (["--class-weights", "--mixup", "0.1"], "--class-weights and --mixup exclude"),
        (["--class-weights", "--balance-corpora"], "--class-weights and --balance-corpora exclude"),
        (["--protocol", "ravdess", "--split-seed", "3"], "--protocol and --split-seed exclude"),
        (
            ["--no-validation", "--validation-speakers", "a"],
            "--no-validation and --validation-speakers exclude",
        ),
        (["--ema-momentum", "1"], "--ema-momentum must be below 1"),
        (["--model-options", "memory=keras_lmu"], "memory is what --lmu sets"),
    ],
)
def test_flags_that_exclude_each_other_are_named(flags, reason):
    with pytest.raises(UsageError, match=reason):
        parse(*flags)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--epochs", "0"], "must be an integer of at least 1; received 0"),
        (["--epochs", "2.5"], "must be an integer of at least 1; received 2.5"),
        (["--seed", "4294967296"], "must be an integer from 0 to 4294967295; received 4294967296"),
        (["--mixup", "50%"], "must be a number from 0 to 1; received 50%"),
        (["--learning-rate", "inf"], "must be a number above 0; received inf"),
    ],
)
def test_numbers_out_of_range_are_named(flags, reason, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*flags)
    assert f"argument {flags[0]}: {reason}" in capsys.readouterr().err


def test_options_that_differ_are_named_without_the_others(tmp_path):
    stored, wanted = parse("--model-options", "units=8"), parse("--model-options", "units=9")
    with pytest.raises(InputError) as raised:
        config.refuse_changes(stored, wanted, ["model_options"], tmp_path, "choose.")
    assert str(raised.value) == (
        f"--model-options: the run in {tmp_path} has units=(8,), this command says units=(9,); "
        "choose."
    )


def test_what_nobody_means_can_still_be_read():
    stored = parse("--sounds", "9").to_json() | {"class_weights": True}
    assert Config.from_json(stored).class_weights


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        (["--ema-momentum", "0.9"], "--ema-momentum needs --validation. --preset published sets "),
        (["--split", "speakers", "--validation-speakers", "a"], "exclude each other. --preset "),
    ],
)
def test_what_a_preset_sets_is_told_as_it_is_set(flags, note):
    with pytest.raises(UsageError) as raised:
        parse("--preset", "published", *flags)
    assert note in str(raised.value)
    assert str(raised.value).endswith(" sets --no-validation.")
