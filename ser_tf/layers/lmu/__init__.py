"""Legendre Memory Units: layers that need nothing else of `ser_tf`."""

from ser_tf.layers.lmu.cell import LMUCell
from ser_tf.layers.lmu.conversion import from_keras_lmu, to_keras_lmu
from ser_tf.layers.lmu.parallel import LMU

__all__ = ["LMU", "LMUCell", "from_keras_lmu", "to_keras_lmu"]
