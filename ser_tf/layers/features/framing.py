"""The length of a clip, and where its frames lie."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.lmu.checks import require_sizes

Shape = tuple[int | None, ...]


class Float32Layer(keras.layers.Layer):
    """A layer that computes in float32 whatever the dtype policy.

    Attributes:
        arguments: names of the constructor's arguments, each an attribute of the same name.
    """

    arguments: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {name: getattr(self, name) for name in self.arguments}


@keras.saving.register_keras_serializable("ser_tf")
class FitClip(Float32Layer):
    """The waveform at one length: a shorter one after zeros, of a longer one the middle.

    Input shape: `(batch, any)`. Output shape: `(batch, samples)`.

    Args:
        samples: length of the output, at least 1.

    Raises:
        ValueError: if `samples` is not an integer of at least 1.
    """

    arguments = ("samples",)

    def __init__(self, samples: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_sizes(samples=samples)
        self.samples = samples
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """`inputs` at the length `samples`."""
        batch, samples = ops.shape(inputs)
        padded = ops.pad(inputs, ((0, 0), (at_least(0, self.samples - samples), 0)))
        start = at_least(0, samples - self.samples) // 2
        return ops.slice(padded, (0, start), (batch, self.samples))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, samples)`."""
        return (input_shape[0], self.samples)


def centre(values: Any, before: int, frame_samples: int, hop_samples: int) -> Any:
    """`values` padded for `1 + samples // hop_samples` frames.

    Args:
        values: `(batch, samples)`.
        before: samples of a frame that lie before its centre.
        frame_samples: length of a frame.
        hop_samples: distance between the centres of two frames; the first lies on the first sample.

    Returns:
        `(batch, samples)`: the first frame begins at the first sample, the last frame ends at the
        last.
    """
    samples = ops.shape(values)[1]
    end = samples // hop_samples * hop_samples + frame_samples - before
    return ops.pad(values[:, :end], ((0, 0), (before, at_least(0, end - samples))))


def at_least(floor: int, length: Any) -> Any:
    """The greater of the two; a length known when the graph is built stays a Python number."""
    return max(floor, length) if isinstance(length, int) else ops.maximum(floor, length)
