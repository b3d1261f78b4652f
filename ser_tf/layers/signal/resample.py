"""Resampling in the graph: any rate to any other, by core TensorFlow operators alone.

The waveform's spectrum is cut or extended: a forward FFT of `n` samples and an inverse one of `m`
change the rate by `m / n`. Windowed-sinc interpolation of the same quality reads every sample
a hundred times; this is an order of magnitude faster.
"""

import tensorflow as tf

# The response of soxr's "high quality" as a share of the lower rate's Nyquist frequency: half an
# error function, fitted to the measured response with a largest deviation of 0.003.
_HALF_AMPLITUDE = 0.9568
_ROLL_OFF = 0.0164

# So far from its centre, in samples of the lower rate, the filter's impulse response is below 1e-8:
# as many zeros keep a clip's end from wrapping round to its beginning.
_RINGING_SAMPLES = 256

_CANDIDATES = 8192
_CLOSEST = 256
_PRODUCT_OF_PRIMES_TO_47 = 614_889_782_588_491_410


def resample(
    waveform: tf.Tensor, from_hz: float | tf.Tensor, to_hz: float | tf.Tensor
) -> tf.Tensor:
    """`waveform`, recorded at `from_hz`, at `to_hz`.

    Filtered as `librosa.resample` does by default (soxr, "high quality"): flat up to 0.91 of the
    lower rate's Nyquist frequency, nothing above it. On speech the difference from it is 65 to 80
    dB below the signal. Where no two FFT lengths have exactly the ratio of the rates (for integer
    rates some usually do), the time axis is right to a hundredth of a sample at the clip's end.
    Values are not clipped: they may exceed [-1, 1] by the filter's overshoot.

    Args:
        waveform: float32 `(batch, samples)`.
        from_hz: positive rate, or scalar tensor of any numeric type.
        to_hz: as `from_hz`; only the ratio of the two matters.

    Returns:
        float32 `(batch, ceil(samples * to_hz / from_hz))`; `waveform` itself at equal rates.
    """
    ratio = as_double(to_hz) / as_double(from_hz)
    return tf.cond(tf.equal(ratio, 1.0), lambda: waveform, lambda: _change_rate(waveform, ratio))


def as_double(number: float | tf.Tensor) -> tf.Tensor:
    """`number` as float64; a bare `tf.cast` would take a Python number through float32."""
    if tf.is_tensor(number):
        return tf.cast(number, tf.float64)
    return tf.constant(number, tf.float64)


def _change_rate(waveform: tf.Tensor, ratio: tf.Tensor) -> tf.Tensor:
    samples = tf.shape(waveform)[-1]
    silence = tf.math.ceil(_RINGING_SAMPLES / tf.minimum(ratio, 1.0))
    before, after = _fft_lengths(samples + tf.cast(silence, tf.int32), ratio)
    lower = tf.minimum(before, after)
    frequencies = 2 * tf.range(lower // 2 + 1, dtype=tf.float32) / tf.cast(lower, tf.float32)
    response = tf.math.erfc((frequencies - _HALF_AMPLITUDE) / _ROLL_OFF) / 2
    response *= tf.cast(after / before, tf.float32)  # the inverse FFT divides by its length
    spectrum = tf.signal.rfft(waveform, [before])[:, : lower // 2 + 1]
    changed = tf.signal.irfft(spectrum * tf.cast(response, tf.complex64), [after])
    wanted = tf.math.ceil(tf.cast(samples, tf.float64) * ratio)
    return changed[:, : tf.cast(wanted, tf.int32)]


def _fft_lengths(least: tf.Tensor, ratio: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Two lengths, the first from `least` up, whose quotient is `ratio` and whose FFTs are fast.

    An FFT takes five to ten times as long where its length has a large prime factor; a drift
    of a hundredth of a sample over the clip counts as much as one such factor.
    """
    before = tf.cast(least, tf.int64) + tf.range(_CANDIDATES, dtype=tf.int64)
    exact = tf.cast(before, tf.float64) * ratio
    after = tf.round(exact)
    closest = tf.math.top_k(tf.cast(-tf.abs(exact - after), tf.float32), _CLOSEST)
    before = tf.gather(before, closest.indices)
    after = tf.gather(tf.cast(after, tf.int64), closest.indices)
    cost = _has_large_prime(before) + _has_large_prime(after) - 100 * closest.values
    best = tf.argmin(cost)
    return tf.cast(before[best], tf.int32), tf.cast(after[best], tf.int32)


def _has_large_prime(lengths: tf.Tensor) -> tf.Tensor:
    """1.0 for each length with a prime factor above 47, else 0.0."""
    # A length below 2 ** 32 has a prime fewer than 32 times, so it divides the 32nd power of the
    # product of its primes: five squarings.
    power = tf.math.floormod(tf.constant(_PRODUCT_OF_PRIMES_TO_47, tf.int64), lengths)
    for _ in range(5):
        power = tf.math.floormod(power * power, lengths)
    return tf.cast(power > 0, tf.float32)
