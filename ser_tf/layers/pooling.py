"""From frames of clips of any length to one vector a clip."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.lmu.checks import require_choice

_POOLINGS = ("last", "mean", "mean_and_deviation")
_TINY = 1e-30


@keras.saving.register_keras_serializable("ser_tf")
class SplitWeights(Float32Layer):
    """Separates frames from their weights, the last channel of features of any length.

    Input shape: `(batch, frames, channels + 1)`, the last channel the logarithm of the weight.
    Output shape: the frames, `(batch, frames, channels)`, and the weights, `(batch, frames)`, 0.0
        of absent frames.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """The frames and weights in `inputs`."""
        return inputs[..., :-1], ops.exp(inputs[..., -1])

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """`(batch, frames, channels)` and `(batch, frames)`."""
        *leading, channels = input_shape
        return (*leading, None if channels is None else channels - 1), tuple(leading)


@keras.saving.register_keras_serializable("ser_tf")
class WeightedPooling(Float32Layer):
    """One vector a clip from weighted frames; absent frames, of weight 0, change nothing.

    Input shape: frames `(batch, frames, channels)`, and weights `(batch, frames)`.
    Output shape: `(batch, channels)`, or twice as many channels: means, then deviations.

    Args:
        pooling: "last", the last frame with a weight; "mean"; or "mean_and_deviation", the mean
            followed by the standard deviation (Snyder et al., 2018).

    Raises:
        ValueError: if `pooling` is another word.
    """

    arguments = ("pooling",)

    def __init__(self, pooling: str = "mean_and_deviation", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_choice(_POOLINGS, pooling=pooling)
        self.pooling = pooling

    def call(self, inputs: Sequence[Any]) -> Any:
        """The vectors of whole clips, from frames and weights."""
        frames, weights = (ops.cast(x, "float32") for x in inputs)
        if self.pooling == "last":
            places = ops.arange(ops.shape(weights)[1])
            last = ops.max(ops.where(weights > 0.0, places, 0), axis=1, keepdims=True)
            weights = ops.cast(ops.equal(places, last), "float32")
        weights = ops.expand_dims(weights, 2)
        total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), _TINY)
        share = weights / total  # (batch, frames, 1)
        mean = ops.sum(share * frames, axis=1, keepdims=True)
        if self.pooling != "mean_and_deviation":
            return mean[:, 0]
        variance = ops.sum(share * ops.square(frames - mean), axis=1)
        # The small number keeps the gradient finite where a unit never changes.
        return ops.concatenate([mean[:, 0], ops.sqrt(variance + 1e-4)], axis=1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """`(batch, channels)`."""
        batch, _, channels = input_shape[0]
        factor = 2 if self.pooling == "mean_and_deviation" else 1
        return (batch, None if channels is None else factor * channels)
