import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.signal import cont2discrete

from ser_tf.layers.ensemble import Ensemble
from ser_tf.models import (
    MEMORIES,
    MODELS,
    PUBLISHED,
    CNN1Encoder,
    CNN2Encoder,
    CNNLSTMEncoder,
    CoupledLMUEncoder,
    Encoder,
    LMUEncoder,
    LSTMEncoder,
)

pytestmark = [
    # Keras 3 converts its variables to arrays without NumPy 2's `copy` argument.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Keras 3.10 wants the input of a loaded model in a list.
    pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning"),
]

NAMES = tuple(MODELS)
SHORT = (20, 13)
FLAT_ROW = (2376, 1)
PUBLISHED_COUNTS = {"cnn2": 7_189_384, "lstm": 50_440, "cnn_lstm": 3_774_696, "lmu": 1_321_693}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def features(clips: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(clips, *shape)).astype("float32")


NARROW = MODELS | {
    "cnn2": CNN2Encoder(filters=(16,) * 5, dense=32),
    "cnn_lstm": CNNLSTMEncoder(filters=(16,) * 3, units=(16,) * 3, dense=(32, 16)),
}
"""The models, the wide ones in sizes that train fast."""


@pytest.fixture(scope="module")
def encoders() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    return {name: entry.build(SHORT, 8) for name, entry in NARROW.items()}


@pytest.fixture
def half_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


# Sizes


@pytest.mark.parametrize(("name", "count"), PUBLISHED_COUNTS.items())
def test_a_published_model_has_the_published_number_of_parameters(name: str, count: int) -> None:
    assert trainable(PUBLISHED[name].build(FLAT_ROW, 8)) == count


@pytest.mark.slow
def test_with_keras_lmu_too_the_lmu_has_the_published_number_of_parameters() -> None:
    entry = dataclasses.replace(PUBLISHED["lmu"], memory="keras_lmu")
    assert trainable(entry.build(FLAT_ROW, 8)) == PUBLISHED_COUNTS["lmu"]


def test_the_published_size_of_cnn1_is_three_tenths_of_a_million() -> None:
    assert abs(trainable(PUBLISHED["cnn1"].build(FLAT_ROW, 8)) - 300_000) <= 10_000


def test_the_default_model_is_small() -> None:
    assert 30_000 <= trainable(MODELS["lmu"].build((401, 20), 8)) <= 150_000


def test_both_registries_have_the_same_models() -> None:
    names = ["cnn1", "cnn2", "lstm", "cnn_lstm", "lmu", "lmu_cell"]
    assert list(MODELS) == list(PUBLISHED) == names


# Equality with independent references


def legendre_system(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """A and B of the delay system for steps of length 1 (Voelker et al., 2019, equations 1, 2)."""
    degree = np.arange(order)
    row, column = np.meshgrid(degree, degree, indexing="ij")
    a = (2 * row + 1) * np.where(row < column, -1.0, (-1.0) ** (row - column + 1)) / theta
    b = ((2 * degree + 1) * (-1.0) ** degree)[:, None] / theta
    a, b, *_ = cont2discrete((a, b, np.eye(order), np.zeros((order, 1))), dt=1.0, method="zoh")
    return a, b[:, 0]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def lmu_layer(x: np.ndarray, theta: float, order: int, weights: list[np.ndarray]) -> np.ndarray:
    """Every state of one LMU layer for one clip, (steps, channels) -> (steps, units)."""
    input_kernel, input_bias, kernel, bias = weights
    a, b = legendre_system(order, theta)
    memory = np.zeros((input_kernel.shape[1], order))
    states = []
    for now in x:
        drive = relu(now @ input_kernel + input_bias)  # (memory_d,)
        memory = memory @ a.T + drive[:, None] * b
        states.append(relu(np.concatenate([memory.ravel(), now]) @ kernel + bias))
    return np.array(states)


def layer_norm(x: np.ndarray, axis: int | tuple[int, int], weights: list[np.ndarray]) -> np.ndarray:
    gamma, beta = weights
    centred = x - x.mean(axis, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis, keepdims=True) + 1e-5) * gamma + beta


def shorten(
    x: np.ndarray, entry: LMUEncoder, kernel: np.ndarray, statistics: list[np.ndarray]
) -> np.ndarray:
    """A convolution that looks back only, batch normalisation and ReLU."""
    padded = np.pad(x, ((entry.kernel_frames - 1, 0), (0, 0)))
    starts = range(0, len(x), entry.stride_frames)
    windows = np.array([padded[start : start + entry.kernel_frames] for start in starts])
    gamma, beta, mean, variance = statistics
    y = np.einsum("skc,kcf->sf", windows, kernel)
    return relu((y - mean) / np.sqrt(variance + 1e-3) * gamma + beta)


def lmu_logits(x: np.ndarray, entry: LMUEncoder, weights: list[np.ndarray]) -> np.ndarray:
    """The logits of one clip, step by step in float64, from the weights in the model's order."""
    left = iter(weights)
    take = lambda number: [next(left) for _ in range(number)]  # noqa: E731
    frames = len(x)
    for _ in entry.filters:
        x = shorten(x, entry, next(left), take(4))
    theta = (entry.theta or frames) * len(x) / frames
    axis = -1 if entry.normalise == "channels" else (0, 1)
    for _ in entry.units[:-1]:
        x = layer_norm(lmu_layer(x, theta, entry.order, take(4)), axis, take(2))
    x = lmu_layer(x, theta, entry.order, take(4))
    kernel, bias = take(2)
    pooled = {
        "last": x[-1],
        "mean": x.mean(0),
        "mean_and_deviation": np.concatenate([x.mean(0), np.sqrt(x.var(0) + 1e-4)]),
    }
    return pooled[entry.pooling] @ kernel + bias


LMUS = {
    "published": dataclasses.replace(PUBLISHED["lmu"], units=(5, 4, 3, 2), order=12),
    "default": dataclasses.replace(MODELS["lmu"], units=(6, 5), order=7, memory_d=3, filters=(4,)),
    "short memory": LMUEncoder(
        units=(6,), order=4, theta=3.5, memory_d=2, filters=(), pooling="mean"
    ),
}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("entry", LMUS.values(), ids=LMUS)
def test_lmu_equals_a_recurrence_in_numpy(entry: LMUEncoder, memory: str) -> None:
    entry = dataclasses.replace(entry, memory=memory)
    x = features(2, (37, 3))  # 37 steps: a prime, so that the FFT is padded
    model = entry.build((37, 3), 4)
    random = np.random.default_rng(1)
    weights = [w + random.uniform(0, 0.3, w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    expected = [lmu_logits(clip.astype("float64"), entry, weights) for clip in x]
    # Logits reach 5; keras_lmu computes its impulse response in float32.
    np.testing.assert_allclose(model(x), expected, rtol=0, atol=2e-5)


# Laws of every model


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(101, 20), (50, 60), (7, 1), (1, 1)])
def test_the_declared_shape_is_the_real_one(name: str, shape: tuple[int, int]) -> None:
    model = NARROW[name].build(shape, 3)
    assert model.name == "encoder"
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 3)
    assert model(features(2, shape)).shape == (2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_logits_do_not_depend_on_the_rest_of_the_batch(
    name: str, encoders: dict[str, keras.Model]
) -> None:
    x = features(4, SHORT)
    alone = np.concatenate([encoders[name](x[i : i + 1]) for i in range(4)])
    # Logits are about 1; float32 sums in another order differ by a few 1e-7.
    np.testing.assert_allclose(encoders[name](x), alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_gives_equal_logits(
    name: str, encoders: dict[str, keras.Model], tmp_path: Path
) -> None:
    encoders[name].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = features(3, SHORT)
    np.testing.assert_array_equal(loaded(x), encoders[name](x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 30.0, -30.0])
def test_logits_of_constant_features_are_finite(
    name: str, value: float, encoders: dict[str, keras.Model]
) -> None:
    assert np.isfinite(encoders[name](np.full((1, *SHORT), value, "float32"))).all()


def without_chance(entry: Encoder) -> Encoder:
    """The model with no dropout and no noise in training."""
    names = [field.name for field in dataclasses.fields(entry)]
    rates = {name: 0.0 for name in names if name.endswith(("dropout", "noise"))}
    return dataclasses.replace(entry, **rates)


def losses(entry: Encoder, steps: int) -> list[float]:
    """The loss of `steps` training steps on one batch."""
    keras.utils.set_random_seed(0)
    model = without_chance(entry).build(SHORT, 4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, run_eagerly=True)
    labels = np.arange(16) % 4
    return [float(model.train_on_batch(features(16, SHORT), labels)) for _ in range(steps)]


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss(name: str) -> None:
    course = losses(NARROW[name], 8)
    assert course[-1] < course[0] - 0.05


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_single_precision_under_a_half_precision_policy(name: str) -> None:
    assert MODELS[name].build(SHORT, 4).output.dtype == "float32"


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", ["cnn1", "lmu"])
def test_a_model_trains_in_half_precision(name: str) -> None:
    assert np.isfinite(losses(MODELS[name], 2)).all()


# Ensembles


def plain(name: str, members: int) -> Encoder:
    """The model in so many members, without chance in training."""
    return without_chance(dataclasses.replace(NARROW[name], members=members))


@pytest.mark.parametrize("name", NAMES)
def test_an_ensemble_gives_the_mean_logits_of_as_many_networks(name: str) -> None:
    model = plain(name, 3).build(SHORT, 4)
    assert model.name == "encoder"
    assert trainable(model) == 3 * trainable(plain(name, 1).build(SHORT, 4))
    x = features(2, SHORT)
    logits = [np.array(member(x)) for member in model.layers[-1].members]
    assert np.std(logits, axis=0).max() > 1e-3  # each has weights of its own
    np.testing.assert_allclose(model(x), np.mean(logits, axis=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["lmu", "cnn1"])
def test_the_members_of_an_ensemble_learn_as_if_alone(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = plain(name, 2).build(SHORT, 4)
    alone = [keras.models.clone_model(member) for member in model.layers[-1].members]
    for copy, member in zip(alone, model.layers[-1].members, strict=True):
        copy.set_weights(member.get_weights())
    targets = np.random.default_rng(0).dirichlet(np.ones(4), 16).astype("float32")
    history = []
    for network, rate in [(model, 2.0), *((copy, 1.0) for copy in alone)]:
        # Each member's share of the mean loss is a half, so its rate is doubled.
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.SGD(0.1 * rate), loss, run_eagerly=True)
        history.append([network.train_on_batch(features(16, SHORT), targets) for _ in range(3)])
    np.testing.assert_allclose(history[0], np.mean(history[1:], axis=0), rtol=1e-4)
    for copy, member in zip(alone, model.layers[-1].members, strict=True):
        for expected, weights in zip(copy.get_weights(), member.get_weights(), strict=True):
            np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-5)


def test_an_ensembles_loss_outside_training_is_that_of_its_answer() -> None:
    model = plain("cnn1", 2).build(SHORT, 4)
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    x, targets = features(5, SHORT), np.eye(4, dtype="float32")[[0, 1, 2, 3, 0]]
    answer = keras.losses.categorical_crossentropy(targets, model(x), from_logits=True)
    assert model.evaluate(x, targets, verbose=0) == pytest.approx(np.mean(answer), rel=1e-5)


def test_an_ensemble_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"members must be .*members=0"):
        CNN1Encoder(members=0).build(SHORT, 4)
    with pytest.raises(ValueError, match="one model or more"):
        Ensemble([])


# Hyperparameters


@pytest.mark.parametrize("entry", [*MODELS.values(), *PUBLISHED.values()], ids=repr)
def test_hyperparameters_survive_json(entry: Encoder) -> None:
    read = json.loads(json.dumps(dataclasses.asdict(entry)))
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in read.items()}
    assert type(entry)(**options) == entry


def test_a_memory_of_another_length_gives_another_model() -> None:
    x = features(1, SHORT)
    logits = []
    for theta in (None, 5.0):
        keras.utils.set_random_seed(0)
        logits.append(np.array(LMUEncoder(theta=theta).build(SHORT, 3)(x)))
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


def test_all_layers_of_an_lmu_share_one_memory_of_keras_lmus() -> None:
    model = LMUEncoder(units=(8, 8, 8), memory="keras_lmu").build(SHORT, 3)
    assert len([layer for layer in model.layers if layer.name == "memory"]) == 1
    assert len(model.get_layer("memory")._inbound_nodes) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "none"}, "memory must be one of ser_tf, keras_lmu"),
        ({"normalise": "time"}, "normalise must be one of channels, time_and_channels"),
        ({"pooling": "max"}, "pooling must be one of last, mean, mean_and_deviation"),
        ({"theta": 0.0}, "theta must be above 0"),
        ({"units": ()}, "units must name at least one layer"),
    ],
)
def test_an_lmu_refuses_what_it_does_not_know(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message + ".*Received: "):
        LMUEncoder(**options)  # type: ignore[arg-type]


def test_a_coupled_lmu_refuses_a_memory_of_no_length() -> None:
    with pytest.raises(ValueError, match=r"theta must be .*theta=0"):
        CoupledLMUEncoder(theta=0)


def test_an_lstm_refuses_to_be_without_layers() -> None:
    with pytest.raises(ValueError, match=r"units must name at least one layer.*Received: "):
        LSTMEncoder(units=()).build(SHORT, 8)


def test_a_coupled_lmu_refuses_to_learn_its_system_twice() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        CoupledLMUEncoder(trainable_ab=True)


def test_cnn2_refuses_blocks_that_lack_a_size() -> None:
    with pytest.raises(ValueError, match="must be equally long"):
        CNN2Encoder(filters=(8, 8))


@pytest.mark.parametrize("shape", [(0, 20), (401, 0), (401,)])
def test_features_of_no_size_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"shape must be .*Received: "):
        CNN1Encoder().build(shape, 8)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"classes must be .*classes=1"):
        CNN1Encoder().build(SHORT, 1)


def test_memories_are_named() -> None:
    assert tuple(MEMORIES) == ("ser_tf", "keras_lmu")


def test_the_registry_imports_no_keras() -> None:
    check = "import sys, ser_tf.models; sys.exit(any(m in sys.modules for m in {!r}))"
    heavy = ("keras", "tensorflow", "keras_lmu", "scipy")
    assert subprocess.run([sys.executable, "-c", check.format(heavy)], check=False).returncode == 0
