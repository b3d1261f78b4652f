"""`python -m ser_tf.benchmark`: times parts of the project side by side in one run."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from ser_tf.benchmark import lmu, pipeline, serving
from ser_tf.commandline.command import command, make_parser


class Benchmark(Protocol):
    """What a module of this package offers to be a benchmark; `SUMMARY` is its line of help."""

    SUMMARY: str

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds the flags of its own."""

    def run(self, arguments: argparse.Namespace) -> list[dict[str, Any]]:
        """What it measured, a dictionary a row."""

    def table(self, results: Sequence[dict[str, Any]]) -> str:
        """The same as lines of text."""


BENCHMARKS: dict[str, Benchmark] = {
    "pipeline": pipeline,
    "lmu": lmu,
    "serving": serving,
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
