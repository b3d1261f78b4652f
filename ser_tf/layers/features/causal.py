"""Causal features: a frame depends on nothing that comes after its last sample.

Layers that look back compute a clip at once (`call`) or chunk by chunk (`step`, see
`ser_tf.layers.streaming`), with equal results.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape, at_least
from ser_tf.layers.features.spectrum import (
    DECIBEL,
    CausalFrames,
    MelFrames,
    cosine_vectors,
    decibels,
)
from ser_tf.layers.lmu.checks import require, require_not_negative, require_positive, require_sizes
from ser_tf.layers.streaming import Streaming, Timeless, fading_sums

ABSENT = -1e4
"""The logarithm of the weight of an absent frame; the weight itself is 0.0 in float32. Absent
frames follow the shorter clips of an array."""

_LEAST_POWER = 1e-16
"""-160 dB: less than the error in a band that rounding to 24 bits leaves."""

_TINY = 1e-30
_GATE_DB = 4.0
"""Softness of the gate in dB: a frame's weight is 0.5 at the gate and 0.9 at 2.2 times this above
it."""


@keras.saving.register_keras_serializable("ser_tf")
class CausalLogMel(CausalFrames, MelFrames):
    """Levels of mel bands of causal frames in dB, at least -160 dB; one channel a band.

    Equal to librosa's `power_to_db(melspectrogram(..., center=False), amin=1e-16, top_db=None)` of
    the waveform after `window_samples - hop_samples` zeros. librosa's own least power, 1e-10, is
    more than the pauses of soft recordings have.
    """

    arguments = (*MelFrames.arguments, "least_frames")

    @property
    def channels(self) -> int:
        """One channel a band."""
        return self.n_mels

    def measure(self, samples: Any) -> Any:
        """The levels, `(batch, frames, n_mels)`."""
        return decibels(self.power(samples), _LEAST_POWER)


@keras.saving.register_keras_serializable("ser_tf")
class RelativeLevels(Streaming, Float32Layer):
    """Levels relative to how loud the sound has been so far, so that gain does not matter.

    The reference of a frame is the mean level, in dB, of the frames up to it, weighted by
    `power ** exponent` and by `exp(-age / memory_frames)`: soon after speech has begun it is the
    level of speech, and pauses hardly change it. A microphone's automatic gain control follows the
    same; this one is exact, and known for every prefix of a recording.

    The last channel is the weight of a frame in statistics over the clip: the reference to the
    power of `exponent`, so that frames before any speech count for little, and less the further the
    frame lies below the gate, `gate_db` under the reference. A change of gain changes all weights
    of a clip by one factor.

    Input shape: levels of bands in dB, `(batch, frames, bands)`.
    Output shape: `(batch, frames, bands + 2)`: the levels of the bands and of the whole frame,
        relative to the reference, at least `-range_db`, in units of 20 dB; last, the natural
        logarithm of the frame's weight.

    Args:
        memory_frames: age at which a frame counts 1/e of what it did, above 0.
        exponent: how far loud frames outweigh quiet ones, above 0.
        range_db: levels further below the reference are raised to it, above 0.
        gate_db: how far below the reference a frame counts as silent, above 0.
        core: the bands whose summed power is a frame's level, as the first and the one after the
            last; None for all.

    Raises:
        ValueError: if an argument is not above 0, or `core` contains no band.
    """

    arguments = ("memory_frames", "exponent", "range_db", "gate_db", "core")
    stride = 1
    state_size = 2

    def __init__(
        self,
        memory_frames: float,
        *,
        exponent: float = 0.5,
        range_db: float = 60.0,
        gate_db: float = 50.0,
        core: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.memory_frames = memory_frames
        self.exponent = exponent
        self.range_db = range_db
        self.gate_db = gate_db
        self.core = core
        self.input_spec = keras.layers.InputSpec(ndim=3)
        require_positive(
            memory_frames=memory_frames, exponent=exponent, range_db=range_db, gate_db=gate_db
        )
        _require_bands(core)

    def call(self, inputs: Any) -> Any:
        """The relative levels of whole clips."""
        state = ops.zeros((ops.shape(inputs)[0], self.state_size))
        return self.step(inputs, state)[0]

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The relative levels of the next frames, `(batch, frames, bands)`.

        The state holds the sums of the weighted levels and of the weights up to the last frame.
        """
        core = chunk[..., slice(*self.core or (None,))]
        level = ops.logsumexp(core * DECIBEL, axis=2, keepdims=True) / DECIBEL
        weight = ops.exp(level * (DECIBEL * self.exponent))
        sums = ops.concatenate([weight * level, weight], axis=2)  # (batch, frames, 2)
        sums = fading_sums(sums, state, self.memory_frames)
        reference = sums[..., :1] / sums[..., 1:]
        relative = ops.concatenate([chunk, level], axis=2) - reference
        gate = ops.log_sigmoid((relative[..., -1:] + self.gate_db) / _GATE_DB)
        counts = reference * (DECIBEL * self.exponent) + gate
        relative = ops.maximum(relative, -self.range_db) / 20
        return ops.concatenate([relative, counts], axis=2), sums[:, -1]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, bands + 2)`."""
        *leading, bands = input_shape
        return (*leading, None if bands is None else bands + 2)


@keras.saving.register_keras_serializable("ser_tf")
class RelativeCepstrum(Timeless, Float32Layer):
    """The cosine transform of relative levels: MFCC (Davis and Mermelstein, 1980) without gain.

    With `core` the bands of the core, those below it and those above it are transformed separately:
    a telephone line, which carries the core alone, changes none of the core's coefficients.

    Input shape: output of `RelativeLevels`, `(batch, frames, bands + 2)`.
    Output shape: `(batch, frames, n_mfcc + 2)`: the coefficients, and the last two channels as
        they were. With `core`, `outside` coefficients of the bands below and as many of the bands
        above follow the `n_mfcc` of the core.

    Args:
        n_mfcc: number of coefficients, from 1 to the number of bands.
        core: the bands of the core, as the first and the one after the last; None for all.
        outside: number of coefficients on either side of the core; 2 are the level and its slope.

    Raises:
        ValueError: if there are too few bands for `n_mfcc`, or on a side of the core for `outside`.
    """

    arguments = ("n_mfcc", "core", "outside")

    def __init__(
        self, n_mfcc: int, *, core: Sequence[int] | None = None, outside: int = 2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_sizes(n_mfcc=n_mfcc)
        require_not_negative(outside=outside)
        _require_bands(core)
        self.n_mfcc = n_mfcc
        self.core = core
        self.outside = outside
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Makes the vectors of the cosine transform."""
        bands = (input_shape[2] or 0) - 2
        first, end = self.core or (0, bands)
        rule = "n_mfcc must be at most the number of bands"
        require(self.n_mfcc <= end - first, rule, n_mfcc=self.n_mfcc, bands=end - first)
        groups = [(first, end, self.n_mfcc)]
        if self.core is not None and self.outside:
            least = self.outside
            rule = f"core must leave at least {least} bands below it and above it"
            require(first >= least and end <= bands - least, rule, core=self.core, bands=bands)
            groups += [(0, first, least), (end, bands, least)]
        vectors = []
        for low, high, coefficients in groups:
            outside = ((low, bands - high), (0, 0))
            vectors.append(np.pad(cosine_vectors(high - low, coefficients), outside))
        self._dct = np.concatenate(vectors, axis=1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The coefficients of every frame."""
        coefficients = ops.matmul(inputs[..., :-2], self._dct)
        return ops.concatenate([coefficients, inputs[..., -2:]], axis=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        outside = 0 if self.core is None else 2 * self.outside
        return (*input_shape[:2], self.n_mfcc + outside + 2)


@keras.saving.register_keras_serializable("ser_tf")
class FillFrames(Float32Layer):
    """Clips with the same number of frames, for arrays.

    Absent frames follow a shorter clip; a longer one keeps its last frames.

    Input shape: `(batch, any, channels)`, the last channel the logarithm of the frame's weight.
    Output shape: `(batch, frames, channels)`; an absent frame is zeros, and `ABSENT` in its last
        channel.

    Args:
        frames: length of the output, at least 1.

    Raises:
        ValueError: if `frames` is not an integer of at least 1.
    """

    arguments = ("frames",)

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_sizes(frames=frames)
        self.frames = frames
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        """The clips `inputs`, each `frames` long."""
        batch, frames, channels = ops.shape(inputs)
        kept = inputs[:, at_least(0, frames - self.frames) :]
        absent = np.zeros((1, 1, channels), "float32")
        absent[..., -1] = ABSENT
        absent = ops.tile(absent, (batch, at_least(0, self.frames - frames), 1))
        return ops.concatenate([kept, absent], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        return (input_shape[0], self.frames, input_shape[2])


def mix_frames(features: Any, others: Any, of_others: Any) -> Any:
    """Clips mixed frame by frame with others; where only one has a frame, that frame is taken.

    Args:
        features: output of `FillFrames`, `(batch, frames, channels)`.
        others: the same for the clips to mix in.
        of_others: their share, from 0 to 1, `(batch, 1, 1)`.

    Returns:
        `(batch, frames, channels)`: the weighted mean of the channels, and the logarithm of the
        mean weight.
    """
    shares = [1 - of_others, of_others]
    clips = [features, others]
    present = [
        share * ops.cast(clip[..., -1:] > ABSENT, clip.dtype)
        for share, clip in zip(shares, clips, strict=True)
    ]
    total = present[0] + present[1]
    mixed = present[0] * features[..., :-1] + present[1] * others[..., :-1]
    mixed = ops.where(total > 0, mixed / ops.maximum(total, _TINY), 0.0)
    weight = present[0] * ops.exp(features[..., -1:]) + present[1] * ops.exp(others[..., -1:])
    counts = ops.where(total > 0, ops.log(ops.maximum(weight, _TINY)), ABSENT)
    return ops.concatenate([mixed, counts], axis=-1)


def _require_bands(core: Sequence[int] | None) -> None:
    if core is not None:
        first, end = core
        require(0 <= first < end, "core must be a band and a later one", core=core)
