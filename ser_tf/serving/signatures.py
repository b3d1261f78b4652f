"""The signatures of an exported model: the questions it takes, and how it answers them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ser_tf.audio import to_wav
from ser_tf.layers import streaming
from ser_tf.layers.signal.resample import resample
from ser_tf.layers.signal.wav import decode_wav, first_error
from ser_tf.serving.freezing import freeze

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 192_000
"""The rates of clips that are answered; clips at another rate than the model's are resampled."""

LONGEST_SECONDS = 600
"""The longest clip that is answered."""

_LOUDEST = 2.0**31
"""Samples are clipped here, above even a 32-bit integer stored as a float, so that nothing
computed from them overflows."""

_NOT_FINITE = "samples that are not finite numbers"

Answers = dict[str, Any]


class Endpoint(NamedTuple):
    """One signature.

    Attributes:
        function: takes the inputs in their order and returns the outputs by name.
        inputs: their names, types and shapes, with a free batch dimension.
        ask: makes the inputs by name from clips, float32 `(N, T)` at the model's rate.
        compared: the output by which an exported model is checked.
        expected: computes that output of clips `(N, T)` with the Keras model.
    """

    function: Callable[..., Answers]
    inputs: tuple[tf.TensorSpec, ...]
    ask: Callable[[np.ndarray], dict[str, np.ndarray]]
    compared: str
    expected: Callable[[Any], Any]


class Signatures:
    """The functions of an exported model; `saved_model.write` says what they take and give.

    The steps they share, from waveform to features and from features to probabilities, are frozen
    once, and each signature calls them.

    Args:
        model: as for `saved_model.write`.
        classes: as for `saved_model.write`.
        rate_hz: as for `saved_model.write`.

    Raises:
        ValueError: if the model has another number of classes.
    """

    def __init__(self, model: keras.Model, classes: Sequence[str], rate_hz: int) -> None:
        if model.output_shape[-1] != len(classes):
            raise ValueError(
                f"The model answers {model.output_shape[-1]} classes. Received: {len(classes)} "
                f"({', '.join(classes)})."
            )
        self.model = model
        self.classes = tuple(classes)
        self.rate_hz = rate_hz
        front_end, encoder, calibration = map(
            model.get_layer, ("front_end", "encoder", "calibration")
        )
        self._of_clip = front_end.output.shape[1:]
        self._hear = freeze(
            lambda waveform: tf.ensure_shape(
                front_end(waveform, training=False), [None, *self._of_clip]
            ),
            tf.TensorSpec([None, None]),
        )
        self._judge = freeze(
            lambda features: calibration(encoder(features, training=False)),
            tf.TensorSpec([None, *self._of_clip]),
        )
        self._unsure = freeze(calibration.unsure, tf.TensorSpec([None, len(classes)]))
        layers = streaming.flatten(model)
        self._streams = streaming.can_stream(layers)
        if self._streams:
            self._stride = streaming.stride(layers)
            self._state = tf.TensorSpec([None, streaming.state_size(layers)], tf.float32, "state")
            self._follow = freeze(
                lambda chunk, state: streaming.step(layers, chunk, state),
                tf.TensorSpec([None, None]),
                self._state,
            )

    def endpoints(self) -> dict[str, Endpoint]:
        """The signatures by name."""
        waveform = tf.TensorSpec([None, None], tf.float32, "waveform")
        sample_rate_hz = tf.TensorSpec([None], tf.int32, "sample_rate_hz")
        length = tf.TensorSpec([None], tf.int32, "length")
        wav_bytes = tf.TensorSpec([None], tf.string, "wav_bytes")
        probabilities = ("probabilities", lambda clips: self.model(clips, training=False))
        front_end = self.model.get_layer("front_end")
        endpoints = {
            "serving_default": Endpoint(
                self.of_wav_bytes, (wav_bytes,), self._as_files, *probabilities
            ),
            "waveform": Endpoint(self.of_waveform, (waveform,), _as_waveform, *probabilities),
            "waveform_with_rate": Endpoint(
                self.of_waveform_with_rate,
                (waveform, sample_rate_hz, length),
                self._with_rate,
                *probabilities,
            ),
            "features": Endpoint(
                self.of_features,
                (waveform,),
                _as_waveform,
                "features",
                lambda clips: front_end(clips, training=False),
            ),
        }
        if self._streams:
            chunk = tf.TensorSpec([None, None], tf.float32, "chunk")
            endpoints["stream"] = Endpoint(
                self.of_stream, (chunk, self._state), self._as_stream, *probabilities
            )
        return endpoints

    def of_waveform(self, waveform: Any) -> Answers:
        """The answers to clips of equal length."""
        heard, error = self._audible(waveform)
        return self._answers(self._judge(self._hear(heard)), error)

    def of_features(self, waveform: Any) -> Answers:
        """The encoder's input for clips of equal length; a clip with an error counts as silence."""
        heard, error = self._audible(waveform)
        return {"features": self._hear(heard), "error": error}

    def of_wav_bytes(self, wav_bytes: Any) -> Answers:
        """The answers to WAV files."""
        return self._each(decode_wav, wav_bytes)

    def of_waveform_with_rate(self, waveform: Any, sample_rate_hz: Any, length: Any) -> Answers:
        """The answers to clips of any rate and length, padded to a common length."""
        return self._each(_cut, waveform, sample_rate_hz, length)

    def of_stream(self, chunk: Any, state: Any) -> Answers:
        """The answers on all samples so far, the next ones included, and the next state."""
        samples = tf.shape(chunk)[1] // self._stride * self._stride
        finite = tf.reduce_all(tf.math.is_finite(tf.concat([chunk, state], axis=1)), axis=1)
        too_few = (samples == 0, f"fewer than {self._stride} samples")
        error = first_error([too_few, _too_long(samples, self.rate_hz), (~finite, _NOT_FINITE)])
        good = (error == "")[:, tf.newaxis]
        # One stride at least, so that there is something to compute on.
        heard = tf.pad(chunk, [[0, 0], [0, self._stride]])[:, : tf.maximum(samples, self._stride)]
        heard = tf.where(good, _bounded(heard[:, : LONGEST_SECONDS * self.rate_hz]), 0.0)
        probabilities, following = self._follow(heard, tf.where(good, state, 0.0))
        # A state that is not from an answer may overflow.
        finite = tf.reduce_all(tf.math.is_finite(tf.concat([probabilities, following], 1)), axis=1)
        error = first_error([(error != "", error), (~finite, "a state that no answer gave")])
        good = error == ""
        return self._answers(probabilities, error) | {
            "next_state": tf.where(good[:, tf.newaxis], following, state),
            "consumed_samples": tf.where(good, samples, 0),
        }

    def _each(self, decode: Callable[..., tuple[Any, Any, Any]], *items: Any) -> Answers:
        """The answers to the clips that `decode` makes of `items`, one by one.

        Where all clips have features of one shape, the encoder takes these as a batch.
        """
        alike = None not in self._of_clip
        hear = self._hear if alike else lambda heard: self._judge(self._hear(heard))
        shape = self._of_clip if alike else [len(self.classes)]

        def one(item: tuple[Any, ...]) -> tuple[Any, Any]:
            heard, error = self._at_own_rate(*decode(*item))
            return hear(heard[tf.newaxis])[0], error

        found, error = tf.map_fn(
            one, items, fn_output_signature=(tf.TensorSpec(shape), tf.TensorSpec((), tf.string))
        )  # (batch, *shape), (batch,)
        return self._answers(self._judge(found) if alike else found, error)

    def _at_own_rate(self, waveform: Any, rate_hz: Any, error: Any) -> tuple[Any, Any]:
        """A clip at the model's rate, and its error, to which a bad rate is added."""
        outside = (rate_hz < LOWEST_RATE_HZ) | (rate_hz > HIGHEST_RATE_HZ)
        text = f" Hz is not from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        text = "sample rate " + tf.strings.as_string(rate_hz) + text
        too_long = _too_long(tf.size(waveform), rate_hz)
        error = first_error([(error != "", error), (outside, text), too_long])

        def heard() -> Any:  # clipped as in `audio.resample`: the filter overshoots
            changed = resample(_bounded(waveform)[tf.newaxis], rate_hz, self.rate_hz)[0]
            return tf.clip_by_value(changed, -1.0, 1.0)

        return tf.cond(error == "", heard, lambda: tf.zeros(1)), error

    def _audible(self, waveform: Any) -> tuple[Any, Any]:
        """Clips of equal length, with silence in place of those with an error, and the errors."""
        samples = tf.shape(waveform)[1]
        finite = tf.reduce_all(tf.math.is_finite(waveform), axis=1)  # (batch,)
        wrong = [(samples == 0, "no samples"), _too_long(samples, self.rate_hz)]
        error = first_error([*wrong, (~finite, _NOT_FINITE)])
        heard = tf.where((error == "")[:, tf.newaxis], _bounded(waveform), 0.0)
        heard = tf.pad(heard, [[0, 0], [0, tf.cast(samples == 0, tf.int32)]])
        return heard[:, : LONGEST_SECONDS * self.rate_hz], error

    def _answers(self, probabilities: Any, error: Any) -> Answers:
        """The answers; with an error, a label and probabilities that cannot be mistaken for one."""
        good = error == ""
        classes = tf.constant(self.classes)
        label = tf.gather(classes, tf.argmax(probabilities, axis=-1))
        return {
            "label": tf.where(good, label, ""),
            "probability": tf.where(good, tf.reduce_max(probabilities, axis=-1), 0.0),
            "probabilities": tf.where(good[:, tf.newaxis], probabilities, 0.0),
            "classes": tf.tile(classes[tf.newaxis], [tf.shape(probabilities)[0], 1]),
            "unsure": ~good | self._unsure(probabilities),
            "error": error,
        }

    def _as_files(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        return {"wav_bytes": np.array([to_wav(clip, self.rate_hz) for clip in clips], object)}

    def _as_stream(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        """Clips in one chunk; shorter ones follow silence, as in the model."""
        silence = max(0, self._stride - clips.shape[1])
        state = np.zeros((len(clips), self._state.shape[1]), np.float32)
        return {"chunk": np.pad(clips, ((0, 0), (silence, 0))), "state": state}

    def _with_rate(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        batch, samples = clips.shape
        padded = np.pad(clips, ((0, 0), (0, 7)))
        rates = np.full(batch, self.rate_hz, np.int32)
        return {
            "waveform": padded,
            "sample_rate_hz": rates,
            "length": np.full(batch, samples, np.int32),
        }


def _bounded(waveform: Any) -> Any:
    return tf.clip_by_value(waveform, -_LOUDEST, _LOUDEST)


def _cut(waveform: Any, rate_hz: Any, length: Any) -> tuple[Any, Any, Any]:
    """A clip without its padding, its rate, and what is wrong with it."""
    samples = tf.size(waveform)
    known = (length >= 1) & (length <= samples)
    text = "length " + tf.strings.as_string(length) + " is not from 1 to "
    cut = waveform[: tf.where(known, length, 0)]
    finite = tf.reduce_all(tf.math.is_finite(cut))
    wrong = [(~known, text + tf.strings.as_string(samples)), (~finite, _NOT_FINITE)]
    return cut, rate_hz, first_error(wrong)


def _too_long(samples: Any, rate_hz: Any) -> tuple[Any, str]:
    """Whether a clip of `samples` is longer than any that is answered, and its error."""
    most = tf.cast(rate_hz, tf.int64) * LONGEST_SECONDS
    return tf.cast(samples, tf.int64) > most, f"longer than {LONGEST_SECONDS} s"


def _as_waveform(clips: np.ndarray) -> dict[str, np.ndarray]:
    return {"waveform": clips}
