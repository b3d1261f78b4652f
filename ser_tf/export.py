"""`python -m ser_tf.export`: publish a trained model for TensorFlow Serving."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import artifacts, audio, cli

if TYPE_CHECKING:
    import numpy as np

TARGETS = ("saved_model",)

REAL_CLIPS = 8
"""Clips of the model's own test, at most, that a published version is compared on."""


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Writes MODEL_DIR/VERSION and prints what it serves."""
    flags = _parser().parse_args(argv)
    artifacts.load_config(flags.model_dir)  # a wrong folder is named at once

    cli.import_tensorflow()
    import tensorflow as tf

    from ser_tf import serving

    artifact = artifacts.load(flags.model_dir)

    version = serving.publish(
        artifact.model,
        artifact.classes,
        artifact.rate_hz,
        artifact.folder,
        flags.version,
        _real_clips(artifact),
    )
    lines = [f"{version} ({_sizes(version)})"]
    for name, (inputs, outputs) in serving.describe(version).items():
        lines += [f"  {name}", *_named("in ", inputs), *_named("out", outputs)]
    if flags.serving_config:
        lines.append(str(serving.config.write(artifact.folder, tf.__version__)))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("export", "Publish a trained model as MODEL_DIR/VERSION, for TF Serving.")
    cli.add_model_dir(parser)
    parser.add_argument(
        "--version", type=int, metavar="N", help="version number; by default the next free one"
    )
    parser.add_argument("--target", choices=TARGETS, default=TARGETS[0], help="format to write")
    parser.add_argument(
        "--serving-config",
        action="store_true",
        help="also write MODEL_DIR/serving: settings for TensorFlow Serving and how to start it",
    )
    return parser


def _real_clips(artifact: artifacts.Artifact) -> list["np.ndarray"]:
    """Some clips that the model was tested on, if they are at hand: they need not be."""
    recordings = artifacts.test_recordings(artifact.folder)
    clips = []
    for path in recordings[:: -(-len(recordings) // REAL_CLIPS) or 1]:
        with contextlib.suppress(audio.AudioError):
            clips.append(audio.load(path, artifact.rate_hz))
    return clips


def _named(direction: str, tensors: dict[str, str]) -> list[str]:
    width = max(map(len, tensors))
    return [f"    {direction}  {name:{width}}  {tensor}" for name, tensor in tensors.items()]


def _sizes(version: Path) -> str:
    """As in `0.55 MB, and 0.42 MB of warm-up requests`."""
    sizes = {path: path.stat().st_size / 1e6 for path in version.rglob("*") if path.is_file()}
    warm_up = sum(size for path, size in sizes.items() if "assets.extra" in path.parts)
    text = f"{sum(sizes.values()) - warm_up:.2f} MB"
    return f"{text}, and {warm_up:.2f} MB of warm-up requests" if warm_up else text


if __name__ == "__main__":
    sys.exit(main())
