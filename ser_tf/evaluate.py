"""`python -m ser_tf.evaluate`: scores a trained model on its own test clips or on corpora."""

import json
import sys
from collections.abc import Sequence

from ser_tf import api
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Scores as the flags say."""
    parser = make_parser("evaluate", "Score a trained model on its test clips or on whole corpora.")
    flags.add_model_dir(parser)
    flags.add_runtime(
        parser,
        "keras",
        "keras scores features as training did, litert answers recordings as predict does, without "
        "TensorFlow",
    )
    flags.add_corpora(parser, "the model's own test clips")
    flags.add_map(parser, "score on the classes of another task, adding up probabilities")
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="score the clips also louder, noisier, over the telephone and so on",
    )
    parser.add_argument("--json", action="store_true", help="print all scores as JSON")
    given = parser.parse_args(argv)
    scores = api.load(given.model_dir, given.runtime).evaluate(
        given.corpora or (),
        data_dir=given.data_dir,
        cache_dir=given.cache_dir,
        map=given.map or (),
        robustness=given.robustness,
        runtime=given.runtime,
    )
    if given.json:
        sys.stdout.write(json.dumps(scores, indent=2) + "\n")
        return 0
    from ser_tf.evaluation import report

    describe = report.describe_robustness if given.robustness else report.describe_scores
    sys.stdout.write(describe(scores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
