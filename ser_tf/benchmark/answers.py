"""How soon a recording is answered, and how many are in a second: four ways side by side."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ser_tf import audio
from ser_tf.benchmark.answering import WAYS
from ser_tf.commandline import flags
from ser_tf.errors import InputError
from ser_tf.inference.runtimes import RUNTIMES

SUMMARY = "cold and warm answers, a folder, memory: LiteRT, Keras, librosa, SavedModel"
CLIPS = 32
SECONDS = 4.0
RATE_HZ = 48_000


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for the model, the recordings and the turns."""
    flags.add_model_dir(parser)
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help=f"folder of recordings (default: {CLIPS} synthetic ones of {SECONDS:g} s)",
    )
    parser.add_argument(
        "--turns",
        type=flags.at_least(int, 1),
        metavar="N",
        default=5,
        help="turns of each way (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a way: seconds and memory of a cold answer, a warm answer, and clips a second.

    A turn starts each way anew, twice: for the first recording alone, and for one answer to warm
    up, 20 to time, and all recordings.
    """
    with _recordings(arguments.recordings) as folder:
        paths = audio.find([folder])
        measured: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(arguments.turns):
            for way, turns in measured.items():
                cold = _cold(way, arguments.model_dir, paths[0])
                warm = _start(_command(way, arguments.model_dir, folder, warm=True))[0]
                turns.append(cold | json.loads(warm))
    return [{"way": way} | _medians(turns) for way, turns in measured.items()]


def table(results: Sequence[dict[str, Any]]) -> str:
    """The medians as lines of text, and how many times faster the first way starts."""
    first, *_ = results
    lines = [f"{'':<30}{'cold':>9}{'memory':>9}{'warm':>10}{'folder':>12}{'memory':>9}{'ratio':>8}"]
    lines += [
        f"{row['way']:<30}{row['cold_s']:>7.2f} s{row['cold_mb']:>6.0f} MB{row['warm_ms']:>7.1f} ms"
        f"{row['clips_per_second']:>6.1f} clip/s{row['folder_mb']:>6.0f} MB"
        f"{row['cold_s'] / first['cold_s']:>8.1f}"
        for row in results
    ]
    return "\n".join(lines)


@contextmanager
def _recordings(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one of synthetic speech."""
    if folder is not None:
        yield folder
        return
    import numpy as np

    from ser_tf.corpora.demo import synthesise

    with tempfile.TemporaryDirectory() as temporary:
        for number in range(CLIPS):
            voice = synthesise(1 + number % 10, "angry", 1 + number % 2, 1)
            spoken = audio.resample(np.resize(voice, round(SECONDS * 16_000)), 16_000, RATE_HZ)
            wav = audio.to_wav(spoken, RATE_HZ)
            Path(temporary, f"{number:02}.wav").write_bytes(wav)
        yield Path(temporary)


def _command(way: str, model_dir: Path, path: Path, *, warm: bool = False) -> list[str]:
    if way in RUNTIMES and not warm:
        words = ["ser_tf.predict", str(path), "--model-dir", str(model_dir), "--runtime", way]
    else:
        words = ["ser_tf.benchmark.answering", way, str(model_dir), str(path)]
    return [sys.executable, "-m", *words]


def _cold(way: str, model_dir: Path, path: Path) -> dict[str, float]:
    """Seconds and largest memory of a process that answers one recording."""
    began = time.perf_counter()
    _, megabytes = _start(_command(way, model_dir, path))
    return {"cold_s": time.perf_counter() - began, "cold_mb": megabytes}


def _start(command: list[str]) -> tuple[str, float]:
    """What a process prints, and its largest memory in MB.

    Raises:
        InputError: if it fails.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=output, stderr=errors) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            reason = (errors.read().strip().splitlines() or ["no reason given"])[-1]
            raise InputError(f"benchmark answers: {' '.join(command[2:5])} failed ({reason}).")
        return output.read(), usage.ru_maxrss / 1024


def _medians(turns: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
