"""Legendre Memory Units."""

from ser_tf.layers.lmu.cell import LMUCell
from ser_tf.layers.lmu.conversion import from_keras_lmu, to_keras_lmu
from ser_tf.layers.lmu.parallel import LMU
from ser_tf.layers.lmu.summary import LMUSummary

__all__ = ["LMU", "LMUCell", "LMUSummary", "from_keras_lmu", "to_keras_lmu"]
