import math

import keras
import keras_lmu
import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import cont2discrete

from ser_tf.layers import lmu
from ser_tf.layers.lmu import delay
from ser_tf.layers.lmu.cell import LMUCell

STEPS, CHANNELS, UNITS, ORDER, THETA = 16, 3, 7, 6, 9.5
CONNECTIONS = [
    {},
    {"memory_d": 3, "use_bias": True},
    {"hidden_to_memory": False, "memory_d": 2},
    {"memory_to_memory": False, "input_to_hidden": False},
    {"hidden_to_hidden": False, "use_bias": True},
    {"trainable_theta": True, "memory_d": 2},
]


def clips(steps: int = STEPS, batch: int = 4) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.standard_normal((batch, steps, CHANNELS)).astype("float32")


def layer(theta: float = THETA, **arguments) -> keras.layers.RNN:
    """All steps of a cell with weights that are nowhere zero."""
    sequences = arguments.pop("return_sequences", True)
    made = keras.layers.RNN(LMUCell(UNITS, ORDER, theta, **arguments), return_sequences=sequences)
    made.build((None, None, CHANNELS))
    rng = np.random.default_rng(4)
    for weight in made.cell.weights:
        if weight.name not in ("log_theta", "system"):
            # Small enough that the feedback does not blow up, and rounding errors with it.
            fan_in = math.prod(weight.shape[:-1])
            weight.assign(0.7 / math.sqrt(fan_in) * rng.standard_normal(weight.shape))
    return made


def weights(cell: LMUCell) -> dict[str, np.ndarray]:
    return {w.name: np.array(w, "float64") for w in cell.weights if "seed" not in w.name}


def zero_order_hold(theta: float, order: int = ORDER) -> tuple[np.ndarray, np.ndarray]:
    a, b = delay.continuous(order)
    system = (a / theta, b[:, None] / theta, np.eye(order), np.zeros((order, 1)))
    a, b, *_ = cont2discrete(system, dt=1, method="zoh")
    return a, b[:, 0]


def recurrence(cell: LMUCell, x: np.ndarray, theta: float) -> np.ndarray:
    """The equations of the paper, one memory, one clip and one step at a time, in float64."""
    w = weights(cell)
    a, b = zero_order_hold(theta)
    outputs = np.zeros((*x.shape[:2], UNITS))
    for clip, steps in enumerate(x.astype("float64")):
        m, h = np.zeros((cell.memory_d, ORDER)), np.zeros(UNITS)
        for t, frame in enumerate(steps):
            u = frame @ w["encoder"][:CHANNELS] + w.get("memory_bias", 0)
            if cell.hidden_to_memory:
                u = u + h @ w["encoder"][CHANNELS:]
            if cell.memory_to_memory:
                u = u + m.ravel() @ w["memory_encoder"]
            m = np.stack([a @ m[d] + b * u[d] for d in range(cell.memory_d)])
            z = m.ravel() @ w["kernel"][: m.size] + w.get("bias", 0)
            if cell.input_to_hidden:
                z = z + frame @ w["kernel"][m.size :]
            if cell.hidden_to_hidden:
                z = z + h @ w["recurrent_kernel"]
            h = outputs[clip, t] = np.tanh(z)
    return outputs


def of_keras_lmu(cell: LMUCell) -> keras.layers.RNN:
    """keras_lmu's cell with the same connections and weights."""
    hidden = keras.layers.SimpleRNNCell if cell.hidden_to_hidden else keras.layers.Dense
    reference = keras_lmu.LMUCell(
        cell.memory_d,
        ORDER,
        cell.theta,
        hidden(UNITS, activation="tanh", use_bias=cell.use_bias),
        trainable_theta=cell.trainable_theta,
        hidden_to_memory=cell.hidden_to_memory,
        memory_to_memory=cell.memory_to_memory,
        input_to_hidden=cell.input_to_hidden,
        use_bias=cell.use_bias,
    )
    made = keras.layers.RNN(reference, return_sequences=True)
    made(clips())
    for theirs, ours in pairs(reference, cell):
        if ours.name != "log_theta":
            theirs.assign(ours)
    return made


def pairs(theirs: keras_lmu.LMUCell, ours: LMUCell) -> list[tuple]:
    hidden = theirs.hidden_cell
    found = [(theirs.kernel, ours.encoder), (hidden.kernel, ours.kernel)]
    if ours.memory_to_memory:
        found.append((theirs.recurrent_kernel, ours.memory_encoder))
    if ours.hidden_to_hidden:
        found.append((hidden.recurrent_kernel, ours.recurrent_kernel))
    if ours.use_bias:
        found += [(theirs.bias, ours.memory_bias), (hidden.bias, ours.bias)]
    if ours.trainable_theta:
        found.append((theirs.theta_inv, ours.log_theta))
    return found


def gradients(layer: keras.layers.RNN, variables: list) -> list[np.ndarray]:
    values = [variable.value for variable in variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(layer(clips()) ** 2)
    return [gradient.numpy() for gradient in tape.gradient(loss, values)]


@pytest.mark.parametrize("arguments", CONNECTIONS, ids=str)
def test_outputs_are_those_of_the_equations_in_float64(arguments):
    ours = layer(**arguments)
    # 16 steps of float32 sums: some 10 roundings of 6e-8 deep, tanh between.
    np.testing.assert_allclose(ours(clips()), recurrence(ours.cell, clips(), THETA), atol=2e-6)


@pytest.mark.parametrize("arguments", CONNECTIONS, ids=str)
def test_outputs_and_gradients_are_those_of_keras_lmu(arguments):
    ours = layer(**arguments)
    theirs = of_keras_lmu(ours.cell)
    # keras_lmu's system is a float32 exponential, some 1e-7 off.
    np.testing.assert_allclose(ours(clips()), theirs(clips()), atol=4e-6)
    their_variables, our_variables = zip(*pairs(theirs.cell, ours.cell), strict=True)
    expected = gradients(theirs, list(their_variables))
    found = gradients(ours, list(our_variables))
    if ours.cell.trainable_theta:  # from d / d(1 / theta) to d / d(log theta)
        expected[-1] = -expected[-1] / THETA
    assert len(found) == len(ours.cell.trainable_weights)
    for gradient, reference in zip(found, expected, strict=True):
        scale = np.abs(reference).max()
        assert scale > 0
        np.testing.assert_allclose(gradient, reference, atol=1e-5 * scale)


def test_a_long_memory_of_many_orders_keeps_its_precision():
    order, theta, steps = 128, 1500.0, 1500
    alone = dict.fromkeys(("hidden_to_memory", "memory_to_memory", "input_to_hidden"), False)
    cell = LMUCell(1, order, theta, **alone, hidden_to_hidden=False, activation="linear")
    rnn = keras.layers.RNN(cell)
    x = np.random.default_rng(0).standard_normal((1, steps, 1)).astype("float32")
    rnn.build(x.shape)
    cell.encoder.assign([[1.0]])
    kernel = np.random.default_rng(1).standard_normal((order, 1))
    cell.kernel.assign(kernel)
    response = delay.impulse_response(order, theta, steps) @ kernel.astype("float32")
    expected = x[0, ::-1, 0] @ response
    scale = np.sqrt((response**2).sum())
    # 1,500 roundings of 6e-8 that do not all point one way.
    np.testing.assert_allclose(tf.function(rnn)(x)[0], expected, atol=1e-5 * scale)


@pytest.mark.parametrize("order", [1, 6, 64])
@pytest.mark.parametrize("theta", [1.0, 7.3, 1000.0])
def test_a_learned_theta_discretises_like_scipy(order, theta):
    cell = LMUCell(2, order, 20.0, trainable_theta=True)
    cell.build((None, CHANNELS))
    cell.log_theta.assign(math.log(theta))
    a, b = zero_order_hold(theta, order)
    system = np.array(cell._discretise())
    expected = np.concatenate([a.T - np.eye(order), b[None]])
    # The float32 exponential of matrices of norm 4,000 (order 64, theta 1) loses a digit.
    np.testing.assert_allclose(system, expected, atol=4e-6 * np.abs(expected).max())
    assert cell.current_theta == pytest.approx(theta, rel=1e-6)


def test_the_gradient_of_theta_is_that_of_finite_differences():
    ours = layer(trainable_theta=True)
    found = gradients(ours, [ours.cell.log_theta])[0]
    step = 1e-5
    losses = [
        np.mean(recurrence(ours.cell, clips(), THETA * math.exp(sign * step)) ** 2)
        for sign in (1, -1)
    ]
    # float64 differences are good to 1e-9, float32 gradients through 16 steps to about 1e-6.
    assert found == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=2e-5)


def test_a_sequence_discretises_a_learned_theta_once(monkeypatch):
    calls = []
    exponential = lmu.cell._exponential
    monkeypatch.setattr(
        lmu.cell, "_exponential", lambda *args: calls.append(1) or exponential(*args)
    )
    layer(trainable_theta=True)(clips())
    assert len(calls) == 1


def test_a_cell_called_alone_follows_a_changed_theta():
    ours = layer(trainable_theta=True)
    ours(clips())
    state = [tf.ones((4, ORDER)), tf.zeros((4, UNITS))]
    _, (before, _) = ours.cell(clips()[:, 0], state)
    ours.cell.log_theta.assign(math.log(2 * THETA))
    _, (after, _) = ours.cell(clips()[:, 0], state)
    assert np.abs(before - after).max() > 0.01


def test_theta_stays_at_a_step_or_more():
    ours = layer(trainable_theta=True, return_sequences=False)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply([tf.constant(100.0)], [ours.cell.log_theta])
    assert ours.cell.current_theta == 1
    assert np.isfinite(ours(clips())).all()


@pytest.mark.parametrize("learned", ["trainable_theta", "trainable_ab"])
def test_what_is_learned_starts_from_the_fixed_system(learned):
    # The exponential of float32 against that of float64.
    np.testing.assert_allclose(
        layer(**{learned: True})(clips()), layer()(clips()), atol=2e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("learned", "weight"), [("trainable_theta", "log_theta"), ("trainable_ab", "system")]
)
def test_training_learns_the_system_of_a_longer_memory(learned, weight):
    alone = dict.fromkeys(("hidden_to_memory", "memory_to_memory", "hidden_to_hidden"), False)
    teacher = layer(1.5 * THETA, **alone, return_sequences=False)
    student = layer(**{learned: True}, **alone, return_sequences=False)
    for other in student.cell.trainable_weights:
        other.trainable = other.name == weight
    x = clips(30, 64)
    model = keras.Sequential([keras.Input((30, CHANNELS)), student])
    model.compile(keras.optimizers.Adam(0.05 if learned == "trainable_theta" else 0.005), "mse")
    losses = model.fit(x, teacher(x), batch_size=32, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    if learned == "trainable_theta":
        assert student.cell.current_theta == pytest.approx(1.5 * THETA, rel=0.1)


def test_weights_start_as_the_authors_published():
    cell = LMUCell(300, ORDER, THETA, memory_d=40)
    cell.build((None, 100))
    memories = 40 * ORDER
    blocks = {
        math.sqrt(1 / 100): cell.encoder[:100],
        math.sqrt(1 / 300): cell.encoder[100:],
        math.sqrt(2 / (memories + 300)): cell.kernel[:memories],
        math.sqrt(2 / (100 + 300)): cell.kernel[memories:],
        math.sqrt(2 / (300 + 300)): cell.recurrent_kernel,
    }
    for deviation, block in blocks.items():
        # 4,000 draws or more: the deviation itself deviates by 1.2 %.
        assert np.std(block) == pytest.approx(deviation, rel=0.05)
    assert np.abs(cell.encoder[:100]).max() <= math.sqrt(3 / 100)
    assert not np.any(cell.memory_encoder)


def test_dropout_draws_one_mask_of_the_inputs_a_sequence():
    arguments = {"hidden_to_memory": False, "memory_to_memory": False, "input_to_hidden": False}
    ours = layer(dropout=0.25, seed=1, activation="linear", **arguments)
    x = np.zeros((64, STEPS, CHANNELS), "float32")
    x[..., 0] = 1
    kept = ours(x)[0]
    drawn = np.array(ours(x, training=True))
    factors = drawn[:, -1, 0] / kept[-1, 0]
    # 1 / (1 - 0.25) in float32
    np.testing.assert_allclose(drawn, factors[:, None, None] * kept[None], atol=1e-5)
    assert set(np.round(3 * factors)) == {0, 4}
    assert np.abs(ours(x, training=True) - drawn).max() > 0


def test_dropout_reaches_what_the_encoder_reads_of_the_hidden_state():
    ours = layer(dropout=0.5, seed=1, input_to_hidden=False, hidden_to_hidden=False)
    ours.cell.encoder.assign(np.r_[np.zeros((CHANNELS, 1)), np.ones((UNITS, 1))])
    state = [tf.zeros((64, ORDER)), tf.ones((64, UNITS))]
    x = np.zeros((64, 1, CHANNELS), "float32")
    ours.return_state = True
    _, m, _ = ours(x, initial_state=state, training=True)
    _, b = zero_order_hold(THETA)
    heard = m[:, 0] / b[0] / 2  # twice as loud, those that are left
    np.testing.assert_allclose(heard, np.round(heard), atol=1e-5)
    assert len(set(np.round(heard))) > 3


def test_recurrent_dropout_draws_one_mask_of_the_memory_a_sequence():
    arguments = {"hidden_to_memory": False, "activation": "linear"}
    cell = LMUCell(1, 1, 5.0, **arguments, recurrent_dropout=0.25, seed=1)
    ours = keras.layers.RNN(cell, return_sequences=True)
    x = np.ones((64, STEPS, 1), "float32")
    ours.build(x.shape)
    cell.memory_encoder.assign([[0.1]])
    drawn = np.array(ours(x, training=True))
    expected = []
    for factor in (0, 1 / 0.75):
        cell.memory_encoder.assign([[0.1 * factor]])
        expected.append(np.array(ours(x))[0])
    # The same sums, with the factor on the other side.
    off = np.abs(drawn[:, None] - np.stack(expected)).max(axis=(2, 3))
    assert (off.min(axis=1) < 1e-5).all()
    assert set(off.argmin(axis=1)) == {0, 1}


def test_state_is_memory_and_hidden_state():
    ours = layer(memory_d=2)
    ours.return_state = True
    assert ours.cell.state_size == [2 * ORDER, UNITS]
    assert ours.cell.output_size == UNITS
    outputs, m, h = ours(clips())
    assert outputs.shape == (4, STEPS, UNITS)
    assert m.shape == (4, 2 * ORDER)
    np.testing.assert_array_equal(outputs[:, -1], h)


def test_a_sequence_in_two_parts_is_the_sequence():
    ours = layer(trainable_theta=True)
    whole = ours(clips())
    ours.return_state = True
    first, *state = ours(clips()[:, :10])
    second, *_ = ours(clips()[:, 10:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)


def test_masked_steps_change_nothing():
    ours = layer(return_sequences=False)
    x = clips()
    mask = np.ones(x.shape[:2], bool)
    mask[:, 10:] = False
    np.testing.assert_array_equal(ours(x, mask=tf.constant(mask)), ours(x[:, :10]))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_leaves_the_state_in_float32(policy):
    expected = layer()(clips())
    keras.config.set_dtype_policy(policy)
    try:
        ours = layer()
    finally:
        keras.config.set_dtype_policy("float32")
    outputs = ours(clips())
    assert outputs.dtype == policy.removeprefix("mixed_")
    assert ours.cell.compute_dtype == "float32"
    # What reaches the cell and what leaves it is rounded, to 8 bits of mantissa at worst.
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=0.03)


def test_regularisers_and_constraints_reach_the_weights():
    cell = LMUCell(
        2, 3, 4.0, use_bias=True, kernel_regularizer="l2", recurrent_constraint="unit_norm"
    )
    cell.build((None, CHANNELS))
    assert [w.regularizer is not None for w in (cell.encoder, cell.kernel, cell.bias)] == [
        True,
        True,
        False,
    ]
    assert cell.memory_encoder.constraint is not None
    assert cell.recurrent_kernel.constraint is not None


def test_an_exported_model_gives_the_same_outputs(tmp_path):
    model = keras.Sequential([keras.Input((None, CHANNELS)), layer(trainable_theta=True)])
    model.export(tmp_path, verbose=False)
    exported = tf.saved_model.load(tmp_path)
    # Compiled and eager kernels may add in another order.
    np.testing.assert_allclose(exported.serve(clips()), model(clips()), atol=2e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be an integer of at least 1. Received: units=0"),
        ({"units": 2.5}, "units must be an integer"),
        ({"order": 0}, "order must be an integer of at least 1. Received: order=0"),
        ({"theta": 0.0}, "theta must be a finite number above 0"),
        ({"theta": math.nan}, "theta must be"),
        ({"memory_d": 0}, "memory_d must be an integer of at least 1. Received: memory_d=0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1. Received: dropout=1.0"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout must be at least 0"),
        ({"trainable_theta": True, "trainable_ab": True}, "exclude each other"),
        (
            {"trainable_theta": True, "theta": 0.5},
            "at least 1 step .* Received: theta=0.5",
        ),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments, message):
    with pytest.raises(ValueError, match=message):
        LMUCell(**({"units": 2, "order": 3, "theta": 4.0} | arguments))
