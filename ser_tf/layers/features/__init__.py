"""Features of speech as Keras layers: the same in training, in `Dataset.map` and in a served model.

Every layer computes in float32 whatever the dtype policy, and treats each item of a batch on its
own. Levels, coefficients, deltas, zero crossings and RMS equal librosa's under its defaults (McFee
et al., 2015, "librosa: Audio and music signal analysis in Python"): frames centred on multiples of
the hop, zeros beyond both ends, Slaney's mel bands, an orthonormal DCT of type 2. The frames of
`causal` look back only, for streams; `pitch` follows the voice's pitch; `Beside` concatenates
features. `WhisperLogMel` and `WhisperEncoder` are the front end and first blocks of Whisper;
`IsolateSound` frees a clip of silence around it and of its level.
"""

from ser_tf.layers.features.beside import Beside
from ser_tf.layers.features.causal import (
    ABSENT,
    CausalLogMel,
    FillFrames,
    RelativeCepstrum,
    RelativeLevels,
    mix_frames,
)
from ser_tf.layers.features.frames import MFCC, Deltas, LogMel
from ser_tf.layers.features.framing import FitClip
from ser_tf.layers.features.isolate import IsolateSound
from ser_tf.layers.features.pitch import (
    CausalPitch,
    CausalRelativePitch,
    CentredPitch,
    RelativePitch,
)
from ser_tf.layers.features.published import PublishedRow, root_mean_square, zero_crossing_rate
from ser_tf.layers.features.spectrum import mel_bands_within
from ser_tf.layers.features.whisper_encoder import ThinFrames, WhisperEncoder
from ser_tf.layers.features.whisper_mel import WhisperLogMel

__all__ = [
    "ABSENT",
    "MFCC",
    "Beside",
    "CausalLogMel",
    "CausalPitch",
    "CausalRelativePitch",
    "CentredPitch",
    "Deltas",
    "FillFrames",
    "FitClip",
    "IsolateSound",
    "LogMel",
    "PublishedRow",
    "RelativeCepstrum",
    "RelativeLevels",
    "RelativePitch",
    "ThinFrames",
    "WhisperEncoder",
    "WhisperLogMel",
    "mel_bands_within",
    "mix_frames",
    "root_mean_square",
    "zero_crossing_rate",
]
