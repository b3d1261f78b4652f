"""Sound apart from long silence around it and the level at which it was recorded."""

from typing import Any

import keras
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.lmu.checks import require_positive, require_sizes

_LEVEL = 0.15
"""Root mean square of the loudest frame, as of speech into a microphone close by."""

_LEAST_RMS = 1e-4
"""-80 dB: the loudest frame of a clip softer than that is not raised to the full level."""


@keras.saving.register_keras_serializable("ser_tf")
class IsolateSound(Float32Layer):
    """Each clip without long silence around its sound, at one level.

    Frames follow one another from the first sample on; those further than `gate_db` below the
    loudest are silent. Of the silent ones before the first other frame and after the last, no more
    than `margin_frames` are kept: the rest is cut off in front, and zeros behind. The loudest
    frame's root mean square becomes 0.15, or 63 dB more than it was where that is less. So gain
    changes nothing, nor does more silence than the margin.

    Input shape: waveform `(batch, samples)`, one sample or more. Output shape: the same.

    Args:
        frame_samples: length of a frame, at least 1.
        gate_db: how far below the loudest frame a frame is silent, above 0.
        margin_frames: number of silent frames to keep before and after the sound, at least 1.

    Raises:
        ValueError: if an argument breaks its rule.
    """

    arguments = ("frame_samples", "gate_db", "margin_frames")

    def __init__(
        self, frame_samples: int, gate_db: float, margin_frames: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_sizes(frame_samples=frame_samples, margin_frames=margin_frames)
        require_positive(gate_db=gate_db)
        self.frame_samples = frame_samples
        self.gate_db = gate_db
        self.margin_frames = margin_frames
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """The sounds in `inputs`."""
        batch, samples = ops.shape(inputs)
        count = (samples + self.frame_samples - 1) // self.frame_samples
        padded = ops.pad(inputs, ((0, 0), (0, count * self.frame_samples - samples)))
        frames = ops.reshape(padded, (batch, count, self.frame_samples))
        power = ops.mean(ops.square(frames), axis=2)  # (batch, frames)
        loudest = ops.max(power, axis=1, keepdims=True)
        places = ops.arange(count)
        sounds = power > loudest * 10.0 ** (-self.gate_db / 10)
        first = ops.min(ops.where(sounds, places, count), axis=1, keepdims=True)
        first = ops.clip(first - self.margin_frames, 0, count - 1)  # (batch, 1)
        last = ops.max(ops.where(sounds, places, 0), axis=1, keepdims=True) + self.margin_frames
        source = places + first  # (batch, frames)
        # Rows of one long table, for which every back end and LiteRT have a plain gather.
        rows = ops.minimum(source, count - 1) + count * ops.arange(batch)[:, None]
        table = ops.reshape(frames, (batch * count, self.frame_samples))
        moved = ops.take(table, ops.reshape(rows, (batch * count,)), axis=0)
        moved = ops.reshape(moved, (batch, count, self.frame_samples))
        kept = ops.cast(source <= ops.minimum(last, count - 1), "float32")
        gain = _LEVEL / ops.maximum(ops.sqrt(loudest), _LEAST_RMS)
        moved = moved * (kept * gain)[..., None]
        return ops.reshape(moved, (batch, count * self.frame_samples))[:, :samples]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, samples)`."""
        return input_shape
