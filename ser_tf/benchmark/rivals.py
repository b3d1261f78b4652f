"""What the LMU layer is compared with: makers of layers for `ser_tf.models.LMUEncoder`.

All but LSTM have the published arrangement: `u = ReLU(dense of x)` drives the memory, and
`h = ReLU(dense of [memory, x])`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ser_tf.models.lmu import MEMORIES, LayerFactory, LegendreLayer, LMUEncoder

if TYPE_CHECKING:
    import keras

Memory = Callable[["keras.KerasTensor", bool], "keras.KerasTensor"]
"""From its drive, `(batch, steps, memory_d)`, and whether only the last step counts, to the memory
after every step or after the last."""


def _keras_lmu(encoder: LMUEncoder, steps: int, theta_steps: float) -> LegendreLayer:
    """The feed-forward layer of keras_lmu: a convolution by FFT."""
    import keras_lmu

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        return keras_lmu.LMU(**_settings(encoder, theta_steps), return_sequences=not last)(u)

    return _published(encoder, memory)


def _keras_lmu_recurrent(encoder: LMUEncoder, steps: int, theta_steps: float) -> LegendreLayer:
    """The cell of keras_lmu, step by step."""
    import keras_lmu
    from keras import layers

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        cell = keras_lmu.LMUCell(**_settings(encoder, theta_steps))
        return layers.RNN(cell, return_sequences=not last)(u)

    return _published(encoder, memory)


def _settings(encoder: LMUEncoder, theta_steps: float) -> dict[str, Any]:
    return {
        "memory_d": encoder.memory_d,
        "order": encoder.order,
        "theta": theta_steps,
        "hidden_cell": None,
        "kernel_initializer": None,
    }


def _order_first(encoder: LMUEncoder, steps: int, theta_steps: float) -> LegendreLayer:
    """The published system's formula: `u` convolved by FFT with the responses of all orders."""
    import numpy as np
    import tensorflow as tf
    from keras import layers

    from ser_tf.layers.lmu import delay

    size = 2 * steps
    response = delay.impulse_response(encoder.order, theta_steps, steps)
    spectrum = tf.constant(np.fft.rfft(response, size, axis=0).T, tf.complex64)  # (order, bins)

    def convolve(u: Any) -> Any:
        of_u = tf.signal.rfft(tf.transpose(u, (0, 2, 1)), [size])  # (batch, memory_d, bins)
        m = tf.signal.irfft(of_u[:, :, None] * spectrum, [size])[..., :steps]
        return tf.reshape(
            tf.transpose(m, (0, 3, 1, 2)), (-1, steps, encoder.memory_d * encoder.order)
        )

    def memory(u: "keras.KerasTensor", last: bool) -> "keras.KerasTensor":
        m = layers.Lambda(convolve, (steps, encoder.memory_d * encoder.order))(u)
        return m[:, -1] if last else m

    return _published(encoder, memory)


def _published(encoder: LMUEncoder, memory: Memory) -> LegendreLayer:
    from keras import layers

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        m = memory(layers.Dense(encoder.memory_d, activation="relu")(x), last)
        seen = layers.Concatenate()([m, x[:, -1] if last else x])
        return layers.Dense(units, activation="relu")(seen)

    return layer


def _lstm(encoder: LMUEncoder, steps: int, theta_steps: float) -> LegendreLayer:
    """Keras' LSTM with the same units."""
    from keras import layers

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        return layers.LSTM(units, return_sequences=not last)(x)

    return layer


WAYS: dict[str, LayerFactory] = {
    "ser_tf": MEMORIES["ser_tf"],
    "keras_lmu, FFT": _keras_lmu,
    "keras_lmu, recurrent": _keras_lmu_recurrent,
    "order first": _order_first,
    "LSTM": _lstm,
}
"""Makers of layers by name; the others are compared with the first."""
