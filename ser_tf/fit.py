"""`python -m ser_tf.fit`: trains a model, scores it once on its test clips, and keeps both."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_tf import api, backend, config
from ser_tf.commandline import command, flags


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Trains as the flags say."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    try:
        wanted = flags.from_flags(given)
    except config.UsageError as error:
        parser.error(str(error))
    if given["prepare"]:
        backend.import_tensorflow()
        from ser_tf.data import loading

        sys.stdout.write(loading.prepare(wanted, given["cache_dir"]))
        return 0
    run = api.train_configuration(
        wanted,
        flags.given_settings(given),
        **{name: given[name] for name in ("output", "cache_dir", "resume", "overwrite")},
    )
    sys.stdout.write(f"{run}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("fit", "Train a speech emotion model and score it on unseen speakers.")
    command.add_corpora(parser, "the four that kagglehub can download")
    flags.add_flags(parser)
    command.add_prepare(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="model folder (default: saved_models/MODEL-CORPORA)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with the run that was cut off, with its flags"
    )
    again.add_argument(
        "--overwrite", action="store_true", help="replace the model that is in the folder"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
