import errno
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ser_tf.corpora import demo
from ser_tf.corpora.demo import corpus
from ser_tf.corpora.demo.voices import SPEAKERS, voice_of
from ser_tf.emotions import EMOTIONS
from ser_tf.errors import InputError

RATE_HZ = 16_000
NAME = re.compile(r"(demo-\d\d)/\1_([a-z]+)_s[12]_t[12]\.wav")


@pytest.fixture(scope="module")
def waveforms(demo_dir):
    return {
        arguments: soundfile.read(demo_dir / path, dtype="float32")[0]
        for path, arguments in demo.paths()
    }


@pytest.fixture
def three_clips(monkeypatch):
    clips = list(demo.paths())[:3]
    monkeypatch.setattr(corpus, "paths", lambda: iter(clips))
    return [path for path, _ in clips]


def of_emotion(waveforms, emotion):
    return [waveform for arguments, waveform in waveforms.items() if arguments[1] == emotion]


def level_db(waveform):
    return 10 * np.log10(np.mean(waveform.astype(float) ** 2))


def tilt_db(waveform):
    """How far the level above 1 kHz is under the level below it, friction (over 4 kHz) apart."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies_hz = np.fft.rfftfreq(len(waveform), 1 / RATE_HZ)
    low = power[(frequencies_hz > 80) & (frequencies_hz < 1000)].sum()
    high = power[(frequencies_hz > 1000) & (frequencies_hz < 4000)].sum()
    return 10 * np.log10(low / high)


def pitch_hz(waveform):
    """F0 of the voiced frames by autocorrelation: knows nothing of how the clip was made."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 640)[::160].astype(float)
    frames = frames[frames.std(axis=1) > 0.25 * frames.std(axis=1).max()]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(640)
    spectrum = np.abs(np.fft.rfft(frames, 2048)) ** 2
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(640), 2048)) ** 2)[:320]
    correlation = np.fft.irfft(spectrum)[:, :320] / window
    correlation /= correlation[:, :1]
    correlation[:, : RATE_HZ // 550] = 0
    best = correlation.max(axis=1)
    # The first lag nearly as good as the best: multiples of the period fit as well as it does.
    rising = np.diff(correlation, axis=1, prepend=0) > 0
    peaks = rising[:, :-1] & ~rising[:, 1:] & (correlation[:, :-1] > 0.88 * best[:, None])
    lags = np.argmax(peaks, axis=1)[(best > 0.6) & peaks.any(axis=1)]
    return RATE_HZ / lags


def pitch_spread_semitones(waveform):
    low, high = np.percentile(12 * np.log2(pitch_hz(waveform)), [10, 90])
    return high - low


def test_the_corpus_has_320_clips_named_by_speaker_emotion_sentence_and_take(demo_dir):
    names = sorted(path.relative_to(demo_dir).as_posix() for path in demo_dir.rglob("*.wav"))
    assert len(names) == 10 * len(EMOTIONS) * 2 * 2
    assert all(NAME.fullmatch(name) and NAME.fullmatch(name)[2] in EMOTIONS for name in names)
    assert names == sorted(path.as_posix() for path, _ in demo.paths())
    assert "demo-01/demo-01_happy_s1_t1.wav" in names


def test_the_clips_are_16_khz_16_bit_mono(demo_dir):
    infos = [soundfile.info(path) for path in demo_dir.rglob("*.wav")]
    kinds = {(info.samplerate, info.subtype, info.channels, info.format) for info in infos}
    assert kinds == {(RATE_HZ, "PCM_16", 1, "WAV")}


def test_a_file_holds_what_synthesise_gives(waveforms):
    clip = (4, "fear", 2, 1)
    # Half a step of 16 bits.
    np.testing.assert_allclose(waveforms[clip], demo.synthesise(*clip), atol=1.01 * 2**-15)


def test_no_clip_is_silent_clipped_or_of_odd_length(waveforms):
    for clip, waveform in waveforms.items():
        assert 0.02 < np.abs(waveform).max() < 0.96, clip
        assert 1.0 < len(waveform) / RATE_HZ < 2.8, clip


def test_no_two_clips_are_alike(waveforms):
    assert len({waveform.tobytes() for waveform in waveforms.values()}) == len(waveforms)


def test_the_corpus_is_called_synthetic(demo_dir, three_clips, tmp_path, caplog):
    assert "Synthetic" in (demo_dir / "README.txt").read_text()
    with caplog.at_level(logging.INFO, "ser_tf"):
        made = demo.make(tmp_path)
    assert caplog.messages == [f"Making the synthetic demo corpus (3 clips) in {made}"]
    assert "synthetic" in demo.__doc__


def test_a_clip_is_the_same_to_the_byte_in_another_process():
    code = (
        "import hashlib; from ser_tf.corpora.demo import synthesise;"
        "print(hashlib.sha256(synthesise(3, 'sad', 1, 2).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("clip", "wrong"),
    [
        ((11, "happy", 1, 1), "speaker.*11"),
        ((1, "joy", 1, 1), "emotion.*joy"),
        ((1, "happy", 3, 1), "sentence.*3"),
        ((1, "happy", 1, 0), "take.*0"),
    ],
)
def test_a_wrong_argument_is_named_with_its_choices(clip, wrong):
    with pytest.raises(ValueError, match=wrong):
        demo.synthesise(*clip)


def test_women_speak_higher_than_men_and_everybody_at_their_own_pitch(waveforms):
    heard_hz = {
        speaker: np.median(pitch_hz(waveforms[speaker, "neutral", 1, 1])) for speaker in SPEAKERS
    }
    assert max(heard_hz[s] for s in SPEAKERS[::2]) < min(heard_hz[s] for s in SPEAKERS[1::2])
    for speaker, pitch in heard_hz.items():
        # Habit and chance move a take by half a semitone, its contour by another one or two.
        assert pitch == pytest.approx(voice_of(speaker).pitch_hz, rel=0.2)


@pytest.mark.parametrize(
    ("measure", "more", "less", "difference"),
    [
        # Means over 40 clips; each table row asks for at least twice the difference asked here.
        (level_db, "angry", "neutral", 4),
        (level_db, "neutral", "sad", 3),
        (tilt_db, "sad", "neutral", 2),
        (tilt_db, "neutral", "angry", 2),
        (len, "sad", "neutral", 0.15 * RATE_HZ),
        (len, "neutral", "fear", 0.15 * RATE_HZ),
        (pitch_spread_semitones, "happy", "neutral", 1),
        (pitch_spread_semitones, "neutral", "sad", 0.5),
        (lambda waveform: 12 * np.log2(np.median(pitch_hz(waveform))), "happy", "neutral", 2),
        (lambda waveform: 12 * np.log2(np.median(pitch_hz(waveform))), "neutral", "disgust", 1),
        (lambda waveform: 12 * np.log2(np.median(pitch_hz(waveform)[-8:])), "surprise", "happy", 2),
    ],
)
def test_an_emotions_correlates_are_in_the_signal(waveforms, measure, more, less, difference):
    means = [np.mean([measure(w) for w in of_emotion(waveforms, e)]) for e in (more, less)]
    assert means[0] - means[1] > difference


def spectral_statistics(waveform):
    """Mean and spread of 20 cepstra over the frames, spread of their changes, and duration."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 400)[::160] * np.hanning(400)
    power = np.abs(np.fft.rfft(frames)) ** 2  # (frames, 201)
    edges = np.geomspace(3, 200, 25).astype(int)
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-7)
    cepstra = scipy.fft.dct(bands, norm="ortho")[:, :20]
    changes = np.diff(cepstra, axis=0)
    return [*cepstra.mean(0), *cepstra.std(0), *changes.std(0), len(waveform)]


def test_an_unseen_speaker_is_neither_trivial_nor_hopeless(waveforms):
    features = np.array([spectral_statistics(waveform) for waveform in waveforms.values()])
    emotions = [emotion for _, emotion, _, _ in waveforms]
    couples = [(speaker - 1) // 2 for speaker, _, _, _ in waveforms]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    answers = cross_val_predict(model, features, emotions, groups=couples, cv=GroupKFold(5))
    assert 0.70 < recall_score(emotions, answers, average="macro") < 0.95


def test_a_second_call_does_no_work(demo_dir, monkeypatch, caplog):
    monkeypatch.setattr(corpus, "synthesise", None)
    with caplog.at_level(logging.INFO, "ser_tf"):
        assert demo.make(str(demo_dir.parent)) == demo_dir
    assert not caplog.messages


def test_another_version_is_made_in_another_folder(three_clips, tmp_path, monkeypatch):
    first = demo.make(tmp_path)
    monkeypatch.setattr(corpus, "VERSION", corpus.VERSION + 1)
    assert demo.make(tmp_path) != first


@pytest.mark.parametrize(
    ("clip", "samples", "level", "change"),
    [
        ((1, "neutral", 1, 1), 30460, 0.024355, 0.003412),
        ((3, "sad", 1, 2), 35563, 0.010398, 0.00129),
        ((8, "surprise", 2, 1), 27162, 0.025538, 0.0049),
    ],
)
def test_clips_of_version_1_are_what_they_were(clip, samples, level, change):
    """Whoever changes them raises `corpus.VERSION` and puts the new values here."""
    assert corpus.VERSION == 1
    waveform = demo.synthesise(*clip)
    assert len(waveform) == samples
    figures = waveform.std(), np.abs(np.diff(waveform)).mean()
    assert figures == pytest.approx((level, change), abs=1e-6)  # printed to so many digits


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_making_leaves_nothing(tmp_path, monkeypatch, interruption):
    made = []

    def synthesise(*clip):
        if len(made) == 5:
            raise interruption
        made.append(clip)
        return demo.synthesise(*clip)

    monkeypatch.setattr(corpus, "synthesise", synthesise)
    with pytest.raises(interruption):
        demo.make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_killed_making_leaves_no_corpus(tmp_path):
    code = f"from ser_tf.corpora import demo; demo.make({str(tmp_path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while not list(tmp_path.glob(".demo-*/*/demo-01/*.wav")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob("demo-*")) == []


def test_two_makers_at_once_both_get_the_whole_corpus(three_clips, tmp_path, monkeypatch):
    both_written = threading.Barrier(2, timeout=30)
    write = corpus._write

    def write_and_wait(path):
        write(path)
        both_written.wait()

    monkeypatch.setattr(corpus, "_write", write_and_wait)
    folders = []
    makers = [threading.Thread(target=lambda: folders.append(demo.make(tmp_path))) for _ in "ab"]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert folders[0] == folders[1]
    assert list(tmp_path.iterdir()) == [folders[0]]
    assert all((folders[0] / path).is_file() for path in three_clips)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def write_bytes(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(InputError, match=r"demo corpus.*no space left") as caught:
        demo.make(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(InputError, match=r"cache: .*demo corpus"):
        demo.make(tmp_path / "cache")
