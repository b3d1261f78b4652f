"""`python -m ser_tf.fit`: trains a model, scores it once on its test clips, and keeps both."""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ser_tf import backend, config
from ser_tf.commandline import command, flags
from ser_tf.config import Config
from ser_tf.errors import InputError
from ser_tf.inference import model_folder

_LOG = logging.getLogger(__name__)


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Trains as the flags say."""
    from ser_tf.evaluation import report

    parser = _parser()
    given = vars(parser.parse_args(argv))
    try:
        wanted, folder = _configuration(given)
    except config.UsageError as error:
        parser.error(str(error))
    if given["prepare"]:
        backend.import_tensorflow()
        from ser_tf.data import loading

        sys.stdout.write(loading.prepare(wanted, given["cache_dir"]))
        return 0
    metrics = _finished(folder, given) or _run(wanted, folder, given)
    sys.stdout.write(report.describe_run(metrics, folder))
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


def _configuration(given: Mapping[str, Any]) -> tuple[Config, Path]:
    """The configuration and the model folder; a resumed run keeps the configuration it had."""
    wanted = flags.from_flags(given)
    folder = given["output"] or Path("saved_models") / wanted.name
    if not given["resume"] or not (folder / model_folder.CONFIG).is_file():
        return wanted, folder
    stored, _ = model_folder.load_config(folder)
    named = flags.given_settings(given)
    advice = "--resume keeps a run's flags, --overwrite starts anew."
    config.refuse_changes(stored, wanted, named, folder, advice)
    return dataclasses.replace(stored, data_dir=wanted.data_dir or stored.data_dir), folder


def _finished(folder: Path, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The metrics of the finished run that `--resume` finds in the folder; None: train.

    Raises:
        InputError: if the folder holds a run and neither --resume nor --overwrite is given.
    """
    metrics = model_folder.load_metrics(folder)
    if given["resume"]:
        return metrics
    if (folder / model_folder.CONFIG).is_file() and not given["overwrite"]:
        held = "a trained model" if metrics else "a run that was cut off"
        raise InputError(
            f"{folder}: holds {held}; --resume goes on with it, --overwrite replaces it."
        )
    return None


def _run(wanted: Config, folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Loads the data, then trains, on the back end of Keras that is chosen."""
    backend.import_keras()
    from ser_tf import training
    from ser_tf.data import loading
    from ser_tf.models import assemble

    folder.mkdir(parents=True, exist_ok=True)
    try:
        front_end = assemble.build_front_end(wanted.features.entry)
        data = loading.load(wanted, front_end, given["cache_dir"])
        try:
            return training.run(wanted, data, front_end, folder, overwrite=given["overwrite"])
        except KeyboardInterrupt:
            again = "in place of --overwrite " if given["overwrite"] else ""
            _LOG.warning("The same command with --resume %sgoes on from there.", again)
            raise
    finally:
        with suppress(OSError):
            folder.rmdir()  # only if nothing was written


if __name__ == "__main__":
    sys.exit(main())
