"""The features against librosa, and the registry of front ends."""

import dataclasses
import json
import subprocess
import sys
import warnings

import keras
import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ser_tf.corpora.demo.synthesis import synthesise
from ser_tf.evaluation.robustness import CONDITIONS
from ser_tf.layers import features
from ser_tf.models.features import FEATURES

pytestmark = [
    pytest.mark.usefixtures("whisper_preset"),
    # Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# A float32 Fourier transform is off by 1e-8 of its peak amplitude; 80 dB below the peak that is
# 1e-4 of the amplitude, which is 1e-3 dB. librosa transforms in float64 and rounds.
LEVELS = {"rtol": 0, "atol": 2e-3}
# Sums of up to 128 levels of up to 100 dB.
COEFFICIENTS = {"rtol": 2e-6, "atol": 1e-3}

SPECTRUM = {"rate_hz": 16_000, "window_samples": 400, "hop_samples": 160, "n_fft": 512}
SPECTRA = {
    "speech frames": SPECTRUM | {"n_mels": 64},
    "published frames": SPECTRUM
    | {"rate_hz": 22_050, "window_samples": 2048, "hop_samples": 512, "n_fft": 2048, "n_mels": 128},
    "odd window, hop longer than it": SPECTRUM
    | {"window_samples": 101, "hop_samples": 333, "n_mels": 20},
}


PITCH = SPECTRUM | {"window_samples": 1024, "n_fft": 1024}

ENTRIES = FEATURES | {"whisper": dataclasses.replace(FEATURES["whisper"], size="tiny", blocks=1)}
"""The registry with an encoder that is built at once."""


def assert_same(actual, expected, name=""):
    """The same operations on the same numbers: only the order of sums in a product may differ.

    That costs a few times the 6e-8 that float32 resolves of the largest addend, and some ten times
    that after a transformer block.
    """
    scale = max(1.0, float(np.abs(expected).max())) * (10 if name == "whisper" else 1)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=5e-7 * scale)


def voice(samples, rate_hz=22_050, seed=0):
    """Gliding harmonics in syllables between pauses of faint noise."""
    seconds = np.arange(samples) / rate_hz
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(5 * seconds)) / rate_hz
    harmonics = sum(np.sin(k * phase) / k**1.3 for k in range(1, 30))
    syllables = np.maximum(np.sin(2 * np.pi * 3 * seconds), 0)
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (0.2 * harmonics * syllables + 1e-3 * noise).astype("float32")


def noise(samples, level=0.1, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype("float32")


SIGNALS = {
    "noise": noise(55_125),
    "quiet noise": noise(30_001, level=1e-5),
    "chirp": librosa.chirp(fmin=60, fmax=7000, sr=22_050, length=44_100).astype("float32"),
    "voice": voice(80_000),
    "voice, odd length": voice(51_201),
    "clipped voice": np.clip(8 * voice(33_333), -1, 1),
    "less than a hop": noise(100),
    "one sample": noise(1),
    "silence": np.zeros(5000, "float32"),
    "constant": np.full(5000, 0.5, "float32"),
}


@pytest.fixture(params=SIGNALS)
def signal(request):
    return SIGNALS[request.param]


def levels(waveform, *, rate_hz, window_samples, hop_samples, n_fft, n_mels):
    power = by_librosa(
        librosa.feature.melspectrogram,
        y=waveform,
        sr=rate_hz,
        n_fft=n_fft,
        win_length=window_samples,
        hop_length=hop_samples,
        n_mels=n_mels,
    )
    return librosa.power_to_db(power)


def by_librosa(function, **arguments):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        return function(**arguments)


def published(waveform):
    """The published extraction, restated in plain librosa."""
    clip = waveform[13_230 : 13_230 + 55_125]
    if not clip.size:
        return np.zeros(2376)
    parts = [
        librosa.feature.zero_crossing_rate(y=clip, frame_length=2048, hop_length=512).ravel(),
        librosa.feature.rms(y=clip, frame_length=2048, hop_length=512).ravel(),
        by_librosa(librosa.feature.mfcc, y=clip, sr=22_050).T.ravel(),
    ]
    row = np.concatenate(parts)
    return np.pad(row, (0, 2376 - row.size))


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_mel_levels_equal_librosas(spectrum, signal):
    ours = features.LogMel(**spectrum)(signal[None])[0]
    np.testing.assert_allclose(ours, levels(signal, **spectrum).T, **LEVELS)


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_coefficients_equal_librosas(spectrum, signal):
    ours = features.MFCC(n_mfcc=20, **spectrum)(signal[None])[0]
    theirs = librosa.feature.mfcc(S=levels(signal, **spectrum), n_mfcc=20)
    np.testing.assert_allclose(ours, theirs.T, **COEFFICIENTS)


@pytest.mark.parametrize("frames", [9, 10, 401])
@pytest.mark.parametrize("width", [3, 9])
def test_deltas_equal_librosas(frames, width):
    values = 100 * np.random.default_rng(0).standard_normal((2, frames, 3)).astype("float32")
    ours = features.Deltas(orders=2, width=width)(values)
    theirs = [
        librosa.feature.delta(values, width=width, order=order, axis=1, mode="interp")
        for order in (1, 2)
    ]
    # Sums of nine float32 products of up to 1,000.
    np.testing.assert_allclose(ours, np.concatenate([values, *theirs], -1), rtol=0, atol=5e-4)


def test_the_generalised_autocorrelation_equals_its_definition():
    layer, waveform = features.CentredPitch(**PITCH, lowest_hz=100.0, highest_hz=200.0), voice(8000)
    layer.build((None, None))
    frames = np.lib.stride_tricks.sliding_window_view(waveform.astype("float64"), 1024)[::160]
    phases = 2 * np.pi * np.arange(1024) / 1024
    power = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(phases)), 1024)) ** 2
    hz = np.fft.rfftfreq(1024, 1 / 16_000)
    root = np.cbrt(power)
    harmonics = np.zeros_like(root)
    for place in np.flatnonzero((hz >= 50) & (hz < 2500)):
        beside = np.flatnonzero(np.abs(hz - hz[place]) < 450)
        weights = 1 + np.cos(np.pi * (hz[beside] - hz[place]) / 450)
        harmonics[:, place] = root[:, place] - np.average(root[:, beside], -1, weights)
    left = np.abs(harmonics).sum(1)
    pitches_hz = 100 * 2 ** (np.arange(25) / 24)
    waves = [harmonics @ np.cos(2 * np.pi * hz / pitch_hz) / left for pitch_hz in pitches_hz]
    ours = layer.autocorrelation(waveform[None])[0]
    np.testing.assert_allclose(ours, np.stack(waves, axis=1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("pitch_hz", [75, 100, 130, 180, 250, 350, 480])
@pytest.mark.parametrize("lowest_hz", [0, 300], ids=["all harmonics", "by telephone"])
def test_the_pitch_of_a_tone_is_that_of_its_harmonics(pitch_hz, lowest_hz):
    seconds = np.arange(8000) / 16_000
    harmonics = [k for k in range(1, 40) if lowest_hz <= k * pitch_hz < 3400]
    tone = sum(0.1 / k * np.cos(2 * np.pi * k * pitch_hz * seconds + k**2) for k in harmonics)
    _, voiced, octaves = np.asarray(features.CentredPitch(**PITCH)(tone[None].astype("float32")))[
        0, 5:-5
    ].T
    assert voiced.min() > 0.75
    # To half a semitone.
    np.testing.assert_allclose(octaves / voiced, np.log2(pitch_hz / 180), rtol=0, atol=1 / 24)


def test_the_pitch_of_speech_is_that_of_pyin():
    waveform = synthesise(1, "happy", 1, 1)
    ours = np.asarray(features.CentredPitch(**PITCH)(waveform[None]))[0]
    theirs, voiced, _ = librosa.pyin(
        waveform, fmin=60, fmax=600, sr=16_000, frame_length=1024, hop_length=160
    )
    both = voiced & (ours[:, 1] > 0.5)
    assert both.sum() > 0.75 * voiced.sum()
    away = np.abs(ours[both, 2] / ours[both, 1] - np.log2(theirs[both] / 180))
    assert np.mean(away < 1 / 12) > 0.95  # of a semitone


@pytest.mark.parametrize("condition", ["telephone", "pink noise at 10 dB"])
def test_pitch_is_heard_through_what_lines_and_rooms_do(condition):
    waveform = synthesise(2, "happy", 1, 1)
    heard = CONDITIONS[condition](waveform, 16_000, np.random.default_rng(0)).astype("float32")
    layer = features.CentredPitch(**PITCH)
    clean, changed = np.asarray(layer(waveform[None]))[0], np.asarray(layer(heard[None]))[0]
    both = (clean[:, 1] > 0.5) & (changed[:, 1] > 0.5)
    assert both.sum() > 0.65 * np.sum(clean[:, 1] > 0.5)
    away = np.abs(changed[both, 2] / changed[both, 1] - clean[both, 2] / clean[both, 1])
    assert np.mean(away < 1 / 12) > 0.9  # to a semitone


def test_relative_pitch_equals_its_definition():
    rng = np.random.default_rng(0)
    voiced, octaves = rng.uniform(0, 1, 500), rng.uniform(-1, 1, 500)
    frames = np.stack([rng.uniform(0, 1, 500), voiced, voiced * octaves], axis=-1)
    sums, so_far, fading = np.zeros(2), [], np.exp(-1 / 80)
    for frame in frames:
        sums = fading * sums + frame[1:]
        so_far.append(frame[2] - frame[1] * sums[1] / (sums[0] + 0.5))
    of_clip = voiced * (octaves - (voiced @ octaves) / (voiced.sum() + 0.5))
    changes = np.clip(voiced[1:] * voiced[:-1] * np.diff(octaves), -0.3, 0.3)
    given = frames[None].astype("float32")
    for layer, expected in (
        (features.RelativePitch(), of_clip),
        (features.CausalRelativePitch(80.0), so_far),
    ):
        ours = np.asarray(layer(given))[0]
        np.testing.assert_array_equal(ours[:, :3], given[0])
        np.testing.assert_allclose(ours[:, 3], expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(ours[1:, 4], changes, rtol=0, atol=1e-6)
        assert ours[0, 4] == 0


def test_noise_is_unvoiced_and_silence_has_no_periodicity():
    periodicity, voiced, _ = np.asarray(features.CentredPitch(**PITCH)(noise(48_000)[None]))[0].T
    assert voiced.mean() < 0.05
    assert voiced.max() < 0.5
    assert periodicity.mean() < 0.3
    assert not np.any(features.CentredPitch(**PITCH)(np.zeros((1, 1600), "float32"))[..., 0])


@pytest.mark.parametrize("n_mels", [40, 64, 128])
def test_bands_within_hear_nothing_outside_and_their_neighbours_do(n_mels):
    hz = np.fft.rfftfreq(4096, 1 / 16_000)
    filters = librosa.filters.mel(sr=16_000, n_fft=4096, n_mels=n_mels)  # (bands, bins)
    outside = filters[:, (hz < 300) | (hz > 3400)].any(axis=1)
    first, end = features.mel_bands_within(16_000, n_mels, 300.0, 3400.0)
    assert not outside[first:end].any()
    assert outside[:first].all()
    assert outside[end:].all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_samples": 500}, r"two periods .* Received: window_samples=500, lowest_hz=60\.0"),
        ({"lowest_hz": 0.0}, "lowest_hz must be a finite number above 0"),
        ({"highest_hz": 50.0}, "lowest_hz must be at most highest_hz"),
    ],
)
def test_a_pitch_that_no_window_holds_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.CentredPitch(**PITCH | arguments)


@pytest.mark.parametrize("gain_db", [-60, -30, 20])
def test_pitch_does_not_depend_on_the_level(gain_db):
    layer, waveform = features.CentredPitch(**PITCH), voice(20_000)[None]
    louder = layer(waveform * np.float32(10 ** (gain_db / 20)))
    np.testing.assert_allclose(louder, layer(waveform), rtol=0, atol=2e-3)


def test_a_click_has_no_pitch():
    """Its spectrum is all envelope; the rounding that is left is no harmonics."""
    click = np.zeros((1, 4000), "float32")
    click[0, 2000] = 0.3
    periodicity, voiced, octaves = np.moveaxis(features.CentredPitch(**PITCH)(click)[0], -1, 0)
    assert np.abs(periodicity).max() < 0.01
    assert voiced.max() < 1e-4
    assert np.abs(octaves).max() < 1e-4


def test_zero_crossing_rates_equal_librosas(signal):
    ours = features.zero_crossing_rate(tf.constant(signal[None]), 2048, 512)[0]
    theirs = librosa.feature.zero_crossing_rate(y=signal)[0]
    np.testing.assert_array_equal(ours, theirs)  # whole counts over a power of two


def test_zero_crossings_among_zeros_equal_librosas():
    # Near librosa's threshold of 1e-10, not on it: 0.11 rounds that to float32, 1.0 does not.
    choices = np.array([-0.5, -2e-10, -5e-11, -0.0, 0.0, 5e-11, 0.5], "float32")
    signal = np.random.default_rng(0).choice(choices, 4001)
    ours = features.zero_crossing_rate(tf.constant(signal[None]), 512, 512)[0]
    theirs = librosa.feature.zero_crossing_rate(y=signal, frame_length=512, hop_length=512)[0]
    np.testing.assert_array_equal(ours, theirs)


def test_root_mean_squares_equal_librosas(signal):
    ours = features.root_mean_square(tf.constant(signal[None]), 2048, 512)[0]
    # Sums of 2,048 squares in float32, in another order.
    np.testing.assert_allclose(ours, librosa.feature.rms(y=signal)[0], rtol=1e-5)


@pytest.mark.parametrize(
    "samples", [1, 13_230, 13_231, 13_741, 13_742, 40_000, 68_354, 68_355, 68_356, 110_250]
)
def test_the_published_row_equals_its_extraction_restated(samples):
    clip = voice(samples)
    row = FEATURES["published"].build()(clip[None])
    np.testing.assert_allclose(row[0, :, 0], published(clip), **COEFFICIENTS)


def test_the_published_row_cuts_where_librosa_loads(tmp_path):
    soundfile.write(tmp_path / "clip.wav", voice(75_000), 22_050, subtype="FLOAT")
    part, _ = librosa.load(tmp_path / "clip.wav", duration=2.5, offset=0.6)
    row = FEATURES["published"].build()(voice(75_000)[None])[0, :, 0]
    np.testing.assert_array_equal(row[:108], librosa.feature.zero_crossing_rate(y=part)[0])
    np.testing.assert_allclose(row[108:216], librosa.feature.rms(y=part)[0], rtol=1e-5)
    theirs = librosa.feature.mfcc(y=part, sr=22_050, n_mfcc=20).T.ravel()
    np.testing.assert_allclose(row[216:], theirs, **COEFFICIENTS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 2, 3], [0, 0, 1, 2, 3]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6]),
    ],
)
def test_a_clip_is_fitted_by_zeros_in_front_or_by_its_middle(given, expected):
    np.testing.assert_array_equal(features.FitClip(5)(np.array([given], "float32")), [expected])


@pytest.mark.parametrize("name", ENTRIES)
def test_a_front_end_declares_the_shape_of_its_registry_entry(name):
    entry = ENTRIES[name]
    front_end = entry.build()
    declared = front_end(keras.Input((None,)))
    assert (*declared.shape, declared.dtype) == (None, *entry.shape, "float32")
    assert front_end(noise(5000)[None]).shape == front_end.compute_output_shape((1, 5000))
    fitted = entry.fit(front_end(noise(5000)[None]))
    assert fitted.shape == (1, *entry.array_shape)
    assert front_end.name == "front_end"
    assert not front_end.trainable_weights


def test_the_shapes_of_the_registry_are_those_of_the_contract():
    assert {name: feature.shape for name, feature in FEATURES.items()} == {
        "published": (2376, 1),
        "mfcc": (401, 20),
        "mfcc_deltas": (401, 60),
        "mfcc_pitch": (401, 25),
        "logmel": (401, 64),
        "causal": (None, 22),
        "whisper": (None, 513),
    }


@pytest.mark.parametrize("name", ["published", "mfcc", "mfcc_deltas", "mfcc_pitch", "logmel"])
def test_each_number_of_a_row_and_each_channel_of_frames_has_its_own_mean(name):
    entry = FEATURES[name]
    rows = np.random.default_rng(0).normal(3.0, 2.0, (50, *entry.shape)).astype("float32")
    rows *= np.arange(1, entry.shape[1] + 1)
    axes = {"published": 0}.get(name, (0, 1))
    expected = (rows - rows.mean(axes)) / rows.std(axes)
    np.testing.assert_allclose(entry.normalisation(rows)(rows), expected, rtol=0, atol=1e-4)


def test_what_never_varies_in_training_is_left_at_its_scale():
    scaler = FEATURES["published"].normalisation(np.stack([np.zeros((3, 1)), [[0], [2], [4]]]))
    heard = np.array([[[5.0], [1.0], [2.0]]])
    np.testing.assert_allclose(scaler(heard), [[[5.0], [0.0], [0.0]]], atol=1e-6)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_dataset_maps_clips_of_any_length_to_features(name):
    clips = [voice(30_000), voice(70_001)]
    dataset = tf.data.Dataset.from_generator(
        lambda: clips, output_signature=tf.TensorSpec((None,), "float32")
    )
    front_end = ENTRIES[name].build()
    mapped = dataset.map(lambda clip: front_end(clip[None])[0])
    assert mapped.element_spec.shape == ENTRIES[name].shape
    for ours, clip in zip(mapped, clips, strict=True):
        assert_same(ours, front_end(clip[None])[0], name)


@pytest.mark.parametrize("name", ["published", "mfcc_deltas"])
def test_features_of_any_waveform_are_finite(name):
    front_end = FEATURES[name].build()
    samples = st.floats(-1, 1, width=32)
    waveforms = npst.arrays("float32", st.integers(1, 20_000), elements=samples, fill=samples)

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(waveforms)
    def check(waveform):
        assert np.isfinite(front_end(waveform[None])).all()

    check()


def test_a_clip_that_ends_before_the_cut_is_a_row_of_zeros():
    assert not np.any(FEATURES["published"].build()(noise(13_230)[None]))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_saved_model_gives_the_same_features(name, tmp_path):
    front_end, waveform = ENTRIES[name].build(), voice(50_001)[None]
    expected = front_end(waveform)
    archive = keras.export.ExportArchive()
    archive.track(front_end)
    archive.add_endpoint("features", front_end.call, [tf.TensorSpec((None, None), name="waveform")])
    archive.write_out(str(tmp_path), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    assert_same(loaded.features(waveform), expected, name)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mfcc", {"n_mfcc": 65}, r"n_mfcc must be .* n_mels\. Received: n_mfcc=65, n_mels=64"),
        ("mfcc", {"n_mfcc": 0}, "n_mfcc must be"),
        (
            "mfcc",
            {"window_seconds": 0.05},
            "n_fft must be .* Received: n_fft=512, window_samples=800",
        ),
        ("logmel", {"n_fft": 513}, "n_fft must be even"),
        ("logmel", {"hop_seconds": 0.0}, "hop_samples must be an integer of at least 1"),
        ("logmel", {"n_mels": -1}, "n_mels must be an integer of at least 1"),
        ("logmel", {"clip_seconds": 0.0}, "samples must be .* at least 1. Received: samples=0"),
        ("causal", {"hop_seconds": 0.03}, "window_samples must be at least hop_samples"),
        ("causal", {"n_mfcc": 65}, "n_mfcc must be at most the number of bands"),
        ("causal", {"memory_seconds": 0.0}, "memory_frames must be a finite number above 0"),
        ("causal", {"core_hz": (300.0, 310.0)}, "core must be a band and a later one"),
        (
            "causal",
            {"core_hz": (40.0, 3400.0)},
            "core must leave at least 2 bands below it",
        ),
        (
            "causal",
            {"core_hz": (300.0, 1000.0)},
            r"n_mfcc must be .* Received: n_mfcc=20, bands=13",
        ),
        ("causal", {"outside": -1}, "outside must be .* at least 0. Received: outside=-1"),
        ("causal", {"core_hz": (300.0,)}, "core_hz must be"),
        ("causal", {"core_hz": (3400.0, 300.0)}, "core_hz must be"),
        ("mfcc_deltas", {"deltas": 9}, "orders must be from 1"),
        (
            "mfcc_deltas",
            {"clip_seconds": 0.05},
            "Received: frames=6, width=9",
        ),
        ("published", {"hop_samples": 500}, "frame_samples must be a multiple"),
        (
            "published",
            {"offset_seconds": -1.0},
            "offset_samples must be .* at least 0",
        ),
    ],
)
def test_a_wrong_hyperparameter_is_refused_by_its_rule(name, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(FEATURES[name], **changes).build()


def test_a_width_of_deltas_must_be_odd():
    with pytest.raises(ValueError, match=r"width must be odd .* Received: width=4"):
        features.Deltas(width=4)


def test_a_batch_of_images_is_no_waveform():
    with pytest.raises(ValueError, match="expected ndim=2"):
        features.LogMel(**SPECTRUM, n_mels=8)(np.zeros((1, 2, 3), "float32"))


@pytest.mark.parametrize("name", FEATURES)
def test_an_entry_is_its_json(name):
    fields = json.loads(json.dumps(dataclasses.asdict(FEATURES[name])))
    fields = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
    assert type(FEATURES[name])(**fields) == FEATURES[name]


def test_the_registry_is_imported_without_keras():
    heavy = "{'keras', 'tensorflow', 'librosa', 'numpy'}"
    code = f"import sys, ser_tf.models.features; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
