"""`python -m ser_tf.benchmark`: times parts of the project side by side in one run."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from ser_tf.benchmark import answers, lmu, pipeline, serving
from ser_tf.commandline.command import command, make_parser


class Benchmark(Protocol):
    """The interface of a benchmark, a module of this package; `SUMMARY` is its line of help."""

    SUMMARY: str

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds its own flags."""

    def run(self, arguments: argparse.Namespace) -> list[dict[str, Any]]:
        """The measurements, one dictionary for each row."""

    def table(self, results: Sequence[dict[str, Any]]) -> str:
        """The measurements as lines of text."""


BENCHMARKS: dict[str, Benchmark] = {
    "pipeline": pipeline,
    "lmu": lmu,
    "serving": serving,
    "answers": answers,
}
"""The benchmarks by name."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark that the flags name."""
    arguments = _parser().parse_args(argv)
    benchmark = BENCHMARKS[arguments.benchmark]
    results = benchmark.run(arguments)
    text = json.dumps(results, indent=2) if arguments.json else benchmark.table(results)
    sys.stdout.write(text + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("benchmark", "Time parts of the project side by side.")
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, benchmark in BENCHMARKS.items():
        own = commands.add_parser(name, help=benchmark.SUMMARY)
        benchmark.add_flags(own)
        own.add_argument("--json", action="store_true", help="print JSON")
    return parser
