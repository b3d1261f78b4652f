"""The feed-forward Legendre Memory Unit: without recurrence, all steps at once."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.lmu import delay, memory, padding, streaming
from ser_tf.layers.lmu.checks import require, require_rates, require_sizes

Tensor = Any
RECURRENT = ("trainable_theta", "hidden_to_memory", "memory_to_memory")
"""Arguments of keras_lmu.LMU that need a recurrence and must be false here."""


@keras.saving.register_keras_serializable(package="ser_tf")
class LMU(keras.layers.Layer):
    """Legendre Memory Unit without recurrent connections, for whole sequences and for streams.

    `u = memory_activation(W_u x + b_u)` drives `memory_d` delay systems, the memory,
    `m[t] = A m[t-1] + B u[t]`, which hold the last `theta` steps of `u` as coefficients of
    `order` Legendre polynomials (Voelker et al., 2019). The layer gives
    `h = activation(W_h [m, x] + b_h)`, or the memory itself. Outputs and weights are those of
    `keras_lmu.LMU` with a `Dense` layer, or nothing, as its hidden cell.

    No step waits for another (Chilkuri and Eliasmith, 2021). The memory of all steps, `order`
    numbers each, is computed only where that is cheaper than convolving `u` with the product of
    the impulse response and `W_h` (`ser_tf.layers.lmu.choice`).

    Args:
        memory_d: number of memories side by side, the size of `u`, at least 1.
        order: number of Legendre polynomials a memory keeps, at least 1.
        theta: length of the memory in steps, above 0.
        units: size of `h`, at least 1; None: the output is the memory.
        activation: of `h`; only with `units`.
        memory_activation: of `u`.
        input_to_hidden: whether `h` reads `x`; only with `units`.
        use_bias: whether `u` has a bias.
        hidden_use_bias: whether `h` has a bias.
        kernel_initializer, bias_initializer: of `W_u` and `b_u`; with kernel_initializer None
            there is no `W_u`, and `x` has `memory_d` channels.
        hidden_kernel_initializer, hidden_bias_initializer: of `W_h` and `b_h`.
        kernel_regularizer, bias_regularizer, hidden_kernel_regularizer, hidden_bias_regularizer:
            penalties on them.
        dropout: rate in [0, 1) of the channels of `x` dropped in training, the same at all steps
            of a clip.
        return_sequences: whether to return all steps or the last one.
        seed: seed of the dropout.

    Call arguments:
        inputs: `(batch, steps, channels)`; steps may be unknown and vary.
        mask: `(batch, steps)` booleans: false steps are skipped as in Keras' recurrent layers: the
            memory stands still, and the output is that of the step before.

    Input shape: `(batch, steps, channels)`.
    Output shape: `(batch, steps, size)` or `(batch, size)`; size is `units` or
        `memory_d * order`, memory by memory.

    Raises:
        ValueError: if an argument is out of range or needs a recurrence.
    """

    def __init__(
        self,
        memory_d: int,
        order: int,
        theta: float,
        units: int | None = None,
        *,
        activation: Any = None,
        memory_activation: Any = None,
        input_to_hidden: bool = False,
        use_bias: bool = False,
        hidden_use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        hidden_kernel_initializer: Any = "glorot_uniform",
        hidden_bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        hidden_kernel_regularizer: Any = None,
        hidden_bias_regularizer: Any = None,
        dropout: float = 0.0,
        return_sequences: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_without_recurrence(kwargs))
        delay.check(order, theta)
        require_sizes(memory_d=memory_d, **({} if units is None else {"units": units}))
        require_rates(dropout=dropout)
        hidden = input_to_hidden or keras.activations.get(activation) != _LINEAR
        require(
            units is not None or not hidden,
            "activation and input_to_hidden need units, the size of the hidden part",
            units=units,
            activation=activation,
            input_to_hidden=input_to_hidden,
        )
        self.memory_d = memory_d
        self.order = order
        self.theta = theta
        self.units = units
        self.activation = keras.activations.get(activation)
        self.memory_activation = keras.activations.get(memory_activation)
        self.input_to_hidden = input_to_hidden
        self.use_bias = use_bias
        self.hidden_use_bias = hidden_use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.hidden_kernel_initializer = keras.initializers.get(hidden_kernel_initializer)
        self.hidden_bias_initializer = keras.initializers.get(hidden_bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.hidden_kernel_regularizer = keras.regularizers.get(hidden_kernel_regularizer)
        self.hidden_bias_regularizer = keras.regularizers.get(hidden_bias_regularizer)
        self.dropout = dropout
        self.return_sequences = return_sequences
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.kernel = self.bias = self.hidden_kernel = self.hidden_bias = None

    def build(self, input_shape: tuple[Any, ...]) -> None:
        holds = len(input_shape) == 3 and input_shape[1] != 0
        rule = "inputs must be (batch, steps, channels), with at least one step"
        require(holds, rule, input_shape=input_shape)
        channels = input_shape[2]
        if self.kernel_initializer is not None:
            shape = (channels, self.memory_d)
            self.kernel = self._weight("kernel", shape, autocast=True)
        else:
            rule = "without a kernel, inputs must have memory_d channels"
            require(channels == self.memory_d, rule, channels=channels, memory_d=self.memory_d)
        if self.use_bias:
            self.bias = self._weight("bias", (self.memory_d,), autocast=True)
        if self.units is not None:
            size = self.memory_d * self.order + (channels if self.input_to_hidden else 0)
            self.hidden_kernel = self._weight("hidden_kernel", (size, self.units), autocast=False)
            if self.hidden_use_bias:
                self.hidden_bias = self._weight("hidden_bias", (self.units,), autocast=True)

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool = False) -> Tensor:
        x = inputs
        if training and self.dropout:
            shape = (None, 1, None)
            x = keras.random.dropout(x, self.dropout, shape, seed=self.seed_generator)
        return self._all_steps(x, mask) if self.return_sequences else self._last_step(x, mask)

    def initial_state(self, batch: int) -> Tensor:
        """The empty memory of `batch` streams: zeros `(batch, memory_d * order)`, float32."""
        require_sizes(batch=batch)
        return ops.zeros((batch, self.memory_d * self.order), "float32")

    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output for the next chunk; equal to that for the whole sequence within 1e-5.

        Args:
            chunk: the next steps, at least one, `(batch, steps, channels)`.
            state: from `initial_state` or the step before, `(batch, memory_d * order)`.

        Returns:
            The output for the steps of the chunk (without `return_sequences` for its last one), and
            the next state. Nothing is dropped.

        Raises:
            ValueError: if a shape is wrong.
        """
        if not self.built:
            self.build(tuple(chunk.shape))
        self._check_stream(tuple(chunk.shape), tuple(state.shape))
        x = ops.cast(chunk, self.compute_dtype)
        state = ops.reshape(state, (-1, self.memory_d, self.order))
        m = streaming.memories(self._encode(x), state, self.order, self.theta)
        m = ops.reshape(m, (*ops.shape(m)[:2], self.memory_d * self.order))
        state = m[:, -1]
        if not self.return_sequences:
            m, x = state, x[:, -1]
        return self._hidden(m, x), state

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Tensor:
        return mask if self.return_sequences else None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        size = self.units or self.memory_d * self.order
        return (*input_shape[:2], size) if self.return_sequences else (input_shape[0], size)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        plain = "memory_d order theta units input_to_hidden use_bias hidden_use_bias dropout"
        for name in [*plain.split(), "return_sequences", "seed"]:
            config[name] = getattr(self, name)
        for name in ("activation", "memory_activation"):
            config[name] = keras.activations.serialize(getattr(self, name))
        for weight in ("kernel", "bias", "hidden_kernel", "hidden_bias"):
            for module in (keras.initializers, keras.regularizers):
                name = f"{weight}_{module.__name__.rsplit('.')[-1][:-1]}"
                config[name] = module.serialize(getattr(self, name))
        return config

    def _weight(self, name: str, shape: tuple[int | None, ...], autocast: bool) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            autocast=autocast,
        )

    def _all_steps(self, x: Tensor, mask: Tensor) -> Tensor:
        if mask is not None:
            x = padding.at_the_end(x, mask)
        u = self._encode(x)
        if self.units is None:
            h = ops.cast(memory.every_step(u, self.order, self.theta), self.compute_dtype)
        else:
            weights = self._split_weights()[0]
            h = memory.every_step(u, self.order, self.theta, weights)
            h = self._activate(h, x)
        return h if mask is None else padding.put_back(h, mask)

    def _last_step(self, x: Tensor, mask: Tensor) -> Tensor:
        if mask is not None:
            x = padding.in_front(x, mask)
        length = delay.audible_steps(self.order, self.theta, x.shape[1])
        u = self._encode(x[:, -length:])
        if mask is not None:
            u = padding.silence(u, mask)
        if self.units is None:
            m = memory.last_step(u, self.order, self.theta, length)
            h = ops.cast(m, self.compute_dtype)
        else:
            weights = self._split_weights()[0]
            h = memory.last_step(u, self.order, self.theta, length, weights=weights)
            h = self._activate(h, x[:, -1])
        if mask is None:
            return h
        return ops.where(ops.any(mask, axis=1, keepdims=True), h, ops.zeros_like(h))

    def _encode(self, x: Tensor) -> Tensor:
        """The drive of the memory, float32 `(batch, steps, memory_d)`."""
        u = x if self.kernel is None else _every_step(x, ops.cast(self.kernel, x.dtype))
        if self.bias is not None:
            u = ops.add(u, ops.cast(self.bias, u.dtype))
        return ops.cast(self.memory_activation(u), "float32")

    def _hidden(self, m: Tensor, x: Tensor) -> Tensor:
        """The output of memories `(..., memory_d * order)` and inputs `(..., channels)`."""
        if self.units is None:
            return ops.cast(m, self.compute_dtype)
        return self._activate(ops.matmul(m, self._split_weights()[0]), x)

    def _activate(self, h: Tensor, x: Tensor) -> Tensor:
        h = ops.cast(h, self.compute_dtype)
        if self.input_to_hidden:
            weights = self._split_weights()[1]
            h = h + _every_step(x, ops.cast(weights, self.compute_dtype))
        if self.hidden_bias is not None:
            h = ops.add(h, ops.cast(self.hidden_bias, h.dtype))
        return self.activation(h)

    def _split_weights(self) -> list[Tensor]:
        """The hidden part's weights for the memory and for the inputs."""
        return ops.split(ops.cast(self.hidden_kernel, "float32"), [self.memory_d * self.order])

    def _check_stream(self, chunk: tuple[Any, ...], state: tuple[Any, ...]) -> None:
        rule = "chunk must be (batch, steps, channels), with at least one step"
        require(len(chunk) == 3 and chunk[1] != 0, rule, shape=chunk)
        size = self.memory_d * self.order
        batches_differ = None not in (chunk[0], state[0]) and chunk[0] != state[0]
        holds = len(state) == 2 and state[1] == size and not batches_differ
        rule = f"state must be (batch, memory_d * order), here ({chunk[0]}, {size})"
        require(holds, rule, shape=state)


_LINEAR = keras.activations.linear


def _every_step(x: Tensor, weights: Tensor) -> Tensor:
    """`x @ weights` for `(..., channels)` and `(channels, units)`."""
    if len(x.shape) == 3 and 1 in weights.shape:
        # Keras would make one product over all steps of the batch of it; TensorFlow computes outer
        # products five times as fast as one product for each sequence.
        weights = ops.expand_dims(weights, 0)
    return ops.matmul(x, weights)


def _without_recurrence(settings: dict[str, Any]) -> dict[str, Any]:
    for name in RECURRENT:
        if settings.get(name):
            raise ValueError(
                f"{name} must be false: it needs a recurrence, which LMUCell has in "
                f"keras.layers.RNN. Received: {name}={settings[name]}."
            )
    return {name: value for name, value in settings.items() if name not in RECURRENT}
