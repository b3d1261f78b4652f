"""The models: one frozen dataclass an architecture, its fields the hyperparameters.

`MODELS` holds the sizes that suit frames, `PUBLISHED` those of the published system, which reads
its flat row of 2,376 numbers as a sequence of scalars. Both have the same keys. Convolutions and
pooling pad, so every number of frames from one up can be built. `CAUSAL` holds those that follow
a stream.
"""

from collections.abc import Mapping

from ser_tf.models.causal_lmu import StreamingLMU
from ser_tf.models.convolutional import CNN1, CNN2
from ser_tf.models.encoder import Encoder
from ser_tf.models.lmu import LMU, MEMORIES, CoupledLMU
from ser_tf.models.recurrent import CNNLSTM, LSTM

__all__ = [
    "CAUSAL",
    "CNN1",
    "CNN2",
    "CNNLSTM",
    "LMU",
    "LSTM",
    "MEMORIES",
    "MODELS",
    "PUBLISHED",
    "CoupledLMU",
    "Encoder",
    "StreamingLMU",
    "of_features",
]

MODELS: dict[str, Encoder] = {
    "cnn1": CNN1(),
    "cnn2": CNN2(),
    "lstm": LSTM(),
    "cnn_lstm": CNNLSTM(),
    "lmu": LMU(),
    "lmu_cell": CoupledLMU(),
}
"""The models with hyperparameters that suit frames."""

PUBLISHED: dict[str, Encoder] = {
    "cnn1": CNN1(filters=(32, 64, 128, 256), kernel_frames=7, pool_frames=4),
    "cnn2": CNN2(),
    "lstm": LSTM(dropout=0.0),
    "cnn_lstm": CNNLSTM(),
    "lmu": LMU(
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
    # Not among the published models: the sizes of the cell's own paper for sequences of pixels.
    "lmu_cell": CoupledLMU(
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
"""The models with the published hyperparameters, for the flat row `(2376, 1)`."""

CAUSAL: dict[str, Encoder] = {"lmu": StreamingLMU()}
"""The models that follow a stream, for causal features."""


def of_features(name: str) -> Mapping[str, Encoder]:
    """The models, by their names, that read the features of that name."""
    return {"published": PUBLISHED, "causal": CAUSAL}.get(name, MODELS)
