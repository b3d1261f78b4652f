"""Adapts an encoder's linear discriminants to the clips that train."""

from collections.abc import Iterator

import keras
import numpy as np

from ser_tf.data.dataset import Dataset
from ser_tf.data.store import FeatureStore
from ser_tf.inference.predictions import BATCH
from ser_tf.layers.discriminant import LinearDiscriminant
from ser_tf.layers.ensemble import Ensemble


def adapt(encoder: keras.Model, training: Dataset) -> None:
    """Sets the weights of the discriminants in `encoder`, if it has any.

    Args:
        encoder: normalisation and network, features → logits.
        training: the rows that train; those without an emotion do not count.
    """
    clips = training.clips
    normalisation, network = encoder.get_layer("normalisation"), encoder.layers[-1]
    for member in _members(network):
        discriminant = member.layers[-1]
        if not isinstance(discriminant, LinearDiscriminant):
            continue
        summarise = keras.Model(member.inputs, discriminant.input)

        def vectors(store: FeatureStore, summarise: keras.Model = summarise) -> np.ndarray:
            return np.concatenate([summarise(normalisation(part)) for part in _parts(store)])

        discriminant.adapt(
            vectors(clips.features),
            clips.labels,
            clips.rows["speaker"].tolist(),
            clips.rows["corpus"].tolist(),
            [vectors(copy) for copy in clips.copies],
        )


def _members(network: keras.Model) -> list[keras.Model]:
    ensemble = network.layers[-1]
    return ensemble.members if isinstance(ensemble, Ensemble) else [network]


def _parts(store: FeatureStore) -> Iterator[np.ndarray]:
    """The features of all rows, some at a time."""
    for start in range(0, len(store), BATCH):
        yield store.take(np.arange(start, min(start + BATCH, len(store))))
