"""What depends on the back end of Keras: batches to train on, devices, and memory errors."""

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ser_tf.config import Config
from ser_tf.data.dataset import Dataset
from ser_tf.data.store import FeatureStore
from ser_tf.errors import InputError
from ser_tf.models.augmentations import AUGMENTATIONS

if TYPE_CHECKING:
    import tensorflow as tf


def on_tensorflow() -> bool:
    """Whether Keras computes with TensorFlow."""
    return keras.config.backend() == "tensorflow"


def refuse_what_needs_tensorflow(config: Config) -> None:
    """Checks that the configuration can be trained on the back end at hand.

    Raises:
        InputError: naming the setting that cannot be followed.
    """
    needs = {
        "augmentation.layers": bool(config.augmentation.layers),
        "augmentation.mixup": bool(config.augmentation.mixup),
        "training.balance_corpora": bool(config.training.balance_corpora),
        "augmentation.sounds": bool(config.augmentation.sounds),
        "training.teachers": bool(config.training.teachers),
        "model.memory=keras_lmu": config.model.options.get("memory") == "keras_lmu",
    }
    for setting, needed in needs.items():
        if needed and not on_tensorflow():
            raise InputError(
                f"{setting}: needs the back end tensorflow. Received: {keras.config.backend()}."
            )


def scope() -> contextlib.AbstractContextManager[Any]:
    """Where to build and train: on all GPUs side by side if TensorFlow sees several."""
    if not on_tensorflow():
        return contextlib.nullcontext()
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        # On CPUs the operators are deterministic, and maps that read files would lose their
        # parallelism.
        tf.config.experimental.enable_op_determinism()
    return strategy().scope()


def strategy() -> "tf.distribute.Strategy":
    """Mirrored where there are several GPUs, else what TensorFlow does by default."""
    import tensorflow as tf

    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def training_batches(
    config: Config, training: Dataset, front_end: keras.Layer, epochs: range
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Shuffled batches of all `epochs`, functions of the seed and the epoch's number alone.

    Args:
        config: how to train.
        training: the rows to train on.
        front_end: the layers that made the features.
        epochs: the numbers of the epochs to come.

    Returns:
        Pairs of features `(batch, frames, channels)` and targets `(batch, classes)`.
    """
    if on_tensorflow():
        return _tensorflow_batches(config, training, front_end, epochs)
    size, seed = config.training.batch_size, config.seed
    return ShuffledBatches(training.features, training.targets, size, seed=seed, epochs=epochs)


def _tensorflow_batches(
    config: Config, training: Dataset, front_end: keras.Layer, epochs: range
) -> "tf.data.Dataset":
    from ser_tf.data import batches
    from ser_tf.layers.augment import mixup

    entry, balance, share = (
        config.features.entry,
        config.training.balance_corpora,
        config.augmentation.mixup,
    )
    wanted = batches.Epochs(
        config.training.batch_size,
        config.seed,
        epochs,
        shares=training.shares**balance if balance else None,
        mixture=functools.partial(mixup, share=share, mix=entry.mix) if share else None,
    )
    if training.copies:
        return batches.copied(training, wanted)
    if not config.augmentation.layers:
        return batches.plain(training, wanted)
    layers: dict[str, list[keras.Layer]] = {"waveform": [], "features": []}
    for name in config.augmentation.layers:
        augmentation = AUGMENTATIONS[name]
        layers[augmentation.domain].append(augmentation.build(entry.rate_hz))
    return batches.augmented(
        training,
        wanted,
        waveform_layers=layers["waveform"],
        feature_layers=layers["features"],
        entry=entry,
        front_end=front_end,
    )


class ShuffledBatches(keras.utils.PyDataset):
    """Shuffled batches without TensorFlow, of all `epochs`, one after another.

    Args:
        features: those of the rows.
        targets: float32 `(rows, classes)`.
        batch_size: rows per batch; the last batch of an epoch may be smaller.
        seed: of the order.
        epochs: the numbers of the epochs to come.
    """

    def __init__(
        self,
        features: FeatureStore,
        targets: np.ndarray,
        batch_size: int,
        *,
        seed: int,
        epochs: range,
    ) -> None:
        super().__init__()
        self.features, self.targets = features, targets
        self.batch_size, self.seed, self.epochs = batch_size, seed, epochs

    def __len__(self) -> int:
        """The number of batches of all epochs."""
        return len(self.epochs) * self._steps

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Features `(batch, frames, channels)` and targets `(batch, classes)`."""
        epoch, step = divmod(number, self._steps)
        generator = np.random.default_rng((self.seed, self.epochs[epoch]))
        order = generator.permutation(len(self.targets))
        rows = order[step * self.batch_size :][: self.batch_size]
        return self.features.take(rows), self.targets[rows]

    @property
    def _steps(self) -> int:
        return -(-len(self.targets) // self.batch_size)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out; each back end has its own."""
    names = (
        "ResourceExhaustedError",
        "OutOfMemoryError",
        "MemoryError",
    )  # TensorFlow, torch, NumPy
    return type(error).__name__ in names or "RESOURCE_EXHAUSTED" in str(error)  # JAX
