"""How high a voice is, and how voiced: from the autocorrelation of frames."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape, require, require_positive
from ser_tf.layers.features.spectrum import CausalFrames, SpectralFrames
from ser_tf.layers.streaming import fading_sums

REFERENCE_HZ = 180.0
"""The pitch from which octaves are counted, between the usual ones of men and women."""

_CHANNELS = 3
"""Periodicity, voicing and pitch."""

_EXPONENT = 1 / 3
"""Of the power. Less than 1 makes loud formants count for less: it sharpens the peaks (Tolonen and
Karjalainen, 2000, "A Computationally Efficient Multipitch Analysis Model", IEEE TSAP 8(6))."""

_HARMONICS_HZ = (50.0, 2500.0)
_ENVELOPE_HZ = 450.0
"""How far the envelope of a spectrum looks to either side: about the highest pitch of a voice. With
less the pitch of high voices is taken for half of it, with more formants count."""

_STEPS_PER_OCTAVE = 24
_PEAK_WIDTH = 0.015
"""How much less the autocorrelation may be, for a pitch to count for 1/e of the best."""

_VOICED = 0.42
_VOICED_WIDTH = 0.04
"""The periodicity of a frame that is voiced by half, and how gradually frames become voiced. Of
pitches above it one in a hundred is off, over a telephone nine."""

LARGEST_CHANGE = 0.3
"""In octaves a frame. No voice does that: a larger one is a new voice, or a slip by an octave."""

_FIRST_VOICED = 0.5
"""How many voiced frames of `REFERENCE_HZ` are assumed before any: the mean of few is little."""

_TINY = 1e-6
_ROUNDING = 1e-5
"""What is left of a spectrum that is all envelope, as a click's, is the rounding of its sums: a
millionth of it or less, and other on other machines."""


class PitchFrames(SpectralFrames):
    """Frames whose pitch is followed, by their generalised autocorrelation.

    That is the Fourier transform not of a frame's power but of a root of it (Indefrey, Hess and
    Seeser, 1985, "Design and Evaluation of Double-Transform Pitch Determination Algorithms",
    ICASSP), taken at the periods of the pitches that are tried. First the envelope of the spectrum
    is taken away, its mean over neighbouring frequencies: what is left is harmonics, whatever the
    formants, and whatever a microphone or a telephone did to them. The sum is relative to how much
    is left, so it does not depend on the sound's level. A missing fundamental is heard by its
    harmonics.

    Args:
        lowest_hz: lowest pitch that is tried, above 0.
        highest_hz: none above it is tried, no less than `lowest_hz`.
        **kwargs: those of `SpectralFrames`; a window holds two periods of `lowest_hz` or more.

    Raises:
        ValueError: as for `SpectralFrames`, or if an argument breaks its rule.
    """

    arguments = (*SpectralFrames.arguments, "lowest_hz", "highest_hz")

    def __init__(self, lowest_hz: float = 60.0, highest_hz: float = 600.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lowest_hz = lowest_hz
        self.highest_hz = highest_hz
        require(
            0 < lowest_hz <= highest_hz,
            "lowest_hz must be above 0 and no more than highest_hz",
            lowest_hz=lowest_hz,
            highest_hz=highest_hz,
        )
        require(
            self.window_samples * lowest_hz >= 2 * self.rate_hz,
            "window_samples must hold two periods of lowest_hz",
            window_samples=self.window_samples,
            lowest_hz=lowest_hz,
        )

    def build(self, input_shape: Shape) -> None:
        """Makes the window and the waves of the pitches."""
        steps = math.floor(_STEPS_PER_OCTAVE * math.log2(self.highest_hz / self.lowest_hz) + 1e-9)
        pitches_hz = self.lowest_hz * 2 ** (np.arange(steps + 1) / _STEPS_PER_OCTAVE)
        bins_hz = np.fft.rfftfreq(self.n_fft, 1 / self.rate_hz)
        low, high = np.searchsorted(bins_hz, _HARMONICS_HZ)
        self._heard, self._flatten = _flattening(bins_hz, low, high)
        waves = np.cos(2 * np.pi * np.outer(bins_hz[low:high], 1 / pitches_hz))
        self._waves = waves.astype("float32")  # (bins, pitches)
        self._octaves = np.log2(pitches_hz / REFERENCE_HZ).astype("float32")
        super().build(input_shape)

    def autocorrelation(self, samples: Any) -> Any:
        """That of each frame at the period of each pitch: `(batch, frames, pitches)`, at most 1.

        Zeros where a frame is silent.
        """
        root = ops.power(self.spectrum(samples)[..., : self._heard], _EXPONENT)
        harmonics = ops.matmul(root, self._flatten)
        left = ops.sum(ops.abs(harmonics), axis=-1, keepdims=True)
        left += _ROUNDING * ops.sum(root, axis=-1, keepdims=True) + _TINY
        return ops.matmul(harmonics, self._waves) / left

    def pitch(self, samples: Any) -> Any:
        """Of each frame, `(batch, frames, 3)`.

        First its periodicity, the highest autocorrelation, from about 0 to 1; then how far that is
        voiced, from 0 to 1; last the pitch in octaves from `REFERENCE_HZ`, towards 0 as the frame
        is less voiced.
        """
        autocorrelation = self.autocorrelation(samples)
        periodicity = ops.max(autocorrelation, axis=-1, keepdims=True)
        shares = ops.softmax(autocorrelation / _PEAK_WIDTH, axis=-1)
        octaves = ops.sum(shares * self._octaves, axis=-1, keepdims=True)
        voiced = ops.sigmoid((periodicity - _VOICED) / _VOICED_WIDTH)
        return ops.concatenate([periodicity, voiced, voiced * octaves], axis=-1)


@keras.saving.register_keras_serializable("ser_tf")
class CentredPitch(PitchFrames):
    """Periodicity, voicing and pitch of frames centred on multiples of the hop.

    Input shape: waveform `(batch, samples)`, one sample or more.
    Output shape: `(batch, 1 + samples // hop_samples, 3)`, see `PitchFrames.pitch`.
    """

    def call(self, inputs: Any) -> Any:
        """The pitch of the waveforms `inputs`."""
        return self.pitch(self.centred(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, 3)`."""
        batch, samples = input_shape
        return (batch, self.centred_frames(samples), _CHANNELS)


@keras.saving.register_keras_serializable("ser_tf")
class CausalPitch(CausalFrames, PitchFrames):
    """Periodicity, voicing and pitch of causal frames, see `PitchFrames.pitch`."""

    arguments = (*PitchFrames.arguments, "least_frames")
    channels = _CHANNELS

    def measure(self, samples: Any) -> Any:
        """Periodicity, voicing and pitch, `(batch, frames, 3)`."""
        return self.pitch(samples)


@keras.saving.register_keras_serializable("ser_tf")
class RelativePitch(Float32Layer):
    """Pitch, and beside it pitch relative to the clip's voice, whosever that is, and its change.

    Relative to the mean over the clip, each frame weighted by how far it is voiced; in a clip
    without voice, to `REFERENCE_HZ`.

    Input shape: periodicity, voicing and pitch, `(batch, frames, 3)`, see `PitchFrames.pitch`.
    Output shape: `(batch, frames, 5)`: the same; the pitch in octaves from the mean, towards 0 as
        the frame is less voiced; the change in octaves from the frame before, towards 0 as either
        is less voiced, at most `LARGEST_CHANGE` up or down.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(axes={-1: _CHANNELS}, ndim=3)

    def call(self, inputs: Any) -> Any:
        """The relative pitch of the clips `inputs`."""
        sums = ops.sum(inputs[..., 1:], axis=1, keepdims=True)
        return _relative(inputs, sums, ops.zeros_like(inputs[:, :1, 1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, 5)`."""
        return (*input_shape[:2], _CHANNELS + 2)


@keras.saving.register_keras_serializable("ser_tf")
class CausalRelativePitch(RelativePitch):
    """Pitch, and beside it pitch relative to the voice so far, whosever that is, and its change.

    As `RelativePitch`, but the mean is over the frames up to each, weighted by
    `exp(-age / memory_frames)` as well.

    Args:
        memory_frames: age at which a frame counts 1/e of what it did, above 0.

    Raises:
        ValueError: if `memory_frames` is not positive.
    """

    arguments = ("memory_frames",)
    stride = 1
    state_size = 4

    def __init__(self, memory_frames: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(memory_frames=memory_frames)
        self.memory_frames = memory_frames

    def call(self, inputs: Any) -> Any:
        """The relative pitch of clips that begin with `inputs`."""
        return self.step(inputs, ops.zeros((ops.shape(inputs)[0], self.state_size)))[0]

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The relative pitch of the next frames, whose pitch is `(batch, frames, 3)`.

        The state is the sums of voicing and of voiced octaves, as of the last frame, and both in
        that frame.
        """
        voices = chunk[..., 1:]
        sums = fading_sums(voices, state[:, :2], self.memory_frames)
        following = ops.concatenate([sums[:, -1], voices[:, -1]], axis=-1)
        return _relative(chunk, sums, ops.expand_dims(state[:, 2:], 1)), following


def _relative(pitch: Any, sums: Any, before: Any) -> Any:
    """Pitch, and beside it pitch relative to a mean, and its change.

    Args:
        pitch: `(batch, frames, 3)`, see `PitchFrames.pitch`.
        sums: of voicing and of voiced octaves over the frames of the mean, `(batch, any, 2)`.
        before: both in the frame before the first, `(batch, 1, 2)`.

    Returns:
        `(batch, frames, 5)`.
    """
    voices = ops.concatenate([before, pitch[..., 1:]], axis=1)
    voiced, octaves = voices[..., :1], voices[..., 1:]
    mean = sums[..., 1:] / (sums[..., :1] + _FIRST_VOICED)
    relative = octaves[:, 1:] - voiced[:, 1:] * mean
    # Octaves are weighted by voicing already: this is both voicings times the change.
    change = voiced[:, :-1] * octaves[:, 1:] - voiced[:, 1:] * octaves[:, :-1]
    change = ops.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
    return ops.concatenate([pitch, relative, change], axis=-1)


def _flattening(bins_hz: np.ndarray, low: int, high: int) -> tuple[int, np.ndarray]:
    """What takes the envelope away from spectra.

    Args:
        bins_hz: frequencies of a spectrum, equally far apart.
        low: the first bin that is to be flat.
        high: the one after the last.

    Returns:
        How many bins from the first on the envelope depends on, and the matrix
        `(so many, high - low)` that makes of them what is left without it.
    """
    heard = int(np.searchsorted(bins_hz, _HARMONICS_HZ[1] + _ENVELOPE_HZ))
    distances = np.abs(bins_hz[:heard, None] - bins_hz[None, low:high]) / _ENVELOPE_HZ
    weights = np.cos(np.pi / 2 * np.minimum(distances, 1)) ** 2
    flatten = np.eye(heard)[:, low:high] - weights / weights.sum(axis=0)
    return heard, flatten.astype("float32")
