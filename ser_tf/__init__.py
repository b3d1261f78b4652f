"""Speech emotion recognition with TensorFlow, Keras and Legendre Memory Units."""

__version__ = "0.2.0"
