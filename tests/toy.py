"""A small model that is published at once, and sounds to ask it about."""

import io

import keras
import numpy as np
import soundfile

from ser_tf.layers.calibration import Calibration

RATE_HZ = 8000
CLASSES = ("neutral", "happy", "sad")
FRAMES, FRAME_SAMPLES = 6, 400


class ToyFrontEnd(keras.layers.Layer):
    """The clip's first samples as frames, and its length: what comes out depends on both."""

    def call(self, inputs):
        samples = FRAMES * FRAME_SAMPLES
        padded = keras.ops.pad(inputs, [[0, 0], [0, samples]])[:, :samples]
        frames = keras.ops.reshape(padded, (-1, FRAMES, FRAME_SAMPLES))
        return frames + keras.ops.cast(keras.ops.shape(inputs)[1], "float32") / RATE_HZ

    def compute_output_shape(self, input_shape):
        return (input_shape[0], FRAMES, FRAME_SAMPLES)


def toy_model(seed=0):
    keras.utils.set_random_seed(seed)
    encoder = keras.Sequential(
        [
            keras.Input((FRAMES, FRAME_SAMPLES)),
            keras.layers.Flatten(),
            keras.layers.Dense(len(CLASSES), bias_initializer="random_normal"),
        ],
        name="encoder",
    )
    calibration = Calibration(name="calibration")
    calibration.set(temperature=0.5, unsure_below=0.6)
    waveform = keras.Input((None,), name="waveform")
    features = ToyFrontEnd(name="front_end")(waveform)
    return keras.Model(waveform, calibration(encoder(features)))


def noise(samples, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)


def wav(waveform, subtype="FLOAT", rate_hz=RATE_HZ):
    file = io.BytesIO()
    soundfile.write(file, waveform, rate_hz, format="WAV", subtype=subtype)
    return file.getvalue()
