"""Models that hear a stream: causal throughout, at once or chunk by chunk."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class StreamingLMU(Encoder):
    """Legendre Memory Units that follow a stream: see `ser_tf.layers.lmu.LMUSummary`.

    Attributes:
        filters: channels of the first layer, which sees blocks of frames.
        block_frames: frames a block: one step of the LMU layers.
        look_back: blocks before its own that the first layer sees.
        units: size of the hidden state in each LMU layer.
        order: number of Legendre polynomials a memory keeps.
        theta: length of each LMU layer's memory in frames.
        memory_d: number of memories side by side.
        memory_frames: age at which a state counts 1/e of what it did.
        dropout: rate between the layers and before the logits, in [0, 1).
        channel_dropout: rate at which a clip in training loses whole channels of its features, in
            [0, 1).
        noise: deviation of the Gaussian noise on features in training, in [0, 1].
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
        """One vector a clip: what the stack has made of it, weighted over time."""
        from keras import layers

        from ser_tf.layers.lmu import LMUSummary

        summary = LMUSummary(
            self.block_frames,
            self.look_back,
            self.filters,
            self.units,
            self.order,
            self.theta,
            self.memory_d,
            self.memory_frames,
            self.dropout,
            self.channel_dropout,
            self.noise,
        )
        return layers.Dropout(self.dropout)(summary(x))
