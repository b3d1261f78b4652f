"""What all models share: features in, logits out."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Encoder:
    """A model by its hyperparameters. Subclasses define `summarise`.

    Attributes:
        members: number of networks of these sizes side by side, at least 1. Each is trained as if
            alone, and their logits are averaged.
    """

    _: KW_ONLY
    members: int = 1

    def build(self, shape: tuple[int | None, int], classes: int) -> "keras.Model":
        """The untrained model, named "encoder".

        Args:
            shape: frames and channels of the features, each at least 1; frames None where they
                vary from clip to clip.
            classes: number of emotions, at least 2.

        Returns:
            A functional model from normalised features, float32 `(batch, frames, channels)`, to
            logits, float32 `(batch, classes)` whatever the dtype policy.

        Raises:
            ValueError: if a size is too small.
        """
        import keras

        if len(shape) != 2 or any(size is not None and size < 1 for size in shape):
            raise ValueError(f"shape must be (frames, channels), each >= 1. Received: {shape}.")
        if self.members < 1:
            raise ValueError(f"members must be at least 1. Received: {self.members}.")
        if classes < 2:
            raise ValueError(f"classes must be at least 2. Received: {classes}.")
        if self.members == 1:
            return self._network(shape, classes, "encoder")
        from ser_tf.layers.ensemble import Ensemble

        members = [
            self._network(shape, classes, f"member_{number + 1}") for number in range(self.members)
        ]
        features = keras.Input(shape, name="features", dtype="float32")
        return keras.Model(features, Ensemble(members)(features), name="encoder")

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip, `(batch, units)`, from features `(batch, frames, channels)`."""
        raise NotImplementedError

    def _network(self, shape: tuple[int | None, int], classes: int, name: str) -> "keras.Model":
        import keras

        features = keras.Input(shape, name="features", dtype="float32")
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")
        return keras.Model(features, logits(self.summarise(features)), name=name)
