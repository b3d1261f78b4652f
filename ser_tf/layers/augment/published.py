"""The four copies of each clip that the published models were trained on."""

import tensorflow as tf

from ser_tf.layers.augment.vocoder import pitch_shift

_NOISE_SHARE = 0.035
_SEMITONES = 0.7


def published_copies(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A clip as it is, with noise, at a higher pitch, and at a higher pitch with other noise.

    The noise is normal; its standard deviation is 0.035 times the copy's largest sample times a
    number that is uniform from 0 to 1. The pitch is 0.7 semitones higher.

    Args:
        waveform: float32 `(samples,)`, at 22,050 Hz and already cut to the published 2.5 seconds,
            so that the largest sample is that of the cut.
        seed: int32 `(2,)`.

    Returns:
        float32 `(4, samples)`.
    """
    raised = pitch_shift(waveform[tf.newaxis], _SEMITONES)[0]
    clean_seed, raised_seed = tf.unstack(tf.random.split(seed))
    return tf.stack(
        [waveform, _with_noise(waveform, clean_seed), raised, _with_noise(raised, raised_seed)]
    )


def _with_noise(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    level_seed, noise_seed = tf.unstack(tf.random.split(seed))
    share = _NOISE_SHARE * tf.random.stateless_uniform((), level_seed)
    noise = tf.random.stateless_normal(tf.shape(waveform), noise_seed)
    return waveform + share * tf.reduce_max(waveform) * noise
