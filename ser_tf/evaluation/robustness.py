"""Robustness: scores of the same clips after what recordings suffer outside a studio."""

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tf import audio, console
from ser_tf.inference.predictions import tabulate

if TYPE_CHECKING:
    import pandas as pd

    from ser_tf.data.dataset import Dataset
    from ser_tf.inference.recogniser import Recogniser

Condition = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""A change to a recording: takes a waveform `(samples,)`, its rate and a random generator, and
returns a waveform at that rate."""

CLEAN = "clean"
NOISE_DB = 10.0
SILENCE_SECONDS = 3.0

_MU = 255.0
_MP3_32_KBPS = 0.842
"""libsndfile's compression level x for 32 kb/s: at rates up to 24 kHz it means 160 - 152 x kb/s."""


def measure_robustness(
    recogniser: "Recogniser", data: "Dataset", score: Callable[["pd.DataFrame"], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The scores of the clips of `data` under every condition.

    Each clip is answered like a recording in `predict`. Its noise depends on the clip alone.

    Args:
        recogniser: a trained model.
        data: the clips.
        score: the scores of answers as from `tabulate`.

    Returns:
        For each name in `CONDITIONS` the scores.
    """
    answers: dict[str, list[list[float]]] = {name: [] for name in CONDITIONS}
    rows = data.rows[data.rows["copy"] == 0]
    clips = list(zip(rows["waveform"], rows["digest"], strict=True))
    for path, digest in console.bar(clips, "conditions", len(clips)):
        waveform = np.load(path)
        for name, change in CONDITIONS.items():
            rng = np.random.default_rng(int(digest[:8], 16))
            changed = change(waveform, recogniser.rate_hz, rng).astype(np.float32)
            answers[name].append([*recogniser.answer(changed).probabilities.values()])
    classes, runtime = recogniser.classes, recogniser.runtime
    scores = {}
    for name, found in answers.items():
        table = tabulate(rows, np.array(found), classes, runtime.unsure_below)
        scores[name] = score(table)
    return scores


def _gain(gain_db: float) -> Condition:
    """Makes a clip louder or softer in 16 bits, with clipping."""

    def change(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
        louder = np.round(waveform * 10 ** (gain_db / 20) * 32_768)
        return np.clip(louder, -32_768, 32_767) / 32_768

    return change


def _silence(before: float, after: float) -> Condition:
    """Adds seconds of digital silence around the clip."""

    def change(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
        return np.pad(waveform, (round(before * rate_hz), round(after * rate_hz)))

    return change


def _telephone(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """300 to 3,400 Hz at 8 kHz, in the 8 bits of ITU-T G.711's mu-law."""
    from scipy.signal import butter, sosfiltfilt

    narrow = audio.resample(waveform, rate_hz, 8_000).astype(np.float64)
    padded = np.pad(narrow, 400)
    band = butter(4, [300, 3_400], "bandpass", fs=8_000, output="sos")
    narrow = sosfiltfilt(band, padded)[400 : 400 + len(narrow)]
    compressed = np.sign(narrow) * np.log1p(_MU * np.minimum(np.abs(narrow), 1)) / np.log1p(_MU)
    stored = np.round(compressed * 127) / 127
    expanded = np.sign(stored) * np.expm1(np.abs(stored) * np.log1p(_MU)) / _MU
    return audio.resample(expanded.astype(np.float32), 8_000, rate_hz)


def _mp3(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """MP3 at a constant 32 kb/s, at 16 kHz."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file,
        audio.resample(waveform, rate_hz, 16_000),
        16_000,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=_MP3_32_KBPS,
    )
    file.seek(0)
    return audio.resample(soundfile.read(file, dtype="float32")[0], 16_000, rate_hz)


def _noise(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Pink noise, `NOISE_DB` below the clip's mean power."""
    spectrum = np.fft.rfft(rng.standard_normal(len(waveform)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(waveform))
    power = np.mean(np.square(waveform)) / max(float(np.mean(np.square(noise))), 1e-12)
    return waveform + noise * np.sqrt(power * 10 ** (-NOISE_DB / 10))


def _resampled(waveform: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """To 44.1 kHz and back."""
    return audio.resample(audio.resample(waveform, rate_hz, 44_100), 44_100, rate_hz)


CONDITIONS: Mapping[str, Condition] = {
    CLEAN: lambda waveform, rate_hz, rng: waveform,
    "gain of -30 dB": _gain(-30),
    "gain of +20 dB, clipped": _gain(20),
    "3 s of silence before": _silence(SILENCE_SECONDS, 0),
    "3 s of silence after": _silence(0, SILENCE_SECONDS),
    "telephone": _telephone,
    "MP3 at 32 kb/s": _mp3,
    "pink noise at 10 dB": _noise,
    "resampled to 44.1 kHz and back": _resampled,
}
"""The conditions by the names that tables print."""
