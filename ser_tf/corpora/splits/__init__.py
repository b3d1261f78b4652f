"""Which clips train, which validate and which test: splits, folds of them, published protocols."""

from ser_tf.corpora.splits.assignment import GIVEN, KINDS, PARTS, assign, folds, leaky
from ser_tf.corpora.splits.protocols import PROTOCOLS, Fold, follow

__all__ = ["GIVEN", "KINDS", "PARTS", "PROTOCOLS", "Fold", "assign", "folds", "follow", "leaky"]
