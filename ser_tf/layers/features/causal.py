"""Causal features: each frame depends on what was heard before its end, and on nothing after it.

Layers that need what was heard before compute a clip at once (`call`) or chunk by chunk (`step`,
see `ser_tf.layers.streaming`), with equal results.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ser_tf.layers.features.framing import Float32Layer, Shape, at_least, require, require_positive
from ser_tf.layers.features.spectrum import (
    DECIBEL,
    CausalFrames,
    MelFrames,
    cosine_vectors,
    decibels,
)
from ser_tf.layers.streaming import fading_sums

ABSENT = -1e4
"""The logarithm of the weight of a frame that was never heard: the weight itself is 0.0. Rows of
such frames fill up clips of a batch at the end."""

_LEAST_POWER = 1e-16
"""-160 dB: less than what rounding to 24 bits leaves in a band."""

_TINY = 1e-30
_GATE_DB = 4.0
"""How gradually frames fall silent: their weight is 0.5 at the gate and 0.9 so much * 2.2 above."""


@keras.saving.register_keras_serializable("ser_tf")
class CausalLogMel(CausalFrames, MelFrames):
    """Levels of mel bands in dB of causal frames, -160 dB and above; a channel a band.

    Equal to librosa's `power_to_db(melspectrogram(..., center=False), amin=1e-16, top_db=None)` of
    the waveform after `window_samples - hop_samples` zeros. librosa's own least power, 1e-10, is
    above what soft recordings hold of pauses.
    """

    arguments = (*MelFrames.arguments, "least_frames")

    @property
    def channels(self) -> int:
        """One a band."""
        return self.n_mels

    def measure(self, samples: Any) -> Any:
        """The levels, `(batch, frames, n_mels)`."""
        return decibels(self.power(samples), _LEAST_POWER)


@keras.saving.register_keras_serializable("ser_tf")
class RelativeLevels(Float32Layer):
    """Levels relative to how loud the sound has been so far, so that gain does not matter.

    The reference of a frame is the mean level, in dB, of the frames up to it, weighted by
    `power ** exponent` and by `exp(-age / memory_frames)`: soon after speech has begun it is the
    level of speech, and pauses hardly change it. It is what a microphone's automatic gain control
    follows, but exact, and known for every prefix of a recording.

    How much a frame should count among those of a clip is told beside: as much as the reference
    then, to the power of `exponent`, so that frames before any speech count for little, and less
    the further the frame itself is below `gate_db` under it. A change of gain changes all of a
    clip's weights by one factor.

    Input shape: levels of bands in dB, `(batch, frames, bands)`.
    Output shape: `(batch, frames, bands + 2)`: the bands, and after them the whole frame, relative
        to the reference, in units of 20 dB, no less than `-range_db`; last, the natural logarithm
        of the frame's weight.

    Args:
        memory_frames: age at which a frame counts 1/e of what it did, above 0.
        exponent: how far loud frames outweigh quiet ones, above 0.
        range_db: levels further below the reference are raised to it, above 0.
        gate_db: how far below the reference a frame is silent, above 0.
        core: the bands whose power together is a frame's level, the first and the one after the
            last; None for all.

    Raises:
        ValueError: if another argument is not positive, or `core` holds no bands.
    """

    arguments = ("memory_frames", "exponent", "range_db", "gate_db", "core")
    stride = 1
    state_size = 2

    def __init__(
        self,
        memory_frames: float,
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
        """The relative levels of clips that begin with `inputs`."""
        state = ops.zeros((ops.shape(inputs)[0], self.state_size))
        return self.step(inputs, state)[0]

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """The relative levels of the next frames, `(batch, frames, bands)`.

        The state is the sums of the weighted levels and of the weights, as of the last frame.
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
class RelativeCepstrum(Float32Layer):
    """The cosine transform of relative levels: MFCC free of gain (Davis and Mermelstein, 1980).

    With `core` the bands of the core, those below and those above are transformed each by
    themselves. Where a line does not carry what lies outside, only the few coefficients there
    differ, or none without such.

    Input shape: output of `RelativeLevels`, `(batch, frames, bands + 2)`.
    Output shape: `(batch, frames, n_mfcc + 2)`: the coefficients, and the last two channels as
        they were. With `core` `outside` coefficients of the bands below and as many of those above
        follow the `n_mfcc` of the core.

    Args:
        n_mfcc: number of coefficients, from 1 to the number of bands.
        core: the bands of the core, the first and the one after the last; None for all.
        outside: number of coefficients on either side of the core; 2 are the level and its slope.

    Raises:
        ValueError: if there are fewer bands, or less than `outside` on a side of the core.
    """

    arguments = ("n_mfcc", "core", "outside")
    timeless = True

    def __init__(
        self, n_mfcc: int, core: Sequence[int] | None = None, outside: int = 2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_positive(n_mfcc=n_mfcc)
        require(outside >= 0, "outside must not be negative", outside=outside)
        _require_bands(core)
        self.n_mfcc = n_mfcc
        self.core = core
        self.outside = outside
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Makes the vectors of the cosine transform."""
        bands = (input_shape[2] or 0) - 2
        first, end = self.core or (0, bands)
        rule = "n_mfcc must be no more than the bands"
        require(self.n_mfcc <= end - first, rule, n_mfcc=self.n_mfcc, bands=end - first)
        groups = [(first, end, self.n_mfcc)]
        if self.core is not None and self.outside:
            least = self.outside
            rule = f"the core must leave {least} bands below it and above"
            require(first >= least and end <= bands - least, rule, core=self.core, bands=bands)
            groups += [(0, first, least), (end, bands, least)]
        vectors = []
        for low, high, coefficients in groups:
            outside = ((low, bands - high), (0, 0))
            vectors.append(np.pad(cosine_vectors(high - low, coefficients), outside))
        self._dct = np.concatenate(vectors, axis=1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The coefficients of the frames `inputs`."""
        coefficients = ops.matmul(inputs[..., :-2], self._dct)
        return ops.concatenate([coefficients, inputs[..., -2:]], axis=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        outside = 0 if self.core is None else 2 * self.outside
        return (*input_shape[:2], self.n_mfcc + outside + 2)


@keras.saving.register_keras_serializable("ser_tf")
class FillFrames(Float32Layer):
    """Clips at one number of frames, for arrays: absent frames after a shorter one.

    Of a longer clip the last frames are taken.

    Input shape: `(batch, any, channels)`, of which the last is the logarithm of a weight.
    Output shape: `(batch, frames, channels)`; absent frames are zeros, their last channel `ABSENT`.

    Args:
        frames: length of the result, at least 1.

    Raises:
        ValueError: if `frames` is less than 1.
    """

    arguments = ("frames",)

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(frames=frames)
        self.frames = frames
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        """The clips `inputs` at `frames` frames."""
        batch, frames, channels = ops.shape(inputs)
        heard = inputs[:, at_least(0, frames - self.frames) :]
        absent = np.zeros((1, 1, channels), "float32")
        absent[..., -1] = ABSENT
        absent = ops.tile(absent, (batch, at_least(0, self.frames - frames), 1))
        return ops.concatenate([heard, absent], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`(batch, frames, channels)`."""
        return (input_shape[0], self.frames, input_shape[2])


def mix_frames(features: Any, others: Any, of_others: Any) -> Any:
    """Clips mixed frame by frame with others; a frame that only one of the two has is that one's.

    Args:
        features: output of `FillFrames`, `(batch, frames, channels)`.
        others: the same of the clips to mix in.
        of_others: their share, from 0 to 1, `(batch, 1, 1)`.

    Returns:
        `(batch, frames, channels)`: the weighted mean of the channels, and the logarithm of the
        mean weight.
    """
    shares = [1 - of_others, of_others]
    clips = [features, others]
    heard = [
        share * ops.cast(clip[..., -1:] > ABSENT, clip.dtype)
        for share, clip in zip(shares, clips, strict=True)
    ]
    total = heard[0] + heard[1]
    mixed = heard[0] * features[..., :-1] + heard[1] * others[..., :-1]
    mixed = ops.where(total > 0, mixed / ops.maximum(total, _TINY), 0.0)
    weight = heard[0] * ops.exp(features[..., -1:]) + heard[1] * ops.exp(others[..., -1:])
    counts = ops.where(total > 0, ops.log(ops.maximum(weight, _TINY)), ABSENT)
    return ops.concatenate([mixed, counts], axis=-1)


def _require_bands(core: Sequence[int] | None) -> None:
    if core is not None:
        first, end = core
        require(0 <= first < end, "core must be a first band and a later one", core=core)
