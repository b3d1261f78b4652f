"""The coupled cell of Legendre Memory Units: memory and hidden state drive each other."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.lmu import delay
from ser_tf.layers.lmu.checks import require, require_rates, require_sizes
from ser_tf.layers.lmu.constants import constant

Tensor = Any

_ARGUMENTS = (
    "order theta memory_d hidden_to_memory memory_to_memory input_to_hidden hidden_to_hidden "
    "trainable_theta trainable_ab"
).split()
_TAYLOR_TERMS = 8
_TAYLOR_NORM = 0.5  # 0.5**9 / 9! is a tenth of what float32 resolves


# Keras' cell provides arguments, and the hooks by which `keras.layers.RNN` lets a cell prepare what
# stays the same during a sequence: dropout masks, and here the discrete system.
@keras.saving.register_keras_serializable(package="ser_tf")
class LMUCell(keras.layers.SimpleRNNCell):
    """Legendre Memory Unit whose hidden state and memory drive each other.

    For `keras.layers.RNN(LMUCell(...))`. A step (Voelker, Kajic and Eliasmith, 2019, "Legendre
    Memory Units", section 2) is::

        u[t] = e_x x[t] + e_h h[t-1] + e_m m[t-1]
        m[t] = A m[t-1] + B u[t]
        h[t] = f(W_x x[t] + W_h h[t-1] + W_m m[t])

    A and B come from a zero-order hold, which is exact, also with `trainable_theta`: the matrix
    exponential is then computed once a sequence, inside the graph. The variable is log(theta), so
    an optimiser's step changes theta in proportion to itself; theta stays at 1 step or more. With
    `trainable_ab` the discrete A and B are variables, one pair for all memories; they start from
    the zero-order hold, and theta only sets where they start.

    Encoders e start LeCun-uniform, e_m at zero, kernels W Glorot-normal, as the authors published;
    each block of a weight is initialised by itself. `encoder` is (e_x, e_h), `memory_encoder` e_m,
    `kernel` (W_m, W_x), `recurrent_kernel` W_h: the shapes of the weights of `keras_lmu.LMUCell`
    around a `SimpleRNNCell`.

    Half precision would lose what a step adds to a long memory, so the cell computes in the dtype
    of its variables.

    Args:
        units: size of `h`, at least 1.
        order: number of Legendre polynomials a memory keeps, at least 1.
        theta: length of the memory in steps, above 0; at least 1 with `trainable_theta`.
        memory_d: number of memories side by side, the size of `u`, at least 1.
        hidden_to_memory: whether there is e_h.
        memory_to_memory: whether there is e_m.
        input_to_hidden: whether there is W_x.
        hidden_to_hidden: whether there is W_h.
        trainable_theta: whether theta is learned.
        trainable_ab: whether A and B are learned; excludes `trainable_theta`.
        activation: f.
        use_bias: whether `u` and, inside f, `h` have a bias.
        encoder_initializer: of e_x and e_h.
        memory_encoder_initializer: of e_m.
        kernel_initializer: of W_x and W_m.
        recurrent_initializer: of W_h.
        dropout: rate for the inputs of e_x and e_h, in [0, 1), one mask a sequence.
        recurrent_dropout: rate for the input of e_m, in [0, 1), one mask a sequence.
        **kwargs: other arguments of `keras.layers.SimpleRNNCell`: initialisers, regularisers and
            constraints (those of kernels apply to encoders too), and `seed`.

    Input shape: a step `(batch, channels)` and the state: memories `(batch, memory_d * order)`,
        one after the other, and `h` `(batch, units)`.
    Output shape: `h` `(batch, units)`, and the new state.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        units: int,
        order: int,
        theta: float,
        memory_d: int = 1,
        *,
        hidden_to_memory: bool = True,
        memory_to_memory: bool = True,
        input_to_hidden: bool = True,
        hidden_to_hidden: bool = True,
        trainable_theta: bool = False,
        trainable_ab: bool = False,
        activation: Any = "tanh",
        use_bias: bool = False,
        encoder_initializer: Any = "lecun_uniform",
        memory_encoder_initializer: Any = "zeros",
        kernel_initializer: Any = "glorot_normal",
        recurrent_initializer: Any = "glorot_normal",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        delay.check(order, theta)
        require_sizes(units=units, memory_d=memory_d)
        require_rates(dropout=dropout, recurrent_dropout=recurrent_dropout)
        _check_learned(theta, trainable_theta, trainable_ab)
        policy = keras.dtype_policies.get(kwargs.pop("dtype", None) or keras.config.dtype_policy())
        super().__init__(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            dtype=policy.variable_dtype,
            **kwargs,
        )
        self.order = order
        self.theta = theta
        self.memory_d = memory_d
        self.hidden_to_memory = hidden_to_memory
        self.memory_to_memory = memory_to_memory
        self.input_to_hidden = input_to_hidden
        self.hidden_to_hidden = hidden_to_hidden
        self.trainable_theta = trainable_theta
        self.trainable_ab = trainable_ab
        self.encoder_initializer = keras.initializers.get(encoder_initializer)
        self.memory_encoder_initializer = keras.initializers.get(memory_encoder_initializer)
        self.state_size = [memory_d * order, units]
        self._of_sequence: Tensor | None = None

    @property
    def current_theta(self) -> float:
        """The length of the memory in steps, as learned so far."""
        if self.trainable_theta and self.built:
            return math.exp(float(ops.convert_to_numpy(self.log_theta)))
        return float(self.theta)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the weights for steps of `input_shape`, `(batch, channels)`."""
        channels, d, (memories, units) = input_shape[-1], self.memory_d, self.state_size
        encoded = [channels, units] if self.hidden_to_memory else [channels]
        read = [memories, channels] if self.input_to_hidden else [memories]
        self.encoder = self._weight("encoder", "kernel", encoded, d)
        self.kernel = self._weight("kernel", "kernel", read, units)
        if self.memory_to_memory:
            self.memory_encoder = self._weight("memory_encoder", "recurrent", [memories], d)
        if self.hidden_to_hidden:
            self.recurrent_kernel = self._weight("recurrent_kernel", "recurrent", [units], units)
        if self.use_bias:
            self.memory_bias = self._weight("memory_bias", "bias", [], d)
            self.bias = self._weight("bias", "bias", [], units)
        if self.trainable_theta:
            start = keras.initializers.Constant(math.log(self.theta))
            self.log_theta = self.add_weight((), start, name="log_theta", constraint="non_neg")
        if self.trainable_ab:
            shape, start = (self.order + 1, self.order), lambda *_, **__: self._fixed_system()
            self.system = self.add_weight(shape, start, name="system")
        self.built = True

    def call(
        self, inputs: Tensor, states: list[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """The hidden state and the state after one step."""
        m, h = states
        u = self._encode(inputs, h, m, training)
        m = self._remember(m, u)
        read = ops.concatenate([m, inputs], axis=-1) if self.input_to_hidden else m
        z = ops.matmul(read, self.kernel)
        if self.hidden_to_hidden:
            z = z + ops.matmul(h, self.recurrent_kernel)
        if self.use_bias:
            z = z + self.bias
        h = self.activation(z)
        return h, [m, h]

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Zeros."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def get_dropout_mask(self, step_input: Tensor) -> Tensor | None:
        """The mask for a sequence, which `keras.layers.RNN` asks for before the first step."""
        self._of_sequence = self._discretise()
        return self._encoder_mask(step_input)

    def reset_dropout_mask(self) -> None:
        """Drops what was prepared for a sequence."""
        self._of_sequence = None
        super().reset_dropout_mask()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        values = {name: getattr(self, name) for name in _ARGUMENTS}
        for name in ("encoder_initializer", "memory_encoder_initializer"):
            values[name] = keras.initializers.serialize(getattr(self, name))
        return super().get_config() | values

    def _encode(self, x: Tensor, h: Tensor, m: Tensor, training: bool) -> Tensor:
        encoded = ops.concatenate([x, h], axis=-1) if self.hidden_to_memory else x
        if training and self.dropout > 0:
            encoded = encoded * self._encoder_mask(x)
        u = ops.matmul(encoded, self.encoder)
        if self.memory_to_memory:
            if training and self.recurrent_dropout > 0:
                m = m * self.get_recurrent_dropout_mask(m)
            u = u + ops.matmul(m, self.memory_encoder)
        return u + self.memory_bias if self.use_bias else u

    def _remember(self, m: Tensor, u: Tensor) -> Tensor:
        """`m` `(batch, memory_d * order)` after the input `u` `(batch, memory_d)`."""
        system = self._discretise() if self._of_sequence is None else self._of_sequence
        each = ops.reshape(m, (-1, self.memory_d, self.order))
        each = ops.concatenate([each, ops.expand_dims(u, -1)], axis=-1)
        return m + ops.reshape(ops.matmul(each, system), ops.shape(m))

    def _discretise(self) -> Tensor:
        """The change of m in a step, for a row `[m, u]`: `[A - I, B]` transposed.

        Its shape is `(order + 1, order)`. Without the identity small changes keep all their digits.
        """
        if self.trainable_ab:
            return ops.convert_to_tensor(self.system)
        if not self.trainable_theta:
            return self._fixed_system()
        change = _exponential(self.order, ops.exp(-self.log_theta))
        # A constant input of 1 rests at m = (1, 0, 0, ...): then A m + B = m.
        return ops.concatenate([change, -change[:1]], axis=0)

    def _fixed_system(self) -> Tensor:
        return ops.cast(constant(_system, self.order, self.theta), self.compute_dtype)

    def _encoder_mask(self, x: Tensor) -> Tensor | None:
        if self.hidden_to_memory:
            x = ops.pad(x, ((0, 0), (0, self.units)))
        return super().get_dropout_mask(x)

    def _weight(self, name: str, kind: str, rows: list[int], columns: int) -> Tensor:
        """A weight made of blocks of `rows`, regularised and constrained as `kind`."""
        owner = name if "encoder" in name else kind
        initializer = getattr(self, f"{owner}_initializer")
        return self.add_weight(
            name=name,
            shape=(sum(rows), columns) if rows else (columns,),
            initializer=_stacked(initializer, rows) if len(rows) > 1 else initializer,
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )


def _exponential(order: int, rate: Tensor) -> Tensor:
    """`exp(rate A) - I`, transposed, for the continuous A and a rate of at most 1.

    By scaling and squaring of `exp - I`, so that the identity costs no digits.
    """
    a, _ = delay.continuous(order)
    squarings = max(0, math.ceil(math.log2(np.linalg.norm(a) / _TAYLOR_NORM)))
    a = ops.cast(constant(_transposed, order), rate.dtype) * (rate * 0.5**squarings)
    x = a / _TAYLOR_TERMS
    for term in range(_TAYLOR_TERMS - 1, 0, -1):
        x = (a + ops.matmul(a, x)) / term
    for _ in range(squarings):
        x = 2 * x + ops.matmul(x, x)
    return x


def _transposed(order: int) -> np.ndarray:
    return delay.continuous(order)[0].T


def _system(order: int, theta: float) -> np.ndarray:
    a, b = delay.discretise(order, theta)
    return np.concatenate([a.T - np.eye(order), b[None]])


def _stacked(initializer: Callable[..., Tensor], rows: list[int]) -> Callable[..., Tensor]:
    """An initialiser that initialises each block of rows by itself."""
    return lambda shape, dtype=None: ops.concatenate(
        [initializer((size, shape[1]), dtype) for size in rows], axis=0
    )


def _check_learned(theta: float, trainable_theta: bool, trainable_ab: bool) -> None:
    require(
        not (trainable_theta and trainable_ab),
        "trainable_theta and trainable_ab exclude each other: A and B contain theta",
        trainable_theta=trainable_theta,
        trainable_ab=trainable_ab,
    )
    if trainable_theta:
        require(theta >= 1, "theta must be at least 1 step to be trainable", theta=theta)
