"""What differs from back end to back end of Keras: the chain of training batches, and devices."""

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ser_tf.config import Config
from ser_tf.data.dataset import Lessons
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
    """Where to build and train: on every GPU side by side where TensorFlow sees several."""
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
    config: Config, lessons: Lessons, front_end: keras.Layer, epochs: range
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Shuffled batches of all `epochs`, functions of the seed and the epoch's number alone."""
    if not on_tensorflow():
        pairs = (lessons.features, lessons.targets)
        return ShuffledBatches(*pairs, config.training.batch_size, config.seed, epochs)
    return _tensorflow_batches(config, lessons, front_end, epochs)


def _tensorflow_batches(
    config: Config, lessons: Lessons, front_end: keras.Layer, epochs: range
) -> "tf.data.Dataset":
    from ser_tf.data import batches
    from ser_tf.layers.augment import mixup

    entries = [AUGMENTATIONS[name] for name in config.augmentation.layers]
    feature_entry = config.features.entry
    layers: dict[str, list[keras.Layer]] = {"waveform": [], "features": []}
    for entry in entries if lessons.copies is None else ():
        layers[entry.domain].append(entry.build(feature_entry.rate_hz))
    augmented_clip: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None
    if layers["waveform"]:
        augmented_clip = batches.augmented_clips(
            lessons.waveforms, layers["waveform"], feature_entry, front_end
        )
    return batches.training_batches(
        lessons.features,
        lessons.targets,
        batch_size=config.training.batch_size,
        seed=config.seed,
        epochs=epochs,
        copies=lessons.copies,
        shares=lessons.shares**config.training.balance_corpora
        if config.training.balance_corpora
        else None,
        feature_layers=layers["features"],
        augmented_clip=augmented_clip,
        mixture=functools.partial(mixup, share=config.augmentation.mixup, mix=feature_entry.mix)
        if config.augmentation.mixup
        else None,
    )


class ShuffledBatches(keras.utils.PyDataset):
    """Shuffled batches without TensorFlow, of all `epochs`, one after another.

    Args:
        features: float32 `(rows, frames, channels)`.
        targets: float32 `(rows, classes)`.
        batch_size: rows a batch; an epoch's last is smaller.
        seed: of the order.
        epochs: the numbers of the epochs to come.
    """

    def __init__(
        self, features: np.ndarray, targets: np.ndarray, batch_size: int, seed: int, epochs: range
    ) -> None:
        super().__init__()
        self.features, self.targets = features, targets
        self.batch_size, self.seed, self.epochs = batch_size, seed, epochs

    def __len__(self) -> int:
        """Batches of all epochs."""
        return len(self.epochs) * self._steps

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Features `(batch, frames, channels)` and targets `(batch, classes)`."""
        epoch, step = divmod(number, self._steps)
        generator = np.random.default_rng((self.seed, self.epochs[epoch]))
        order = generator.permutation(len(self.targets))
        rows = order[step * self.batch_size :][: self.batch_size]
        return self.features[rows], self.targets[rows]

    @property
    def _steps(self) -> int:
        return -(-len(self.targets) // self.batch_size)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a back end says by this that memory has run out, each by an error of its own."""
    names = (
        "ResourceExhaustedError",
        "OutOfMemoryError",
        "MemoryError",
    )  # TensorFlow, torch, NumPy
    return type(error).__name__ in names or "RESOURCE_EXHAUSTED" in str(error)  # JAX
