"""Features side by side."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ser_tf.layers import streaming
from ser_tf.layers.features.framing import Float32Layer, Shape


@keras.saving.register_keras_serializable("ser_tf")
class Beside(Float32Layer):
    """What chains of layers make of one input, side by side on the channel axis.

    All must make the same frames of it. Where every chain can stream, so can this.

    Input shape: what the first layer of each chain takes.
    Output shape: `(batch, frames, channels)`, the channels of all chains in their order.

    Args:
        chains: layers, each reading the one before it, for each chain.
    """

    arguments = ("chains",)

    def __init__(self, chains: Sequence[Sequence[keras.Layer]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chains = [list(chain) for chain in chains]

    def build(self, input_shape: Shape) -> None:
        """Builds the chains."""
        for chain in self.chains:
            shape = input_shape
            for layer in chain:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The channels of all chains."""
        outputs = []
        for chain in self.chains:
            x = inputs
            for layer in chain:
                x = layer(x)
            outputs.append(x)
        return ops.concatenate(outputs, axis=-1)

    @property
    def stride(self) -> int:
        """As of the chains, see `ser_tf.layers.streaming`."""
        return streaming.stride(self.chains[0])

    @property
    def state_size(self) -> int:
        """Of all chains together.

        Raises:
            AttributeError: if a chain cannot stream; so this layer is none that streams.
        """
        return streaming.state_size_beside(self.chains)

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The channels of the next chunk, and the next state `(batch, state_size)`."""
        outputs, state = streaming.step_beside(self.chains, chunk, state)
        return ops.concatenate(outputs, axis=-1), state

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        shapes = []
        for chain in self.chains:
            shape = input_shape
            for layer in chain:
                shape = layer.compute_output_shape(shape)
            shapes.append(shape)
        return (*shapes[0][:-1], sum(shape[-1] or 0 for shape in shapes))

    def get_config(self) -> dict[str, Any]:
        """The chains, each layer serialised."""
        save = keras.saving.serialize_keras_object
        chains = [[save(layer) for layer in chain] for chain in self.chains]
        return super().get_config() | {"chains": chains}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Beside":
        """The layer of `get_config`."""
        load = keras.saving.deserialize_keras_object
        chains = [[load(layer) for layer in chain] for chain in config["chains"]]
        return cls(**config | {"chains": chains})
