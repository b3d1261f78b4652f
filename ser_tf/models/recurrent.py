"""Encoders with LSTM layers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser_tf.models.convolutional import published_batch_normalisation
from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LSTMEncoder(Encoder):
    """Stacked LSTM layers (Hochreiter and Schmidhuber, 1997).

    Attributes:
        units: size of each layer.
        dropout: rate after each layer, in [0, 1).
    """

    units: tuple[int, ...] = (64, 64)
    dropout: float = 0.25

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the last state of the last layer."""
        return _lstm_stack(x, self.units, self.dropout)


@dataclass(frozen=True)
class CNNLSTMEncoder(Encoder):
    """The published convolutional recurrent network.

    Blocks of convolution, ReLU, max-pooling, batch normalisation and dropout; LSTM layers with
    dropout after each; dense layers with ReLU.

    Attributes:
        filters: channels of each block's convolution.
        kernel_frames: length of the convolutions.
        pool_frames: length and stride of the max-pooling.
        units: size of each LSTM layer.
        dense: size of each dense layer.
        dropout: rate, in [0, 1).
    """

    filters: tuple[int, ...] = (1024, 512, 256)
    kernel_frames: int = 5
    pool_frames: int = 2
    units: tuple[int, ...] = (128, 128, 128)
    dense: tuple[int, ...] = (128, 64, 32)
    dropout: float = 0.3

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the last dense layer."""
        from keras import layers

        for filters in self.filters:
            x = layers.Conv1D(filters, self.kernel_frames, padding="same", activation="relu")(x)
            x = layers.MaxPooling1D(self.pool_frames, padding="same")(x)
            x = published_batch_normalisation()(x)
            x = layers.Dropout(self.dropout)(x)
        x = _lstm_stack(x, self.units, self.dropout)
        for units in self.dense:
            x = layers.Dense(units, activation="relu")(x)
        return x


def _lstm_stack(
    x: "keras.KerasTensor", units: tuple[int, ...], dropout: float
) -> "keras.KerasTensor":
    from keras import layers

    if not units:
        raise ValueError("units must name at least one layer. Received: units=().")
    for index, size in enumerate(units, start=1):
        x = layers.LSTM(size, return_sequences=index < len(units))(x)
        x = layers.Dropout(dropout)(x)
    return x
