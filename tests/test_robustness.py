import json

import numpy as np
import pytest
from scipy.signal import correlate

from ser_tf import evaluate
from ser_tf.data import sounds
from ser_tf.evaluation import robustness
from ser_tf.evaluation.robustness import CLEAN, CONDITIONS, SILENCE_SECONDS
from ser_tf.inference import model_folder
from ser_tf.inference.recogniser import Recogniser

RATE_HZ = 16_000


def voice(seconds: float = 2.0) -> np.ndarray:
    """Something like speech: harmonics of 140 Hz, syllables of a quarter of a second."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 50))
    return (0.05 * np.sin(4 * np.pi * time) ** 2 * harmonics).astype(np.float32)


def changed(name: str, waveform: np.ndarray, seed: int = 0) -> np.ndarray:
    return CONDITIONS[name](waveform, RATE_HZ, np.random.default_rng(seed))


def power(waveform: np.ndarray, low_hz: float = 0, high_hz: float = RATE_HZ) -> float:
    hz = np.fft.rfftfreq(len(waveform), 1 / RATE_HZ)
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    return spectrum[(hz >= low_hz) & (hz <= high_hz)].sum() / len(waveform) ** 2


@pytest.mark.parametrize("name", [name for name in CONDITIONS if "silence" not in name])
def test_a_condition_keeps_the_pace_and_most_of_the_sound(name):
    clip = voice()
    heard = changed(name, clip)
    assert 0 <= len(heard) - len(clip) < 0.1 * RATE_HZ  # MP3 has frames, and comes late
    assert np.abs(heard).max() <= 1
    likeness = correlate(heard, clip).max() / np.sqrt(np.sum(heard**2) * np.sum(clip**2))
    assert likeness > 0.5  # a telephone passes no fundamental of 140 Hz


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("clip", [np.zeros(8_000), np.ones(8_000), np.full(1_000, 0.5)])
def test_a_condition_of_any_sound_is_finite(name, clip):
    assert np.isfinite(changed(name, clip.astype(np.float32))).all()


def test_gains_are_those_of_their_names():
    for name, scale, gain_db in (("gain of -30 dB", 4, -30), ("gain of +20 dB, clipped", 0.1, 20)):
        clip = scale * voice()
        ratio_db = 10 * np.log10(power(changed(name, clip)) / power(clip))
        assert abs(ratio_db - gain_db) < 0.1  # 16 bits
    assert np.abs(changed("gain of +20 dB, clipped", 4 * voice())).max() > 0.9999


def test_silence_lies_before_or_after_the_clip():
    clip, length = voice(), round(SILENCE_SECONDS * RATE_HZ)
    before, after = (changed(f"3 s of silence {place}", clip) for place in ("before", "after"))
    np.testing.assert_array_equal(before[length:], clip)
    np.testing.assert_array_equal(after[: len(clip)], clip)
    assert not before[:length].any()
    assert not after[len(clip) :].any()


def test_a_telephone_passes_its_band():
    heard, clip = changed("telephone", voice()), voice()
    assert abs(10 * np.log10(power(heard, 500, 3_000) / power(clip, 500, 3_000))) < 1
    assert power(heard, 0, 150) < 0.05 * power(clip, 0, 150)
    assert power(heard, 4_200) < 1e-3 * power(clip, 4_200)


def test_noise_is_pink_and_ten_decibels_below_the_clip():
    clip = voice(8.0)
    noise = changed("pink noise at 10 dB", clip) - clip
    assert abs(10 * np.log10(power(clip) / power(noise)) - 10) < 0.01
    octaves = [power(noise, 2**n * 100, 2 ** (n + 1) * 100) for n in range(6)]
    assert np.ptp(10 * np.log10(octaves)) < 1.5  # equal in every octave, but for chance


def test_evaluate_scores_every_condition(trained, cache_dir, monkeypatch, capsys):
    command = ["--model-dir", str(trained), "--cache-dir", str(cache_dir), "--robustness"]
    assert evaluate.main([*command, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == list(CONDITIONS)
    metrics = model_folder.load_metrics(trained)
    assert scores[CLEAN]["uar"] == metrics["test"]["uar"]
    monkeypatch.setattr(robustness, "measure_robustness", lambda *_: scores)
    assert evaluate.main(command) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1].startswith("clean")
    assert "8 clips of 1 speakers" in printed


# Sounds that are no speech


@pytest.mark.parametrize("kind", sounds.KINDS)
def test_a_sound_is_its_kind_and_seed_and_fits_full_scale(kind):
    made = [sounds.make_sound(kind, 1.5, RATE_HZ, seed) for seed in range(20)]
    np.testing.assert_array_equal(sounds.make_sound(kind, 1.5, RATE_HZ, 3), made[3])
    for sound in made:
        assert sound.shape == (24_000,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        loudest = np.abs(sound).max()
        assert (loudest == 0) if kind == "silence" else (1e-4 < loudest < 1)
    assert kind == "silence" or len({sound.tobytes() for sound in made}) == 20


def test_an_unknown_kind_of_sound_names_the_choices():
    with pytest.raises(ValueError, match="must be one of silence"):
        sounds.make_sound("birds", 1.0, RATE_HZ, 0)


@pytest.mark.slow
def test_a_model_that_learns_sounds_answers_them_less_surely(run_fit, tmp_path):
    quick = ["--features", "causal", "--epochs", "12", "--set", "training.batch_size=8"]
    top = {}
    for count in (0, 24):
        folder = tmp_path / str(count)
        flags = (*quick, "training.keep=last", f"augmentation.sounds={count}")
        assert run_fit(folder, *flags) == 0
        recogniser = Recogniser(model_folder.load(folder))
        heard = [recogniser.answer(sound) for sound in sounds.make_sounds(6, RATE_HZ, seed=1000)]
        top[count] = np.mean([answer.probability for answer in heard])
    assert top[24] < 0.7 * top[0]
