import dataclasses
import json
import re
from pathlib import Path

import pytest

from ser_tf import config
from ser_tf.config import (
    Config,
    Features,
    UnknownValueError,
    UsageError,
    from_json,
    recipes,
    to_json,
)
from ser_tf.errors import InputError
from ser_tf.models import MODELS, PUBLISHED
from ser_tf.models.features import FEATURES


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("mfcc-lmu", {}),
        ("published", {}),
        ("ser-lmu", {"training": {"epochs": 3}}),
        ("mfcc-lmu", {"model": "cnn1", "augmentation.layers": ["noise", "specaugment"]}),
        ("mfcc-lmu", {"model": {"units": [32, 16], "order": 8, "theta": None}}),
        ("mfcc-lmu", {"split.test_speakers": ["ravdess-02"], "split.validation": False}),
    ],
)
def test_a_configuration_survives_json(recipe, settings):
    wanted = config.resolve(recipe, settings)
    assert from_json(json.loads(json.dumps(to_json(wanted)))) == wanted


def test_json_holds_every_hyperparameter():
    stored = to_json(config.resolve())
    assert stored["model"] == {"name": "lmu", **dataclasses.asdict(MODELS["lmu"])}
    assert stored["features"] == {"name": "mfcc", **dataclasses.asdict(FEATURES["mfcc"])}


def test_the_published_recipe_is_the_published_setting():
    wanted = config.resolve("published")
    assert wanted.model.entry == PUBLISHED["lmu"]
    assert (wanted.training.epsilon, wanted.training.epochs) == (1e-6, 50)
    assert wanted.augmentation.published_rows


def test_settings_are_above_the_recipe():
    wanted = config.resolve("published", {"split": "speakers", "epochs": 3})
    assert (wanted.split.kind, wanted.training.epochs) == ("speakers", 3)
    assert wanted.augmentation.published_rows


def test_hyperparameters_reach_the_entries():
    wanted = config.resolve(settings={"features.n_mfcc": 13, "model": {"units": 32}})
    assert wanted.features.entry == dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)
    assert wanted.model.entry.units == (32,)


def test_a_configuration_of_another_version_is_refused():
    with pytest.raises(UnknownValueError, match="teacher"):
        from_json({**to_json(Config()), "teacher": "hubert"})


def test_an_unknown_option_names_the_choices():
    with pytest.raises(UsageError, match=r"did you mean features\.n_mels"):
        Features(options={"n_melz": 24})


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"split.test": False, "split.folds": 3}, ("split.test", "split.folds")),
        ({"split.test": False, "split.protocol": "ravdess"}, ("split.test", "split.protocol")),
        ({"split.test": False, "split.validation": False}, ("split.test", "split.validation")),
        (
            {"training.ema_momentum": 0.9, "split.validation": False},
            ("training.ema_momentum", "split.validation"),
        ),
        (
            {"training.ema_momentum": 0.0, "split.validation": False},
            ("training.ema_momentum", "split.validation"),
        ),
        ({"augmentation.copies": 2}, ("augmentation.copies", "augmentation.layers")),
        (
            {"augmentation.copies": 2, "augmentation.layers": "specaugment"},
            ("augmentation.copies", "augmentation.layers"),
        ),
        (
            {
                "features.name": "published",
                "augmentation.published_rows": True,
                "augmentation.mixup": 0.2,
            },
            ("augmentation.published_rows", "augmentation.mixup"),
        ),
        (
            {"features.name": "causal", "augmentation.layers": "specaugment"},
            ("features.name", "augmentation.layers"),
        ),
        ({"features.name": "causal", "model.name": "cnn1"}, ("features.name", "model.name")),
        (
            {"training.class_weights": True, "augmentation.sounds": 9},
            ("training.class_weights", "augmentation.sounds"),
        ),
        (
            {"training.class_weights": True, "augmentation.mixup": 0.1},
            ("training.class_weights", "augmentation.mixup"),
        ),
        (
            {"training.class_weights": True, "training.balance_corpora": 1},
            ("training.class_weights", "training.balance_corpora"),
        ),
        ({"split.protocol": "ravdess", "split.seed": 3}, ("split.protocol", "split.seed")),
        (
            {"split.validation": False, "split.validation_speakers": "a"},
            ("split.validation", "split.validation_speakers"),
        ),
        ({"training.teacher_share": 0.7}, ("training.teacher_share", "training.teachers")),
        ({"training.ema_momentum": 1}, ("training.ema_momentum",)),
        ({"model.name": "lmu_cell", "model.memory": "keras_lmu"}, ("model.memory",)),
        ({"training.epochs": 2.5}, ("training.epochs",)),
        ({"training.epochs": 0}, ("training.epochs",)),
        ({"training.learning_rate": float("nan")}, ("training.learning_rate",)),
        ({"split.folds": 1}, ("split.folds",)),
        ({"seed": 2**32}, ("seed",)),
        ({"augmentation.mixup": "half"}, ("augmentation.mixup",)),
        ({"corpora": ["emodb"]}, ("corpora",)),
        ({"model.theta": -1}, ("model.theta",)),
        ({"speed": 1}, ("speed",)),
    ],
)
def test_errors_carry_the_keys_at_fault(values, keys):
    with pytest.raises(UsageError) as raised:
        Config.from_items(values).refuse_nonsense()
    assert raised.value.keys == keys
    assert all(key.rpartition(".")[2] in str(raised.value) for key in keys)


def test_options_that_differ_are_named_without_the_others(tmp_path):
    stored, wanted = (Config.from_items({"model.units": units}) for units in (8, 9))
    with pytest.raises(InputError) as raised:
        config.refuse_changes(stored, wanted, ["model"], tmp_path, "choose.")
    assert str(raised.value) == (
        f"model.units: the run in {tmp_path} has [8], this command says [9]; choose."
    )


def test_what_makes_no_sense_can_still_be_read():
    stored = to_json(Config.from_items({"augmentation.sounds": 9}))
    stored["training"]["class_weights"] = True
    assert from_json(stored).training.class_weights


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_what_it_is_for_and_can_be_resolved(name):
    text = (Path(recipes.__file__).parent / f"{name}.toml").read_text()
    assert text.startswith("# ")
    found = config.layered(recipes.load(name), [])
    defaults = dict(Config.from_items({}).items())
    own = {key: value for key, value in found.config.items() if key in found.sources}
    assert all(defaults.get(key, object()) != value for key, value in own.items())


@pytest.mark.parametrize("name", recipes.names())
def test_what_show_prints_is_a_recipe_of_the_same_configuration(name, tmp_path):
    shown = config.layered(recipes.load(name), [config.Layer("--set", {"seed": 3})])
    path = tmp_path / f"{name}.toml"
    path.write_text(shown.toml())
    assert config.resolve(path) == shown.config


@pytest.mark.parametrize("name", ["ser-lmu", "ser-whisper"])
def test_a_shipped_model_was_trained_by_its_recipe(name):
    shipped, _ = config.read(Path(__file__).parents[1] / f"saved_models/{name}/config.json")
    assert dict(config.resolve(name).items()) == dict(shipped.items())


def test_a_run_is_a_recipe_and_one_of_its_folds_that_of_all(tmp_path):
    wanted = Config.from_items({"split.folds": 3, "split.fold": 2, "training.epochs": 4})
    path = tmp_path / "mine" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 2, "classes": [], "config": to_json(wanted)}))
    again = config.resolve(path)
    assert again.recipe == "mine"
    assert dict(again.items()) == dict(wanted.items()) | {"split.fold": None}


@pytest.mark.parametrize(
    ("recipe", "settings", "keys", "sources"),
    [
        (
            "published",
            {"split.validation": True},
            ("training.watch_test", "split.validation"),
            ("recipe published", "given"),
        ),
        (
            "ravdess-folds",
            {"split": "clips"},
            ("split.protocol", "split.kind"),
            ("recipe ravdess-folds", "given"),
        ),
        ("mfcc-lmu", {"training": {"epoch": 3}}, ("training.epoch",), ("given",)),
        ("mfcc-lmu", {"split.fold": 1}, ("split.fold",), ("given",)),
    ],
)
def test_a_conflict_says_which_side_set_what(recipe, settings, keys, sources):
    with pytest.raises(UsageError) as raised:
        config.resolve(recipe, settings)
    assert raised.value.keys == keys
    told = str(raised.value).partition(" Set: ")[2]
    assert [source in told for source in sources] == [True] * len(sources)


def test_a_recipe_file_at_fault_is_named_with_the_key(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 'many'\n")
    with pytest.raises(UsageError, match=re.escape(str(path))) as raised:
        config.resolve(path)
    assert raised.value.keys == ("training.epochs",)
    path.write_text("epochs == 3")
    with pytest.raises(InputError, match=re.escape(str(path))):
        config.resolve(path)


def test_hyperparameters_of_a_recipe_are_those_of_its_own_model():
    assert config.resolve("ravdess-folds", {"model": "cnn1"}).model.entry == MODELS["cnn1"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("64,32", (64, 32)), ("[64, 32]", (64, 32)), ("1e-3", 1e-3), ("none", None)),
        *(("true", True), ("a", "a"), ("'a'", "a"), ("a,b", ("a", "b")), ("[a, b]", ("a", "b"))),
        *(("", ()), ("[]", ()), ("ravdess-03", "ravdess-03"), ("03", "03")),
    ],
)
def test_values_are_read_as_they_are_meant(text, value):
    assert config.parse(text) == value


OF_VERSION_0_1 = json.loads((Path(__file__).parent / "configurations_0_1.json").read_text())
"""The `config.json` of runs of version 0.1, one of each kind."""


@pytest.mark.parametrize(
    ("kind", "recipe", "settings"),
    [
        ("plain", "mfcc-lmu", {"epochs": 8, "seed": 3, "corpora": "demo"}),
        ("published", "published", {"model": "cnn1", "epochs": 2, "seed": 3, "corpora": "demo"}),
        ("fold", "mfcc-lmu", {"split.folds": 2, "epochs": 2, "seed": 3, "corpora": "demo"}),
        (
            "causal",
            "mfcc-lmu",
            {
                **{"features": "causal", "epochs": 3, "seed": 3, "corpora": "demo"},
                "augmentation": {"layers": ("noise", "pitch"), "mixup": 0.3, "sounds": 12},
            },
        ),
        ("taught", "ser-lmu", {}),
    ],
)
def test_a_configuration_of_version_0_1_means_what_it_did(kind, recipe, settings, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(OF_VERSION_0_1[kind]))
    found, classes = config.read(path)
    expected = dict(config.resolve(recipe, settings).items())
    if kind == "fold":
        expected["split.fold"] = 1
    assert dict(found.items()) == expected
    assert classes == tuple(OF_VERSION_0_1[kind]["classes"])
    assert from_json(json.loads(json.dumps(to_json(found)))) == found


def test_the_early_field_for_the_lmu_layer_is_still_read():
    assert from_json({"lmu": "keras_lmu"}, 1).model.options["memory"] == "keras_lmu"
    assert "memory" not in from_json({"lmu": "keras_lmu", "model": "cnn1"}, 1).model.options


@pytest.mark.parametrize(("name", "value"), [("teacher", 1), ("copies", "some"), ("model", "rnn")])
def test_what_version_0_1_did_not_know_is_refused(name, value):
    with pytest.raises(UnknownValueError):
        from_json({**OF_VERSION_0_1["plain"]["config"], name: value}, 1)
