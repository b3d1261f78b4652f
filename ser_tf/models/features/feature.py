"""What every entry of the registry of features offers."""

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    import tensorflow as tf


@dataclass(frozen=True)
class Feature(abc.ABC):
    """What an encoder sees of a clip.

    Subclasses are frozen dataclasses whose fields are the hyperparameters: numbers, words,
    booleans or tuples of them, each with a default. Of the two subclasses here `FixedLength` gives
    every clip the same number of frames, `VaryingLength` as many as the clip has.

    Attributes:
        rate_hz: sampling rate of the waveform.
        kept: which part is kept of a recording that is longer than `span_seconds`.
        zeros: where zeros leave the features of a shorter recording as they are; None: nowhere.
        array_dtype: type of the numbers of features in arrays on the disk.
        weights_file: name of the file in a model folder that holds the front end's weights, which
            many models share; None: it has none, or they lie in the model's own file.
    """

    weights_file: ClassVar[str | None] = None
    array_dtype: ClassVar[str] = "float32"
    kept: ClassVar[Literal["beginning", "middle", "end"]]
    zeros: ClassVar[Literal["in front", "behind"] | None]

    rate_hz: int

    @property
    @abc.abstractmethod
    def span_seconds(self) -> float:
        """How much of a recording the features of one clip can depend on."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int | None, int]:
        """`(frames, channels)` of a clip's features; None where frames vary from clip to clip."""

    @property
    @abc.abstractmethod
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of every clip's features in an array."""

    @abc.abstractmethod
    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, *shape)`, float32.

        It takes waveforms of one sample or more, and an item's features depend on that item alone.

        Raises:
            ValueError: if a hyperparameter breaks its rule.
        """

    def save_weights(self, front_end: "keras.Layer", path: "Path") -> None:
        """Writes the weights of a `front_end` made by `build`; for entries with `weights_file`."""
        raise NotImplementedError

    def with_weights(self, folder: str) -> "Feature":
        """The entry whose `build` takes the weights that `save_weights` wrote in `folder`."""
        raise NotImplementedError

    @abc.abstractmethod
    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """What the front end computes, `(batch, *shape)`, as `(batch, *array_shape)`."""

    @abc.abstractmethod
    def mix(
        self, features: "tf.Tensor", others: "tf.Tensor", of_others: "tf.Tensor"
    ) -> "tf.Tensor":
        """Features mixed with those of other clips.

        Args:
            features: `(batch, *array_shape)`.
            others: the same of the clips to mix in.
            of_others: their share, from 0 to 1, `(batch, 1, 1)`.

        Returns:
            `(batch, *array_shape)`.
        """

    @abc.abstractmethod
    def normalisation(self, features: "np.ndarray") -> "keras.Layer":
        """The layer "normalisation": `(batch, *shape)` → the same at mean 0 and variance 1.

        Args:
            features: those of the training clips, `(clips, *array_shape)`.
        """


class FixedLength(Feature):
    """Features with the same number of frames for every clip.

    Attributes:
        normalised_axes: axes of `(batch, frames, channels)` whose places have their own mean.
    """

    normalised_axes: ClassVar[tuple[int, ...]] = (-1,)

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """`(frames, channels)` of every clip's features."""

    @property
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of features in arrays: `shape`."""
        return self.shape

    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """The features as they are."""
        return features

    def mix(
        self, features: "tf.Tensor", others: "tf.Tensor", of_others: "tf.Tensor"
    ) -> "tf.Tensor":
        """The weighted mean of both."""
        return (1 - of_others) * features + of_others * others

    def normalisation(self, features: "np.ndarray") -> "keras.Layer":
        """The layer "normalisation": to mean 0 and variance 1 over the training `features`.

        What never varies keeps its scale, as with scikit-learn's `StandardScaler`: divided by a
        deviation of nearly 0, the first clip in which it varies would be out of all bounds.
        """
        import keras
        from keras import ops

        layer = keras.layers.Normalization(self.normalised_axes, name="normalisation")
        layer.adapt(features)
        variance = ops.convert_to_tensor(layer.adapt_variance)
        layer.adapt_variance.assign(ops.where(ops.equal(variance, 0.0), 1.0, variance))
        layer.finalize_state()
        return layer


class VaryingLength(Feature):
    """Features with as many frames as the clip has.

    The last channel of a frame is the natural logarithm of its weight in statistics over time.
    In arrays clips shorter than `array_shape` are followed by absent frames, which have no weight
    (`ser_tf.layers.features.ABSENT`).
    """

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[None, int]:
        """`(None, channels)`."""

    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """The last frames of a longer clip, or a shorter clip followed by absent frames."""
        from ser_tf.layers.features import FillFrames

        return FillFrames(self.array_shape[0])(features)

    def mix(
        self, features: "tf.Tensor", others: "tf.Tensor", of_others: "tf.Tensor"
    ) -> "tf.Tensor":
        """The weighted mean of both where both have a frame, else the frame of the one."""
        from ser_tf.layers.features import mix_frames

        return mix_frames(features, others, of_others)

    def normalisation(self, features: "np.ndarray") -> "keras.Layer":
        """The layer "normalisation": to mean 0 and variance 1 over all frames that are present.

        The last channel, the weights of the frames, stays as it is.
        """
        import keras
        import numpy as np

        from ser_tf.layers.features import ABSENT

        count, (sums, squares) = 0, np.zeros((2, features.shape[-1]))
        for clip in features:  # one at a time, for all together may be larger than the memory
            present = clip[clip[:, -1] > ABSENT].astype("float64")  # (frames, channels)
            count += len(present)
            sums += present.sum(axis=0)
            squares += np.square(present).sum(axis=0)
        mean = sums / count
        variance = np.maximum(squares / count - np.square(mean), 0)
        mean[-1], variance[-1] = 0.0, 1.0
        return keras.layers.Normalization(-1, mean=mean, variance=variance, name="normalisation")
