"""Audio files of any format and rate, and samples, as one channel of float32 in [-1, 1]."""

from ser_tf.audio.decoding import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, POINTER
from ser_tf.audio.finding import SUFFIXES, digest, find, is_recording
from ser_tf.audio.levels import AudioError, to_mono
from ser_tf.audio.reading import Sound, load, pieces, read, read_mono
from ser_tf.audio.waveforms import check_rate, cut, resample, resample_pieces, to_wav

__all__ = [
    "HIGHEST_RATE_HZ",
    "LOWEST_RATE_HZ",
    "POINTER",
    "SUFFIXES",
    "AudioError",
    "Sound",
    "check_rate",
    "cut",
    "digest",
    "find",
    "is_recording",
    "load",
    "pieces",
    "read",
    "read_mono",
    "resample",
    "resample_pieces",
    "to_mono",
    "to_wav",
]
