"""Pitch and voicing of a voice, from the autocorrelation of frames."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape
from ser_tf.layers.features.spectrum import CausalFrames, SpectralFrames
from ser_tf.layers.lmu.checks import require, require_positive
from ser_tf.layers.streaming import Streaming, fading_sums

REFERENCE_HZ = 180.0
"""The pitch from which octaves are counted: between those usual for men and for women."""

_CHANNELS = 3
"""Periodicity, voicing and pitch."""

_EXPONENT = 1 / 3
"""Exponent of the power. Below 1 loud formants count for less, which sharpens the peaks (Tolonen
and Karjalainen, 2000, "A Computationally Efficient Multipitch Analysis Model", IEEE TSAP 8(6))."""

_HARMONICS_HZ = (50.0, 2500.0)
_ENVELOPE_HZ = 450.0
"""Reach of the mean that is the spectrum's envelope, to either side: about a voice's highest pitch.
With less, high voices are taken for voices an octave lower; with more, formants remain."""

_STEPS_PER_OCTAVE = 24
_PEAK_WIDTH = 0.015
"""A pitch whose autocorrelation is this much below the best counts 1/e of it."""

_VOICED = 0.42
_VOICED_WIDTH = 0.04
"""The periodicity at which a frame counts as half voiced, and the softness of that threshold. Above
it one pitch in a hundred is wrong, nine in a hundred over a telephone."""

LARGEST_CHANGE = 0.3
"""In octaves a frame. No voice changes faster: more is another voice or an octave error."""

_FIRST_VOICED = 0.5
"""Voiced frames at `REFERENCE_HZ` assumed before the first: a mean of few frames says little."""

_TINY = 1e-6
_ROUNDING = 1e-5
"""Of a spectrum that is all envelope, as a click's is, only rounding errors remain: at most a
millionth of it, different on every machine."""


class PitchFrames(SpectralFrames):
    """The pitch of frames, by their generalised autocorrelation.

    That is the Fourier transform of a root of a frame's power rather than of the power itself
    (Indefrey, Hess and Seeser, 1985, "Design and Evaluation of Double-Transform Pitch Determination
    Algorithms", ICASSP), at the periods of the candidate pitches. The envelope of the spectrum, its
    mean over neighbouring frequencies, is subtracted first: the harmonics remain, without the
    formants and the colour of a microphone or telephone. The sum is divided by the magnitude of
    what remains, so it does not depend on the sound's level. Harmonics suffice: the fundamental may
    be missing.

    Args:
        lowest_hz: lowest candidate, above 0.
        highest_hz: upper bound of the candidates, at least `lowest_hz`.
        **kwargs: those of `SpectralFrames`; a window is at least two periods of `lowest_hz` long.

    Raises:
        ValueError: as for `SpectralFrames`, or if an argument breaks its rule.
    """

    arguments = (*SpectralFrames.arguments, "lowest_hz", "highest_hz")

    def __init__(self, lowest_hz: float = 60.0, highest_hz: float = 600.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lowest_hz = lowest_hz
        self.highest_hz = highest_hz
        require_positive(lowest_hz=lowest_hz)
        pitches = {"lowest_hz": lowest_hz, "highest_hz": highest_hz}
        require(lowest_hz <= highest_hz, "lowest_hz must be at most highest_hz", **pitches)
        require(
            self.window_samples * lowest_hz >= 2 * self.rate_hz,
            "window_samples must be at least two periods of lowest_hz",
            window_samples=self.window_samples,
            lowest_hz=lowest_hz,
        )

    def build(self, input_shape: Shape) -> None:
        """Makes the window and the waves of the candidates."""
        steps = math.floor(_STEPS_PER_OCTAVE * math.log2(self.highest_hz / self.lowest_hz) + 1e-9)
        pitches_hz = self.lowest_hz * 2 ** (np.arange(steps + 1) / _STEPS_PER_OCTAVE)
        bins_hz = np.fft.rfftfreq(self.n_fft, 1 / self.rate_hz)
        low, high = np.searchsorted(bins_hz, _HARMONICS_HZ)
        self._bins, self._flatten = _flattening(bins_hz, low, high)
        waves = np.cos(2 * np.pi * np.outer(bins_hz[low:high], 1 / pitches_hz))
        self._waves = waves.astype("float32")  # (bins, pitches)
        self._octaves = np.log2(pitches_hz / REFERENCE_HZ).astype("float32")
        super().build(input_shape)

    def autocorrelation(self, samples: Any) -> Any:
        """Of each frame at each candidate's period: `(batch, frames, pitches)`, at most 1.

        Zeros for a silent frame.
        """
        root = ops.power(self.spectrum(samples)[..., : self._bins], _EXPONENT)
        harmonics = ops.matmul(root, self._flatten)
        left = ops.sum(ops.abs(harmonics), axis=-1, keepdims=True)
        left += _ROUNDING * ops.sum(root, axis=-1, keepdims=True) + _TINY
        return ops.matmul(harmonics, self._waves) / left

    def pitch(self, samples: Any) -> Any:
        """Periodicity, voicing and pitch of each frame, `(batch, frames, 3)`.

        The periodicity is the highest autocorrelation, from about 0 to 1; the voicing, from 0 to 1,
        grows with it; the pitch is in octaves from `REFERENCE_HZ`, times the voicing.
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
        """Periodicity, voicing and pitch of the frames of `inputs`."""
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
    """Pitch, pitch relative to the clip's mean pitch, and the change of pitch.

    Frames are weighted by their voicing in the mean, which is `REFERENCE_HZ` in a clip without
    voice.

    Input shape: periodicity, voicing and pitch, `(batch, frames, 3)`, see `PitchFrames.pitch`.
    Output shape: `(batch, frames, 5)`: the input; the pitch in octaves from the mean, times the
        voicing; the change in octaves from the frame before, times the voicing of both frames, at
        most `LARGEST_CHANGE` up or down.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(axes={-1: _CHANNELS}, ndim=3)

    def call(self, inputs: Any) -> Any:
        """The relative pitch of whole clips."""
        sums = ops.sum(inputs[..., 1:], axis=1, keepdims=True)
        return _relative(inputs, sums, ops.zeros_like(inputs[:, :1, 1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, 5)`."""
        return (*input_shape[:2], _CHANNELS + 2)


@keras.saving.register_keras_serializable("ser_tf")
class CausalRelativePitch(Streaming, RelativePitch):
    """Pitch, pitch relative to the mean pitch so far, and the change of pitch.

    As `RelativePitch`, but the mean is over the frames up to each, weighted by
    `exp(-age / memory_frames)` as well.

    Args:
        memory_frames: age at which a frame counts 1/e of what it did, above 0.

    Raises:
        ValueError: if `memory_frames` is not above 0.
    """

    arguments = ("memory_frames",)
    stride = 1
    state_size = 4

    def __init__(self, memory_frames: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(memory_frames=memory_frames)
        self.memory_frames = memory_frames

    def call(self, inputs: Any) -> Any:
        """The relative pitch of whole clips."""
        return self.step(inputs, ops.zeros((ops.shape(inputs)[0], self.state_size)))[0]

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The relative pitch of the next frames, whose pitch is `(batch, frames, 3)`.

        The state holds the sums of voicing and of voiced octaves up to the last frame, and both
        numbers of that frame.
        """
        voices = chunk[..., 1:]
        sums = fading_sums(voices, state[:, :2], self.memory_frames)
        following = ops.concatenate([sums[:, -1], voices[:, -1]], axis=-1)
        return _relative(chunk, sums, ops.expand_dims(state[:, 2:], 1)), following


def _relative(pitch: Any, sums: Any, before: Any) -> Any:
    """Pitch, pitch relative to a mean, and the change of pitch.

    Args:
        pitch: `(batch, frames, 3)`, see `PitchFrames.pitch`.
        sums: of voicing and of voiced octaves over the frames of the mean, `(batch, any, 2)`.
        before: both numbers of the frame before the first, `(batch, 1, 2)`.

    Returns:
        `(batch, frames, 5)`.
    """
    voices = ops.concatenate([before, pitch[..., 1:]], axis=1)
    voiced, octaves = voices[..., :1], voices[..., 1:]
    mean = sums[..., 1:] / (sums[..., :1] + _FIRST_VOICED)
    relative = octaves[:, 1:] - voiced[:, 1:] * mean
    # Octaves are times voicing already: this is the change times both voicings.
    change = voiced[:, :-1] * octaves[:, 1:] - voiced[:, 1:] * octaves[:, :-1]
    change = ops.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
    return ops.concatenate([pitch, relative, change], axis=-1)


def _flattening(bins_hz: np.ndarray, low: int, high: int) -> tuple[int, np.ndarray]:
    """The matrix that subtracts the envelope from spectra.

    Args:
        bins_hz: frequencies of a spectrum, at equal distances.
        low: the first bin to flatten.
        high: the one after the last.

    Returns:
        The number n of leading bins that matter, and the matrix `(n, high - low)` from these to the
        bins from `low` to `high` without their envelope.
    """
    bins = int(np.searchsorted(bins_hz, _HARMONICS_HZ[1] + _ENVELOPE_HZ))
    distances = np.abs(bins_hz[:bins, None] - bins_hz[None, low:high]) / _ENVELOPE_HZ
    weights = np.cos(np.pi / 2 * np.minimum(distances, 1)) ** 2
    flatten = np.eye(bins)[:, low:high] - weights / weights.sum(axis=0)
    return bins, flatten.astype("float32")
