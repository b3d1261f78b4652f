"""What all encoders share: features in, logits out."""

import abc
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import keras

    Summarise = Callable[[keras.KerasTensor], keras.KerasTensor]


@dataclass(frozen=True)
class Encoder(abc.ABC):
    """An encoder by its hyperparameters. Subclasses define `summarise`.

    Attributes:
        members: number of networks of these sizes side by side, at least 1. Each is trained as if
            alone, and their logits are averaged.
        CHOICES: the values that a hyperparameter may have, by its name.
    """

    CHOICES: ClassVar[Mapping[str, Collection[str]]] = {}

    _: KW_ONLY
    members: int = 1

    def __post_init__(self) -> None:
        for name, choices in self.CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )

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

        if self.members < 1:
            raise ValueError(f"members must be at least 1. Received: members={self.members}.")
        from ser_tf.layers.ensemble import Ensemble

        networks = self.networks(shape, classes)
        if len(networks) == 1:
            return networks[0]
        features = keras.Input(shape, name="features", dtype="float32")
        return keras.Model(features, Ensemble(networks)(features), name="encoder")

    def networks(self, shape: tuple[int | None, int], classes: int) -> "list[keras.Model]":
        """The networks whose logits are averaged, each as `build` gives it; see there."""
        if self.members == 1:
            return [network(self.summarise, shape, classes)]
        names = [f"member_{number + 1}" for number in range(self.members)]
        return [network(self.summarise, shape, classes, name) for name in names]

    @abc.abstractmethod
    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip, `(batch, units)`, from features `(batch, frames, channels)`."""


def network(
    summarise: "Summarise", shape: tuple[int | None, int], classes: int, name: str = "encoder"
) -> "keras.Model":
    """The model from features to the logits of what `summarise` computes.

    Args:
        summarise: features `(batch, frames, channels)` → one vector a clip, `(batch, units)`.
        shape: as of `Encoder.build`.
        classes: as of `Encoder.build`.
        name: of the model.

    Raises:
        ValueError: if a size is too small.
    """
    import keras

    if len(shape) != 2 or any(size is not None and size < 1 for size in shape):
        raise ValueError(
            f"shape must be (frames, channels), each at least 1. Received: shape={shape}."
        )
    if classes < 2:
        raise ValueError(f"classes must be at least 2. Received: classes={classes}.")
    features = keras.Input(shape, name="features", dtype="float32")
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")
    return keras.Model(features, logits(summarise(features)), name=name)
