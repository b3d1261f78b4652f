"""Augmentations of waveforms: noise, gain, clipping, recording, shift, pitch and pace."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from ser_tf.layers.augment.augmentation import Augmentation, draw, fft_length
from ser_tf.layers.augment.vocoder import fit, pitch_shift, time_stretch
from ser_tf.layers.lmu.checks import (
    require,
    require_choice,
    require_positive,
    require_range,
    require_shares,
)


@keras.saving.register_keras_serializable(package="ser_tf")
class Noise(Augmentation):
    """Adds noise to each waveform, at a level relative to the waveform's own.

    Input shape: `(batch, samples)`. A silent waveform stays silent.

    Args:
        snr_db: range of the ratio, in dB, of the waveform's mean square to the noise's.
        color: "white", or "pink" (power density proportional to 1 / frequency, as in rooms and
            traffic).
        seed: see `Augmentation`.
    """

    def __init__(self, snr_db: Sequence[float], color: str = "white", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_choice(_NOISES, color=color)
        self.snr_db = require_range("snr_db", snr_db)
        self.color = color

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs` with noise."""
        level_seed, noise_seed = tf.unstack(tf.random.split(seed))
        snr_db = draw(level_seed, inputs, self.snr_db)[:, tf.newaxis]
        noise = _NOISES[self.color](tf.shape(inputs), noise_seed)
        quotient = tf.math.divide_no_nan(_power(inputs), _power(noise))
        return inputs + noise * tf.sqrt(quotient * 10.0 ** (-snr_db / 10))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"snr_db": self.snr_db, "color": self.color}


@keras.saving.register_keras_serializable(package="ser_tf")
class Gain(Augmentation):
    """Makes each waveform louder or softer. Nothing is clipped: samples may exceed [-1, 1].

    Input shape: `(batch, samples)`.

    Args:
        gain_db: range of the gain in dB.
        seed: see `Augmentation`.
    """

    def __init__(self, gain_db: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain_db = require_range("gain_db", gain_db)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, amplified."""
        return inputs * 10.0 ** (draw(seed, inputs, self.gain_db)[:, tf.newaxis] / 20)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"gain_db": self.gain_db}


@keras.saving.register_keras_serializable(package="ser_tf")
class Clipping(Augmentation):
    """Cuts off the peaks of a share of the waveforms, as a recording level set too high does.

    Input shape: `(batch, samples)`.

    Args:
        over_db: range of the ratio, in dB and at least 0, of the largest sample to the level at
            which the waveform is cut off.
        share: share of the waveforms that are clipped, 0 to 1.
        seed: see `Augmentation`.
    """

    def __init__(self, over_db: Sequence[float], share: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.over_db = require_range("over_db", over_db)
        self.share = share
        require(self.over_db[0] >= 0, "over_db must be at least 0", over_db=over_db)
        require_shares(share=share)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, clipped."""
        level_seed, share_seed = tf.unstack(tf.random.split(seed))
        over_db = draw(level_seed, inputs, self.over_db)
        over_db = tf.where(draw(share_seed, inputs, (0.0, 1.0)) < self.share, over_db, 0.0)
        peak = tf.reduce_max(tf.abs(inputs), axis=1, keepdims=True)
        level = peak * 10.0 ** (-over_db[:, tf.newaxis] / 20)
        return tf.clip_by_value(inputs, -level, level)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"over_db": self.over_db, "share": self.share}


@keras.saving.register_keras_serializable(package="ser_tf")
class Recording(Augmentation):
    """Records a share of the waveforms at another level, as integers.

    Too soft, a waveform is rounded coarsely, its pauses to digital silence; too loud, its peaks are
    cut off.

    Input shape: `(batch, samples)`, of which 1 is full scale.

    Args:
        gain_db: range of the level, in dB, relative to the waveform's own.
        share: share of the waveforms that change, 0 to 1.
        bits: bits of a sample, at least 2.
        seed: see `Augmentation`.
    """

    def __init__(
        self, gain_db: Sequence[float], share: float, bits: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.gain_db = require_range("gain_db", gain_db)
        self.share = share
        self.bits = bits
        require_shares(share=share)
        require(bits >= 2, "bits must be at least 2", bits=bits)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, recorded."""
        level_seed, share_seed = tf.unstack(tf.random.split(seed))
        full = 2.0 ** (self.bits - 1)
        gain = 10.0 ** (draw(level_seed, inputs, self.gain_db)[:, tf.newaxis] / 20)
        stored = tf.clip_by_value(tf.round(inputs * gain * full), -full, full - 1) / full
        chosen = draw(share_seed, inputs, (0.0, 1.0))[:, tf.newaxis] < self.share
        return tf.where(chosen, stored, inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "gain_db": self.gain_db,
            "share": self.share,
            "bits": self.bits,
        }


@keras.saving.register_keras_serializable(package="ser_tf")
class Shift(Augmentation):
    """Moves a share of the waveforms earlier or later; zeros take the place that becomes free.

    Input shape: `(batch, samples)`.

    Args:
        shift_seconds: range of the move, negative for earlier; never more than half the waveform.
        share: share of the waveforms that move, 0 to 1.
        rate_hz: sampling rate of the waveforms.
        seed: see `Augmentation`.
    """

    def __init__(
        self, shift_seconds: Sequence[float], share: float, rate_hz: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_shares(share=share)
        require_positive(rate_hz=rate_hz)
        self.shift_seconds = require_range("shift_seconds", shift_seconds)
        self.share = share
        self.rate_hz = rate_hz

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, moved."""
        samples = tf.shape(inputs)[1]
        farthest = samples // 2
        earliest, latest = (
            tf.clip_by_value(round(seconds * self.rate_hz), -farthest, farthest)
            for seconds in self.shift_seconds
        )
        move_seed, share_seed = tf.unstack(tf.random.split(seed))
        moves = tf.random.stateless_uniform(
            tf.shape(inputs)[:1], move_seed, earliest, latest + 1, tf.int32
        )
        moves = tf.where(draw(share_seed, inputs, (0.0, 1.0)) < self.share, moves, 0)
        sources = tf.range(samples) - moves[:, tf.newaxis]  # (batch, samples)
        inside = (sources >= 0) & (sources < samples)
        moved = tf.gather(inputs, tf.clip_by_value(sources, 0, samples - 1), batch_dims=1)
        return tf.where(inside, moved, 0.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "shift_seconds": self.shift_seconds,
            "share": self.share,
            "rate_hz": self.rate_hz,
        }


@keras.saving.register_keras_serializable(package="ser_tf")
class Pitch(Augmentation):
    """Makes each waveform higher or lower at unchanged pace, by phase vocoder.

    Input shape: `(batch, samples)`.

    Args:
        semitones: range of the shift, negative for lower.
        seed: see `Augmentation`.
    """

    def __init__(self, semitones: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.semitones = require_range("semitones", semitones)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, shifted."""
        return _one_by_one(pitch_shift, inputs, draw(seed, inputs, self.semitones))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"semitones": self.semitones}


@keras.saving.register_keras_serializable(package="ser_tf")
class Stretch(Augmentation):
    """Makes each waveform faster or slower at unchanged pitch, by phase vocoder.

    Zeros follow a faster one; the end of a slower one is cut off.

    Input shape: `(batch, samples)`.

    Args:
        rate: range of the pace, above 0; above 1 is faster.
        seed: see `Augmentation`.
    """

    def __init__(self, rate: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = require_range("rate", rate, above=0)

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, stretched."""
        return _one_by_one(_stretched, inputs, draw(seed, inputs, self.rate))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"rate": self.rate}


def _power(waveform: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(waveform), axis=1, keepdims=True)


def _pink(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    batch, samples = shape[0], shape[1]
    # At least 2 samples, since the spectrum's first bin is left out.
    length = fft_length(samples)
    spectrum = tf.signal.rfft(tf.random.stateless_normal((batch, length), seed))
    bins = tf.range(length // 2 + 1, dtype=tf.float32)
    slope = tf.where(bins > 0, tf.math.rsqrt(tf.maximum(bins, 1.0)), 0.0)
    return tf.signal.irfft(spectrum * tf.cast(slope, tf.complex64))[:, :samples]


_NOISES = {"white": tf.random.stateless_normal, "pink": _pink}


def _one_by_one(
    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], waveform: tf.Tensor, amounts: tf.Tensor
) -> tf.Tensor:
    """`change` applied to one item after the other, since lengths differ on the way.

    Args:
        change: a waveform `(1, samples)` and an amount → a waveform of the same shape.
        waveform: `(batch, samples)`.
        amounts: one an item, `(batch,)`.
    """
    return tf.map_fn(
        lambda item: change(item[0][tf.newaxis], item[1])[0],
        (waveform, amounts),
        fn_output_signature=tf.TensorSpec(waveform.shape[1:], waveform.dtype),
    )


def _stretched(waveform: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    return fit(time_stretch(waveform, rate), waveform)
