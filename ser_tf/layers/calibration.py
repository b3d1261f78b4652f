"""The last layer of every saved model: logits to calibrated probabilities."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.lmu.checks import require_positive, require_shares
from ser_tf.layers.streaming import Timeless


@keras.saving.register_keras_serializable(package="ser_tf")
class Calibration(Timeless, keras.layers.Layer):
    """Calibrated probabilities: the softmax of the logits over a temperature.

    The temperature divides all logits alike, so it changes how sure the model is and never its
    choice (Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2). A clip whose
    best class has a probability below `unsure_below` counts as unsure. Both numbers are weights
    that training does not change, so they are saved with the model. Until `set` is called they are
    1 and 0: the plain softmax, always sure. Computes in float32 whatever the dtype policy.

    Input shape: logits `(batch, classes)`.
    Output shape: probabilities `(batch, classes)`, float32, rows summing to 1.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"dtype": "float32"}))
        self._temperature = self._constant("temperature", 1.0)
        self._unsure_below = self._constant("unsure_below", 0.0)

    @property
    def temperature(self) -> float:
        """The divisor of the logits, above 0."""
        return float(ops.convert_to_numpy(self._temperature))

    @property
    def unsure_below(self) -> float:
        """The probability of the best class below which a clip counts as unsure, from 0 to 1."""
        return float(ops.convert_to_numpy(self._unsure_below))

    def set(self, temperature: float, unsure_below: float) -> None:
        """Sets both numbers, as found on validation clips.

        Raises:
            ValueError: if `temperature` is not a finite number above 0 or `unsure_below` is
                outside 0 to 1.
        """
        require_positive(temperature=temperature)
        require_shares(unsure_below=unsure_below)
        self._temperature.assign(temperature)
        self._unsure_below.assign(unsure_below)

    def call(self, inputs: Any) -> Any:
        """The probabilities of `inputs`, logits `(batch, classes)`."""
        return ops.softmax(inputs / self._temperature, axis=-1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The input's shape."""
        return input_shape

    def unsure(self, probabilities: Any) -> Any:
        """Whether each row of `probabilities` `(batch, classes)` is unsure: `(batch,)` bool."""
        return ops.max(probabilities, axis=-1) < self._unsure_below

    def _constant(self, name: str, value: float) -> Any:
        initializer = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), initializer=initializer, trainable=False)
