"""`python -m ser_tf.fit`: trains a model, scores it once on its test clips, and keeps both."""

import argparse
import sys
from collections.abc import Sequence

from ser_tf import api
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.config import UsageError, layered, recipes
from ser_tf.corpora.splits import KINDS
from ser_tf.models import MODELS
from ser_tf.models.features import FEATURES

_KEYS = {
    "corpora": "corpora",
    "map": "map",
    "data_dir": "data_dir",
    "features": "features.name",
    "model": "model.name",
    "split": "split.kind",
    "epochs": "training.epochs",
    "seed": "seed",
}
"""The settings that have a flag of their own."""
_REMOVED = {
    "--preset": "--recipe, as in --recipe published",
    "--prepare": "a flag of compare, as in `python -m ser_tf.compare RECIPE --prepare`",
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Trains as the flags say."""
    parser = _parser()
    given = flags.parse(parser, argv, _REMOVED)
    try:
        found = layered(recipes.load(given["recipe"]), flags.layers(given, _KEYS))
    except UsageError as error:
        parser.error(str(error))
    if given["show"]:
        sys.stdout.write(found.toml())
        return 0
    run = api.train_configuration(
        found.config,
        found.sources,
        **{name: given[name] for name in ("output", "cache_dir", "resume", "overwrite")},
    )
    sys.stdout.write(f"{run}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("fit", "Train a speech emotion model and score it on unseen speakers.")
    parser.add_argument(
        "--recipe",
        default=recipes.DEFAULT,
        metavar="RECIPE",
        help=f"{', '.join(recipes.names())}, a TOML file, or the config.json of a model folder "
        "(default: %(default)s)",
    )
    flags.add_set(parser)
    parser.add_argument(
        "--show",
        action="store_true",
        help="only print all settings, as a recipe, with where each comes from",
    )
    flags.add_corpora(parser, "the recipe's, else the four that kagglehub can download")
    flags.add_map(parser, "change what clips are called")
    parser.add_argument("--model", choices=tuple(MODELS), help="encoder (default: lmu)")
    parser.add_argument(
        "--features", choices=tuple(FEATURES), help="what the encoder sees (default: mfcc)"
    )
    parser.add_argument(
        "--split", choices=KINDS, help="what test and training must not share (default: speakers)"
    )
    parser.add_argument(
        "--epochs", type=flags.at_least(int, 1), metavar="N", help="epochs at most (default: 60)"
    )
    parser.add_argument(
        "--seed",
        type=flags.seed,
        metavar="N",
        help="seed of weights, order and augmentation (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=flags.path,
        metavar="DIR",
        help="model folder (default: saved_models/MODEL-CORPORA, whatever the other settings)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the run that was cut off")
    again.add_argument(
        "--overwrite", action="store_true", help="replace the model that is in the folder"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
