"""Convolutional encoders."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class CNN1Encoder(Encoder):
    """A small convolutional network.

    Of the published one only the size is known, 0.3 M parameters. This is a plain design of that
    size: blocks of convolution, batch normalisation, ReLU, max-pooling and dropout, then the mean
    over time.

    Attributes:
        filters: channels of each block's convolution.
        kernel_frames: length of the convolutions.
        pool_frames: length and stride of the max-pooling.
        dropout: rate after each block, in [0, 1).
    """

    filters: tuple[int, ...] = (32, 64, 128, 128)
    kernel_frames: int = 5
    pool_frames: int = 2
    dropout: float = 0.2

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the mean of the last block over time."""
        from keras import layers

        for filters in self.filters:
            x = layers.Conv1D(filters, self.kernel_frames, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
            x = layers.MaxPooling1D(self.pool_frames, padding="same")(x)
            x = layers.Dropout(self.dropout)(x)
        return layers.GlobalAveragePooling1D()(x)


@dataclass(frozen=True)
class CNN2Encoder(Encoder):
    """The published wide convolutional network.

    Blocks of convolution, ReLU, batch normalisation and max-pooling; then a dense layer with ReLU
    and batch normalisation.

    Attributes:
        filters: channels of each block's convolution.
        kernels_frames: length of each block's convolution.
        pools_frames: length of each block's max-pooling.
        stride_frames: stride of the max-pooling.
        dropout_after: numbers of the blocks, from 1, that dropout follows.
        dropout: rate of that dropout, in [0, 1).
        dense: units of the dense layer.
    """

    filters: tuple[int, ...] = (512, 512, 256, 256, 128)
    kernels_frames: tuple[int, ...] = (5, 5, 5, 3, 3)
    pools_frames: tuple[int, ...] = (5, 5, 5, 5, 3)
    stride_frames: int = 2
    dropout_after: tuple[int, ...] = (2, 4, 5)
    dropout: float = 0.2
    dense: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths = {len(self.filters), len(self.kernels_frames), len(self.pools_frames)}
        if len(lengths) > 1:
            raise ValueError(
                "filters, kernels_frames and pools_frames must be equally long. "
                f"Received: filters={self.filters}, kernels_frames={self.kernels_frames}, "
                f"pools_frames={self.pools_frames}."
            )

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the normalised dense layer."""
        from keras import layers

        blocks = zip(self.filters, self.kernels_frames, self.pools_frames, strict=True)
        for block, (filters, kernel, pool) in enumerate(blocks, start=1):
            x = layers.Conv1D(filters, kernel, padding="same", activation="relu")(x)
            x = published_batch_normalisation()(x)
            x = layers.MaxPooling1D(pool, self.stride_frames, padding="same")(x)
            if block in self.dropout_after:
                x = layers.Dropout(self.dropout)(x)
        x = layers.Dense(self.dense, activation="relu")(layers.Flatten()(x))
        return published_batch_normalisation()(x)


def published_batch_normalisation() -> "keras.Layer":
    """Batch normalisation with the defaults of PyTorch, which the published program uses.

    Its running means follow ten times as fast as with Keras' defaults.
    """
    from keras import layers

    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
