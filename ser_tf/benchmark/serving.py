"""An exported model: size, latency, throughput, and agreement between sampling rates."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import audio, backend
from ser_tf.commandline import flags
from ser_tf.errors import InputError
from ser_tf.inference import model_folder

if TYPE_CHECKING:
    import numpy as np

SUMMARY = "a published model against librosa and predict; its size; agreement between rates"
COMPARED = ("mfcc", "mfcc_deltas")
RATES_HZ = (8_000, 22_050, 44_100, 48_000, 96_000)
_BATCH = 16


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for the model, and for the clips on which rates are compared."""
    parser.add_argument(
        "--model-dir",
        type=flags.path,
        metavar="DIR",
        required=True,
        help=f"model folder made by fit with --features {' or '.join(COMPARED)}",
    )
    flags.add_corpora(parser, "the synthetic demo corpus")
    for flag, default, text in (
        ("--clips", 100, "clips to compare rates on"),
        ("--turns", 100, "turns of the latencies"),
    ):
        parser.add_argument(
            flag,
            type=flags.at_least(int, 2),
            metavar="N",
            default=default,
            help=f"{text} (default: %(default)s)",
        )


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Sizes; latencies and throughput, each in a process of its own; agreement between rates."""
    config, _ = model_folder.load_config(arguments.model_dir)
    if config.features.name not in COMPARED:
        raise InputError(
            f"{arguments.model_dir}: features {config.features.name}; benchmark serving restates "
            f"{' and '.join(COMPARED)} in librosa."
        )
    backend.import_tensorflow()
    from ser_tf.serving import saved_model

    artifact = model_folder.load(arguments.model_dir)
    with tempfile.TemporaryDirectory() as folder:
        version = saved_model.write(
            artifact.model, artifact.classes, artifact.rate_hz, Path(folder) / "published"
        )
        rows = [row for cores in (1, 2) for row in _requests(arguments, version, cores)]
        rows += _agreement(arguments, version, artifact.rate_hz)
        artifact.model.export(f"{folder}/keras", verbose=False)
        sizes = {"SavedModel": version, "Keras' own export": Path(folder) / "keras"}
        return [
            {"part": "size", "way": way, "mb": saved_model.megabytes(p)} for way, p in sizes.items()
        ] + rows


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as lines of text."""
    lines = []
    for row in results:
        rate = f"{row['rate_hz'] / 1000:g} kHz" if "rate_hz" in row else ""
        head = f"{row['part']:<11}{row['way']:<32}{rate:>10}"
        lines.append(f"{head}  {_FORMATS[row['part']].format_map(row)}")
    return "\n".join(lines)


_FORMATS = {
    "size": "{mb:.2f} MB",
    "latency": "p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms",
    "throughput": "{clips_per_second:.0f} clips/s, p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms",
    "rates": "{same} of {clips} labels the same, difference {difference_db:.0f} dB below",
}


def _requests(arguments: argparse.Namespace, version: Path, cores: int) -> list[dict[str, Any]]:
    words = [str(arguments.model_dir), str(version), str(cores), str(arguments.turns)]
    command = [sys.executable, "-m", "ser_tf.benchmark.requests", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"benchmark serving: the requests failed ({reason}).")
    return [json.loads(line) for line in result.stdout.splitlines()]


def _agreement(arguments: argparse.Namespace, version: Path, rate_hz: int) -> list[dict[str, Any]]:
    """Agreement of labels: files at other rates, and the same files resampled by soxr."""
    import tensorflow as tf

    from ser_tf import corpora

    names = arguments.corpora or ("demo",)
    index = corpora.load(names, arguments.data_dir, arguments.cache_dir)
    clips = index.sample(min(arguments.clips, len(index)), random_state=0)["path"]
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    rows = []
    for from_hz in RATES_HZ:
        recorded = [audio.load(path, from_hz) for path in clips]
        heard = [audio.resample(waveform, from_hz, rate_hz) for waveform in recorded]
        pairs = zip(_labels(serve, recorded, from_hz), _labels(serve, heard, rate_hz), strict=True)
        row = {"part": "rates", "way": "label as after soxr", "rate_hz": from_hz}
        row["same"] = sum(ours == soxrs for ours, soxrs in pairs)
        row["clips"] = len(clips)
        row["difference_db"] = statistics.median(
            _difference_db(*pair, from_hz, rate_hz) for pair in zip(recorded, heard, strict=True)
        )
        rows.append(row)
    return rows


def _labels(serve: Callable[..., Any], clips: list["np.ndarray"], rate_hz: int) -> list[bytes]:
    """The labels of the clips, sent as WAV files of this rate."""
    import tensorflow as tf

    files = [audio.to_wav(clip, rate_hz) for clip in clips]
    batches = (files[start:][:_BATCH] for start in range(0, len(files), _BATCH))
    answers = (serve(wav_bytes=tf.constant(batch)) for batch in batches)
    return [label for answer in answers for label in answer["label"].numpy()]


def _difference_db(recorded: "np.ndarray", heard: "np.ndarray", from_hz: int, to_hz: int) -> float:
    """How many dB the graph's resampling differs from soxr's, below the signal."""
    import numpy as np

    from ser_tf.layers.signal.resample import resample

    ours = resample(recorded[np.newaxis], from_hz, to_hz)[0].numpy()
    error = float(np.mean(np.square(ours - heard))) or 1e-20
    return float(10 * np.log10(np.mean(np.square(heard)) / error + 1e-20))
