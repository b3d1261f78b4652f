"""`python -m ser_tf.export`: publish a trained model for TensorFlow Serving, or for phones."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ser_tf import audio, backend
from ser_tf.commandline import command
from ser_tf.inference import model_folder

if TYPE_CHECKING:
    import numpy as np

_LOG = logging.getLogger(__name__)

REAL_CLIPS = 8
"""Clips of the model's own test, at most, that what is published is compared on."""


class Target(NamedTuple):
    """A format to write.

    Attributes:
        write: from the loaded model folder and the flags to what to print, line by line.
        flags: those that mean something to no other target.
    """

    write: Callable[[model_folder.Artifact, argparse.Namespace], list[str]]
    flags: tuple[str, ...] = ()


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Writes the target's files into the model folder and says what they are."""
    parser = _parser()
    flags = parser.parse_args(argv)
    _refuse_flags_of_other_targets(parser, flags)
    model_folder.load_config(flags.model_dir)  # a wrong folder is named at once

    backend.import_tensorflow()
    lines = TARGETS[flags.target].write(model_folder.load(flags.model_dir), flags)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(
        "export",
        "Publish a trained model as MODEL_DIR/VERSION, for TF Serving, or as MODEL_DIR/litert, "
        "for phones.",
    )
    command.add_model_dir(parser)
    parser.add_argument(
        "--target",
        choices=tuple(TARGETS),
        default="saved_model",
        help="format to write (default: %(default)s)",
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="version number; by default the next free one"
    )
    parser.add_argument(
        "--serving-config",
        action="store_true",
        help="also write MODEL_DIR/serving: settings for TensorFlow Serving and how to start it",
    )
    return parser


def _refuse_flags_of_other_targets(
    parser: argparse.ArgumentParser, flags: argparse.Namespace
) -> None:
    for name, target in TARGETS.items():
        for flag in target.flags if name != flags.target else ():
            destination = flag.removeprefix("--").replace("-", "_")
            if getattr(flags, destination) != parser.get_default(destination):
                parser.error(f"{flag} is for --target {name}; received --target {flags.target}")


def _saved_model(artifact: model_folder.Artifact, flags: argparse.Namespace) -> list[str]:
    """Writes MODEL_DIR/VERSION; its signatures."""
    import tensorflow as tf

    from ser_tf.serving import config, publishing

    _LOG.info("Publishing a version and comparing it with the Keras model")
    version = publishing.publish(
        artifact.model,
        artifact.classes,
        artifact.rate_hz,
        artifact.folder,
        flags.version,
        _real_clips(artifact),
    )
    lines = [f"{version} ({publishing.megabytes(version):.2f} MB)"]
    for name, (inputs, outputs) in publishing.describe(version).items():
        lines += [f"  {name}", *_named("in ", inputs), *_named("out", outputs)]
    if flags.serving_config:
        lines.append(str(config.write(artifact.folder, tf.__version__)))
    return lines


def _litert(artifact: model_folder.Artifact, flags: argparse.Namespace) -> list[str]:
    """Writes MODEL_DIR/litert; the size of each file and its difference from the Keras model."""
    from ser_tf.serving import litert

    clips = _real_clips(artifact)
    _LOG.info("Converting and comparing with the Keras model")
    with (
        backend.silence()
    ):  # the converter speaks of its passes, and at length of what it cannot do
        written = litert.convert(
            artifact.model,
            artifact.classes,
            artifact.config.features.entry,
            artifact.folder,
            clips,
        )
    rows = [
        f"  {path.name:<18}{path.stat().st_size / 1e6:6.2f} MB  probabilities differ by at most "
        f"{difference:.2g}"
        for path, difference in written
    ]
    return [str(artifact.folder / litert.FOLDER), *rows, f"  {litert.DESCRIPTION}"]


def _real_clips(artifact: model_folder.Artifact) -> list["np.ndarray"]:
    """Some clips that the model was tested on, if they are at hand: they need not be."""
    recordings = model_folder.test_recordings(artifact.folder)
    clips = []
    for path in recordings[:: -(-len(recordings) // REAL_CLIPS) or 1]:
        with contextlib.suppress(audio.AudioError):
            clips.append(audio.load(path, artifact.rate_hz))
    return clips


def _named(direction: str, tensors: dict[str, str]) -> list[str]:
    width = max(map(len, tensors))
    return [f"    {direction}  {name:{width}}  {tensor}" for name, tensor in tensors.items()]


TARGETS: dict[str, Target] = {
    "saved_model": Target(_saved_model, flags=("--version", "--serving-config")),
    "litert": Target(_litert),
}
"""The formats by the name that `--target` takes."""


if __name__ == "__main__":
    sys.exit(main())
