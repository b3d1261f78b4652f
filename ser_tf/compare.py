"""`python -m ser_tf.compare`: recipes on several splits side by side, one job after another."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ser_tf import backend, files, home
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.config import UsageError, recipes
from ser_tf.corpora.splits import KINDS
from ser_tf.errors import InputError
from ser_tf.evaluation import comparison
from ser_tf.evaluation.comparison import Job, Result
from ser_tf.inference import model_folder
from ser_tf.models import MODELS

_LOG = logging.getLogger(__name__)
_KEYS = {"corpora": "corpora", "data_dir": "data_dir"}
_REMOVED = {
    "--preset": "the first argument, as in `compare published`",
    "--epochs": "--set training.epochs=...",
    "--features": "--set features.name=...",
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the jobs that are not done yet, then writes the table and the pictures."""
    parser = _parser()
    given = flags.parse(parser, argv, _REMOVED)
    if given["table"]:
        sys.stdout.write(_table(given["table"], given["last_epochs"]))
        return 0
    if given["last_epochs"]:
        parser.error("--last-epochs: needs --table NAME.")
    try:
        jobs = _jobs(given)
    except UsageError as error:
        parser.error(str(error))
    cache_dir = given["cache_dir"] or home.default_cache_dir()
    if given["prepare"]:
        sys.stdout.write(_prepare(jobs, cache_dir))
        return 0
    comparison.check_folders(jobs)
    output = jobs[0].folder.parent
    name = output.absolute().name.removeprefix("compare-")
    try:
        failed = _run(jobs, name, cache_dir)
    except KeyboardInterrupt:
        _LOG.warning("The same command goes on from there.")
        raise
    if failed < len(jobs):
        table = _finish(output, name)
        sys.stdout.write(
            f"\n{comparison.markdown(table)}\nSaved in {comparison.FOLDER / name}.csv\n"
        )
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "compare",
        "Train recipes on several splits and seeds, one after another, and set the results side "
        "by side. Finished jobs are kept: the same command goes on where it was stopped.",
    )
    parser.add_argument(
        "recipes",
        nargs="*",
        metavar="RECIPE",
        default=[recipes.DEFAULT],
        help=f"{', '.join(recipes.names())}, a TOML file, or the config.json of a model folder "
        f"(default: {recipes.DEFAULT})",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=tuple(MODELS),
        help="models (default: those that the recipe names)",
    )
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=KINDS,
        help="what test and training must not share (default: what the recipe names)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=flags.seed,
        default=[0],
        metavar="N",
        help="seeds of weights, order and augmentation (default: 0)",
    )
    flags.add_set(parser)
    flags.add_corpora(parser, "the recipe's")
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only leave in the cache what training on another back end of Keras needs "
        "(KERAS_BACKEND), here or, with those files, on a machine without TensorFlow",
    )
    parser.add_argument(
        "--output",
        type=flags.path,
        metavar="DIR",
        help="folder of the jobs' model folders (default: saved_models/compare-RECIPE-CORPORA)",
    )
    parser.add_argument(
        "--table", metavar="NAME", help=f"only print the table of {comparison.FOLDER}/NAME.csv"
    )
    parser.add_argument(
        "--last-epochs",
        type=flags.at_least(int, 1),
        metavar="N",
        help="with --table: mean scores of each run's last N epochs, where all were scored",
    )
    return parser


def _table(name: str, last_epochs: int | None) -> str:
    runs = comparison.load_last_epochs(name, last_epochs) if last_epochs else comparison.load(name)
    return comparison.markdown(runs, last_epochs)


def _jobs(given: Mapping[str, Any]) -> list[Job]:
    return comparison.plan(
        [recipes.load(recipe) for recipe in given["recipes"]],
        flags.layers(given, _KEYS),
        **{name: given[name] for name in ("models", "splits", "seeds", "output")},
    )


def _prepare(jobs: Sequence[Job], cache_dir: Path) -> str:
    """Fills the cache for the data of all jobs; says with what."""
    backend.import_tensorflow()
    from ser_tf.data import loading

    told, done = [], []
    for job in jobs:
        if job.data not in done:
            told.append(loading.prepare(job.config, cache_dir))
            done.append(job.data)
    return "".join(told)


def _run(jobs: Sequence[Job], name: str, cache_dir: Path) -> int:
    """Trains the unfinished jobs; data are loaded once for successive jobs that share them.

    Returns:
        How many jobs could not be done; each is named, and the others go on.
    """
    data, loaded = None, None
    failed = 0
    for number, job in enumerate(jobs, start=1):
        if not model_folder.load_metrics(job.folder):
            if loaded != job.data:
                data = None  # lets go of the memory first
                data, loaded = _load(job, cache_dir), job.data
            _LOG.info("Training %d of %d in %s", number, len(jobs), job.folder)
            try:
                _train(job, data, cache_dir)
            except InputError as error:
                _LOG.error("error: %s: %s", job.folder, error)
                failed += 1
                continue
        result = comparison.keep(name, job.folder)
        sys.stdout.write(f"{number} of {len(jobs)}: {_line(result)}\n")
        sys.stdout.flush()
    return failed


def _load(job: Job, cache_dir: Path) -> Any:
    backend.import_keras()
    from ser_tf.data import loading
    from ser_tf.models import assemble

    return loading.load(job.config, assemble.build_front_end(job.config.features.entry), cache_dir)


def _train(job: Job, data: Any, cache_dir: Path) -> None:
    import keras

    from ser_tf import training
    from ser_tf.models import assemble

    keras.utils.clear_session()  # what earlier jobs left
    front_end = assemble.build_front_end(job.config.features.entry)
    with files.holding(job.folder):
        training.run(
            job.config, data, front_end, job.folder, cache_dir=cache_dir, epoch_lines=False
        )


def _line(result: Result) -> str:
    rates = (result.train_accuracy, result.test_accuracy, result.test_uar)
    train, test, uar = (f"{100 * rate:.1f} %" for rate in rates)
    return (
        f"{result.title}, seed {result.seed}: train {train}, test {test}, "
        f"UAR {uar}; {result.epochs} epochs of {result.seconds_per_epoch:.3g} s"
    )


def _finish(output: Path, name: str) -> list[Result]:
    """Gathers every finished job in `output`, also those of earlier commands, and draws them."""
    from ser_tf.evaluation.comparison import drawing

    here = [comparison.keep(name, path.parent) for path in output.glob(f"*/{model_folder.METRICS}")]
    table = comparison.load(name)
    if strangers := [result for result in table if result not in here]:
        _LOG.warning(
            "%s.csv also holds runs that are not in %s, perhaps of other settings: %s",
            comparison.FOLDER / name,
            output,
            "; ".join(f"{result.title}, seed {result.seed}" for result in strangers),
        )
    drawing.draw(table, name)
    return table


if __name__ == "__main__":
    sys.exit(main())
