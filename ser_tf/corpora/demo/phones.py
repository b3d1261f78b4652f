"""What is said in the synthetic demo corpus: two nonsense sentences as tracks of articulation."""

from dataclasses import dataclass

import numpy as np

HOP_SECONDS = 0.008
"""Time step of every track."""

SENTENCES = {1: "da MI no FA le SU", 2: "BO se TA gi mu LA"}
"""Two sequences of consonant-vowel syllables; capitals are stressed."""


@dataclass(frozen=True)
class Phone:
    """One speech sound of an adult male voice.

    Attributes:
        formants_hz: F1, F2, F3.
        seconds: duration at average tempo.
        voicing: amplitude of the glottal source, 0 to 1.
        noise: amplitude of friction or burst, 0 to 1.
        noise_hz: centre of the friction noise.
    """

    formants_hz: tuple[float, float, float]
    seconds: float
    voicing: float
    noise: float = 0.0
    noise_hz: float = 4000.0


# Men's vowels as in G. E. Peterson, H. L. Barney (1952), table II; e and o are theirs of
# "head" and "hawed".
_VOWELS = {
    "a": Phone((730, 1090, 2440), 0.130, 1.0),
    "e": Phone((530, 1840, 2480), 0.120, 1.0),
    "i": Phone((270, 2290, 3010), 0.115, 0.9),
    "o": Phone((570, 840, 2410), 0.130, 1.0),
    "u": Phone((300, 870, 2240), 0.115, 0.9),
}
_CONSONANTS = {
    "m": Phone((250, 1100, 2200), 0.070, 0.35),
    "n": Phone((250, 1600, 2500), 0.065, 0.35),
    "l": Phone((350, 1200, 2700), 0.060, 0.5),
    "s": Phone((320, 1500, 2600), 0.100, 0.0, 0.22, 6000),
    "f": Phone((320, 1100, 2200), 0.085, 0.0, 0.08, 4500),
}
# A stop is a closure and then a burst.
_STOPS = {
    "b": (Phone((220, 900, 2200), 0.055, 0.12), Phone((300, 1000, 2200), 0.010, 0.3, 0.15, 900)),
    "d": (Phone((220, 1700, 2600), 0.050, 0.12), Phone((300, 1700, 2600), 0.012, 0.3, 0.2, 4200)),
    "g": (Phone((220, 2000, 2400), 0.050, 0.12), Phone((300, 2000, 2400), 0.018, 0.3, 0.2, 2200)),
    "t": (Phone((300, 1700, 2600), 0.065, 0.0), Phone((350, 1700, 2600), 0.030, 0.0, 0.3, 4500)),
}


@dataclass(frozen=True)
class Tracks:
    """A sentence as articulation over time, one row each `HOP_SECONDS`.

    Attributes:
        formants_hz: `(frames, 3)`.
        voicing: `(frames,)`, 0 to 1.
        noise: `(frames,)`, 0 to 1.
        noise_hz: `(frames,)`.
        stress: `(frames,)`: 1 in the middle of a stressed syllable, 0 far from any.
    """

    formants_hz: np.ndarray
    voicing: np.ndarray
    noise: np.ndarray
    noise_hz: np.ndarray
    stress: np.ndarray


def articulate(
    sentence: int, rate: float, onset_seconds: float, rng: np.random.Generator
) -> Tracks:
    """The tracks of `sentence` spoken at `rate` times the average tempo."""
    phones, stressed = zip(*_spell(SENTENCES[sentence]), strict=True)
    seconds = _durations(phones, np.array(stressed), rate, rng)
    ends = np.round(np.cumsum(seconds) / HOP_SECONDS).astype(int)
    index = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    table = np.array([(*p.formants_hz, p.voicing, p.noise, p.noise_hz) for p in phones])[index]
    nucleus = np.array([s and p in _VOWELS.values() for p, s in zip(phones, stressed, strict=True)])
    return Tracks(
        formants_hz=smooth(table[:, :3], 0.056),
        voicing=smooth(table[:, 3:4], 0.024 + onset_seconds)[:, 0],
        noise=smooth(table[:, 4:5], 0.016)[:, 0],
        noise_hz=table[:, 5],
        stress=smooth(nucleus[index, None].astype(float), 0.160)[:, 0],
    )


def smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """`track` `(frames, n)` under a raised-cosine window of about `seconds`."""
    half = max(1, round(seconds / HOP_SECONDS / 2))
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(track, ((half, half), (0, 0)), mode="edge")
    columns = [np.convolve(column, window / window.sum(), mode="valid") for column in padded.T]
    return np.stack(columns, axis=1)


def _spell(sentence: str) -> list[tuple[Phone, bool]]:
    sounds = {k: (v,) for k, v in (_VOWELS | _CONSONANTS).items()} | _STOPS
    return [
        (phone, syllable.isupper())
        for syllable in sentence.split()
        for letter in syllable.lower()
        for phone in sounds[letter]
    ]


def _durations(
    phones: tuple[Phone, ...], stressed: np.ndarray, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """In seconds: tempo changes vowels more than consonants; stressed and last ones are longer."""
    vowel = np.array([phone in _VOWELS.values() for phone in phones])
    seconds = np.array([phone.seconds for phone in phones]) * rate ** np.where(vowel, -1.2, -0.7)
    seconds *= np.where(vowel & stressed, 1.25, 1.0) * np.exp(rng.normal(0, 0.08, len(phones)))
    seconds[-1] *= 1.35
    return seconds
