import dataclasses
import json

import pytest

from ser_tf import cli, config
from ser_tf.config import PRESETS, Config, UsageError
from ser_tf.errors import InputError
from ser_tf.features import FEATURES
from ser_tf.models import MODELS, PUBLISHED


def parse(*arguments: str) -> Config:
    parser = cli.parser("fit", "")
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
    with pytest.raises(InputError, match="not of this version"):
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
    ],
)
def test_flags_that_exclude_each_other_are_named(flags, reason):
    with pytest.raises(UsageError, match=reason):
        parse(*flags)
