"""What all features begin with: the length of a clip, and where its frames lie."""

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


class Float32Layer(keras.layers.Layer):
    """A layer whose arithmetic needs float32: a dtype policy of less does not reach it.

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
    """The waveform at a fixed length: zeros in front of a shorter one, the middle of a longer one.

    Input shape: `(batch, any)`. Output shape: `(batch, samples)`.

    Args:
        samples: length of the result, at least 1.

    Raises:
        ValueError: if `samples` is less than 1.
    """

    arguments = ("samples",)

    def __init__(self, samples: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(samples=samples)
        self.samples = samples
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """The waveforms `inputs` at the length `samples`."""
        batch, samples = ops.shape(inputs)
        padded = ops.pad(inputs, ((0, 0), (at_least(0, self.samples - samples), 0)))
        start = at_least(0, samples - self.samples) // 2
        return ops.slice(padded, (0, start), (batch, self.samples))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, samples)`."""
        return (input_shape[0], self.samples)


def centre(values: Any, before: int, frame_samples: int, hop_samples: int) -> Any:
    """`values` with the zeros that make `1 + samples // hop_samples` frames of them.

    Args:
        values: `(batch, samples)`.
        before: how many samples a frame begins before its centre.
        frame_samples: length of a frame.
        hop_samples: distance between the centres of two frames; the first lies on the first sample.

    Returns:
        `(batch, samples)`: the first frame begins at its first sample, the last ends at its last.
    """
    samples = ops.shape(values)[1]
    end = samples // hop_samples * hop_samples + frame_samples - before
    return ops.pad(values[:, :end], ((0, 0), (before, at_least(0, end - samples))))


def at_least(floor: int, length: Any) -> Any:
    """The greater of the two; a length known before the graph runs stays a Python number."""
    return max(floor, length) if isinstance(length, int) else ops.maximum(floor, length)


def require_positive(**received: float) -> None:
    """Raises ValueError unless every argument is greater than 0."""
    for name, value in received.items():
        require(value > 0, f"{name} must be greater than 0", **{name: value})


def require(holds: bool, rule: str, **received: Any) -> None:
    """Raises ValueError with the rule and what was received, unless it holds."""
    if not holds:
        values = ", ".join(f"{name}={value}" for name, value in received.items())
        raise ValueError(f"{rule}. Received: {values}.")
