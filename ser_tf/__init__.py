"""Speech emotion recognition with TensorFlow, Keras and Legendre Memory Units."""

__version__ = "0.1.0"
