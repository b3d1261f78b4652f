"""`python -m ser_tf.export`: publish a trained model for TensorFlow Serving."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_tf import artifacts, cli

TARGETS = ("saved_model",)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Writes MODEL_DIR/VERSION and prints what it serves."""
    flags = _parser().parse_args(argv)
    artifacts.load_config(flags.model_dir)  # a wrong folder is named at once

    cli.import_tensorflow()
    from ser_tf import serving

    artifact = artifacts.load(flags.model_dir)

    version = serving.publish(
        artifact.model, artifact.classes, artifact.rate_hz, artifact.folder, flags.version
    )
    lines = [f"{version} ({_size_megabytes(version):.2f} MB)"]
    for name, (inputs, outputs) in serving.describe(version).items():
        lines += [f"  {name}", *_named("in ", inputs), *_named("out", outputs)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("export", "Publish a trained model as MODEL_DIR/VERSION, for TF Serving.")
    cli.add_model_dir(parser)
    parser.add_argument(
        "--version", type=int, metavar="N", help="version number; by default the next free one"
    )
    parser.add_argument("--target", choices=TARGETS, default=TARGETS[0], help="format to write")
    return parser


def _named(direction: str, tensors: dict[str, str]) -> list[str]:
    width = max(map(len, tensors))
    return [f"    {direction}  {name:{width}}  {tensor}" for name, tensor in tensors.items()]


def _size_megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
