"""Several networks that answer as one."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ser_tf.layers.lmu.checks import require
from ser_tf.layers.streaming import StreamingChains, flatten

Tensor = Any


@keras.saving.register_keras_serializable("ser_tf")
class Ensemble(StreamingChains, keras.layers.Layer):
    """The mean of the logits of several networks, each trained as if it were alone.

    Networks that are trained on the loss of their mean alone come to rely on each other, and the
    ensemble gains nothing (Jeffares et al., 2023, "Joint Training of Deep Ensembles Fails Due to
    Learner Collusion"). With z the mean of the members' logits z_k and y a clip's target, whose sum
    is 1, the cross-entropy is logsumexp(z) - y z. The mean of the members' cross-entropies exceeds
    it by mean(logsumexp(z_k)) - logsumexp(z), which does not depend on the target; this layer adds
    that to the loss in training. Weights of clips or classes do not apply to what is added.

    If every member can stream, so can this layer.

    Args:
        members: models from the same input to logits, `(batch, classes)`.

    Input shape: as of the members.
    Output shape: logits, `(batch, classes)`.

    Raises:
        ValueError: if there is no member.
    """

    def __init__(self, members: Sequence[keras.Model], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require(bool(members), "members must be one model or more", members=members)
        self.members = list(members)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Nothing to build: the members are built already."""
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean of the members' logits."""
        logits = ops.stack([member(inputs, training=training) for member in self.members], axis=1)
        mean = ops.mean(logits, axis=1)
        if training:
            alone = ops.mean(ops.logsumexp(logits, axis=-1), axis=1)
            self.add_loss(ops.mean(alone - ops.logsumexp(mean, axis=-1)))
        return mean

    def all_chains(self) -> list[list[keras.Layer]]:
        """The layers of each member."""
        return [flatten(member) for member in self.members]

    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The mean logits after the next chunk, and the next state `(batch, state_size)`."""
        logits, state = self.step_chains(chunk, state)
        return ops.mean(ops.stack(logits, axis=1), axis=1), state

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """`(batch, classes)`."""
        return self.members[0].compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The members, each serialised."""
        save = keras.saving.serialize_keras_object
        return super().get_config() | {"members": [save(member) for member in self.members]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Ensemble":
        """The layer of `get_config`."""
        load = keras.saving.deserialize_keras_object
        return cls(**config | {"members": [load(member) for member in config["members"]]})
