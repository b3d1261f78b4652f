"""Encoders that follow a stream: causal throughout, for a clip at once or chunk by chunk."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class StreamingLMUEncoder(Encoder):
    """Legendre Memory Units that follow a stream: see `ser_tf.layers.summary.LMUSummary`.

    Attributes:
        filters: channels of the first layer, which reads blocks of frames.
        block_frames: frames in a block, which is one step of the LMU layers.
        look_back: number of earlier blocks that the first layer reads with each block.
        units: size of the hidden state in each LMU layer.
        order: number of Legendre polynomials a memory keeps.
        theta: length of each LMU layer's memory in frames.
        memory_d: number of memories side by side.
        memory_frames: age at which a state counts 1/e of what it did.
        dropout: rate between the layers and before the logits, in [0, 1).
        channel_dropout: rate of the channels of a clip's features dropped in training, in [0, 1).
        noise: standard deviation of the Gaussian noise on features in training, in [0, 1].
    """

    filters: int = 64
    block_frames: int = 4
    look_back: int = 1
    units: tuple[int, ...] = (64, 64)
    order: int = 16
    theta: tuple[float, ...] = (100.0, 100.0)
    memory_d: int = 16
    memory_frames: float = 1000.0
    dropout: float = 0.1
    channel_dropout: float = 0.2
    noise: float = 0.5

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the weighted mean and deviation over time of the last states."""
        from keras import layers

        from ser_tf.layers.summary import LMUSummary

        summary = LMUSummary(
            block_frames=self.block_frames,
            look_back=self.look_back,
            filters=self.filters,
            units=self.units,
            order=self.order,
            theta=self.theta,
            memory_d=self.memory_d,
            memory_frames=self.memory_frames,
            dropout=self.dropout,
            channel_dropout=self.channel_dropout,
            noise=self.noise,
        )
        return layers.Dropout(self.dropout)(summary(x))
