"""Synthetic sounds other than speech, in which a model should find no emotion.

Noises, hums, clicks, tones, and music of a few notes. Training gives them equal probabilities of
all classes (Hendrycks et al., 2019, "Deep Anomaly Detection with Outlier Exposure"), so that the
answer on anything but speech is unsure. Nothing is recorded: they come from NumPy and a seed.
"""

from collections.abc import Callable

import numpy as np

_CONCERT_A_HZ = 440.0
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))  # major, minor, five


def make_sound(kind: str, seconds: float, rate_hz: int, seed: int) -> np.ndarray:
    """One sound; the same arguments always give the same samples.

    Args:
        kind: one of `KINDS`.
        seconds: its length, above 0.
        rate_hz: its sampling rate.
        seed: of everything that is random.

    Returns:
        float32 `(samples,)` with a peak between 60 and 6 dB below full scale; silence is zeros.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind not in _MAKERS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}. Received: {kind}.")
    rng = np.random.default_rng([KINDS.index(kind), seed])
    samples = _MAKERS[kind](np.arange(round(seconds * rate_hz)) / rate_hz, rng)
    loudest = np.abs(samples).max(initial=1e-9)
    level = 10 ** (rng.uniform(-60, -6) / 20)
    return (samples * (level / max(loudest, 1e-9))).astype(np.float32)


def make_sounds(count: int, rate_hz: int, seed: int = 0) -> list[np.ndarray]:
    """`count` sounds of all kinds in turn, each 1.5 to 4 seconds long."""
    lengths = np.random.default_rng(seed).uniform(1.5, 4.0, count)
    return [
        make_sound(KINDS[number % len(KINDS)], seconds, rate_hz, seed + number)
        for number, seconds in enumerate(lengths)
    ]


def _silence(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.zeros_like(time)


def _noise(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of a random slope, from white to beyond brown, steady or swelling like wind."""
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1.2)
    swell = 1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rng.uniform(0.1, 3) * time)
    return np.fft.irfft(spectrum, len(time)) * swell


def _hum(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mains and motors: steady harmonics over some noise."""
    pitch_hz = rng.choice([50, 60, rng.uniform(30, 400)])
    tones = _harmonics(time, pitch_hz, rng)
    return tones + rng.uniform(0.001, 0.3) * tones.std() * rng.standard_normal(len(time))


def _clicks(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keys, knocks and drops: decaying bursts at random times or at a steady beat."""
    result = 0.001 * rng.standard_normal(len(time))
    count = rng.integers(2, 25)
    steady = np.linspace(0, time[-1], count)
    starts = steady if rng.random() < 0.5 else rng.uniform(0, time[-1], count)
    decay, tone_hz = rng.uniform(0.003, 0.1), rng.uniform(100, 4_000)
    for start in starts:
        age = np.maximum(time - start, 0)
        ring = np.sin(2 * np.pi * tone_hz * age) + rng.standard_normal(len(time))
        result += np.where(time >= start, np.exp(-age / decay), 0) * ring
    return result


def _tone(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A beep, a siren or a sweep."""
    low_hz, high_hz = np.sort(rng.uniform(100, 4_000, 2))
    swing = rng.integers(2) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 2) * time))
    pitch_hz = low_hz + (high_hz - low_hz) * swing
    return np.sin(2 * np.pi * np.cumsum(pitch_hz) * (time[-1] / len(time)))


def _music(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chords of a scale one after another, some with a drum."""
    scale = _SCALES[rng.integers(len(_SCALES))]
    beat, root = rng.uniform(0.12, 0.6), rng.integers(-24, 3)
    result = np.zeros_like(time)
    for start in np.arange(0, time[-1] if len(time) else 0, beat):
        part = (time >= start) & (time < start + 2 * beat)
        age = time[part] - start
        voices = rng.choice(scale, rng.integers(1, 4)) + root + 12 * rng.integers(0, 2)
        decay = np.exp(-age / rng.uniform(0.1, 1.0)) * np.minimum(age / 0.01, 1)
        for step in voices:
            result[part] += decay * _harmonics(age, _CONCERT_A_HZ * 2 ** (step / 12), rng)
        if rng.random() < 0.3:
            result[part] += np.exp(-age / 0.03) * rng.standard_normal(len(age))
    return result


def _harmonics(time: np.ndarray, pitch_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Up to 19 harmonics whose level falls by a power of their number, each at a random phase."""
    slope = rng.uniform(0.5, 3)
    return np.sum(
        [
            np.sin(2 * np.pi * number * pitch_hz * time + rng.uniform(0, 2 * np.pi)) / number**slope
            for number in range(1, rng.integers(2, 21))
        ],
        axis=0,
    )


_MAKERS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "silence": _silence,
    "noise": _noise,
    "hum": _hum,
    "clicks": _clicks,
    "tone": _tone,
    "music": _music,
}
KINDS = tuple(_MAKERS)
"""The kinds of sounds that there are."""
