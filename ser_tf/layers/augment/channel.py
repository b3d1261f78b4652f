"""What microphones, rooms and telephone lines do to the spectrum of a recording."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ser_tf.layers.augment.augmentation import Augmentation, draw, fft_length
from ser_tf.layers.augment.vocoder import fit
from ser_tf.layers.lmu.checks import (
    require_not_negative,
    require_positive,
    require_range,
    require_shares,
)
from ser_tf.layers.signal.resample import resample

_SLOPE = 12.0
"""Steepness of the band: 8 dB less at an end, 26 half an octave beyond it, 48 a whole octave."""

_LINE_HZ = 8_000
_MU = 255.0
_STEPS = 127
"""A telephone line: its rate, and the compression and the steps to either side of ITU-T G.711."""


@keras.saving.register_keras_serializable(package="ser_tf")
class Channel(Augmentation):
    """Each waveform through its own channel: coloured, and a share of them with a limited band.

    The colour is a sum of cosines over the logarithm of frequency, as smooth as the difference
    between two microphones; the band ends like that of a telephone line or of a codec. With
    `mu_law`, waveforms with a limited band also pass the 8 kHz and the 8 bits of a telephone line,
    ITU-T G.711, which adds noise and clips what exceeds [-1, 1].

    Input shape: `(batch, samples)`.

    Args:
        color_db: standard deviation of the colour's gain in dB, at least 0; up to 1.4 times this at
            the ends of the spectrum.
        band_share: share of the waveforms whose band is limited, 0 to 1.
        low_hz: range of the band's lower end, above 0.
        high_hz: range of the band's upper end, above 0.
        rate_hz: sampling rate of the waveforms.
        mu_law: whether a waveform with a limited band also gets the 8 bits of mu-law.
        seed: see `Augmentation`.
    """

    def __init__(
        self,
        *,
        color_db: float,
        band_share: float,
        low_hz: Sequence[float],
        high_hz: Sequence[float],
        rate_hz: int,
        mu_law: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_not_negative(color_db=color_db)
        require_shares(band_share=band_share)
        require_positive(rate_hz=rate_hz)
        self.color_db = color_db
        self.band_share = band_share
        self.low_hz = require_range("low_hz", low_hz, above=0)
        self.high_hz = require_range("high_hz", high_hz, above=0)
        self.rate_hz = rate_hz
        self.mu_law = mu_law

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, filtered."""
        color_seed, share_seed, low_seed, high_seed = tf.unstack(tf.random.split(seed, 4))
        samples = tf.shape(inputs)[1]
        # A tenth of a second longer, so that the filter's ringing does not wrap round.
        length = fft_length(samples + self.rate_hz // 10)
        bins = tf.range(1, length // 2 + 2, dtype=tf.float32)
        octaves = tf.math.log(bins * (self.rate_hz / tf.cast(length, tf.float32))) / math.log(2.0)
        gain_db = self._color_db(inputs, octaves, color_seed)
        limited = draw(share_seed, inputs, (0.0, 1.0))[:, tf.newaxis] < self.band_share
        for ends, end_seed, side in ((self.low_hz, low_seed, -1), (self.high_hz, high_seed, 1)):
            bounds = math.log2(ends[0]), math.log2(ends[1])
            end = draw(end_seed, inputs, bounds)[:, tf.newaxis]
            outside_db = -_SLOPE * tf.math.softplus(4 * side * (octaves - end))
            gain_db += tf.where(limited, tf.maximum(outside_db, -80.0), 0.0)
        gain = tf.cast(10.0 ** (gain_db / 20), tf.complex64)
        filtered = tf.signal.irfft(tf.signal.rfft(inputs, [length]) * gain, [length])[:, :samples]
        return tf.where(limited, self._by_line(filtered), filtered) if self.mu_law else filtered

    def _by_line(self, waveform: tf.Tensor) -> tf.Tensor:
        """`waveform` through the 8 bits of mu-law at 8 kHz, back at its own rate."""
        narrow = tf.clip_by_value(resample(waveform, self.rate_hz, _LINE_HZ), -1, 1)
        compressed = tf.math.log1p(_MU * tf.abs(narrow)) / math.log1p(_MU)
        sent = tf.round(compressed * _STEPS) / _STEPS
        expanded = tf.sign(narrow) * tf.math.expm1(sent * math.log1p(_MU)) / _MU
        return fit(resample(expanded, _LINE_HZ, self.rate_hz), waveform)

    def _color_db(self, inputs: tf.Tensor, octaves: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The colour's gain in dB, `(batch, bins)`: cosines of 1 to 4 half waves from 100 Hz up."""
        lowest = math.log2(100.0)
        place = (octaves - lowest) / (math.log2(self.rate_hz / 2) - lowest)
        waves = tf.cos(math.pi * tf.range(1.0, 5.0)[:, tf.newaxis] * tf.clip_by_value(place, 0, 1))
        amplitudes = tf.random.stateless_normal((tf.shape(inputs)[0], 4), seed)
        return self.color_db / math.sqrt(2) * tf.matmul(amplitudes, waves)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "color_db": self.color_db,
            "band_share": self.band_share,
            "low_hz": self.low_hz,
            "high_hz": self.high_hz,
            "rate_hz": self.rate_hz,
            "mu_law": self.mu_law,
        }
