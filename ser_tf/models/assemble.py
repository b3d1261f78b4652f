"""From waveform to probabilities: the parts of a model, put together."""

from typing import TYPE_CHECKING

import keras

from ser_tf.errors import InputError
from ser_tf.layers.calibration import Calibration
from ser_tf.models.encoder import Encoder

if TYPE_CHECKING:
    import numpy as np

    from ser_tf.models.features import Feature


def build_front_end(entry: "Feature") -> keras.Layer:
    """The layer "front_end": waveform `(batch, samples)` → features `(batch, *entry.shape)`.

    Raises:
        InputError: if a hyperparameter of the features breaks its rule.
    """
    try:
        return entry.build()
    except ValueError as error:
        raise InputError(f"features: {error}") from error


def build_network(entry: Encoder, shape: tuple[int | None, int], classes: int) -> keras.Model:
    """The untrained network: normalised features `(batch, *shape)` → logits `(batch, classes)`.

    Raises:
        InputError: if a hyperparameter of the model breaks its rule.
    """
    try:
        return entry.build(shape, classes)
    except ValueError as error:
        raise InputError(f"model: {error}") from error


def build_model(
    feature: "Feature",
    encoder: Encoder,
    *,
    front_end: keras.Layer,
    features: "np.ndarray",
    classes: int,
    name: str,
) -> keras.Model:
    """The model from waveform to probabilities, untrained but for the normalisation.

    Args:
        feature: the features' entry.
        encoder: the encoder's entry.
        front_end: what `build_front_end` made of `feature`.
        features: those of the training clips, `(clips, *feature.array_shape)`, whose mean and
            variance the normalisation takes.
        classes: how many classes to tell apart.
        name: the model's name.

    Returns:
        A model `(batch, samples)` → `(batch, classes)` of the layers `front_end`, `encoder`
        (normalisation and network: features → logits) and `calibration`.

    Raises:
        InputError: as `build_network`.
    """
    inputs = keras.Input(feature.shape, name="features")
    network = build_network(encoder, feature.shape, classes)
    normalised = feature.normalisation(features)(inputs)
    whole = keras.Model(inputs, network(normalised), name="encoder")
    return join(front_end, whole, Calibration(name="calibration"), name)


def join(
    front_end: keras.Layer, encoder: keras.Model, calibration: keras.Layer, name: str
) -> keras.Model:
    """The model from waveform to probabilities, of its three parts."""
    waveform = keras.Input((None,), name="waveform")
    return keras.Model(waveform, calibration(encoder(front_end(waveform))), name=name)


def head(model: keras.Model) -> keras.Model:
    """The model without its front end: from features to probabilities."""
    encoder = model.get_layer("encoder")
    features = keras.Input(encoder.input_shape[1:], name="features")
    return keras.Model(features, model.get_layer("calibration")(encoder(features)), name=model.name)
