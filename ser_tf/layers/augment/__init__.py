"""Random changes to waveforms and frames in training: Keras layers and the functions they use."""

from ser_tf.layers.augment.channel import Channel
from ser_tf.layers.augment.masking import SpecAugment
from ser_tf.layers.augment.mixup import mixup
from ser_tf.layers.augment.published import published_copies
from ser_tf.layers.augment.vocoder import phase_vocoder, pitch_shift, time_stretch
from ser_tf.layers.augment.waveforms import Clipping, Gain, Noise, Pitch, Recording, Shift, Stretch

__all__ = [
    "Channel",
    "Clipping",
    "Gain",
    "Noise",
    "Pitch",
    "Recording",
    "Shift",
    "SpecAugment",
    "Stretch",
    "mixup",
    "phase_vocoder",
    "pitch_shift",
    "published_copies",
    "time_stretch",
]
