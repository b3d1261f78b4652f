"""One process of `benchmark serving`, which TensorFlow tells the cores once.

`python -m ser_tf.benchmark.requests MODEL_DIR VERSION CORES TURNS` prints a line of JSON a row.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ser_tf import audio, backend

if TYPE_CHECKING:
    import numpy as np

    from ser_tf.inference.model_folder import Artifact
    from ser_tf.models.features import MFCCFeatures

SECONDS = 3
BATCH = 32
_QUICK_A_TURN = 3


def main(argv: Sequence[str]) -> int:
    """Times requests one by one on one core, or in batches on more."""
    model_dir, version = map(Path, argv[:2])
    cores, turns = map(int, argv[2:])
    for pool in ("INTRAOP", "INTEROP"):
        os.environ[f"TF_NUM_{pool}_THREADS"] = str(cores)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    backend.import_tensorflow()
    import tensorflow as tf

    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    for row in one_by_one(model_dir, serve, turns) if cores == 1 else batches(serve, turns):
        sys.stdout.write(json.dumps(row | {"cores": cores}) + "\n")
    return 0


def one_by_one(model_dir: Path, serve: Callable[..., Any], turns: int) -> list[dict[str, Any]]:
    """Both ways to answer a WAV file, in turns, at the model's rate and at 48 kHz."""
    import numpy as np
    import tensorflow as tf

    from ser_tf.inference import model_folder

    artifact = model_folder.load(model_dir)
    rows = []
    for rate_hz in (artifact.rate_hz, 48_000):
        wav = audio.to_wav(noise(rate_hz), rate_hz)
        ways = {
            "SavedModel": lambda wav=wav: serve(wav_bytes=tf.constant([wav]))["probabilities"],
            "librosa, then model.predict": lambda wav=wav: usual(artifact, wav),
        }
        difference = np.abs(np.subtract(*(np.asarray(way()) for way in ways.values()))).max()
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(turns):
            for name, way in ways.items():
                for _ in range(_QUICK_A_TURN if name == "SavedModel" else 1):
                    times[name].append(timed(way))
        for name, milliseconds in times.items():
            row = {"part": "latency", "way": name, "rate_hz": rate_hz, **percentiles(milliseconds)}
            rows.append(row | {"largest_difference": float(difference)})
    return rows


def batches(serve: Callable[..., Any], turns: int) -> list[dict[str, Any]]:
    """Batches of WAV files of 16 kHz."""
    import tensorflow as tf

    files = tf.constant([audio.to_wav(noise(16_000, seed), 16_000) for seed in range(BATCH)])
    for _ in range(3):
        serve(wav_bytes=files)
    times = [timed(lambda: serve(wav_bytes=files)["label"].numpy()) for _ in range(turns)]
    rate = 1000 * BATCH / statistics.median(times)
    row = {"part": "throughput", "way": f"SavedModel, batches of {BATCH}", "rate_hz": 16_000}
    return [row | percentiles(times) | {"clips_per_second": rate}]


def usual(artifact: "Artifact", wav: bytes) -> "np.ndarray":
    """What a script does: features with librosa, then the network's `predict`."""
    import io

    import librosa
    import numpy as np

    entry = cast("MFCCFeatures", artifact.config.features.entry)
    waveform, _ = librosa.load(io.BytesIO(wav), sr=artifact.rate_hz)
    samples = round(entry.clip_seconds * artifact.rate_hz)
    waveform = np.pad(waveform, (max(0, samples - len(waveform)), 0))
    start = (len(waveform) - samples) // 2
    waveform = waveform[start : start + samples]
    frames = librosa.feature.mfcc(
        y=waveform,
        sr=artifact.rate_hz,
        n_mfcc=entry.n_mfcc,
        n_fft=entry.n_fft,
        hop_length=round(entry.hop_seconds * artifact.rate_hz),
        win_length=round(entry.window_seconds * artifact.rate_hz),
        n_mels=entry.n_mels,
    )
    features = np.concatenate(
        [frames, *(librosa.feature.delta(frames, order=n + 1) for n in range(entry.deltas))]
    )
    logits = artifact.model.get_layer("encoder").predict(features.T[np.newaxis], verbose=0)
    return np.asarray(artifact.calibration(logits))


def noise(rate_hz: int, seed: int = 0) -> "np.ndarray":
    """`SECONDS` of noise."""
    import numpy as np

    samples = np.random.default_rng(seed).normal(0, 0.1, SECONDS * rate_hz)
    return np.clip(np.round(samples * 32_768) / 32_768, -1, 1 - 2**-15).astype(np.float32)


def timed(way: Callable[[], Any]) -> float:
    """How many milliseconds it takes."""
    began = time.perf_counter()
    way()
    return 1000 * (time.perf_counter() - began)


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile."""
    *_, p99 = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"p50_ms": statistics.median(milliseconds), "p99_ms": p99}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
