"""The features a model can hear by: one frozen dataclass an entry, its fields the hyperparameters.

`FEATURES["mfcc"].build()` makes the Keras layer that a saved model begins with; options are changed
by `dataclasses.replace(FEATURES["mfcc"], n_mfcc=13)`. Nothing here imports Keras before `build()`.
"""

from ser_tf.models.features.causal import Causal
from ser_tf.models.features.frames import MFCC, LogMel
from ser_tf.models.features.published import Published

__all__ = ["FEATURES", "MFCC", "Causal", "Feature", "LogMel", "Published"]

Feature = Published | LogMel | Causal

FEATURES: dict[str, Feature] = {
    "published": Published(),
    "mfcc": MFCC(),
    "mfcc_deltas": MFCC(deltas=2),
    "mfcc_pitch": MFCC(pitch=True),
    "logmel": LogMel(),
    "causal": Causal(),
}
"""The features by the name that `--features` takes."""
