"""`python -m ser_tf.compare`: models on several splits side by side, one job after another."""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ser_tf import backend, config
from ser_tf.commandline import command, flags
from ser_tf.config import Config
from ser_tf.corpora.splits import KINDS
from ser_tf.errors import InputError
from ser_tf.evaluation import comparison
from ser_tf.evaluation.comparison import Result
from ser_tf.inference import model_folder
from ser_tf.models import MODELS

_LOG = logging.getLogger(__name__)
_OWN = ("model", "split.kind", "seed", "split.folds", "split.protocol")
"""What the jobs of a comparison need not share."""


class Job(NamedTuple):
    """A run of the comparison and the folder it fills."""

    config: Config
    folder: Path


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the jobs that are not done yet, then writes the table and the pictures."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if given["table"]:
        sys.stdout.write(_table(given["table"], given["last_epochs"]))
        return 0
    if given["last_epochs"]:
        parser.error("--last-epochs: needs --table NAME.")
    try:
        jobs = _jobs(given)
    except config.UsageError as error:
        parser.error(str(error))
    if given["prepare"]:
        backend.import_tensorflow()
        from ser_tf.data import loading

        sys.stdout.write(loading.prepare(jobs[0].config, given["cache_dir"]))
        return 0
    _check_folders(jobs)
    output = jobs[0].folder.parent
    name = output.absolute().name.removeprefix("compare-")
    try:
        failed = _run(jobs, name, given["cache_dir"])
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
    parser = command.parser(
        "compare",
        "Train models on several splits, one after another, and set the results side by side. "
        "What is done is kept: the same command goes on where it was stopped.",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=tuple(MODELS),
        default=list(comparison.PUBLISHED),
        help=f"encoders (default: {' '.join(comparison.PUBLISHED)})",
    )
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=KINDS,
        help="what test and training must not share "
        f"(default: {' '.join(comparison.SPLITS)}; with --protocol or --folds: speakers)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=command.seed,
        default=[0],
        metavar="N",
        help="seeds of weights, order and augmentation (default: 0)",
    )
    parser.add_argument(
        "--table", metavar="NAME", help=f"print the table of {comparison.FOLDER}/NAME.csv, no more"
    )
    parser.add_argument(
        "--last-epochs",
        type=command.at_least(int, 1),
        metavar="N",
        help="with --table: mean scores of each run's last N epochs, where all were scored",
    )
    command.add_corpora(parser, "the four that kagglehub can download")
    flags.add_flags(parser, without=("model", "split", "seed", "test"))
    command.add_prepare(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the jobs' model folders "
        "(default: saved_models/compare-PRESET-CORPORA, without a preset FEATURES-CORPORA)",
    )
    return parser


def _table(name: str, last_epochs: int | None) -> str:
    runs = comparison.of_last_epochs(name, last_epochs) if last_epochs else comparison.load(name)
    return comparison.markdown(runs, last_epochs)


def _jobs(given: Mapping[str, Any]) -> list[Job]:
    """The jobs in their order: all of one seed before the next.

    Raises:
        UsageError: if flags exclude each other.
    """
    folds = given.get("protocol") or given.get("folds")
    splits = given["splits"] or (["speakers"] if folds else comparison.SPLITS)
    configs = [
        flags.from_flags({**given, "model": model, "split": split, "seed": seed})
        for seed in given["seeds"]
        for model in given["models"]
        for split in splits
    ]
    first = configs[0]
    name = "-".join(("compare", first.recipe or first.features.name, *first.corpora))
    output = given["output"] or Path("saved_models") / name
    return [Job(wanted, output / _folder_name(wanted)) for wanted in configs]


def _folder_name(wanted: Config) -> str:
    return comparison.folder_name(wanted.model.name, comparison.split_name(wanted), wanted.seed)


def _check_folders(jobs: Sequence[Job]) -> None:
    """Refuses to mix runs of other flags into the comparison.

    Raises:
        InputError: naming the first flag that differs.
    """
    wanted_in = {folder: wanted for wanted, folder in jobs}
    for path in sorted(jobs[0].folder.parent.glob(f"*/{model_folder.CONFIG}")):
        folder = path.parent
        stored, _ = model_folder.load_config(folder)
        wanted = wanted_in.get(folder, jobs[0].config)
        names = _shared(wanted, () if folder in wanted_in else _OWN)
        config.refuse_changes(stored, wanted, names, folder, "another --output starts anew.")


def _shared(wanted: Config, but: Collection[str]) -> list[str]:
    """The keys of all settings, but for some and those of some groups."""
    return [key for key, _ in wanted.items() if not {key, key.partition(".")[0]} & {*but}]


def _run(jobs: Sequence[Job], name: str, cache_dir: Path) -> int:
    """Trains what is not done yet; the data, which all jobs share, are loaded for the first.

    Returns:
        How many jobs could not be done; each is named, and the others go on.
    """
    data = None
    failed = 0
    for number, (wanted, folder) in enumerate(jobs, start=1):
        if not model_folder.load_metrics(folder):
            data = data or _load(wanted, cache_dir)
            _LOG.info("Training %d of %d in %s", number, len(jobs), folder)
            try:
                _train(wanted, folder, data)
            except InputError as error:
                _LOG.error("error: %s: %s", folder, error)
                failed += 1
                continue
        result = comparison.keep(name, folder)
        sys.stdout.write(f"{number} of {len(jobs)}: {_line(result)}\n")
        sys.stdout.flush()
    return failed


def _load(wanted: Config, cache_dir: Path) -> Any:
    backend.import_keras()
    from ser_tf.data import loading
    from ser_tf.models import assemble

    return loading.load(wanted, assemble.build_front_end(wanted.features.entry), cache_dir)


def _train(wanted: Config, folder: Path, data: Any) -> None:
    import keras

    from ser_tf import training
    from ser_tf.models import assemble

    keras.utils.clear_session()  # what earlier jobs left
    front_end = assemble.build_front_end(wanted.features.entry)
    training.run(wanted, data, front_end, folder, epoch_lines=False)


def _line(result: Result) -> str:
    rates = (result.train_accuracy, result.test_accuracy, result.test_uar)
    train, test, uar = (f"{100 * rate:.1f} %" for rate in rates)
    return (
        f"{result.title}, seed {result.seed}: train {train}, test {test}, "
        f"UAR {uar}; {result.epochs} epochs of {result.seconds_per_epoch:.3g} s"
    )


def _finish(output: Path, name: str) -> list[Result]:
    """Gathers every finished job in `output`, also those of earlier commands, and draws them."""
    here = [comparison.keep(name, path.parent) for path in output.glob(f"*/{model_folder.METRICS}")]
    table = comparison.load(name)
    stem = comparison.FOLDER / name
    if strangers := [result for result in table if result not in here]:
        _LOG.warning(
            "%s.csv also holds runs that are not in %s, perhaps of other flags: %s",
            stem,
            output,
            "; ".join(f"{result.title}, seed {result.seed}" for result in strangers),
        )
    _draw_scores(table, stem)
    for model in dict.fromkeys(result.model for result in table):
        own = [result for result in table if result.model == model]
        first = min(result.seed for result in own)
        _draw_model([result for result in own if result.seed == first], name)
    return table


def _draw_scores(table: Sequence[Result], stem: Path) -> None:
    """`NAME.png`: the scores of all runs."""
    import pandas as pd

    from ser_tf.evaluation import plots

    rows = pd.DataFrame([dataclasses.asdict(result) for result in table])
    plots.save(plots.comparison(rows), stem.with_name(f"{stem.name}.png"))


def _draw_model(runs: Sequence[Result], name: str) -> None:
    """`NAME-confusions-MODEL.png` and `NAME-curves-MODEL.png`: its runs of one seed.

    A picture of which nothing was kept stays as it is.
    """
    import pandas as pd

    from ser_tf.evaluation import plots

    folders = {result: comparison.kept(name, result) for result in runs}
    scores = {result: model_folder.load_metrics(folder) for result, folder in folders.items()}
    matrices = {run.title: found["test"]["confusion"] for run, found in scores.items() if found}
    histories = {
        result.split: pd.read_csv(folder / model_folder.HISTORY)
        for result, folder in folders.items()
        if (folder / model_folder.HISTORY).is_file()
    }
    model = runs[0].model
    pictures = {}
    if matrices:
        classes = next(found["classes"] for found in scores.values() if found)
        pictures["confusions"] = plots.confusions(matrices, classes)
    if histories:
        title = f"{model}, split by {', '.join(histories)}"
        pictures["curves"] = plots.curves_of_splits(histories, title)
    for kind, picture in pictures.items():
        plots.save(picture, comparison.FOLDER / f"{name}-{kind}-{model}.png")


if __name__ == "__main__":
    sys.exit(main())
