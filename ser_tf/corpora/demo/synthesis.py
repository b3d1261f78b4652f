"""Source-filter synthesis of one clip of the demo corpus: glottal pulses through formants.

After G. Fant (1960), "Acoustic theory of speech production", and D. H. Klatt, L. C. Klatt (1990),
"Analysis, synthesis, and perception of voice quality variations", whose pulse, spectral tilt and
aspiration are used here. The vocal tract is applied frame by frame in the frequency domain.
"""

import functools

import numpy as np

from ser_tf.corpora.demo.phones import HOP_SECONDS, SENTENCES, Tracks, articulate, smooth
from ser_tf.corpora.demo.voices import SPEAKERS, Expression, Voice, express, voice_of
from ser_tf.emotions import EMOTIONS

RATE_HZ = 16_000

_HOP = round(HOP_SECONDS * RATE_HZ)
_FFT = 8 * _HOP  # leaves 48 ms for the ringing of the narrowest formant after each window
_FIXED_FORMANTS_HZ = (3500.0, 4500.0, 5500.0, 6500.0)
_BANDWIDTHS_HZ = (200.0, 280.0, 360.0, 450.0, 70.0, 100.0, 140.0)  # of the fixed, of F1 to F3
_LEVEL_DB = -33.0


def synthesise(speaker: int, emotion: str, sentence: int, take: int) -> np.ndarray:
    """The waveform of one synthetic clip; the same arguments always give the same samples.

    Args:
        speaker: 1 to 10; odd is male, even is female.
        emotion: one of `ser_tf.emotions.EMOTIONS`.
        sentence: 1 or 2.
        take: 1 or more; the corpus holds takes 1 and 2.

    Returns:
        float32 `(samples,)` in (-1, 1) at `RATE_HZ`, between 1.1 and 2.7 s long.

    Raises:
        ValueError: if an argument is out of its range.
    """
    _check(speaker, emotion, sentence, take)
    rng = np.random.default_rng([speaker, EMOTIONS.index(emotion), sentence, take])
    voice = voice_of(speaker)
    expression = express(voice, emotion, rng)
    tracks = articulate(sentence, expression.rate * voice.tempo, expression.onset_seconds, rng)
    pitch_hz = _pitch(voice, expression, tracks, rng)
    speech = _speak(voice, expression, tracks, pitch_hz, rng=rng)
    return _record(voice, expression, speech, rng)


def _check(speaker: int, emotion: str, sentence: int, take: int) -> None:
    for name, value, choices in (
        ("speaker", speaker, SPEAKERS),
        ("emotion", emotion, EMOTIONS),
        ("sentence", sentence, tuple(SENTENCES)),
    ):
        if value not in choices:
            raise ValueError(f"{name} must be one of {choices}. Received: {value!r}.")
    if take < 1:
        raise ValueError(f"take must be 1 or more. Received: {take!r}.")


def _pitch(
    voice: Voice, expression: Expression, tracks: Tracks, rng: np.random.Generator
) -> np.ndarray:
    """F0 in Hz `(frames,)`: declination, accents on stressed syllables, a final rise or fall."""
    frames = len(tracks.stress)
    position = np.linspace(0, 1, frames)
    seconds = np.arange(frames) * HOP_SECONDS
    wander = smooth(rng.normal(0, 1.5, (frames, 1)), 0.4)[:, 0]
    movement = 1.5 - 3.0 * position + 4.0 * (tracks.stress - tracks.stress.mean()) + wander
    tremor = np.sin(2 * np.pi * (6 * seconds + rng.uniform()))
    semitones = (
        expression.pitch_semitones
        + expression.pitch_range * movement
        + expression.final_semitones * _final(frames)
        + expression.tremor_semitones * tremor
    )
    return np.clip(voice.pitch_hz * 2 ** (semitones / 12), 60.0, 600.0)


def _loudness_db(expression: Expression, tracks: Tracks) -> np.ndarray:
    """Level in dB `(frames,)`: accents, and a rise or fall at the end, as in pitch.

    Louder speech is higher: P. Gramming et al. (1988), "Relationship between changes in
    voice pitch and loudness", J. Voice 2(2). Here 1 dB goes with a semitone.
    """
    accents = expression.accent_db * (tracks.stress - tracks.stress.mean())
    return accents + expression.final_semitones * _final(len(tracks.stress))


def _final(frames: int) -> np.ndarray:
    """0 over the first two thirds of a clip, then rising to 1."""
    return np.clip(3 * np.linspace(0, 1, frames) - 2, 0, 1)


def _speak(
    voice: Voice,
    expression: Expression,
    tracks: Tracks,
    pitch_hz: np.ndarray,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Glottal source through the formants plus friction: `(samples,)`; `_record` sets the level."""
    pulses, opening = _glottis(_per_sample(pitch_hz), expression, rng)
    breath = 10 ** ((expression.breath_db + voice.breath_db) / 20) * opening
    source = pulses + breath * rng.normal(size=len(pulses))
    level = 10 ** (_loudness_db(expression, tracks) / 20)
    voiced = source * _per_sample(tracks.voicing * level)
    friction = rng.normal(size=len(pulses)) * _per_sample(tracks.noise * level)
    # F1 rises with the jaw; F2 moves away from the neutral tube's 1,500 Hz.
    formants = tracks.formants_hz.copy()
    formants[:, 0] *= expression.articulation
    formants[:, 1] = 1500 + expression.articulation * (formants[:, 1] - 1500)
    tract = _formant_response(formants * voice.formant_scale, voice.formant_scale)
    tract *= _tilt_response(max(0.5, expression.tilt_db + voice.tilt_db))
    return _filter(voiced, tract) + _filter(friction, _band_response(tracks.noise_hz))


def _glottis(
    pitch_hz: np.ndarray, expression: Expression, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of the glottal flow, and the flow in [0, 1]: each `(samples,)`.

    The flow is Klatt's x^2 (1 - x) over the open part x of each cycle. Its derivative is taken as
    the difference of exact flows: the mean over each sample, which keeps aliasing down.
    """
    starts = _cycle_starts(pitch_hz, expression.jitter_percent, rng)
    lengths = np.diff(starts)
    shimmer = np.exp(0.06 * expression.jitter_percent * rng.normal(size=len(lengths)))
    samples = np.arange(-1, len(pitch_hz))
    cycle = np.maximum(np.searchsorted(starts, samples, side="right") - 1, 0)
    opened = (samples - starts[cycle]) / (lengths[cycle] * expression.open_quotient)
    x = np.clip(opened, 0.0, 1.0)
    flow = 27 / 4 * x**2 * (1 - x)
    return np.diff(flow * (shimmer * lengths)[cycle]) / 8, flow[1:]


def _cycle_starts(
    pitch_hz: np.ndarray, jitter_percent: float, rng: np.random.Generator
) -> np.ndarray:
    """Where each glottal cycle starts, in samples, to at least one cycle after the end."""
    lasting = np.pad(pitch_hz, (0, RATE_HZ // 20), mode="edge")  # 3 cycles of the lowest pitch
    cycles = np.cumsum(lasting) / RATE_HZ
    starts = np.interp(np.arange(int(cycles[-1])), cycles, np.arange(len(cycles)))
    jitter = jitter_percent / 100 * rng.normal(size=len(starts))
    return starts + jitter * np.gradient(starts)


def _per_sample(track: np.ndarray) -> np.ndarray:
    frames = np.arange(len(track) * _HOP) / _HOP
    return np.interp(frames, np.arange(len(track)), track)


def _formant_response(formants_hz: np.ndarray, scale: float) -> np.ndarray:
    """Cascade of the moving and the fixed formants: complex `(frames, bins)`."""
    fixed_hz = np.array(_FIXED_FORMANTS_HZ)[:, None] * scale
    frequencies_hz = [*fixed_hz, *formants_hz.T]  # each (1,) or (frames,)
    return functools.reduce(np.multiply, map(_resonator, frequencies_hz, _BANDWIDTHS_HZ))


def _resonator(frequency_hz: np.ndarray, bandwidth_hz: float) -> np.ndarray:
    """Two poles at `frequency_hz` `(frames,)`, unit gain at 0 Hz: complex `(frames, bins)`."""
    delay = np.exp(-2j * np.pi * np.arange(_FFT // 2 + 1) / _FFT)
    radius = np.exp(-np.pi * bandwidth_hz / RATE_HZ)
    first = (2 * radius * np.cos(2 * np.pi * frequency_hz / RATE_HZ))[:, None]
    second = radius**2
    return (1 - first + second) / (1 + second * delay**2 - first * delay)


def _tilt_response(tilt_db: float) -> np.ndarray:
    """One-pole low pass that loses `tilt_db` at 3 kHz: complex `(bins,)`."""
    corner_hz = 3000 / np.sqrt(10 ** (tilt_db / 10) - 1)
    return 1 / (1 + 1j * np.fft.rfftfreq(_FFT, 1 / RATE_HZ) / corner_hz)


def _band_response(centre_hz: np.ndarray) -> np.ndarray:
    """Broad band around each frame's centre: `(frames, bins)`."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(_FFT, 1 / RATE_HZ), 50) / centre_hz[:, None])
    return np.exp(-0.5 * (octaves / 0.5) ** 2)


def _filter(source: np.ndarray, response: np.ndarray) -> np.ndarray:
    """`source` `(samples,)` through one response a hop, cross-faded: `(samples,)`."""
    frames = len(response)
    window = np.hanning(2 * _HOP + 1)[:-1]
    padded = np.pad(source, (_HOP, _HOP))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HOP)[::_HOP][:frames]
    filtered = np.fft.irfft(np.fft.rfft(pieces * window, _FFT) * response, _FFT)
    filtered = filtered.reshape(frames, -1, _HOP)  # (frames, parts, hop)
    parts = filtered.shape[1]
    output = np.zeros((frames + parts, _HOP))
    for part in range(parts):
        output[part : part + frames] += filtered[:, part]
    return output.ravel()[_HOP : _HOP + len(source)]


def _record(
    voice: Voice, expression: Expression, speech: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`speech` at its level in the speaker's room, through the speaker's microphone."""
    level_db = _LEVEL_DB + voice.level_db + expression.intensity_db
    speech = speech * (10 ** (level_db / 20) / np.sqrt(np.mean(speech**2)))
    silence = (rng.uniform(0.08, 0.2, 2) * RATE_HZ).astype(int)
    clip = np.pad(speech, tuple(silence))
    clip = clip + 10 ** (voice.noise_floor_db / 20) * rng.normal(size=len(clip))
    clip = _room(voice, clip)
    # As in a studio, the gain is turned down so that no peak is clipped.
    return (clip * min(1.0, 0.95 / np.abs(clip).max())).astype(np.float32)


def _room(voice: Voice, clip: np.ndarray) -> np.ndarray:
    """`clip` with the tail of the speaker's room and the slope of the microphone."""
    tail = np.random.default_rng([voice.speaker, 1]).normal(size=RATE_HZ // 5)
    tail *= np.exp(-np.arange(len(tail)) / (0.04 * RATE_HZ))
    tail *= 10 ** (voice.reverberation_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = 2 ** int(np.ceil(np.log2(len(clip) + len(tail))))
    frequencies_hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    colour = 10 ** (voice.treble_db * frequencies_hz / 8000 / 20)
    return np.fft.irfft(np.fft.rfft(clip, size) * np.fft.rfft(tail, size) * colour, size)[
        : len(clip)
    ]
