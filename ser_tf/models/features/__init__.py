"""The registry of features: one frozen dataclass an entry, its fields the hyperparameters.

`FEATURES["mfcc"].build()` makes the Keras layer that a saved model begins with;
`dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)` changes a hyperparameter. Keras is not imported
before `build()`. To add features, write a subclass of `Feature` and add a line to `FEATURES`.
"""

from ser_tf.models.features.causal import CausalFeatures
from ser_tf.models.features.feature import Feature, FixedLength, VaryingLength
from ser_tf.models.features.frames import LogMelFeatures, MFCCFeatures
from ser_tf.models.features.published import PublishedFeatures
from ser_tf.models.features.whisper import WhisperFeatures

__all__ = [
    "FEATURES",
    "CausalFeatures",
    "Feature",
    "FixedLength",
    "LogMelFeatures",
    "MFCCFeatures",
    "PublishedFeatures",
    "VaryingLength",
    "WhisperFeatures",
]

FEATURES: dict[str, Feature] = {
    "published": PublishedFeatures(),
    "mfcc": MFCCFeatures(),
    "mfcc_deltas": MFCCFeatures(deltas=2),
    "mfcc_pitch": MFCCFeatures(pitch=True),
    "logmel": LogMelFeatures(),
    "causal": CausalFeatures(),
    "whisper": WhisperFeatures(),
}
"""The features by the name that `--features` takes."""
