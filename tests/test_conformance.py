"""The laws that every layer keeps: alone as in a batch, at any length, saved, on hostile input."""

import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import ser_tf
from ser_tf.layers import augment, features
from ser_tf.layers.augment.augmentation import Augmentation
from ser_tf.layers.calibration import Calibration
from ser_tf.layers.discriminant import LinearDiscriminant
from ser_tf.layers.ensemble import Ensemble
from ser_tf.layers.features.framing import Float32Layer
from ser_tf.layers.lmu import LMU, LMUCell
from ser_tf.layers.pooling import SplitWeights, WeightedPooling
from ser_tf.layers.summary import LMUSummary

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SEED = tf.constant([3, 5])


def noise(steps, level=0.3, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(steps)).astype("float32")


HOSTILE = {
    "silence": np.zeros(700, "float32"),
    "DC": np.full(700, -1.0, "float32"),
    "clipping": np.sign(noise(700)),
    "one sample": np.ones(1, "float32"),
}


# What layers read, made of a batch of signals `(batch, steps)`


def waveform(signals):
    return signals


def frames(channels):
    """Each channel a signal that is a step behind the one before it."""
    return lambda signals: np.stack([np.roll(signals, n, 1) for n in range(channels)], axis=-1)


def weighted(channels):
    """Frames and the logarithms of their weights; the last third of a clip is absent."""

    def make(signals):
        x = frames(channels + 1)(signals)
        x[..., -1] = 0.0
        x[:, 1 + x.shape[1] * 2 // 3 :, -1] = features.ABSENT
        return x

    return make


def levels(bands):
    """Levels in dB."""
    return lambda signals: 40.0 * frames(bands)(signals) - 50.0


def vector(size):
    return lambda signals: frames(size)(signals)[:, 0]


def frames_and_weights(channels):
    return lambda signals: [frames(channels)(signals), np.abs(signals)]


# One case or more a layer; among its cases every argument differs from its default


@dataclass(frozen=True)
class Case:
    """A layer to try.

    Attributes:
        make: a new layer.
        inputs: what it reads, made of signals.
        least: the steps of the shortest input.
        longest: the steps of the longest.
        tolerance: how far two ways of one sum may lie apart, relative to the largest number.
    """

    make: Callable[[], keras.layers.Layer]
    inputs: Callable[[np.ndarray], Any] = waveform
    least: int = 1
    longest: int = 700
    tolerance: float = 1e-6

    @property
    def lengths(self) -> tuple[int, ...]:
        return (self.least, *(n for n in (159, 160, 161) if n < self.longest), self.longest)

    def batch(self, steps: int | None = None) -> Any:
        """What the layer reads of four signals that have little in common."""
        steps = steps or self.longest
        signals = [noise(steps), noise(steps, 1e-4, 1), np.zeros(steps), noise(steps, 3.0, 2)]
        return self.inputs(np.stack(signals).astype("float32"))

    def hostile(self, kind: str) -> Any:
        signal = HOSTILE[kind][: self.longest]
        return self.inputs(np.resize(signal, max(self.least, len(signal)))[None])


SPECTRUM = {"rate_hz": 16_000, "window_samples": 400, "hop_samples": 160, "n_fft": 512}
MEL = SPECTRUM | {"n_mels": 12}
PITCH = SPECTRUM | {"window_samples": 600, "n_fft": 1024, "lowest_hz": 70.0, "highest_hz": 500.0}
CELL = {"memory_d": 2, "hidden_to_memory": False, "memory_to_memory": False}
CELL |= {"input_to_hidden": False, "hidden_to_hidden": False}
INITIALISED = {"kernel_initializer": "he_normal", "bias_initializer": "he_normal"}
HIDDEN = {"hidden_kernel_initializer": "he_normal", "hidden_bias_initializer": "ones"}
PENALISED = {f"{name}_regularizer": "l2" for name in ("kernel", "bias")}
PENALISED |= {f"hidden_{name}": value for name, value in PENALISED.items()}


def member():
    vectors = keras.layers.GlobalAveragePooling1D()
    return keras.Sequential([keras.Input((None, 3)), vectors, keras.layers.Dense(4)])


def augmentation(layer, **settings):
    return lambda: layer(**settings, seed=7)


CASES = {
    "FitClip": Case(lambda: features.FitClip(401)),
    "LogMel": Case(lambda: features.LogMel(**MEL, top_db=60.0)),
    "MFCC": Case(lambda: features.MFCC(**MEL, top_db=60.0, n_mfcc=5)),
    "Deltas": Case(lambda: features.Deltas(3, 5), frames(3), least=5),
    "CausalLogMel": Case(lambda: features.CausalLogMel(**MEL, least_frames=3)),
    "RelativeLevels": Case(
        lambda: features.RelativeLevels(
            50.0, exponent=0.4, range_db=50.0, gate_db=30.0, core=(2, 5)
        ),
        levels(7),
    ),
    "RelativeCepstrum": Case(
        lambda: features.RelativeCepstrum(4, core=(3, 9), outside=1), levels(12)
    ),
    "FillFrames": Case(lambda: features.FillFrames(160), weighted(3)),
    "CentredPitch": Case(lambda: features.CentredPitch(**PITCH)),
    "CausalPitch": Case(lambda: features.CausalPitch(**PITCH, least_frames=3)),
    "RelativePitch": Case(features.RelativePitch, frames(3)),
    "CausalRelativePitch": Case(lambda: features.CausalRelativePitch(50.0), frames(3)),
    "Beside": Case(
        lambda: features.Beside(
            [[features.CentredPitch(**PITCH), features.RelativePitch()], [features.LogMel(**MEL)]]
        )
    ),
    "PublishedRow": Case(
        lambda: features.PublishedRow(
            rate_hz=16_000,
            offset_samples=70,
            clip_samples=600,
            frame_samples=320,
            hop_samples=160,
            n_mels=12,
            n_mfcc=5,
        )
    ),
    "IsolateSound": Case(lambda: features.IsolateSound(320, 30.0, 2)),
    "WhisperLogMel": Case(features.WhisperLogMel),
    "WhisperLogMel with a gate": Case(lambda: features.WhisperLogMel(30.0)),
    "WhisperEncoder": Case(lambda: features.WhisperEncoder(12, 3, 2, last_norm=True), weighted(80)),
    "ThinFrames": Case(lambda: features.ThinFrames(3), weighted(3)),
    "LinearDiscriminant": Case(
        lambda: LinearDiscriminant(3, speaker_share=0.2, corpus_share=0.5, ridge=0.2), vector(4)
    ),
    "SplitWeights": Case(SplitWeights, weighted(3)),
    "WeightedPooling": Case(WeightedPooling, frames_and_weights(3)),
    "WeightedPooling of the last": Case(lambda: WeightedPooling("last"), frames_and_weights(3)),
    "LMU": Case(lambda: LMU(2, 5, 40.0), frames(3)),
    "LMU with a hidden part": Case(
        lambda: LMU(
            2,
            5,
            40.0,
            4,
            activation="tanh",
            memory_activation="relu",
            input_to_hidden=True,
            use_bias=True,
            dropout=0.25,
            return_sequences=True,
            seed=7,
            **INITIALISED,
            **HIDDEN,
            **PENALISED,
        ),
        frames(3),
    ),
    "LMU without a bias": Case(lambda: LMU(3, 5, 40.0, 4, hidden_use_bias=False), frames(3)),
    "LMUCell": Case(
        lambda: LMUCell(
            4,
            5,
            40.0,
            trainable_theta=True,
            activation="softsign",
            use_bias=True,
            encoder_initializer="he_normal",
            memory_encoder_initializer="zeros",
            kernel_initializer="he_normal",
            recurrent_initializer="he_normal",
            kernel_regularizer="l2",
            bias_constraint="unit_norm",
            seed=7,
        ),
        frames(3),
        longest=12,
    ),
    "LMUCell of few connections": Case(
        lambda: LMUCell(
            4,
            5,
            40.0,
            **CELL,
            trainable_ab=True,
            memory_encoder_initializer="ones",
            dropout=0.1,
            recurrent_dropout=0.2,
        ),
        frames(3),
        longest=12,
    ),
    "LMUSummary": Case(
        lambda: LMUSummary(
            block_frames=4,
            look_back=1,
            filters=6,
            units=(5, 4),
            order=3,
            theta=(60.0, 90.0),
            memory_d=2,
            memory_frames=90.0,
            dropout=0.1,
            channel_dropout=0.2,
            noise=0.3,
        ),
        weighted(3),
        least=4,
        # A deviation is the root of what two nearly equal sums leave.
        tolerance=2e-5,
    ),
    "Ensemble": Case(lambda: Ensemble([member(), member()]), frames(3)),
    "Calibration": Case(Calibration, vector(4)),
    "Noise": Case(augmentation(augment.Noise, snr_db=(5.0, 20.0), color="pink")),
    "Gain": Case(augmentation(augment.Gain, gain_db=(-6.0, -3.0))),
    "Clipping": Case(augmentation(augment.Clipping, over_db=(3.0, 9.0), share=1.0)),
    "Recording": Case(augmentation(augment.Recording, gain_db=(-6.0, 6.0), share=1.0, bits=8)),
    "Shift": Case(
        augmentation(augment.Shift, shift_seconds=(0.005, 0.02), share=1.0, rate_hz=16_000)
    ),
    "Pitch": Case(augmentation(augment.Pitch, semitones=(1.0, 2.0))),
    "Stretch": Case(augmentation(augment.Stretch, rate=(0.8, 0.9))),
    "Channel": Case(
        augmentation(
            augment.Channel,
            color_db=3.0,
            band_share=1.0,
            low_hz=(200.0, 400.0),
            high_hz=(3000.0, 4000.0),
            rate_hz=16_000,
            mu_law=True,
        )
    ),
    "SpecAugment": Case(
        augmentation(
            augment.SpecAugment,
            time_masks=2,
            time_width_frames=40,
            time_width_share=0.5,
            channel_masks=2,
            channel_width=3,
        ),
        frames(6),
    ),
}
AUGMENTATIONS = [name for name, case in CASES.items() if isinstance(case.make(), Augmentation)]
FEATURES = [name for name, case in CASES.items() if isinstance(case.make(), Float32Layer)]
OTHERS = [name for name in CASES if name not in AUGMENTATIONS]


def outputs_of(layer, inputs, **arguments):
    """What the layer computes, a list of arrays."""
    found = layer(inputs, **arguments)
    return [np.asarray(x) for x in keras.tree.flatten(found)]


def assert_same(found, expected, tolerance):
    """Matrices of another size may be multiplied in another order."""
    for ours, theirs in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(theirs[theirs > features.ABSENT]).max(initial=0.0)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def of_sequences(layer):
    return keras.layers.RNN(layer, return_sequences=True) if isinstance(layer, LMUCell) else layer


def built(case, layer):
    """The layer, or the cell in a layer, with weights that differ from those it begins with."""
    layer = of_sequences(layer)
    layer(case.batch())
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        if "float" in weight.dtype:
            weight.assign_add(0.1 * rng.random(weight.shape))
    return layer


@functools.cache
def example(name):
    """The layer of a case, whose tests share it."""
    keras.utils.set_random_seed(0)
    return built(CASES[name], CASES[name].make())


@functools.cache
def symbolic(name):
    """A model of the layer for batches of any size and clips of any length."""
    made = CASES[name].batch()
    inputs = keras.tree.map_structure(_input, made)
    return keras.Model(inputs, example(name)(inputs))


def _input(array):
    return keras.Input((array.shape[1],) if array.shape[1] < 10 else (None, *array.shape[2:]))


@functools.cache
def augment_in_training(name):
    """What an augmentation makes of clips of any length and a seed, a graph as in a pipeline."""
    clips = tf.TensorSpec([None, None, *CASES[name].batch().shape[2:]])
    return tf.function(
        lambda inputs, seed: example(name)(inputs, training=True, seed=seed),
        input_signature=[clips, tf.TensorSpec([2], tf.int32)],
    )


def test_every_registered_layer_is_tried_here():
    for module in pkgutil.walk_packages(ser_tf.layers.__path__, "ser_tf.layers."):
        importlib.import_module(module.name)
    registered = {
        value
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith("ser_tf>") and issubclass(value, keras.layers.Layer)
    }
    assert {type(case.make()) for case in CASES.values()} == registered


@pytest.mark.parametrize("name", OTHERS)
def test_an_item_is_answered_in_a_batch_as_alone(name):
    inputs = CASES[name].batch()
    together = outputs_of(example(name), inputs)
    for item in range(4):
        one = slice(item, item + 1)
        alone = outputs_of(example(name), keras.tree.map_structure(lambda x: x[one], inputs))  # noqa: B023
        assert_same([x[one] for x in together], alone, CASES[name].tolerance)


@pytest.mark.parametrize("name", OTHERS)
def test_the_declared_shape_is_the_real_one_at_every_length(name):
    layer, case = example(name), CASES[name]
    for steps in case.lengths:
        inputs = case.batch(steps)
        found = [x.shape for x in outputs_of(layer, inputs)]
        declared = layer.compute_output_shape(keras.tree.map_structure(np.shape, inputs))
        assert found == ([*declared] if isinstance(declared[0], tuple) else [declared]), steps


@pytest.mark.parametrize("name", OTHERS)
def test_a_graph_of_unknown_length_computes_the_same(name):
    case, model = CASES[name], symbolic(name)
    specs = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), model.input)
    graph = tf.function(model, input_signature=[specs])
    for steps in (case.least, case.longest):
        inputs = case.batch(steps)
        assert_same(outputs_of(graph, inputs), outputs_of(example(name), inputs), case.tolerance)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", OTHERS)
def test_hostile_input_has_finite_outputs(name, kind):
    outputs = outputs_of(example(name), CASES[name].hostile(kind))
    assert all(np.isfinite(x).all() for x in outputs)


@pytest.mark.parametrize("name", FEATURES)
def test_a_policy_of_half_precision_changes_no_feature(name):
    case = CASES[name]
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = built(case, case.make())
    finally:
        keras.config.set_dtype_policy("float32")
    layer.set_weights(example(name).get_weights())
    inputs = case.batch()
    for ours, theirs in zip(
        outputs_of(layer, inputs), outputs_of(example(name), inputs), strict=True
    ):
        assert ours.dtype == "float32"
        np.testing.assert_array_equal(ours, theirs)


def _arguments_of(layer):
    """The arguments of the constructor and of those of its base classes in `ser_tf`."""
    ours = [cls for cls in type(layer).__mro__ if cls.__module__.startswith("ser_tf")]
    own = [vars(cls)["__init__"] for cls in ours if "__init__" in vars(cls)]
    signatures = [inspect.signature(init).parameters.values() for init in own]
    found = {p.name: p for parameters in signatures for p in parameters}
    return {name: p for name, p in found.items() if p.kind != p.VAR_KEYWORD and name != "self"}


@pytest.mark.parametrize("kind", dict.fromkeys(type(case.make()) for case in CASES.values()))
def test_every_argument_is_in_the_config(kind):
    layers = [layer for case in CASES.values() if type(layer := case.make()) is kind]
    for name, parameter in _arguments_of(layers[0]).items():
        values = [layer.get_config()[name] for layer in layers]
        # Were a case to leave it at its default, a config that forgets it would go unnoticed.
        assert any(value != parameter.default for value in values), name


@pytest.mark.parametrize("name", CASES)
def test_a_layer_of_the_same_config_computes_the_same(name):
    case, layer = CASES[name], CASES[name].make()
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again = built(case, again)
    again.set_weights(example(name).get_weights())
    inputs = case.batch()
    expected = outputs_of(example(name), inputs)
    for ours, theirs in zip(outputs_of(again, inputs), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", CASES)
def test_a_layer_comes_back_from_a_file(name, tmp_path):
    symbolic(name).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = CASES[name].batch()
    expected = outputs_of(symbolic(name), inputs)
    for ours, theirs in zip(outputs_of(loaded, inputs), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_nothing_is_augmented_outside_training(name):
    layer, inputs = example(name), CASES[name].batch()
    np.testing.assert_array_equal(layer(inputs), inputs)
    np.testing.assert_array_equal(layer(inputs, training=False, seed=SEED), inputs)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_seed_decides_what_an_augmentation_does(name):
    augment, inputs = augment_in_training(name), CASES[name].batch()
    once, again = (augment(inputs, SEED).numpy() for _ in range(2))
    assert (once != inputs).any()
    np.testing.assert_array_equal(again, once)
    assert (augment(inputs, SEED + 1).numpy() != once).any()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmented_item_does_not_hear_its_neighbours(name):
    augment, inputs = augment_in_training(name), CASES[name].batch()
    others = inputs.copy()
    others[1:] = 0.7
    found, expected = (augment(x, SEED)[0] for x in (others, inputs))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmented_clips_keep_their_shape_and_are_finite(name):
    case, augment = CASES[name], augment_in_training(name)
    for inputs in [*map(case.batch, case.lengths), *map(case.hostile, HOSTILE)]:
        augmented = augment(inputs, SEED).numpy()
        assert augmented.shape == inputs.shape == example(name).compute_output_shape(inputs.shape)
        assert augmented.dtype == "float32"
        assert np.isfinite(augmented).all()
