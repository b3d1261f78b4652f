"""Publishing: a trained model as a SavedModel that answers WAV files without Python."""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import soundfile
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from ser_tf.errors import InputError
from ser_tf.layers.resample import resample
from ser_tf.layers.wav import decode_wav

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 192_000
"""The rates of WAV files that are answered; others than the model's are resampled."""

TOLERANCE = 1e-5
"""How far a published probability may be from the Keras model's: float32 sums in another order."""

_TEMPORARY = ".publishing-"

Answers = dict[str, Any]


def publish(
    model: keras.Model,
    classes: Sequence[str],
    rate_hz: int,
    folder: Path,
    version: int | None = None,
    waveforms: Sequence[np.ndarray] = (),
) -> Path:
    """The folder `folder/VERSION`, which then holds `model` as a SavedModel.

    The signatures, with a free batch dimension N and C classes:

    - `serving_default`: `wav_bytes` string `[N]`, WAV files of any rate from 4 to 192 kHz ->
      `label` string `[N]`, `probability` `[N]`, `probabilities` `[N, C]`, `classes` string
      `[N, C]`, `unsure` bool `[N]` and `error` string `[N]`, empty where there is none. Each clip
      is heard by itself, at its own length. One that cannot be answered has its `error`, an empty
      label, zeros for probabilities and is unsure; its neighbours are not touched.
    - `waveform`: float32 `[N, T]` in [-1, 1] at the model's rate -> the same but for `error`. A
      clip with samples that are not finite is answered as one with an `error` is.

    The SavedModel is written beside its place, loaded again and compared with `model` on silence,
    noise, tones and `waveforms`; only then does it take its place. A folder that an interrupted
    run left is removed by the next one, so one folder takes one `publish` at a time.

    Args:
        model: waveform `(batch, samples)` -> probabilities `(batch, C)`, through layers named
            `front_end`, `encoder` and `calibration`.
        classes: their names, in the order of the probabilities.
        rate_hz: the sample rate the model hears.
        folder: the model's folder, made if it is missing.
        version: a number from 1 on; by default the highest there is plus one.
        waveforms: more clips to compare on, each float32 `(samples,)` in [-1, 1] at `rate_hz`.

    Raises:
        InputError: if the version exists, cannot be written, or answers unlike `model`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(_free_version(folder, version))
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover)
    temporary = folder / f"{_TEMPORARY}{target.name}"
    try:
        _write(Signatures(model, classes, rate_hz), temporary)
        _compare(temporary, model, rate_hz, [*_probes(rate_hz), *waveforms])
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


class Signatures:
    """The functions a published model is made of; `publish` says what they take and give.

    Args:
        model: as for `publish`.
        classes: as for `publish`.
        rate_hz: as for `publish`.

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

    def endpoints(self) -> dict[str, tuple[Callable[[Any], Answers], tf.TensorSpec]]:
        """For each signature its function and what the function takes."""
        return {
            "serving_default": (self.of_wav_bytes, tf.TensorSpec([None], tf.string, "wav_bytes")),
            "waveform": (self.of_waveform, tf.TensorSpec([None, None], tf.float32, "waveform")),
        }

    def of_waveform(self, waveform: Any) -> Answers:
        """The answers to clips of equal length."""
        failed = ~tf.reduce_all(tf.math.is_finite(waveform), axis=1)
        return self._answers(self.model.get_layer("front_end")(waveform, training=False), failed)

    def of_wav_bytes(self, wav_bytes: Any) -> Answers:
        """The answers to WAV files."""
        shape = self.model.get_layer("front_end").output.shape[1:]
        features, error = tf.map_fn(
            self._features,
            wav_bytes,
            fn_output_signature=(tf.TensorSpec(shape), tf.TensorSpec((), tf.string)),
        )  # (batch, frames, channels), (batch,)
        return self._answers(features, failed=error != "") | {"error": error}

    def _features(self, content: Any) -> tuple[Any, Any]:
        """What the encoder sees of one WAV file, and what is wrong with the file."""
        waveform, rate_hz, error = decode_wav(content)
        outside = (error == "") & ((rate_hz < LOWEST_RATE_HZ) | (rate_hz > HIGHEST_RATE_HZ))
        range_error = f" Hz is not from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        range_error = "sample rate " + tf.strings.as_string(rate_hz) + range_error
        error = tf.where(outside, range_error, error)
        rate_hz = tf.where(error == "", rate_hz, self.rate_hz)
        # Clipped as `audio.resample` does it: a filter overshoots.
        heard = tf.clip_by_value(resample(waveform[tf.newaxis], rate_hz, self.rate_hz), -1.0, 1.0)
        return self.model.get_layer("front_end")(heard, training=False)[0], error

    def _answers(self, features: Any, failed: Any) -> Answers:
        """The answers; where `failed`, a label and probabilities that nobody can take for one."""
        calibration = self.model.get_layer("calibration")
        logits = self.model.get_layer("encoder")(features, training=False)
        probabilities = calibration(logits)  # (batch, classes)
        classes = tf.constant(self.classes)
        label = tf.gather(classes, tf.argmax(probabilities, axis=-1))
        return {
            "label": tf.where(failed, "", label),
            "probability": tf.where(failed, 0.0, tf.reduce_max(probabilities, axis=-1)),
            "probabilities": tf.where(failed[:, tf.newaxis], 0.0, probabilities),
            "classes": tf.tile(classes[tf.newaxis], [tf.shape(probabilities)[0], 1]),
            "unsure": failed | calibration.unsure(probabilities),
        }


def describe(version: Path) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """For each signature of the SavedModel in `version` its inputs and its outputs.

    Each is a mapping from name to type and shape, as in `"float32 [?, 8]"`.
    """
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    definitions = saved.meta_graphs[0].signature_def
    return {
        name: (_tensors(definitions[name].inputs), _tensors(definitions[name].outputs))
        for name in sorted(definitions)
        if not name.startswith("__")  # TensorFlow's own, for initialisation
    }


def _tensors(infos: Any) -> dict[str, str]:
    def shape(info: Any) -> str:
        sizes = ("?" if dim.size < 0 else str(dim.size) for dim in info.tensor_shape.dim)
        return f"{tf.as_dtype(info.dtype).name} [{', '.join(sizes)}]"

    return {name: shape(infos[name]) for name in sorted(infos)}


def _free_version(folder: Path, version: int | None) -> int:
    if version is None:
        taken = (int(p.name) for p in folder.iterdir() if p.name.isascii() and p.name.isdigit())
        return max(taken, default=0) + 1
    if version < 1:
        raise InputError(f"--version {version}: versions are numbers from 1 on.")
    if (folder / str(version)).exists():
        raise InputError(
            f"--version {version}: {folder / str(version)} exists; leave --version out for the "
            "next free number."
        )
    return version


def _write(signatures: Signatures, folder: Path) -> None:
    archive = keras.export.ExportArchive()
    archive.track(signatures.model)
    for name, (function, spec) in signatures.endpoints().items():
        archive.add_endpoint(name, function, input_signature=[spec])
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        line = str(error.message).splitlines()[0]
        raise InputError(f"{folder.parent}: the SavedModel cannot be written ({line}).") from error


def _compare(folder: Path, model: keras.Model, rate_hz: int, clips: list[np.ndarray]) -> None:
    """Raises InputError unless every signature in `folder` answers `clips` as `model` does."""
    served = tf.saved_model.load(str(folder)).signatures
    # As a graph: step by step a recurrent model would take minutes over these clips.
    any_length = tf.TensorSpec([None, None], tf.float32)
    answer = tf.function(lambda clip: model(clip, training=False), input_signature=[any_length])
    expected = [answer(clip[np.newaxis]) for clip in clips]
    single = [served["waveform"](waveform=clip[np.newaxis]) for clip in clips]
    files = tf.constant([_wav(clip, rate_hz) for clip in clips])
    batch = served["serving_default"](wav_bytes=files)
    if refused := [error.decode() for error in batch["error"].numpy() if error]:
        raise InputError(f"{folder.parent}: not published, it refuses a good clip ({refused[0]}).")
    answers = {
        "waveform": np.concatenate([one["probabilities"] for one in single]),
        "serving_default": batch["probabilities"].numpy(),
    }
    for name, probabilities in answers.items():
        difference = np.max(np.abs(probabilities - np.concatenate(expected)))
        if not difference <= TOLERANCE:  # so that NaN differs too
            raise InputError(
                f"{folder.parent}: not published, its {name} differs from the Keras model's "
                f"probabilities by {difference:.2g} (at most {TOLERANCE:g})."
            )


def _probes(rate_hz: int) -> Iterator[np.ndarray]:
    """Silence, noise and a tone of 440 Hz, from a single sample to more than a clip's length."""
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, 5 * rate_hz).astype(np.float32)
    tone = np.sin(2 * np.pi * 440 / rate_hz * np.arange(5 * rate_hz)).astype(np.float32)
    for sound in (np.zeros_like(noise), noise, tone):
        for samples in (1, rate_hz // 3, 5 * rate_hz):
            yield sound[:samples]


def _wav(waveform: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate_hz, format="WAV", subtype="FLOAT")
    return file.getvalue()
