"""Several features of one input, concatenated."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.streaming import StreamingChains


@keras.saving.register_keras_serializable("ser_tf")
class Beside(StreamingChains, Float32Layer):
    """The outputs of chains of layers for one input, concatenated on the channel axis.

    All chains give the same number of frames. If every chain can stream, so can this layer.

    Input shape: as of the first layer of each chain.
    Output shape: `(batch, frames, channels)`: the channels of the first chain, and so on.

    Args:
        chains: for each chain its layers, of which each reads the one before it.
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

    def all_chains(self) -> list[list[keras.Layer]]:
        """The chains."""
        return self.chains

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The channels of the next chunk, and the next state `(batch, state_size)`."""
        outputs, state = self.step_chains(chunk, state)
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
