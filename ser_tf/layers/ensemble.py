"""Networks side by side that answer as one."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ser_tf.layers import streaming

Tensor = Any


@keras.saving.register_keras_serializable("ser_tf")
class Ensemble(keras.layers.Layer):
    """The mean of the logits that several networks give, each trained as if it were alone.

    With z the mean of the members' logits z_k and y a clip's target, whose sum is 1, the
    cross-entropy is logsumexp(z) - y z. So the mean of the members' exceeds that of z by what no
    target enters, mean(logsumexp(z_k)) - logsumexp(z); this layer adds it to the loss in training.
    Trained on the loss of their mean alone, networks come to rely on each other and lose what an
    ensemble is for (Jeffares et al., 2023, "Joint Training of Deep Ensembles Fails Due to Learner
    Collusion"). Weights of clips or classes reach the loss of the mean, not what is added.

    Where every member can stream, so can this.

    Args:
        members: models from the same input, of any shape, to logits, `(batch, classes)`.

    Input shape: as of the members.
    Output shape: logits, `(batch, classes)`.

    Raises:
        ValueError: if there is no member.
    """

    def __init__(self, members: Sequence[keras.Model], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not members:
            raise ValueError("members must name one model or more. Received: none.")
        self.members = list(members)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Nothing to do: models come built."""
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean of the members' logits."""
        logits = ops.stack([member(inputs, training=training) for member in self.members], axis=1)
        mean = ops.mean(logits, axis=1)
        if training:
            alone = ops.mean(ops.logsumexp(logits, axis=-1), axis=1)
            self.add_loss(ops.mean(alone - ops.logsumexp(mean, axis=-1)))
        return mean

    @property
    def stride(self) -> int:
        """As of the members, see `ser_tf.layers.streaming`."""
        return streaming.stride(self._chains[0])

    @property
    def state_size(self) -> int:
        """Of all members together.

        Raises:
            AttributeError: if a member cannot stream; so this layer is none that streams.
        """
        return streaming.state_size_beside(self._chains)

    def step(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The mean logits after the next chunk, and the next state `(batch, state_size)`."""
        logits, state = streaming.step_beside(self._chains, chunk, state)
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

    @property
    def _chains(self) -> list[list[keras.Layer]]:
        return [streaming.flatten(member) for member in self.members]
