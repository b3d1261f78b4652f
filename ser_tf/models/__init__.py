"""The encoders: one frozen dataclass an architecture, its fields the hyperparameters.

`MODELS` holds sizes that suit frames, `PUBLISHED` those of the published system, which reads its
flat row of 2,376 numbers as a sequence of scalars; both have the same keys. `CAUSAL` holds the
encoders that follow a stream, `WHISPER` those for Whisper's frames. Convolutions and pooling pad,
so any number of frames from one up can be built. To add one, write a subclass of `Encoder` and add
a line to each table.
"""

from collections.abc import Mapping

from ser_tf.models.causal_lmu import StreamingLMUEncoder
from ser_tf.models.convolutional import CNN1Encoder, CNN2Encoder
from ser_tf.models.encoder import Encoder
from ser_tf.models.lmu import MEMORIES, CoupledLMUEncoder, LMUEncoder
from ser_tf.models.recurrent import CNNLSTMEncoder, LSTMEncoder

__all__ = [
    "CAUSAL",
    "MEMORIES",
    "MODELS",
    "PUBLISHED",
    "WHISPER",
    "CNN1Encoder",
    "CNN2Encoder",
    "CNNLSTMEncoder",
    "CoupledLMUEncoder",
    "Encoder",
    "LMUEncoder",
    "LSTMEncoder",
    "StreamingLMUEncoder",
    "of_features",
]

MODELS: dict[str, Encoder] = {
    "cnn1": CNN1Encoder(),
    "cnn2": CNN2Encoder(),
    "lstm": LSTMEncoder(),
    "cnn_lstm": CNNLSTMEncoder(),
    "lmu": LMUEncoder(),
    "lmu_cell": CoupledLMUEncoder(),
}
"""The encoders with hyperparameters that suit frames, by the name that `--model` takes."""

PUBLISHED: dict[str, Encoder] = {
    "cnn1": CNN1Encoder(filters=(32, 64, 128, 256), kernel_frames=7, pool_frames=4),
    "cnn2": CNN2Encoder(),
    "lstm": LSTMEncoder(dropout=0.0),
    "cnn_lstm": CNNLSTMEncoder(),
    "lmu": LMUEncoder(
        units=(128, 64, 32, 16),
        order=1024,
        theta=None,
        memory_d=1,
        dropout=0.25,
        channel_dropout=0.0,
        noise=0.0,
        normalise="time_and_channels",
        pooling="last",
        filters=(),
    ),
    # Not among the published models: its sizes are those of the cell's paper for rows of pixels.
    "lmu_cell": CoupledLMUEncoder(
        units=212,
        order=256,
        theta=None,
        memory_d=1,
        trainable_theta=False,
        dropout=0.0,
        channel_dropout=0.0,
        noise=0.0,
        pooling="last",
        filters=(),
    ),
}
"""The encoders with the published hyperparameters, for the flat row `(2376, 1)`."""

CAUSAL: dict[str, Encoder] = {"lmu": StreamingLMUEncoder()}
"""The encoders that follow a stream, for causal features."""

WHISPER: dict[str, Encoder] = {
    "lmu": LMUEncoder(units=(96, 96), theta=25.0, filters=(96,), kernel_frames=3, stride_frames=2),
}
"""The encoders with hyperparameters that suit Whisper's frames, of clips of any length."""


def of_features(name: str) -> Mapping[str, Encoder]:
    """The encoders, by their names, for the features of that name."""
    return {"published": PUBLISHED, "causal": CAUSAL, "whisper": WHISPER}.get(name, MODELS)
