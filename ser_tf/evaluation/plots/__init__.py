"""Pictures of corpora, training runs, scores, sounds and an LMU's memory.

Functions return a Figure, which `save` writes; a notebook shows a Figure that ends a cell. They
neither change nor follow matplotlib's global style: all figures are black on opaque white, 1,200
pixels wide, in colours that can be told apart with any colour vision (Okabe & Ito 2008; viridis,
cividis).
"""

from ser_tf.evaluation.plots.clips import draw_counts
from ser_tf.evaluation.plots.polynomials import draw_legendre
from ser_tf.evaluation.plots.runs import (
    draw_comparison,
    draw_curves_of_splits,
    draw_learning_curves,
)
from ser_tf.evaluation.plots.scores import (
    draw_calibration,
    draw_confusion,
    draw_confusions,
    draw_speakers,
)
from ser_tf.evaluation.plots.sounds import (
    draw_augmentations,
    draw_features,
    draw_published_row,
    draw_timeline,
)
from ser_tf.evaluation.plots.style import COLOURS, save

__all__ = [
    "COLOURS",
    "draw_augmentations",
    "draw_calibration",
    "draw_comparison",
    "draw_confusion",
    "draw_confusions",
    "draw_counts",
    "draw_curves_of_splits",
    "draw_features",
    "draw_learning_curves",
    "draw_legendre",
    "draw_published_row",
    "draw_speakers",
    "draw_timeline",
    "save",
]
