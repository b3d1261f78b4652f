"""`python -m ser_tf.export`: writes a trained model for TensorFlow Serving, phones or ONNX."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ser_tf import api
from ser_tf.commandline import flags
from ser_tf.commandline.command import ValueOrVersion, command, make_parser
from ser_tf.serving.targets import TARGETS


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Writes the target's files into the model folder and says what they are."""
    parser = _parser()
    given = parser.parse_args(argv)
    options = _options(parser, given)
    exported = api.load(given.model_dir, "keras").export(given.target, **options)
    sys.stdout.write(f"{exported}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "export",
        "Write a trained model as MODEL_DIR/VERSION, for TF Serving, as MODEL_DIR/litert, for "
        "phones, or as MODEL_DIR/onnx, for onnxruntime.",
    )
    flags.add_model_dir(parser)
    parser.add_argument(
        "--target",
        choices=tuple(TARGETS),
        default="saved_model",
        help="format to write (default: %(default)s)",
    )
    parser.add_argument(
        "--version",
        action=ValueOrVersion,
        type=int,
        metavar="N",
        help="number of the version to write, by default the next free one; without a number, "
        "print the version of ser_tf",
    )
    parser.add_argument(
        "--serving-config",
        action="store_true",
        help="also write MODEL_DIR/serving: settings for TensorFlow Serving and how to start it",
    )
    return parser


def _options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, Any]:
    """The options that are given; those of another target are refused."""
    found: dict[str, Any] = {}
    for name, target in TARGETS.items():
        for option in target.options:
            value = getattr(given, option)
            if value == parser.get_default(option):
                continue
            if name != given.target:
                flag = "--" + option.replace("_", "-")
                parser.error(f"{flag} is for --target {name}; received --target {given.target}")
            found[option] = value
    return found


if __name__ == "__main__":
    sys.exit(main())
