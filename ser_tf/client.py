"""`python -m ser_tf.client`: asks a server about the emotion in recordings."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ser_tf import audio, backend, console
from ser_tf.commandline import flags
from ser_tf.commandline.command import ValueOrVersion, command, make_parser
from ser_tf.errors import InputError
from ser_tf.inference import answers
from ser_tf.serving.client import Client

_LOG = logging.getLogger(__name__)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Prints the server's answer for every recording; returns 1 if one has none."""
    arguments = _parser().parse_args(argv)
    paths = audio.find(arguments.paths)
    if arguments.server.startswith("grpc:"):
        backend.import_tensorflow()  # quietly, before the official stubs do
    failed = False
    with Client(
        arguments.server,
        arguments.model,
        arguments.version,
        arguments.timeout,
        arguments.retries,
    ) as client:
        client.check()
        found = client.answers(paths, arguments.concurrency)
        for path, answer in console.bar(found, "asking", len(paths)):
            if isinstance(answer, InputError):
                _LOG.error("error: %s", answer)
                failed = True
            else:
                sys.stdout.write(answers.to_json(path, answer) + "\n")
                sys.stdout.flush()
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("client", "Ask a server about the emotion in recordings of any format.")
    flags.add_recordings(parser)
    parser.add_argument(
        "--server",
        required=True,
        metavar="URL",
        help="http://HOST:8501 for REST or grpc://HOST:8500 for gRPC",
    )
    parser.add_argument(
        "--model",
        default="ser-lmu",
        metavar="NAME",
        help="the model's name on the server (default: %(default)s)",
    )
    parser.add_argument(
        "--version",
        action=ValueOrVersion,
        metavar="N",
        help="number or label of its version (default: the newest); without one, print the "
        "version of ser_tf",
    )
    numbers = {
        "--concurrency": (int, 1, 4, "recordings on their way at once"),
        "--timeout": (float, 0.001, 60.0, "seconds to wait for an answer"),
        "--retries": (
            int,
            0,
            4,
            "times to ask again when the server is not available",
        ),
    }
    for flag, (type_, low, default, text) in numbers.items():
        parser.add_argument(
            flag,
            type=flags.at_least(type_, low),
            default=default,
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
