"""`python -m ser_tf.evaluate`: scores a trained model on its own test clips or on a corpus."""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ser_tf import backend
from ser_tf.commandline import command
from ser_tf.config import Augmentation
from ser_tf.corpora import CORPORA
from ser_tf.errors import InputError
from ser_tf.inference import model_folder

if TYPE_CHECKING:
    from ser_tf.data.dataset import Data

_LOG = logging.getLogger(__name__)


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Scores as the flags say."""
    parser = command.parser(
        "evaluate", "Score a trained model on its test clips or on whole corpora."
    )
    command.add_model_dir(parser)
    command.add_corpora(parser, "the model's own test clips")
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="score the clips also louder, noisier, over the telephone and so on",
    )
    parser.add_argument("--json", action="store_true", help="print all scores as JSON")
    arguments = parser.parse_args(argv)
    model_folder.load_config(arguments.model_dir)  # a wrong folder is named at once

    backend.import_tensorflow()
    from ser_tf.evaluation import metrics, report, robustness
    from ser_tf.inference import predictions

    artifact = model_folder.load(arguments.model_dir)
    data = _clips(artifact, arguments)
    if arguments.robustness:
        scores, shown = robustness.measure(artifact, data), report.of_robustness
    else:
        answers = predictions.predict_rows(artifact.model, data)
        temperature = artifact.calibration.temperature
        scores = metrics.score(answers, artifact.classes, temperature)
        shown = report.of_scores
    sys.stdout.write(json.dumps(scores, indent=2) + "\n" if arguments.json else shown(scores))
    return 0


def _clips(artifact: model_folder.Artifact, arguments: argparse.Namespace) -> "Data":
    """The clips to score: all of the named corpora, else those the model was tested on."""
    from ser_tf.data import dataset

    front_end = artifact.model.get_layer("front_end")
    # What is learnt from and not scored is not made.
    config = artifact.config.changed({"augmentation.copies": None, "augmentation.sounds": 0})
    if arguments.data_dir:
        config = dataclasses.replace(config, data_dir=str(arguments.data_dir))
    if not arguments.corpora:
        data = dataset.load(config, front_end, arguments.cache_dir)
        return dataset.split(data, config).of("test" if config.split.test else "validation")
    config = dataclasses.replace(
        config,
        corpora=tuple(arguments.corpora),
        data_dir=arguments.data_dir and str(arguments.data_dir),
        augmentation=Augmentation(),
    )
    data = dataset.load(config, front_end, arguments.cache_dir)
    if both := [name for name in config.corpora if name in artifact.config.corpora]:
        _LOG.warning(
            "The model was trained on clips of %s: these scores say little about speakers that it "
            "has not heard.",
            ", ".join(CORPORA[name].title for name in both),
        )
    known = data.rows["emotion"].isin(artifact.classes)
    if not known.any():
        raise InputError(
            f"--corpora {' '.join(config.corpora)}: no clip of the model's classes "
            f"({', '.join(artifact.classes)})."
        )
    if not known.all():
        others = sorted(set(data.rows["emotion"][~known]))
        _LOG.warning(
            "%d clips are left out: the model does not know %s.", sum(~known), ", ".join(others)
        )
    return dataclasses.replace(data.only(known), classes=artifact.classes)


if __name__ == "__main__":
    sys.exit(main())
