"""The last layer of every saved model: logits to calibrated probabilities."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ser_tf")
class Calibration(keras.layers.Layer):
    """Calibrated probabilities: the softmax of the logits over a temperature.

    The temperature divides all logits alike, so it changes how sure the model is and never its
    choice (Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2). It and
    `unsure_below`, the probability under which the best class is no answer, are weights, so they
    are saved with the model; training leaves them alone. Until `set` they are 1 and 0: the plain
    softmax, always sure. Computes in float32 whatever the global policy.

    Input shape: logits `(batch, classes)`.
    Output shape: probabilities `(batch, classes)`, float32, rows summing to 1.
    """

    timeless = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"dtype": "float32"}))
        self._temperature = self._constant("temperature", 1.0)
        self._unsure_below = self._constant("unsure_below", 0.0)

    @property
    def temperature(self) -> float:
        """What the logits are divided by; above 0."""
        return float(ops.convert_to_numpy(self._temperature))

    @property
    def unsure_below(self) -> float:
        """The probability of the best class, from 0 to 1, under which a clip counts as unsure."""
        return float(ops.convert_to_numpy(self._unsure_below))

    def set(self, temperature: float, unsure_below: float) -> None:
        """Keep what was found on validation clips.

        Raises:
            ValueError: if `temperature` is not a finite number above 0 or `unsure_below` is
                outside 0 to 1.
        """
        if not (math.isfinite(temperature) and temperature > 0):
            raise ValueError(f"temperature is a finite number above 0. Received: {temperature}.")
        if not 0 <= unsure_below <= 1:
            raise ValueError(f"unsure_below is from 0 to 1. Received: {unsure_below}.")
        self._temperature.assign(temperature)
        self._unsure_below.assign(unsure_below)

    def call(self, inputs: Any) -> Any:
        """The probabilities of `inputs`, logits `(batch, classes)`."""
        return ops.softmax(inputs / self._temperature, axis=-1)

    def unsure(self, probabilities: Any) -> Any:
        """Whether each row of `probabilities` `(batch, classes)` is no answer: `(batch,)` bool."""
        return ops.max(probabilities, axis=-1) < self._unsure_below

    def _constant(self, name: str, value: float) -> Any:
        initializer = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), initializer=initializer, trainable=False)
