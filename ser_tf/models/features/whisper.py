"""Frames of Whisper's encoder, of clips of any length."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ser_tf.models.features import whisper_weights
from ser_tf.models.features.feature import VaryingLength

if TYPE_CHECKING:
    from pathlib import Path

    import keras

_RATE_HZ = 16_000
_FRAMES_PER_SECOND = 50
_LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class WhisperFeatures(VaryingLength):
    """Frames of the first blocks of Whisper's encoder, whose weights are not trained.

    The encoder gets a clip with a second of silence around its sound at most, at one level, and no
    more than 30 s of it: longer silence, and the level of a recording, change nothing. Zeros at the
    end of a clip are padding. See `IsolateSound`, `WhisperLogMel`, `WhisperEncoder` and
    `ThinFrames` in `ser_tf.layers.features`.

    Attributes:
        rate_hz: sampling rate of the waveform: 16,000 Hz, as Whisper was trained.
        size: "tiny", "base" or "small": 384, 512 or 768 channels and 4, 6 or 12 blocks in all.
        blocks: number of transformer blocks, counted from the first.
        stride: number of 20 ms frames averaged into one, at least 1.
        gate_db: frames further below the loudest one count as silent and weigh little.
        clip_seconds: of longer clips training and scoring use the beginning, at most 30.
        weights: folder to read the weights from, a model folder with such an encoder or a preset
            of KerasHub (`model.weights.h5` and `config.json`); None: the preset on Kaggle.
        weights_file: name of the file in a model folder that holds the encoder's weights.
        array_dtype: half precision, with 3 digits, for some hundred numbers in a frame.
        kept: which part is kept of a recording that is longer than `span_seconds`.
        zeros: where zeros leave the features of a shorter recording as they are.
    """

    weights_file: ClassVar[str] = whisper_weights.FILE
    array_dtype: ClassVar[str] = "float16"
    kept: ClassVar[Literal["beginning"]] = "beginning"
    zeros: ClassVar[Literal["behind"]] = "behind"

    rate_hz: int = _RATE_HZ
    size: str = "base"
    blocks: int = 3
    stride: int = 2
    gate_db: float = 45.0
    clip_seconds: float = 6.0
    weights: str | None = None

    def __post_init__(self) -> None:
        sizes, longest = whisper_weights.SIZES, _LONGEST_SECONDS
        _require("rate_hz must be 16000", self.rate_hz == _RATE_HZ, rate_hz=self.rate_hz)
        _require(f"size must be one of {', '.join(sizes)}", self.size in sizes, size=self.size)
        most = self._size.blocks
        rule = f"blocks must be from 1 to the {most} of size {self.size}"
        _require(rule, 1 <= self.blocks <= most, blocks=self.blocks)
        _require("stride must be at least 1", self.stride >= 1, stride=self.stride)
        _require("gate_db must be above 0", self.gate_db > 0, gate_db=self.gate_db)
        _require(
            f"clip_seconds must be above 0 and at most {longest:g}",
            0 < self.clip_seconds <= longest,
            clip_seconds=self.clip_seconds,
        )

    @property
    def span_seconds(self) -> float:
        """How much of a recording the features of one clip can depend on."""
        return self.clip_seconds

    @property
    def shape(self) -> tuple[None, int]:
        """`(None, channels)`: those of the encoder, and the logarithm of the frame's weight."""
        return None, self._size.width + 1

    @property
    def array_shape(self) -> tuple[int, int]:
        """`(frames, channels)` of features in arrays, the clip's frames and then absent ones."""
        frames = math.ceil(self.clip_seconds * _FRAMES_PER_SECOND)
        return math.ceil(frames / self.stride), self.shape[1]

    def build(self) -> "keras.Layer":
        """The layer "front_end": waveform `(batch, samples)` → `(batch, frames, channels)`.

        Raises:
            InputError: if the weights cannot be had.
        """
        import keras

        from ser_tf.layers import features

        size = self._size
        encoder = features.WhisperEncoder(
            size.width, size.heads, self.blocks, last_norm=self.blocks == size.blocks
        )
        chain = [
            features.IsolateSound(
                _RATE_HZ // _FRAMES_PER_SECOND, self.gate_db, margin_frames=_FRAMES_PER_SECOND
            ),
            features.WhisperLogMel(self.gate_db),
            encoder,
            features.ThinFrames(self.stride),
        ]
        waveform = keras.Input((None,), dtype="float32", name="waveform")
        front_end = keras.Sequential([waveform, *chain], name="front_end")
        whisper_weights.load(encoder, self.size, self.weights)
        return front_end

    def save_weights(self, front_end: "keras.Layer", path: "Path") -> None:
        """Writes the encoder's weights, in half precision where that changes none."""
        from ser_tf.layers.features import WhisperEncoder

        [encoder] = [layer for layer in front_end.layers if isinstance(layer, WhisperEncoder)]
        whisper_weights.save(encoder, path)

    def with_weights(self, folder: str) -> "WhisperFeatures":
        """The entry whose `build` takes the weights that `save_weights` wrote in `folder`."""
        return dataclasses.replace(self, weights=folder)

    def fit(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """The first frames of a longer clip, or a shorter clip followed by absent frames."""
        return super().fit(features[:, : self.array_shape[0]])

    @property
    def _size(self) -> whisper_weights.Size:
        return whisper_weights.SIZES[self.size]


def _require(rule: str, holds: bool, **received: Any) -> None:
    if not holds:
        [(name, value)] = received.items()
        raise ValueError(f"{rule}. Received: {name}={value}.")
