"""The LMU layer compared with others: time of a step and peak of memory."""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser_tf.benchmark.rivals import WAYS
from ser_tf.benchmark.step import BATCH, CASES
from ser_tf.commandline import flags
from ser_tf.errors import InputError

SUMMARY = "steps of the LMU layer against keras_lmu, the order-first formula and LSTM"

_LOG = logging.getLogger(__name__)
_GLANCE_SECONDS = 0.05
_OURS = next(iter(WAYS))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for the cases, their duration and their limits."""
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=tuple(CASES),
        default=tuple(CASES),
        help=f"shapes to compare at: {'; '.join(f'{name}: {case}' for name, case in CASES.items())}"
        " (default: all)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="time a few steps only: a rough look, no measurement"
    )
    parser.add_argument(
        "--memory-gb",
        type=flags.at_least(float, 1),
        metavar="X",
        default=12.0,
        help="most memory a case may take (default: %(default)s)",
    )
    parser.add_argument(
        "--limit-seconds",
        type=flags.at_least(float, 1),
        metavar="X",
        default=300.0,
        help="longest a case may take, building included (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The steps of every layer at every shape, one process after the other.

    A case that passes its limit of memory or time is ended. What was measured until then stays, and
    `failure` says why there is no more.
    """
    if not Path("/proc/self/status").exists():
        raise InputError("benchmark lmu: reads the peak of memory from /proc, which Linux has.")
    results: list[dict[str, Any]] = []
    for name in arguments.cases:
        ours: dict[str, Any] = {}
        for way in WAYS:
            result = _measure(name, way, arguments)
            ours = ours or result
            results.append({"case": name, "way": way} | result | _ratios(result, ours))
            _LOG.info("%s, %s: %s", name, way, _cells(results[-1]))
    return results


def table(results: Sequence[dict[str, Any]]) -> str:
    """The times and peaks as lines of text, with their multiples of our layer's."""
    lines = [f"Batch {BATCH}; in brackets, how many times this layer's."]
    for result in results:
        if result["way"] == _OURS:
            head = f"{'training ms':>18}{'inference ms':>18}{'peak MB, training':>20}"
            lines += ["", f"{result['case']}: {CASES[result['case']]}", f"{'':<22}{head}"]
        lines.append(f"{result['way']:<22}{_cells(result)}")
    return "\n".join(lines)


def _measure(case: str, way: str, arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = 0 if arguments.quick else 5
    command = [sys.executable, "-m", "ser_tf.benchmark.step", case, way, str(seconds)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        try:
            failure = watch(process, arguments.memory_gb, arguments.limit_seconds)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        errors.seek(0)
        if failure is None and process.returncode:
            failure = "failed: " + (errors.read().strip().splitlines() or ["no reason given"])[-1]
        parts = [json.loads(line) for line in output]
    return {key: value for part in parts for key, value in part.items()} | {"failure": failure}


def watch(process: "subprocess.Popen[Any]", memory_gb: float, seconds: float) -> str | None:
    """Waits for the end of a process, and returns which limit it passed first, if any."""
    until = time.monotonic() + seconds
    while process.poll() is None:
        if _resident_gb(process.pid) > memory_gb:
            return f"does not fit in {memory_gb:g} GB"
        if time.monotonic() > until:
            return f"takes longer than {seconds:g} s"
        time.sleep(_GLANCE_SECONDS)
    return None


def _resident_gb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it has just ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _ratios(result: dict[str, Any], ours: dict[str, Any]) -> dict[str, float]:
    keys = ("training_ms", "inference_ms", "training_mb", "inference_mb")
    both = [key for key in keys if key in result and key in ours]
    return {f"{key}_times_ours": result[key] / ours[key] for key in both}


def _cells(result: dict[str, Any]) -> str:
    keys = (("training_ms", 18), ("inference_ms", 18), ("training_mb", 20))
    cells = (f"{_cell(result, key):>{width}}" for key, width in keys)
    return "".join(cells) + (f"  {result['failure']}" if result["failure"] else "")


def _cell(result: dict[str, Any], key: str) -> str:
    if key not in result:
        return "-"
    ratio = result.get(f"{key}_times_ours")
    return f"{result[key]:.1f} ({'-' if ratio is None else f'{ratio:.1f}'})"
