"""Encoders with Legendre Memory Units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import keras


LegendreLayer = Callable[["keras.KerasTensor", int, bool], "keras.KerasTensor"]
"""Applies one LMU layer with new weights: `(batch, frames, channels)`, units and `last` →
`(batch, frames, units)`, or the last state alone, `(batch, units)`, where `last` is true."""

LayerFactory = Callable[["LMUEncoder", int, float], LegendreLayer]
"""From the encoder, the number of time steps and the memory's length in steps to its layer."""


def _mean(x: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    return ops.mean(x, axis=1)


def _mean_and_deviation(x: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    # The small number keeps the gradient finite where a unit never changes.
    deviation = ops.sqrt(ops.var(x, axis=1) + 1e-4)
    return ops.concatenate([ops.mean(x, axis=1), deviation], axis=-1)


_NORMALISED_AXES: dict[str, int | tuple[int, int]] = {"channels": -1, "time_and_channels": (1, 2)}
_POOLINGS: dict[str, Callable[["keras.KerasTensor"], "keras.KerasTensor"]] = {
    "mean": _mean,
    "mean_and_deviation": _mean_and_deviation,
}


def _keras_lmu(encoder: "LMUEncoder", steps: int, theta_steps: float) -> LegendreLayer:
    """LMU layers whose memory is `keras_lmu.LMU`.

    All share one memory: it has no weights, and its impulse response is slow to compute.
    """
    import keras_lmu
    from keras import layers
    from scipy.fft import next_fast_len

    memory = keras_lmu.LMU(
        encoder.memory_d,
        encoder.order,
        theta_steps,
        None,
        kernel_initializer=None,
        return_sequences=True,
        dtype="float32",  # its FFT knows no half precision
        name="memory",
    )
    # Zeros in front leave the memory as it is and spare the FFT the large primes of its length.
    zeros = next_fast_len(steps) - steps

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        u = layers.Dense(encoder.memory_d, activation="relu")(x)
        m = memory(layers.ZeroPadding1D((zeros, 0))(u))
        if last:
            m, x = m[:, -1], x[:, -1]
        else:
            m = layers.Cropping1D((zeros, 0))(m)
        return layers.Dense(units, activation="relu")(layers.Concatenate()([m, x]))

    return layer


def _ser_tf(encoder: "LMUEncoder", steps: int, theta_steps: float) -> LegendreLayer:
    """Layers of `ser_tf.layers.lmu`, which compute every step's memory only where that is cheap."""
    from ser_tf.layers import lmu

    def layer(x: "keras.KerasTensor", units: int, last: bool) -> "keras.KerasTensor":
        return lmu.LMU(
            encoder.memory_d,
            encoder.order,
            theta_steps,
            units,
            activation="relu",
            memory_activation="relu",
            input_to_hidden=True,
            use_bias=True,
            return_sequences=not last,
        )(x)

    return layer


MEMORIES: dict[str, LayerFactory] = {"ser_tf": _ser_tf, "keras_lmu": _keras_lmu}
"""Implementations of the LMU layer by name."""


@dataclass(frozen=True)
class LMUEncoder(Encoder):
    """Feed-forward Legendre Memory Units (Voelker et al., 2019; Chilkuri and Eliasmith, 2021).

    Strided convolutions may shorten the sequence first. An LMU layer drives a delay system, the
    memory, with `u = ReLU(W_u x)`: `m[t] = A m[t-1] + B u[t]` holds the last `theta` frames of `u`
    as coefficients of Legendre polynomials. The layer gives `h = ReLU(W_h [m, x])`. Layer
    normalisation and dropout stand between LMU layers.

    Attributes:
        units: size of `h` in each LMU layer.
        order: number of Legendre polynomials a memory keeps, of degrees 0 to order - 1.
        theta: length of the memory in frames of the features, above 0; None: the whole clip.
        memory_d: number of memories side by side, the size of `u`.
        dropout: rate after each convolution, between LMU layers and after a mean, in [0, 1).
        channel_dropout: rate of the channels of a clip's features dropped in training, in [0, 1).
        noise: standard deviation of the Gaussian noise on features in training, in [0, 1]. On
            unseen speakers `channel_dropout` and `noise` help more than `dropout` does.
        normalise: the axes that layer normalisation averages over, "channels" or
            "time_and_channels".
        pooling: the clip's vector: the "last" state, the "mean" of all, or "mean_and_deviation",
            the mean followed by the standard deviation (Snyder et al., 2018).
        filters: channels of each convolution, each followed by batch normalisation, ReLU and
            dropout; () for none.
        kernel_frames: length of the convolutions, which look back only.
        stride_frames: stride of the convolutions.
        memory: implementation of the LMU layer, a key of `MEMORIES`.
        discriminant: whether the mean frame's `LinearDiscriminant` is one member more. It is not
            trained by gradient, and holds on corpora that nothing was trained on.
    """

    CHOICES: ClassVar = {
        "memory": MEMORIES,
        "normalise": _NORMALISED_AXES,
        "pooling": ("last", *_POOLINGS),
    }

    units: tuple[int, ...] = (64, 64)
    order: int = 16
    theta: float | None = 100.0
    memory_d: int = 16
    dropout: float = 0.1
    channel_dropout: float = 0.2
    noise: float = 0.5
    normalise: str = "channels"
    pooling: str = "mean_and_deviation"
    filters: tuple[int, ...] = (64,)
    kernel_frames: int = 5
    stride_frames: int = 4
    memory: str = "ser_tf"
    discriminant: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_theta(self.theta)
        if not self.units:
            raise ValueError("units must name at least one layer. Received: units=().")

    def networks(self, shape: tuple[int | None, int], classes: int) -> "list[keras.Model]":
        """The LMU networks, and the discriminant where there is one."""
        networks = super().networks(shape, classes)
        return [*networks, _discriminant(shape, classes)] if self.discriminant else networks

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the last LMU layer's states, pooled."""
        return self.summarise_with(MEMORIES[self.memory], x)

    def summarise_with(
        self, make_layer: LayerFactory, x: "keras.KerasTensor"
    ) -> "keras.KerasTensor":
        """What `summarise` gives, with LMU layers that `make_layer` makes."""
        from keras import layers

        from ser_tf.layers import pooling

        frames, weights = x.shape[1], None
        if frames is None:
            self._check_varying()
            x, weights = pooling.SplitWeights()(x)
        x, weights = _shorten(self, x, weights)
        steps = x.shape[1]
        shortened = self.stride_frames ** -len(self.filters) if frames is None else steps / frames
        layer = make_layer(self, steps, (self.theta or frames) * shortened)
        for units in self.units[:-1]:
            x = layer(x, units, False)
            axis = _NORMALISED_AXES[self.normalise]
            x = layers.LayerNormalization(axis=axis, epsilon=1e-5)(x)
            x = layers.Dropout(self.dropout)(x)
        if weights is not None:
            states = layer(x, self.units[-1], False)
            pooled = pooling.WeightedPooling(self.pooling)([states, weights])
        elif self.pooling == "last":
            return layer(x, self.units[-1], True)
        else:
            pooled = _POOLINGS[self.pooling](layer(x, self.units[-1], False))
        return layers.Dropout(self.dropout)(pooled)

    def _check_varying(self) -> None:
        """Raises ValueError if this needs the same number of frames for every clip."""
        rules = {"theta": self.theta is not None, "memory": self.memory == "ser_tf"}
        rules["normalise"] = self.normalise == "channels"
        for name, holds in rules.items():
            if not holds:
                raise ValueError(
                    "features whose frames vary in number need theta, memory ser_tf and "
                    f"normalise channels. Received: {name}={getattr(self, name)}."
                )


@dataclass(frozen=True)
class CoupledLMUEncoder(Encoder):
    """The recurrent Legendre Memory Unit of Voelker et al. (2019), memory and hidden state coupled.

    The features, the hidden state and the memory itself drive the memory; the hidden state reads
    all three (`ser_tf.layers.lmu.LMUCell`). One layer, computed step by step.

    Attributes:
        units: size of the hidden state.
        order, theta, memory_d: as for `LMUEncoder`.
        trainable_theta: whether the length of the memory is learned.
        trainable_ab: whether A and B of the delay system are learned; excludes `trainable_theta`.
        dropout: rate after the convolutions and after a mean, in [0, 1).
        recurrent_dropout: rate for the memory on its way into the next step's `u`, in [0, 1).
        channel_dropout, noise, pooling, filters, kernel_frames, stride_frames: as for `LMUEncoder`.
    """

    CHOICES: ClassVar = {"pooling": ("last", *_POOLINGS)}

    units: int = 64
    order: int = 16
    theta: float | None = 100.0
    memory_d: int = 4
    trainable_theta: bool = True
    trainable_ab: bool = False
    dropout: float = 0.1
    recurrent_dropout: float = 0.0
    channel_dropout: float = 0.2
    noise: float = 0.5
    pooling: str = "mean_and_deviation"
    filters: tuple[int, ...] = (64,)
    kernel_frames: int = 5
    stride_frames: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_theta(self.theta)
        if self.trainable_theta and self.trainable_ab:
            raise ValueError(
                "trainable_theta and trainable_ab exclude each other. "
                "Received: trainable_theta=True, trainable_ab=True."
            )

    def summarise(self, x: "keras.KerasTensor") -> "keras.KerasTensor":
        """One vector a clip: the hidden states, pooled."""
        from keras import layers

        from ser_tf.layers.lmu import LMUCell

        frames = x.shape[1]
        x, _ = _shorten(self, x)
        cell = LMUCell(
            self.units,
            self.order,
            max(1.0, (self.theta or frames) * x.shape[1] / frames),
            self.memory_d,
            trainable_theta=self.trainable_theta,
            trainable_ab=self.trainable_ab,
            recurrent_dropout=self.recurrent_dropout,
        )
        if self.pooling == "last":
            return layers.RNN(cell)(x)
        pooled = _POOLINGS[self.pooling](layers.RNN(cell, return_sequences=True)(x))
        return layers.Dropout(self.dropout)(pooled)


def _shorten(
    encoder: LMUEncoder | CoupledLMUEncoder,
    x: "keras.KerasTensor",
    weights: "keras.KerasTensor | None" = None,
) -> "tuple[keras.KerasTensor, keras.KerasTensor | None]":
    """The features, noisy in training, after strided convolutions that look back only.

    A step has the weight of the last frame that it sees; those of no weight do not count in batch
    normalisation.
    """
    from keras import layers, ops

    x = layers.SpatialDropout1D(encoder.channel_dropout)(layers.GaussianNoise(encoder.noise)(x))
    for filters in encoder.filters:
        convolution = layers.Conv1D(
            filters, encoder.kernel_frames, encoder.stride_frames, padding="causal", use_bias=False
        )
        weights = None if weights is None else weights[:, :: encoder.stride_frames]
        mask = None if weights is None else weights > 0
        # No layer, which would pass the mask on to those that need none.
        x = ops.relu(layers.BatchNormalization()(convolution(x), mask=mask))
        x = layers.Dropout(encoder.dropout)(x)
    return x, weights


def _discriminant(shape: tuple[int | None, int], classes: int) -> "keras.Model":
    """A network from features to the logits of their mean frame's discriminant, not adapted yet."""
    import keras

    from ser_tf.layers import pooling
    from ser_tf.layers.discriminant import LinearDiscriminant

    features = keras.Input(shape, name="features", dtype="float32")
    if shape[0] is None:
        mean = pooling.WeightedPooling("mean")(pooling.SplitWeights()(features))
    else:
        mean = keras.layers.GlobalAveragePooling1D()(features)
    return keras.Model(features, LinearDiscriminant(classes)(mean), name="discriminant")


def _check_theta(theta: float | None) -> None:
    if theta is not None and not theta > 0:
        raise ValueError(f"theta must be above 0 frames, or None. Received: theta={theta}.")
