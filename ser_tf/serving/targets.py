"""The formats that a trained model is exported to, and the one function that writes them."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ser_tf import audio, backend, files
from ser_tf.errors import InputError
from ser_tf.inference import flatbuffers, model_folder
from ser_tf.inference.model_folder import Artifact

if TYPE_CHECKING:
    import numpy as np

_LOG = logging.getLogger(__name__)

REAL_CLIPS = 8
"""Clips of the model's own test, at most, that an export is compared on."""


class Exported(NamedTuple):
    """What an export wrote; `str` of it is what the command prints.

    Attributes:
        folder: where it lies.
        lines: what lies there, for a person.
    """

    folder: Path
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Target(NamedTuple):
    """A format to write.

    Attributes:
        write: from the loaded model folder, and the options as keywords, to what was written.
        options: the names of its options.
    """

    write: Callable[..., Exported]
    options: tuple[str, ...] = ()


def export(artifact: Artifact, target: str = "saved_model", **options: Any) -> Exported:
    """Writes a trained model in another format into its folder.

    Args:
        artifact: a loaded model folder.
        target: one of `TARGETS`.
        **options: of the target. Of "saved_model": `version`, the version's number, by default the
            next free one, and `serving_config`, whether to write settings for TensorFlow Serving.

    Raises:
        InputError: if the target or an option is unknown, or the model cannot be written so.
    """
    if target not in TARGETS:
        raise InputError(f"target: choose from {', '.join(TARGETS)}. Received: {target}.")
    write, known = TARGETS[target]
    if unknown := sorted(set(options) - set(known)):
        choices = f"choose from {', '.join(known)}" if known else "it has none"
        raise InputError(f"target {target}: no option {', '.join(unknown)}; {choices}.")
    with files.holding(artifact.folder):
        return write(artifact, **options)


def _write_saved_model(
    artifact: Artifact, version: int | None = None, serving_config: bool = False
) -> Exported:
    """MODEL_DIR/VERSION, described by its signatures."""
    import tensorflow as tf

    from ser_tf.serving import config, saved_model

    _LOG.info("Writing a version and comparing it with the Keras model")
    clips = _load_test_clips(artifact)
    folder = saved_model.write(
        artifact.model, artifact.classes, artifact.rate_hz, artifact.folder, version, clips
    )
    lines = [f"{folder} ({saved_model.megabytes(folder):.2f} MB)"]
    for name, (inputs, outputs) in saved_model.describe(folder).items():
        lines += [f"  {name}", *_list_tensors("in ", inputs), *_list_tensors("out", outputs)]
    if serving_config:
        lines.append(str(config.write(artifact.folder, tf.__version__)))
    return Exported(folder, tuple(lines))


def _write_litert(artifact: Artifact) -> Exported:
    """MODEL_DIR/litert, described by each file's size and difference from the Keras model."""
    from ser_tf.serving import litert

    clips = _load_test_clips(artifact)
    _LOG.info("Converting and comparing with the Keras model")
    entry = artifact.config.features.entry
    with backend.silence():  # the converter lists its passes and all that it cannot do
        written = litert.convert(artifact.model, artifact.classes, entry, artifact.folder, clips)
    return _list_files(artifact.folder / model_folder.LITERT, written, flatbuffers.DESCRIPTION)


def _write_onnx(artifact: Artifact) -> Exported:
    """MODEL_DIR/onnx, described by each file's size and difference from the Keras model."""
    from ser_tf.serving import onnx

    clips = _load_test_clips(artifact)
    _LOG.info("Converting and comparing with the Keras model")
    with backend.silence():  # the converter lists its passes
        written = onnx.convert(
            artifact.model, artifact.classes, artifact.rate_hz, artifact.folder, clips
        )
    return _list_files(artifact.folder / onnx.FOLDER, written, onnx.DESCRIPTION)


def _list_files(folder: Path, written: Sequence[tuple[Path, float]], description: str) -> Exported:
    rows = [
        f"  {path.name:<18}{path.stat().st_size / 1e6:6.2f} MB  probabilities differ by at most "
        f"{difference:.2g}"
        for path, difference in written
    ]
    return Exported(folder, (str(folder), *rows, f"  {description}"))


def leave_flatbuffers(folder: Path) -> None:
    """Leaves `litert/` in a folder that was just filled, or in those of its folds; or says why not.

    In float32 only, and compared on the usual sounds only: `export --target litert` does more.
    """
    of_folds = [path.parent for path in sorted(folder.glob(f"fold-*/{model_folder.MODEL}"))]
    for trained in of_folds or [folder]:
        try:
            _leave_flatbuffers(model_folder.load(trained))
        except InputError as error:
            _LOG.warning("%s Keras will answer.", error)


def _leave_flatbuffers(artifact: Artifact) -> None:
    backend.import_tensorflow()
    from ser_tf.serving import litert

    entry = artifact.config.features.entry
    with backend.silence():
        litert.convert(artifact.model, artifact.classes, entry, artifact.folder, int8=False)


def _load_test_clips(artifact: Artifact) -> list["np.ndarray"]:
    """Some of the clips that the model was tested on, if they are still where they were."""
    recordings = model_folder.find_test_recordings(artifact.folder)
    clips = []
    for path in recordings[:: -(-len(recordings) // REAL_CLIPS) or 1]:
        with contextlib.suppress(audio.AudioError):
            clips.append(audio.load(path, artifact.rate_hz))
    return clips


def _list_tensors(direction: str, tensors: dict[str, str]) -> list[str]:
    width = max(map(len, tensors))
    return [f"    {direction}  {name:{width}}  {tensor}" for name, tensor in tensors.items()]


TARGETS: dict[str, Target] = {
    "saved_model": Target(_write_saved_model, options=("version", "serving_config")),
    "litert": Target(_write_litert),
    "onnx": Target(_write_onnx),
}
"""The formats by the name that `--target` takes."""
