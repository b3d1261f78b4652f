"""What microphones, rooms and telephone lines do to the spectrum of a recording."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ser_tf.layers.augment.augmentation import Augmentation, draw, fft_length, ordered, proportion
from ser_tf.layers.augment.vocoder import fit
from ser_tf.layers.signal.resample import resample

_SLOPE = 12.0
"""Steepness of the band: 8 dB less at an edge, 26 half an octave outside it, 48 a whole one."""

_LINE_HZ = 8_000
_MU = 255.0
_STEPS = 127
"""A telephone line: its rate, and the compression and the steps to either side of ITU-T G.711."""


@keras.saving.register_keras_serializable(package="ser_tf")
class Channel(Augmentation):
    """Each waveform through a channel of its own: coloured, and for a share a limited band.

    The colour is a sum of cosines over the logarithm of frequency, as smooth as the difference of
    two microphones; the band ends as that of a telephone line or of a codec. With `mu_law` what
    has its band limited also goes through the 8 kHz and the 8 bits of a telephone line, ITU-T
    G.711, which adds noise and clips what exceeds [-1, 1].

    Input shape: `(batch, samples)`.

    Args:
        color_db: deviation of the colour's gain, in dB, not negative; up to 1.4 times that at the
            ends of the spectrum.
        band_share: how many of the waveforms have their band limited, 0 to 1.
        low_hz: the range of the band's lower end, above 0.
        high_hz: the range of its upper end.
        rate_hz: the waveforms' rate.
        mu_law: whether a limited band comes with mu-law's 8 bits.
        seed: see `Augmentation`.
    """

    def __init__(
        self,
        color_db: float,
        band_share: float,
        low_hz: Sequence[float],
        high_hz: Sequence[float],
        rate_hz: int,
        mu_law: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (math.isfinite(color_db) and color_db >= 0):
            raise ValueError(f"color_db is finite and not negative. Received: {color_db}.")
        if rate_hz <= 0:
            raise ValueError(f"rate_hz is above 0. Received: {rate_hz}.")
        self.color_db = color_db
        self.band_share = proportion("band_share", band_share)
        self.low_hz = ordered("low_hz", low_hz)
        self.high_hz = ordered("high_hz", high_hz)
        self.rate_hz = rate_hz
        self.mu_law = mu_law
        if self.low_hz[0] <= 0 or self.high_hz[0] <= 0:
            raise ValueError(f"The band ends above 0 Hz. Received: {low_hz}, {high_hz}.")

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, filtered."""
        color_seed, share_seed, low_seed, high_seed = tf.unstack(tf.random.split(seed, 4))
        samples = tf.shape(inputs)[1]
        # A tenth of a second longer: echoes of the filter shall not come round to the other end.
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
        heard = tf.signal.irfft(tf.signal.rfft(inputs, [length]) * gain, [length])[:, :samples]
        return tf.where(limited, self._by_line(heard), heard) if self.mu_law else heard

    def _by_line(self, waveform: tf.Tensor) -> tf.Tensor:
        """`waveform` in the 8 bits of mu-law at 8 kHz, at its own rate again."""
        narrow = tf.clip_by_value(resample(waveform, self.rate_hz, _LINE_HZ), -1, 1)
        compressed = tf.math.log1p(_MU * tf.abs(narrow)) / math.log1p(_MU)
        sent = tf.round(compressed * _STEPS) / _STEPS
        expanded = tf.sign(narrow) * tf.math.expm1(sent * math.log1p(_MU)) / _MU
        return fit(resample(expanded, _LINE_HZ, self.rate_hz), waveform)

    def _color_db(self, inputs: tf.Tensor, octaves: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The colour's gain `(batch, bins)`: cosines of 1 to 4 half waves from 100 Hz up."""
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
