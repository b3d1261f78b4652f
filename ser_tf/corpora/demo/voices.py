"""Who speaks in the synthetic demo corpus, and what each emotion does to a voice.

The expressions follow acoustic correlates reported for acted speech:

- I. R. Murray, J. L. Arnott (1993), "Toward the simulation of emotion in synthetic speech: a
  review of the literature on human vocal emotion", J. Acoust. Soc. Am. 93(2), table I.
- R. Banse, K. R. Scherer (1996), "Acoustic profiles in vocal emotion expression", J. Personality
  and Social Psychology 70(3).
- P. N. Juslin, P. Laukka (2003), "Communication of emotions in vocal expression and music
  performance: different channels, same code?", Psychological Bulletin 129(5): its anger, fear,
  happiness and sadness, and its tenderness for calm.
- K. R. Scherer (2003), "Vocal communication of emotion: a review of research paradigms", Speech
  Communication 40(1-2).
- G. Gurrado, "The production and perception of surprise", Studi AISV,
  https://www.studi.aisv.it/index.php/home/article/view/31: F0, intensity, duration of surprise.

The literature gives directions ("much high-frequency energy"); the sizes are chosen here, so that
a small model tells an unseen speaker's emotions well but not perfectly.
"""

from dataclasses import astuple, dataclass

import numpy as np

from ser_tf.emotions import EMOTIONS

SPEAKERS = tuple(range(1, 11))
"""The speakers' numbers: odd ones are male, even ones female."""


@dataclass(frozen=True)
class Expression:
    """What an emotion does to a voice.

    Attributes:
        pitch_semitones: mean F0 above the speaker's own.
        pitch_range: size of the F0 movements, as a ratio to the speaker's own.
        final_semitones: movement of F0 over the last third of the clip.
        rate: tempo, as a ratio to the speaker's own.
        intensity_db: level above the speaker's own.
        accent_db: level of stressed above unstressed syllables (variability of intensity).
        tilt_db: loss of the glottal source at 3 kHz; little is much high-frequency energy.
        open_quotient: part of each glottal cycle that is open; small is pressed, large is lax.
        breath_db: aspiration noise relative to the glottal pulses.
        jitter_percent: irregularity of the glottal cycles, standard deviation of their starts.
        tremor_semitones: amplitude of a 6 Hz tremor of F0.
        articulation: size of the vowel space and height of F1, as a ratio to the speaker's own.
        onset_seconds: time the voice takes to set in.
    """

    pitch_semitones: float
    pitch_range: float
    final_semitones: float
    rate: float
    intensity_db: float
    accent_db: float
    tilt_db: float
    open_quotient: float
    breath_db: float
    jitter_percent: float
    tremor_semitones: float
    articulation: float
    onset_seconds: float


# fmt: off
EXPRESSIONS = {
    #                      pitch  rng final  rate level  acc til open brth jit  trem artic onset
    "neutral":  Expression( 0.0, 1.0, -1.0, 1.00,  0.0, 3.0,  9, .60, -32, 0.6, 0.0, 1.00, .030),
    "calm":     Expression(-1.0, 0.7, -2.0, 0.86, -3.0, 2.0, 14, .68, -23, 0.4, 0.0, 0.94, .050),
    "happy":    Expression( 4.0, 1.8,  1.0, 1.12,  4.0, 6.0,  6, .55, -32, 0.6, 0.0, 1.10, .020),
    "sad":      Expression(-2.0, 0.5, -3.0, 0.74, -7.0, 1.5, 17, .70, -17, 1.2, 0.1, 0.86, .075),
    "angry":    Expression( 3.5, 1.6, -2.0, 1.18,  9.0, 8.0,  2, .42, -36, 1.5, 0.0, 1.14, .012),
    "fear":     Expression( 6.0, 0.7,  1.5, 1.28, -1.0, 4.0, 11, .62, -20, 2.0, 0.5, 0.94, .025),
    "disgust":  Expression(-2.5, 1.2, -5.0, 0.76, -1.0, 4.0,  6, .48, -27, 2.2, 0.0, 1.10, .040),
    "surprise": Expression( 6.0, 2.2,  7.0, 0.98,  2.0, 4.0, 10, .62, -22, 0.6, 0.0, 1.04, .020),
}
"""Each emotion as a speaker of average expressiveness shows it, habits and chance apart."""

# How far speakers and takes stray from the table, and the least of each that can be spoken.
_SPREAD =       Expression( 1.2, .25,  1.2, 0.07,  2.0, 1.0,  2, .04,   3, 0.3, 0.1, 0.04, .008)
_LEAST =        Expression(-9.0, .20, -9.0, 0.55,  -20, 0.0, .5, .30, -60, 0.1, 0.0, 0.70, .008)
# fmt: on

_HABIT = 0.3
_CHANCE = 0.35


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker, and the room and microphone of the recording.

    Attributes:
        speaker: 1 to 10; odd is male, even is female.
        pitch_hz: mean F0 of neutral speech.
        formant_scale: formant frequencies relative to an average man's (a shorter vocal tract).
        tempo: relative to the average speaker.
        level_db: relative to the average speaker.
        breath_db: aspiration noise relative to the average speaker.
        tilt_db: loss of the glottal source at 3 kHz relative to the average speaker.
        expressiveness: share of an emotion's distance from neutral that is shown.
        noise_floor_db: level of the recording's noise relative to full scale.
        reverberation_db: level of the room's tail relative to the direct sound.
        treble_db: gain of the microphone at 8 kHz relative to 0 Hz.
    """

    speaker: int
    pitch_hz: float
    formant_scale: float
    tempo: float
    level_db: float
    breath_db: float
    tilt_db: float
    expressiveness: float
    noise_floor_db: float
    reverberation_db: float
    treble_db: float


def voice_of(speaker: int) -> Voice:
    """The voice of that speaker, always the same.

    Men and women differ in mean F0 and in formants, women's about 16 % higher: G. E. Peterson,
    H. L. Barney (1952), "Control methods used in a study of the vowels", table II.
    """
    rng = np.random.default_rng([speaker])
    female = speaker % 2 == 0
    return Voice(
        speaker=speaker,
        pitch_hz=(205.0 if female else 120.0) * 2 ** (rng.normal(0, 1.5) / 12),
        formant_scale=(1.16 if female else 1.0) * rng.uniform(0.95, 1.05),
        tempo=rng.uniform(0.9, 1.1),
        level_db=rng.uniform(-2, 2),
        breath_db=rng.uniform(-2, 2) + 2 * female,
        tilt_db=rng.uniform(-1.5, 1.5) + female,
        expressiveness=rng.uniform(0.85, 1.2),
        noise_floor_db=rng.uniform(-74, -66),
        reverberation_db=rng.uniform(-30, -18),
        treble_db=rng.uniform(-2.5, 2.5),
    )


def express(voice: Voice, emotion: str, rng: np.random.Generator) -> Expression:
    """How `voice` shows `emotion` in one take.

    That is the table's row at the speaker's expressiveness, plus this speaker's habit in this
    emotion (the same in every take), plus chance.
    """
    rows = (EXPRESSIONS["neutral"], EXPRESSIONS[emotion], _SPREAD, _LEAST)
    neutral, full, spread, least = (np.array(astuple(row)) for row in rows)
    habits = np.random.default_rng([voice.speaker, EMOTIONS.index(emotion)])
    deviation = _HABIT * habits.normal(size=len(full)) + _CHANCE * rng.normal(size=len(full))
    shown = neutral + voice.expressiveness * (full - neutral) + spread * deviation
    return Expression(*np.maximum(shown, least).tolist())
