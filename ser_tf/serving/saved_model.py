"""A trained model as a SavedModel that answers WAV files without Python."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from ser_tf import files
from ser_tf.errors import InputError
from ser_tf.serving import config, warmup
from ser_tf.serving.signatures import Signatures

TOLERANCE = 1e-5
"""Largest difference from the Keras model's output, relative to its largest value or 1: float32
sums in another order."""


def write(
    model: keras.Model,
    classes: Sequence[str],
    rate_hz: int,
    folder: str | Path,
    version: int | None = None,
    waveforms: Sequence[np.ndarray] = (),
) -> Path:
    """Writes `model` as a SavedModel into the folder `folder/VERSION`, which is returned.

    The signatures, with a free batch dimension N and C classes; every input is required:

    - `serving_default`: `wav_bytes` string `[N]`, WAV files of any rate from 4 to 192 kHz.
    - `waveform`: `waveform` float32 `[N, T]` in [-1, 1] at the model's rate.
    - `waveform_with_rate`: `waveform` float32 `[N, T]`, of each clip the first `length` int32 `[N]`
      samples, recorded at `sample_rate_hz` int32 `[N]`; samples after them are ignored.
    - `features`: `waveform` -> `features` float32 `[N, frames, channels]`, the encoder's input,
      and `error`.
    - `stream`, of models that follow streams: `chunk` float32 `[N, T]`, the next samples at the
      model's rate, and `state` float32 `[N, S]`, zeros at first and then what the last answer
      gave as `next_state`, so that the server keeps nothing. Only whole strides (40 ms by default)
      are computed: samples after the first `consumed_samples` int32 `[N]` belong in front of the
      next chunk. The answers are about all samples so far; with an `error` the state stays.

    All but `features` give `label` string `[N]`, `probability` `[N]`, `probabilities` `[N, C]`,
    `classes` string `[N, C]`, `unsure` bool `[N]` and `error` string `[N]`, empty where there is
    none. No clip depends on its neighbours. A clip that cannot be answered because it is broken, of
    another rate or longer than ten minutes gets an `error`, an empty label and probabilities of 0,
    and is unsure.

    Weights are constants in it, and what follows from constants is computed already (`fold`).
    Warm-up requests lie beside it where `tensorflow-serving-api` is installed.

    The SavedModel is written to a temporary folder, loaded again and compared with `model` on
    silence, noise, tones and `waveforms`, and renamed into its place only if they agree. The next
    call removes what an interrupted one left, so never run two on one folder at a time.

    Args:
        model: waveform `(batch, samples)` -> probabilities `(batch, C)`, through layers named
            `front_end`, `encoder` and `calibration`.
        classes: their names, in the order of the probabilities.
        rate_hz: the model's sample rate.
        folder: the model's folder, made if it is missing.
        version: a number from 1 on; by default one above the highest in the folder.
        waveforms: more clips to compare on, each float32 `(samples,)` in [-1, 1] at `rate_hz`.

    Raises:
        InputError: if the version exists, cannot be written, or differs from `model`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(_free_version(folder, version))
    with files.replacing_folder(target) as temporary:
        signatures = Signatures(model, classes, rate_hz)
        _write(signatures, temporary)
        _compare(temporary, signatures, [*probes(rate_hz), *waveforms])
        warmup.write(temporary, folder.resolve().name, signatures)
    return target


def describe(version: str | Path) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """For each signature of the SavedModel in `version` its inputs and its outputs.

    Each is a mapping from name to type and shape, as in `"float32 [?, 8]"`.
    """
    saved = saved_model_pb2.SavedModel.FromString((Path(version) / "saved_model.pb").read_bytes())
    definitions = saved.meta_graphs[0].signature_def
    return {
        name: (_tensors(definitions[name].inputs), _tensors(definitions[name].outputs))
        for name in sorted(definitions)
        if not name.startswith("__")  # TensorFlow's own, for initialisation
    }


def megabytes(version: str | Path) -> float:
    """The size of the SavedModel in `version`."""
    return sum(path.stat().st_size for path in Path(version).rglob("*") if path.is_file()) / 1e6


def _tensors(infos: Any) -> dict[str, str]:
    def shape(info: Any) -> str:
        sizes = ("?" if dim.size < 0 else str(dim.size) for dim in info.tensor_shape.dim)
        return f"{tf.as_dtype(info.dtype).name} [{', '.join(sizes)}]"

    return {name: shape(infos[name]) for name in sorted(infos)}


def _free_version(folder: Path, version: int | None) -> int:
    if version is None:
        return max(config.exported_versions(folder), default=0) + 1
    if version < 1:
        raise InputError(f"--version {version}: versions are numbers from 1 on.")
    if (folder / str(version)).exists():
        raise InputError(
            f"--version {version}: {folder / str(version)} exists; leave --version out for the "
            "next free number."
        )
    return version


def _write(signatures: Signatures, folder: Path) -> None:
    functions = {
        name: tf.function(
            endpoint.function, input_signature=endpoint.inputs, autograph=False
        ).get_concrete_function()
        for name, endpoint in signatures.endpoints().items()
    }
    try:
        tf.saved_model.save(tf.Module(), str(folder), functions)
    except tf.errors.OpError as error:
        line = str(error.message).splitlines()[0]
        raise InputError(f"{folder.parent}: the SavedModel cannot be written ({line}).") from error


def _compare(folder: Path, signatures: Signatures, clips: Sequence[np.ndarray]) -> None:
    """Raises InputError unless every signature in `folder` answers `clips` as Keras does."""
    served = tf.saved_model.load(str(folder)).signatures
    wanted: dict[str, list[np.ndarray]] = {}  # of the clips, by the output they are compared with
    for name, endpoint in signatures.endpoints().items():
        if endpoint.compared not in wanted:
            # As a graph: step by step a recurrent model would take minutes over these clips.
            any_length = tf.TensorSpec([None, None], tf.float32)
            expected = tf.function(endpoint.expected, input_signature=[any_length])
            wanted[endpoint.compared] = [expected(clip[np.newaxis]).numpy() for clip in clips]
        for clip, output in zip(clips, wanted[endpoint.compared], strict=True):
            asked = endpoint.ask(clip[np.newaxis])
            answer = served[name](**{key: tf.constant(value) for key, value in asked.items()})
            if refused := answer["error"].numpy()[0].decode():
                raise InputError(
                    f"{folder.parent}: not exported, it refuses a good clip ({refused})."
                )
            difference = np.max(np.abs(answer[endpoint.compared].numpy() - output))
            most = TOLERANCE * max(1.0, np.max(np.abs(output)))
            if not difference <= most:  # so that NaN differs too
                raise InputError(
                    f"{folder.parent}: not exported, its {name} differs from the Keras model's "
                    f"{endpoint.compared} by {difference:.2g} (at most {most:.2g})."
                )


def probes(rate_hz: int) -> Iterator[np.ndarray]:
    """Silence, noise and a tone of 440 Hz, from a single sample to more than a clip's length."""
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, 5 * rate_hz).astype(np.float32)
    tone = np.sin(2 * np.pi * 440 / rate_hz * np.arange(5 * rate_hz)).astype(np.float32)
    for sound in (np.zeros_like(noise), noise, tone):
        for samples in (1, rate_hz // 3, 5 * rate_hz):
            yield sound[:samples]
