import zipfile
from pathlib import Path

import keras
import keras_lmu
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import cont2discrete
from scipy.special import eval_legendre

from ser_tf.layers.lmu import (
    LMU,
    choice,
    constants,
    convolution,
    delay,
    from_keras_lmu,
    memory,
    streaming,
    to_keras_lmu,
)

pytestmark = [
    # Keras 3 converts its variables to arrays without NumPy 2's `copy` argument.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Keras 3.10 wants the input of a loaded model in a list.
    pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning"),
]

BATCH, CHANNELS = 3, 4
FLOAT32 = 2e-5
"""Sums of some hundred float32 products, of results around 1."""

SHAPES = {
    "one memory": {"memory_d": 1, "order": 6, "theta": 40.0, "steps": 40},
    "kernels first, in blocks": {"memory_d": 1, "order": 48, "theta": 211.0, "steps": 211},
    "kernels first, many memories": {"memory_d": 5, "order": 30, "theta": 61.0, "steps": 61},
    "memory first": {"memory_d": 3, "order": 7, "theta": 90.0, "steps": 90},
    "forgets": {"memory_d": 2, "order": 8, "theta": 5.5, "steps": 83},
    "by FFT": {"memory_d": 1, "order": 50, "theta": 9000.0, "steps": 9000},
    "slow": {"memory_d": 2, "order": 4, "theta": 1000.0, "steps": 30},
    "one step": {"memory_d": 2, "order": 4, "theta": 3.0, "steps": 1},
}
HIDDEN = {
    "units": 6,
    "activation": "tanh",
    "memory_activation": "relu",
    "input_to_hidden": True,
    "use_bias": True,
}


def clips(steps: int, channels: int = CHANNELS, batch: int = BATCH, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, steps, channels)).astype("float32")


def randomise(layer: keras.Layer, channels: int = CHANNELS) -> keras.Layer:
    """The layer built, with weights of a size that keeps outputs around 1."""
    rng = np.random.default_rng(1)
    if not layer.built:
        layer.build((None, None, channels))
    layer.set_weights([0.3 * rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def lmu(memory_d: int, order: int, theta: float, steps: int = 0, **settings) -> LMU:
    return randomise(LMU(memory_d, order, theta, **settings))


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


# Independent references


def discrete(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """A and B of the delay system for steps of length 1 (Voelker et al., 2019, equations 1, 2)."""
    row, column = np.meshgrid(np.arange(order), np.arange(order), indexing="ij")
    a = (2 * row + 1) * np.where(row < column, -1.0, (-1.0) ** (row - column + 1)) / theta
    b = ((2 * np.arange(order) + 1) * (-1.0) ** np.arange(order))[:, None] / theta
    system = (a, b, np.eye(order), np.zeros((order, 1)))
    a, b, *_ = cont2discrete(system, dt=1.0, method="zoh")
    return a, b[:, 0]


def recurrence(layer: LMU, x: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """All outputs, one clip and one step at a time, in float64."""
    w = {weight.name: np.asarray(weight, "float64") for weight in layer.weights}
    relu = lambda values: np.maximum(values, 0) if layer.units else values  # noqa: E731
    a, b = discrete(layer.order, layer.theta)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    size = layer.units or layer.memory_d * layer.order
    outputs = np.zeros((*x.shape[:2], size))
    for clip, valid, output in zip(x.astype("float64"), mask, outputs, strict=True):
        memory, h = np.zeros((layer.memory_d, layer.order)), np.zeros(size)
        for t, now in enumerate(clip):
            if valid[t]:
                u = relu(now @ w["kernel"] + w.get("bias", 0.0))
                memory = memory @ a.T + u[:, None] * b
                h = memory.ravel()
                if layer.units:
                    seen = [h, now] if layer.input_to_hidden else [h]
                    h = np.tanh(np.concatenate(seen) @ w["hidden_kernel"] + w["hidden_bias"])
            output[t] = h
    return outputs


# The delay system


@pytest.mark.parametrize(("order", "theta"), [(1, 1.0), (2, 7.5), (16, 25.0), (64, 100.0)])
def test_the_discrete_system_equals_scipy(order: int, theta: float) -> None:
    for ours, reference in zip(delay.discretise(order, theta), discrete(order, theta), strict=True):
        # Both are scipy's matrix exponential of a system scaled in another order.
        np.testing.assert_allclose(ours, reference, atol=1e-13)


@pytest.mark.parametrize("length", [1, 5, 32, 33, 150])
def test_the_impulse_response_equals_the_recurrence(length: int) -> None:
    a, b = discrete(20, 70.0)
    rows = [b]
    while len(rows) < length:
        rows.append(a @ rows[-1])
    np.testing.assert_allclose(delay.impulse_response(20, 70.0, length), rows, atol=1e-13)


@pytest.mark.parametrize(("order", "theta"), [(1, 4.0), (2, 9.0), (9, 1.5), (40, 60.0)])
def test_nothing_is_heard_after_the_audible_steps(order: int, theta: float) -> None:
    steps = delay.audible_steps(order, theta)
    response = np.abs(delay.impulse_response(order, theta, 3 * steps))
    assert (response[steps:] <= delay.SILENCE * response.max(axis=0)).all()
    assert (response[steps - 1] > delay.SILENCE * response.max(axis=0)).any()


def test_the_memory_remembers_half_a_theta_ago_and_more() -> None:
    theta, order, steps = 80.0, 24, 300
    t = np.arange(steps)
    u = np.sin(t / 9) + 0.5 * np.sin(t / 5 + 1)
    layer = LMU(1, order, theta, kernel_initializer=None, return_sequences=True)
    memory = array(layer(u[None, :, None].astype("float32")))[0]
    for age in (0.25, 0.5, 0.75):
        past = np.interp(t - age * theta, t - 0.5, u)  # the hold makes u half a step late
        decoded = memory @ eval_legendre(np.arange(order), 2 * age - 1)  # 2019, equation 3
        # A step's hold blurs a sine of 5 steps per radian by (1/5)² / 24.
        np.testing.assert_allclose(decoded[160:], past[160:], atol=5e-3)


# Equality with the recurrence and with keras_lmu


@pytest.mark.parametrize("settings", [{}, HIDDEN], ids=["memory", "hidden"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_outputs_equal_the_recurrence(shape: dict, settings: dict) -> None:
    layer = lmu(**shape, **settings, return_sequences=True)
    x = clips(shape["steps"])
    reference = recurrence(layer, x)
    np.testing.assert_allclose(array(layer(x)), reference, atol=FLOAT32)
    layer.return_sequences = False
    np.testing.assert_allclose(array(layer(x)), reference[:, -1], atol=FLOAT32)


THEIRS = [
    {"hidden": None},
    {"hidden": None, "memory_d": 3, "use_bias": True},
    {"hidden": 5, "memory_d": 3, "input_to_hidden": True},
    {"hidden": 5, "use_bias": True, "order": 30},
    {"hidden": 5, "memory_d": CHANNELS, "kernel_initializer": None, "input_to_hidden": True},
]


def theirs(hidden: int | None, return_sequences: bool, **settings) -> keras.Layer:
    dense = keras.layers.Dense(hidden, activation="relu") if hidden else None
    settings = {"memory_d": 1, "order": 9, "theta": 20} | settings
    layer = keras_lmu.LMU(hidden_cell=dense, return_sequences=return_sequences, **settings)
    layer(clips(24))
    return randomise(layer)


@pytest.mark.parametrize("sequences", [True, False], ids=["all steps", "last step"])
@pytest.mark.parametrize("settings", THEIRS)
def test_outputs_and_gradients_equal_keras_lmu_both_ways(settings: dict, sequences: bool) -> None:
    reference = theirs(return_sequences=sequences, **settings)
    ours = from_keras_lmu(reference)
    x = tf.constant(clips(24))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        expected, found = reference(x), ours(x)
        losses = [tf.reduce_sum(tf.sin(y)) for y in (expected, found)]
    # keras_lmu computes the system's exponential in float32.
    close = {"atol": 2e-4, "rtol": 1e-3}
    np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(tape.gradient(losses[1], x), tape.gradient(losses[0], x), **close)
    pairs = {tuple(variable.shape): variable for variable in reference.trainable_variables}
    assert len(pairs) == len(ours.trainable_variables)
    for variable in ours.trainable_variables:
        counterpart = pairs[tuple(variable.shape)].value
        np.testing.assert_allclose(
            tape.gradient(losses[1], variable.value),
            tape.gradient(losses[0], counterpart),
            **close,
        )
    ours.set_weights([0.5 * weight for weight in ours.get_weights()])
    to_keras_lmu(ours, reference)
    np.testing.assert_allclose(ours(x), reference(x), **close)


@pytest.mark.parametrize("name", ["kernels first, many memories", "memory first", "forgets"])
def test_gradients_equal_finite_differences(name: str) -> None:
    layer = lmu(**SHAPES[name], **HIDDEN | {"memory_activation": "tanh"}, return_sequences=True)
    x = tf.constant(clips(SHAPES[name]["steps"]))
    goal = clips(SHAPES[name]["steps"], layer.units, seed=2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * goal)
    weights = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(loss, weights)
    rng = np.random.default_rng(3)
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        kept, direction = array(variable), rng.normal(size=variable.shape)
        sides = []
        for sign in (1, -1):
            variable.assign(kept + sign * 1e-2 * direction)
            sides.append(float(np.sum(array(layer(x)).astype("float64") * goal)))
        variable.assign(kept)
        slope = (sides[0] - sides[1]) / 2e-2
        # A step of 1e-2 leaves the third derivative and float32's rounding.
        assert np.sum(array(gradient) * direction) == pytest.approx(slope, rel=2e-2, abs=0.1)


def test_several_memories_equal_single_ones() -> None:
    x = clips(50, 3)
    both = LMU(3, 8, 50.0, kernel_initializer=None, return_sequences=True)(x)
    single = LMU(1, 8, 50.0, kernel_initializer=None, return_sequences=True)
    parts = [array(single(x[..., channel : channel + 1])) for channel in range(3)]
    np.testing.assert_allclose(array(both), np.concatenate(parts, -1), atol=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    memory_d=st.integers(1, 4),
    order=st.integers(1, 40),
    theta=st.floats(0.5, 200),
    steps=st.integers(1, 120),
    units=st.one_of(st.none(), st.integers(1, 9)),
)
def test_any_shape_equals_the_recurrence(memory_d, order, theta, steps, units) -> None:
    settings = HIDDEN | {"units": units} if units else {}
    layer = lmu(memory_d, order, theta, **settings, return_sequences=True)
    x = clips(steps, batch=2)
    declared = layer.compute_output_shape(x.shape)
    outputs = array(layer(x))
    assert outputs.shape == declared
    reference = recurrence(layer, x)
    np.testing.assert_allclose(outputs, reference, atol=FLOAT32 * max(1, np.abs(reference).max()))


@pytest.mark.parametrize("block", [1, 4, 7, 30, 60])
def test_a_convolution_in_blocks_of_any_size_is_the_convolution(block: int) -> None:
    u, kernel = clips(53, 2), np.random.default_rng(1).normal(size=(30, 2, 3)).astype("float32")
    lags = -(-30 // block)
    padded = np.zeros((lags * block, 2, 3), "float32")
    padded[:30] = kernel
    parts = padded.reshape(lags, block, 2, 3)[::-1].transpose(1, 0, 2, 3)
    expected = np.zeros((BATCH, 53, 3))
    for t in range(53):
        for age in range(min(t + 1, 30)):
            expected[:, t] += u[:, t - age] @ kernel[age]
    np.testing.assert_allclose(convolution.convolve(u, parts), expected, atol=FLOAT32)
    if lags == 1:
        np.testing.assert_allclose(convolution.convolve_by_fft(u, parts), expected, atol=FLOAT32)


def test_a_clip_alone_takes_no_kernel_and_is_answered_as_among_many(monkeypatch) -> None:
    layer = lmu(16, 16, 25.0, **HIDDEN | {"units": 64}, return_sequences=True)
    kernels = []
    by_kernels = memory._by_kernels
    monkeypatch.setattr(
        memory, "_by_kernels", lambda *args: kernels.append(args) or by_kernels(*args)
    )
    x = clips(101)
    alone = array(layer(x[:1]))
    assert not kernels
    many = tf.function(layer, input_signature=[tf.TensorSpec([None, *x.shape[1:]])])
    np.testing.assert_allclose(alone, array(many(x))[:1], atol=FLOAT32)
    assert len(kernels) == 1


# Lengths, masks, batches


@pytest.mark.parametrize("sequences", [True, False], ids=["all steps", "last step"])
@pytest.mark.parametrize("name", ["kernels first, in blocks", "memory first", "forgets"])
def test_an_unknown_length_changes_nothing(name: str, sequences: bool) -> None:
    layer = lmu(**SHAPES[name], **HIDDEN, return_sequences=sequences)
    features = keras.Input((None, CHANNELS))
    model = tf.function(
        keras.Model(features, layer(features)),
        input_signature=[tf.TensorSpec([None, None, CHANNELS])],
    )
    for steps in (1, 2, 40, 250):
        x = clips(steps)
        np.testing.assert_allclose(model(x), layer(x), atol=FLOAT32)


MASKS = {
    "behind": np.arange(30)[None] < np.array([[30], [17], [1]]),
    "in front": np.arange(30)[None] >= np.array([[0], [12], [29]]),
    "holes": np.random.default_rng(5).random((3, 30)) < 0.6,
    "nothing left": np.arange(30)[None] < np.array([[30], [0], [5]]),
}


@pytest.mark.parametrize("settings", [{}, HIDDEN], ids=["memory", "hidden"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masked_steps_are_passed_over(mask: np.ndarray, settings: dict) -> None:
    layer = lmu(2, 6, 11.0, **settings, return_sequences=True)
    x = clips(30)
    reference = recurrence(layer, x, mask)
    x[~mask] = np.nan  # whatever stands there
    np.testing.assert_allclose(array(layer(x, mask=mask)), reference, atol=FLOAT32)
    layer.return_sequences = False
    np.testing.assert_allclose(array(layer(x, mask=mask)), reference[:, -1], atol=FLOAT32)


def test_a_mask_reaches_the_layer_and_goes_on_from_it() -> None:
    first = lmu(2, 6, 11.0, **HIDDEN, return_sequences=True)
    second = randomise(LMU(1, 5, 9.0, **HIDDEN), 6)
    padded = clips(20)
    padded[0, 13:] = 0
    both = keras.Sequential([keras.layers.Masking(), first, second])
    alone = array(second(first(padded[:1, :13])))
    np.testing.assert_allclose(array(both(padded))[:1], alone, atol=FLOAT32)


def test_zeros_in_front_change_nothing_where_there_are_no_biases() -> None:
    layer = lmu(2, 6, 50.0)
    x = clips(20)
    padded = np.pad(x, ((0, 0), (15, 0), (0, 0)))
    np.testing.assert_allclose(array(layer(padded)), array(layer(x)), atol=1e-6)


# Streaming


@settings(max_examples=15, deadline=None, derandomize=True)
@given(chunks=st.lists(st.integers(1, 90), min_size=1, max_size=5), order=st.integers(1, 90))
def test_every_chunking_equals_the_whole(chunks: list[int], order: int) -> None:
    layer = lmu(2, order, 70.0, **HIDDEN, return_sequences=True)
    x = clips(sum(chunks), batch=2)
    state, parts = layer.initial_state(2), []
    for end, steps in zip(np.cumsum(chunks), chunks, strict=True):
        outputs, state = layer.step(x[:, end - steps : end], state)
        parts.append(array(outputs))
    assert state.shape == (2, 2 * order)
    np.testing.assert_allclose(np.concatenate(parts, 1), array(layer(x)), atol=FLOAT32)


def test_a_graph_of_unknown_chunk_length_streams() -> None:
    layer = lmu(2, 70, 50.0, **HIDDEN)
    step = tf.function(
        layer.step,
        input_signature=[tf.TensorSpec([None, None, CHANNELS]), tf.TensorSpec([None, 140])],
    )
    x = clips(130)
    state = layer.initial_state(BATCH)
    for start, end in ((0, 1), (1, 100), (100, 130)):
        outputs, state = step(x[:, start:end], state)
    np.testing.assert_allclose(outputs, array(layer(x)), atol=FLOAT32)


# Precision, compilers, files


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["kernels first, many memories", "memory first"])
def test_half_precision_trains(name: str, policy: str) -> None:
    shape = SHAPES[name]
    half = lmu(**shape, **HIDDEN, return_sequences=True, dtype=policy)
    x = clips(shape["steps"])
    assert half.compute_dtype == keras.backend.standardize_dtype(half(x).dtype)
    full = lmu(**shape, **HIDDEN, return_sequences=True)
    # Only the products with x and the sum are in half precision, of 8 bits in bfloat16.
    np.testing.assert_allclose(array(keras.ops.cast(half(x), "float32")), full(x), atol=3e-2)
    model = keras.Sequential([half, keras.layers.Dense(1, dtype="float32")])
    model.compile("adam", "mse")
    losses = model.fit(x, x[..., :1], epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("settings", [{}, HIDDEN | {"return_sequences": True}])
def test_xla_gives_the_same(settings: dict) -> None:
    layer = lmu(3, 30, 60.0, **settings)
    x = clips(61)
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(x), layer(x), atol=FLOAT32)


@pytest.mark.parametrize("settings", [{}, HIDDEN | {"return_sequences": True}])
def test_saved_and_loaded_it_is_the_same(settings: dict, tmp_path: Path) -> None:
    features = keras.Input((60, CHANNELS))
    model = keras.Model(features, lmu(1, 200, 60.0, **settings)(features))
    x = clips(60)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        size = archive.getinfo("model.weights.h5").file_size
    assert size < 4 * model.count_params() + 40_000  # less than an impulse response more
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x), model(x), atol=1e-6)


def test_layers_of_one_size_share_one_constant_in_the_graph() -> None:
    x = features = keras.Input((80, 1))
    for _ in range(3):
        x = LMU(1, 64, 80.0, 1, return_sequences=True)(x)
    model = keras.Model(features, x)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec([2, 80, 1])).graph
    response = constants.constant(convolution.partitioned, 64, 80.0, *_partition(80))
    held = [t for t in graph.external_captures if t.shape == response.shape]
    assert len(held) == 1
    inside = [op for op in graph.get_operations() if op.type == "Const"]
    assert sum(op.outputs[0].shape.num_elements() or 0 for op in inside) < 5000


def _partition(steps: int) -> tuple[int, int]:
    return choice.block_steps(steps, 1), steps


def _lite(call, *inputs: np.ndarray) -> list[np.ndarray]:
    """What LiteRT makes of a function, with built-in operators only."""
    specs = [tf.TensorSpec(x.shape, tf.float32) for x in inputs]
    function = tf.function(call, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    for details, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("sequences", [True, False], ids=["all steps", "last step"])
@pytest.mark.parametrize("order", [6, 60])
def test_it_converts_to_litert_with_built_in_operators(order: int, sequences: bool) -> None:
    layer = lmu(2, order, 50.0, **HIDDEN, return_sequences=sequences)
    x = clips(50, batch=1)
    (outputs,) = _lite(lambda inputs: layer(inputs), x)
    np.testing.assert_allclose(outputs, layer(x), atol=FLOAT32)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_the_streaming_step_converts_to_litert_with_built_in_operators() -> None:
    layer = lmu(2, 6, 50.0, **HIDDEN, return_sequences=True)
    x, state = clips(10, batch=1), clips(1, 12, 1)[:, 0]
    found = {y.shape: y for y in _lite(layer.step, x, state)}
    for expected in layer.step(x, state):
        np.testing.assert_allclose(found[tuple(expected.shape)], expected, atol=FLOAT32)


# Arguments


def test_regularizers_penalise_each_weight() -> None:
    names = ("kernel", "bias", "hidden_kernel", "hidden_bias")
    penalties = {f"{name}_regularizer": "l2" for name in names}
    layer = lmu(2, 3, 4.5, **HIDDEN, **penalties)
    expected = 0.01 * sum(float(np.sum(weight**2)) for weight in layer.get_weights())
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_dropout_leaves_out_whole_channels_and_only_in_training() -> None:
    layer = LMU(4, 1, 1e-3, kernel_initializer=None, dropout=0.5, return_sequences=True, seed=3)
    x = np.ones((50, 6, 4), "float32")  # a theta of nearly 0: the memory is the input
    trained = array(layer(x, training=True))
    np.testing.assert_allclose(trained, np.broadcast_to(trained[:, :1], trained.shape), atol=1e-5)
    assert set(np.round(trained.ravel(), 4)) == {0.0, 2.0}
    np.testing.assert_allclose(array(layer(x)), x, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"order": 0}, "order must be an integer of at least 1. Received: order=0"),
        ({"order": 2.5}, "order must be"),
        ({"theta": 0.0}, "theta must be a finite number above 0. Received: theta=0.0"),
        ({"theta": float("nan")}, "theta must be"),
        ({"memory_d": 0}, "memory_d must be"),
        ({"units": 0}, "units must be"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"activation": "relu"}, "need units"),
        ({"input_to_hidden": True}, "need units"),
        ({"trainable_theta": True}, r"LMUCell.*Received: trainable_theta=True"),
        ({"hidden_to_memory": True}, "needs a recurrence"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        LMU(**{"memory_d": 1, "order": 2, "theta": 3.0} | arguments)


@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        ((2, 5), "must be .batch, steps, channels"),
        ((2, 0, 1), "at least one step"),
        ((2, 5, 3), "memory_d"),
    ],
)
def test_wrong_inputs_are_refused(shape: tuple[int, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        LMU(1, 2, 3.0, kernel_initializer=None).build(shape)


@pytest.mark.parametrize(
    ("chunk", "state"),
    [((2, 5), (2, 6)), ((2, 0, 4), (2, 6)), ((2, 5, 4), (2, 5)), ((2, 5, 4), (3, 6))],
)
def test_wrong_chunks_and_states_are_refused(chunk: tuple, state: tuple) -> None:
    layer = lmu(2, 3, 4.0)
    with pytest.raises(ValueError, match=r"(chunk|state) must be .*Received: shape"):
        layer.step(np.zeros(chunk, "float32"), np.zeros(state, "float32"))


def test_lengths_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"batch must be .* at least 1\. Received: batch=0"):
        lmu(1, 2, 3.0).initial_state(0)
    with pytest.raises(ValueError, match=r"length must be .* at least 1\. Received: length=0"):
        delay.impulse_response(2, 3.0, 0)


@pytest.mark.parametrize(
    ("settings", "received"),
    [
        ({"discretizer": "euler"}, "discretizer=euler"),
        ({"memory_to_memory": True}, "memory_to_memory"),
        ({"trainable_theta": True}, "trainable_theta"),
        ({"hidden_cell": keras.layers.SimpleRNNCell(3)}, "hidden_cell=SimpleRNNCell"),
        ({"hidden_cell": None, "input_to_hidden": True}, "input_to_hidden without"),
        ({}, "must be built"),
    ],
)
def test_layers_of_keras_lmu_with_a_recurrence_are_refused(settings: dict, received: str) -> None:
    layer = keras_lmu.LMU(**{"memory_d": 1, "order": 2, "theta": 3, "hidden_cell": None} | settings)
    with pytest.raises(ValueError, match=received):
        from_keras_lmu(layer)


def test_weights_of_other_sizes_are_refused() -> None:
    reference = theirs(5, return_sequences=True)
    with pytest.raises(ValueError, match="same weights"):
        to_keras_lmu(lmu(2, 9, 20.0, units=5), reference)


def test_what_one_layer_has_computed_of_its_memory_serves_all_of_its_size() -> None:
    caches = (delay.discretise, delay.impulse_response, constants.shared)
    x = clips(80, 1)
    misses = []
    for units in (3, 3, 2):
        LMU(1, 64, 80.5, **HIDDEN | {"units": units}, return_sequences=True)(x)
        misses.append([function.cache_info().misses for function in caches])
    assert misses[0] == misses[1] == misses[2]


@pytest.mark.parametrize(
    ("order", "theta", "steps"), [(6, 25.0, 1_000), (32, 128.0, 65), (1, 3, 9)]
)
def test_the_memory_of_a_stream_is_that_of_the_recurrence(order, theta, steps):
    rng = np.random.default_rng(0)
    u = rng.standard_normal((2, steps, 3)).astype(np.float32)
    state = rng.standard_normal((2, 3, order)).astype(np.float32)
    a, b = delay.discretise(order, theta)
    m, expected = state.astype(np.float64), []
    for drive in u.transpose(1, 0, 2):
        expected.append(m := m @ a.T + drive[..., None] * b)
    any_length = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 3, order])]
    follow = tf.function(
        lambda u, state: streaming.memories(u, state, order, theta), input_signature=any_length
    )
    for found in (streaming.memories(u, state, order, theta), follow(u, state)):
        # float32, of values up to 4.
        np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-5)
