"""Pictures of corpora, training runs, scores, sounds and an LMU's memory.

Functions return a Figure, which `save` writes; a notebook shows a Figure that ends a cell. They
neither change nor follow matplotlib's global style: all figures are black on opaque white, 1,200
pixels wide, in colours that can be told apart with any colour vision (Okabe & Ito 2008; viridis,
cividis).
"""

from ser_tf.evaluation.plots.clips import counts
from ser_tf.evaluation.plots.polynomials import legendre
from ser_tf.evaluation.plots.runs import comparison, curves_of_splits, learning_curves
from ser_tf.evaluation.plots.scores import calibration, confusion, confusions, speakers
from ser_tf.evaluation.plots.sounds import augmentations, features, published_row, timeline
from ser_tf.evaluation.plots.style import COLOURS, save

__all__ = [
    "COLOURS",
    "augmentations",
    "calibration",
    "comparison",
    "confusion",
    "confusions",
    "counts",
    "curves_of_splits",
    "features",
    "learning_curves",
    "legendre",
    "published_row",
    "save",
    "speakers",
    "timeline",
]
