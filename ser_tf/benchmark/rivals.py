"""What the LMU layer is measured against, each a memory to build `ser_tf.models.LMU` of.

All but LSTM are of the published arrangement: `u = ReLU(dense of x)` drives the memory, and
`h = ReLU(dense of [memory, x])`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ser_tf.models.lmu import LMU, MEMORIES, LegendreLayer

if TYPE_CHECKING:
    import keras

Memory = Callable[["keras.KerasTensor", bool], "keras.KerasTensor"]
"""From what drives it, `(batch, steps, memory_d)`, to the memory after every step or the last."""


def _keras_lmu(model: LMU, steps: int, theta_steps: float) -> LegendreLayer:
    """The feed-forward layer of keras_lmu: a convolution by FFT."""
    import keras_lmu

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        return keras_lmu.LMU(**_settings(model, theta_steps), return_sequences=not last)(u)

    return _published(model, memory)


def _keras_lmu_recurrent(model: LMU, steps: int, theta_steps: float) -> LegendreLayer:
    """The cell of keras_lmu, step by step."""
    import keras_lmu
    from keras import layers

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        cell = keras_lmu.LMUCell(**_settings(model, theta_steps))
        return layers.RNN(cell, return_sequences=not last)(u)

    return _published(model, memory)


def _settings(model: LMU, theta_steps: float) -> dict[str, Any]:
    return {
        "memory_d": model.memory_d,
        "order": model.order,
        "theta": theta_steps,
        "hidden_cell": None,
        "kernel_initializer": None,
    }


def _order_first(model: LMU, steps: int, theta_steps: float) -> LegendreLayer:
    """The formula of the published system: `u` convolved with all orders' responses by FFT."""
    import numpy as np
    import tensorflow as tf
    from keras import layers

    from ser_tf.layers.lmu import delay

    size = 2 * steps
    response = delay.impulse_response(model.order, theta_steps, steps)
    spectrum = tf.constant(np.fft.rfft(response, size, axis=0).T, tf.complex64)  # (order, bins)

    def convolve(u: Any) -> Any:
        of_u = tf.signal.rfft(tf.transpose(u, (0, 2, 1)), [size])  # (batch, memory_d, bins)
        m = tf.signal.irfft(of_u[:, :, None] * spectrum, [size])[..., :steps]
        return tf.reshape(tf.transpose(m, (0, 3, 1, 2)), (-1, steps, model.memory_d * model.order))

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        m = layers.Lambda(convolve, (steps, model.memory_d * model.order))(u)
        return m[:, -1] if last else m

    return _published(model, memory)


def _published(model: LMU, memory: Memory) -> LegendreLayer:
    from keras import layers

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        m = memory(layers.Dense(model.memory_d, activation="relu")(x), last)
        seen = layers.Concatenate()([m, x[:, -1] if last else x])
        return layers.Dense(units, activation="relu")(seen)

    return layer


def _lstm(model: LMU, steps: int, theta_steps: float) -> LegendreLayer:
    """Keras' LSTM of as many units."""
    from keras import layers

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        return layers.LSTM(units, return_sequences=not last)(x)

    return layer


WAYS: dict[str, Callable[[LMU, int, float], LegendreLayer]] = {
    "ser_tf": MEMORIES["ser_tf"],
    "keras_lmu, FFT": _keras_lmu,
    "keras_lmu, recurrent": _keras_lmu_recurrent,
    "order first": _order_first,
    "LSTM": _lstm,
}
"""Layers by name, in the form of `ser_tf.models.lmu.MEMORIES`; the first is the measure."""
