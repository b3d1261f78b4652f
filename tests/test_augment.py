from dataclasses import replace

import librosa
import numpy as np
import pytest
import tensorflow as tf

from ser_tf.evaluation.robustness import CONDITIONS
from ser_tf.layers.augment import mixup, phase_vocoder, pitch_shift, published_copies, time_stretch
from ser_tf.models.augmentations import AUGMENTATIONS, Augmentation, certain

RATE_HZ = 16_000
SAMPLES = 12_000
SEED = tf.constant([3, 5])
ENTRIES = {name: certain(entry) for name, entry in AUGMENTATIONS.items()}
WAVEFORM_NAMES = [name for name, entry in ENTRIES.items() if entry.domain == "waveform"]


def voice(samples: int = SAMPLES, seed: int = 0, pitch_hz: float = 140) -> np.ndarray:
    """Harmonics of a gliding pitch in a noise floor: something like speech, `(samples,)`."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE_HZ
    phase = 2 * np.pi * (pitch_hz * time + 20 * time**2) + rng.uniform(0, 6)
    harmonics = sum(np.sin(n * phase) / n for n in range(1, 25))
    envelope = 0.2 + np.sin(np.pi * np.arange(samples) / samples) ** 2
    return (0.1 * envelope * harmonics + 0.003 * rng.standard_normal(samples)).astype(np.float32)


def example(name: str, batch: int = 3) -> np.ndarray:
    """A batch for the augmentation `name`."""
    if ENTRIES[name].domain == "waveform":
        return np.stack([voice(seed=n, pitch_hz=100 + 30 * n) for n in range(batch)])
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((batch, 90, 20)).cumsum(axis=1) - 100
    return frames.astype(np.float32)


def changed(name: str, options: dict) -> Augmentation:
    return replace(ENTRIES[name], settings={**ENTRIES[name].settings, **options})


def run(name: str, inputs: np.ndarray, seed: tf.Tensor = SEED, **options: object) -> np.ndarray:
    layer = changed(name, options).build(RATE_HZ)
    return layer(inputs, training=True, seed=seed).numpy()


EDGE_SAMPLES = 2_048 + 512


def level_db(waveform: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(waveform)))


def assert_equals_librosas(actual: np.ndarray, expected: np.ndarray, floor_db: float) -> None:
    """The difference is `floor_db` below librosa's result, and no MFCC hears it.

    Apart from what the last two frames reach: from 1.0 on librosa's vocoder holds the last frame,
    where it and ours used to take silence for the next.
    """
    assert actual.shape == expected.shape
    actual, expected = actual[:-EDGE_SAMPLES], expected[:-EDGE_SAMPLES]
    assert level_db(actual - expected) < level_db(expected) - floor_db
    ours, librosas = (librosa.feature.mfcc(y=y, sr=RATE_HZ) for y in (actual, expected))
    # Coefficients run to hundreds.
    assert np.abs(ours - librosas).mean() < 0.05


@pytest.mark.parametrize("name", ENTRIES)
def test_items_of_equal_content_change_differently(name: str) -> None:
    first, second = run(name, np.repeat(example(name, 1), 2, axis=0))
    assert (first != second).any()


@pytest.mark.parametrize("name", ENTRIES)
def test_without_a_seed_calls_differ_and_the_constructors_seed_repeats_them(name: str) -> None:
    inputs = example(name, 1)
    layers = []
    for _ in range(2):
        config = ENTRIES[name].build(RATE_HZ).get_config() | {"seed": 7}
        layers.append(type(ENTRIES[name].build(RATE_HZ)).from_config(config))
    one, two = ([layer(inputs, training=True).numpy() for _ in range(2)] for layer in layers)
    np.testing.assert_array_equal(one, two)
    assert (one[0] != one[1]).any()


@pytest.mark.parametrize("samples", [1, 700])
@pytest.mark.parametrize("name", WAVEFORM_NAMES)
def test_silence_stays_silent(name: str, samples: int) -> None:
    assert not run(name, np.zeros((1, samples), np.float32)).any()


@pytest.mark.parametrize("name", ENTRIES)
def test_layers_work_in_a_graph_of_unknown_shape(name: str) -> None:
    inputs = example(name)
    layer = ENTRIES[name].build(RATE_HZ)
    rank = inputs.ndim - 1

    @tf.function(input_signature=[tf.TensorSpec([None] * rank)])
    def of_one(item: tf.Tensor) -> tf.Tensor:
        return layer(item[tf.newaxis], training=True, seed=SEED)[0]

    items = tf.data.Dataset.from_tensor_slices(inputs[:1]).map(of_one)
    # 1e-5: a graph's optimiser may reorder sums.
    np.testing.assert_allclose(next(iter(items)), run(name, inputs[:1])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "rule"),
    [
        ("noise", {"snr_db": (20, 10)}, "snr_db must be two finite numbers, the lower first"),
        ("noise", {"color": "brown"}, "color must be one of white, pink. Received: color='brown'"),
        ("gain", {"gain_db": (0, float("inf"))}, "gain_db must be two finite numbers"),
        ("gain", {"gain_db": (1,)}, "gain_db must be two finite numbers"),
        ("shift", {"shift_seconds": (1, -1)}, "shift_seconds must be two finite numbers"),
        ("clipping", {"over_db": (-1, 3)}, "over_db must be at least 0"),
        ("clipping", {"share": -0.1}, "share must be from 0 to 1. Received: share=-0.1"),
        ("recording", {"bits": 1}, "bits must be at least 2. Received: bits=1"),
        ("recording", {"share": 2}, "share must be from 0 to 1. Received: share=2"),
        ("recording", {"gain_db": (1, 0)}, "gain_db must be two finite numbers"),
        ("late", {"share": 1.5}, "share must be from 0 to 1. Received: share=1.5"),
        ("pitch", {"semitones": (float("nan"), 1)}, "semitones must be two finite numbers"),
        (
            "stretch",
            {"rate": (0, 1)},
            "the lower first and both above 0",
        ),
        ("specaugment", {"time_masks": -1}, "time_masks must be a finite number of at least 0"),
        (
            "specaugment",
            {"time_width_share": 2},
            "from 0 to 1. Received: time_width_share=2",
        ),
    ],
)
def test_bad_hyperparameters_are_refused(name: str, options: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        changed(name, options).build(RATE_HZ)


def test_shift_refuses_a_rate_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"rate_hz must be .* above 0. Received: rate_hz=0"):
        ENTRIES["shift"].build(0)


@pytest.mark.parametrize("color", ["white", "pink"])
def test_noise_has_the_ratio_asked_for(color: str) -> None:
    inputs = example("noise")
    noise = run("noise", inputs, snr_db=(12.0, 12.0), color=color) - inputs
    for old, added in zip(inputs, noise, strict=True):
        # 0.001 dB: the level is set from the very samples drawn; float32 remains.
        assert level_db(old) - level_db(added) == pytest.approx(12.0, abs=1e-3)


@pytest.mark.parametrize(("color", "slope_db"), [("white", 0.0), ("pink", -3.01)])
def test_noise_falls_by_its_colours_decibels_an_octave(color: str, slope_db: float) -> None:
    inputs = np.ones((1, 2**16), np.float32)
    noise = run("noise", inputs, snr_db=(0.0, 0.0), color=color)[0] - 1
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = np.arange(7, 15)
    density_db = [10 * np.log10(power[2**n : 2 ** (n + 1)].mean()) for n in octaves]
    # 0.2: the lowest octave averages 128 bins of exponential spread.
    assert np.polyfit(octaves, density_db, 1)[0] == pytest.approx(slope_db, abs=0.2)


def test_levels_are_drawn_from_the_whole_range() -> None:
    inputs = np.ones((300, 1), np.float32)
    gains_db = 20 * np.log10(run("gain", inputs, gain_db=(-6.0, 3.0)))
    assert -6.0001 < gains_db.min() < -5.8
    assert 2.8 < gains_db.max() < 3.0001
    # The mean of 300 even draws lies within 0.15 of the range's middle two times in three.
    assert gains_db.mean() == pytest.approx(-1.5, abs=0.5)


def test_gain_is_the_one_asked_for() -> None:
    inputs = example("gain")
    np.testing.assert_allclose(run("gain", inputs, gain_db=(20, 20)), 10 * inputs, rtol=1e-6)


def test_shift_moves_within_its_limit_and_fills_with_zeros() -> None:
    inputs = np.tile(np.arange(1, 1001, dtype=np.float32), (200, 1))
    outputs = run("shift", inputs, shift_seconds=(-100 / RATE_HZ, 100 / RATE_HZ))
    moves = []
    for item in outputs:
        place = int(np.flatnonzero(item)[0])
        move = place - (int(item[place]) - 1)
        expected = np.zeros(1000)
        expected[max(move, 0) : 1000 + min(move, 0)] = inputs[0][
            max(-move, 0) : 1000 - max(move, 0)
        ]
        np.testing.assert_array_equal(item, expected)
        moves.append(move)
    assert -100 <= min(moves) < -90
    assert 90 < max(moves) <= 100


def test_a_short_clip_is_never_shifted_out_of_itself() -> None:
    outputs = run("shift", np.ones((50, 40), np.float32), shift_seconds=(-1.0, 1.0))
    assert outputs.sum(axis=1).min() >= 20


def test_a_share_of_the_clips_is_late() -> None:
    outputs = run(
        "late", np.ones((1000, 40), np.float32), share=AUGMENTATIONS["late"].settings["share"]
    )
    assert 250 < np.count_nonzero(outputs[:, 0] == 0) < 350


def test_a_late_clip_begins_with_silence() -> None:
    outputs = run("late", np.ones((50, 40), np.float32))
    begins = outputs.argmax(axis=1)
    assert 0 <= begins.min() < 3
    assert 17 < begins.max() <= 20
    assert (outputs[:, 20:] == 1).all()


@pytest.mark.parametrize("semitones", [-5.0, 0.7, 4.0])
def test_a_sine_is_shifted_by_the_semitones_asked_for(semitones: float) -> None:
    samples = 2**14
    tone = np.sin(2 * np.pi * 500 * np.arange(samples) / RATE_HZ).astype(np.float32)
    shifted = run("pitch", tone[np.newaxis], semitones=(semitones, semitones))[0]
    spectrum = np.abs(np.fft.rfft(shifted * np.hanning(samples), 8 * samples))
    heard_hz = np.argmax(spectrum) * RATE_HZ / (8 * samples)
    # A third of a hertz: a bin is an eighth of one, and the vocoder's ends blur the peak.
    assert heard_hz == pytest.approx(500 * 2 ** (semitones / 12), abs=0.3)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_clicks_come_at_the_stretched_pace(rate: float) -> None:
    clicks = np.zeros(32_000, np.float32)
    clicks[4_000::6_000] = 1.0
    stretched = time_stretch(clicks[np.newaxis], rate)[0].numpy()
    assert len(stretched) == round(32_000 / rate)
    for place in np.flatnonzero(clicks):
        around = slice(int(place / rate) - 2_000, int(place / rate) + 2_000)
        energy = np.square(stretched[around])
        centre = around.start + np.average(np.arange(len(energy)), weights=energy)
        # The vocoder keeps a click where it is within the window of a frame, 1,024 samples to
        # either side.
        assert centre == pytest.approx(place / rate, abs=1_024)


def test_stretch_crops_or_fills_the_end() -> None:
    inputs = example("stretch", 1)
    slow, fast = (run("stretch", inputs, rate=(rate, rate))[0] for rate in (0.5, 2.0))
    np.testing.assert_array_equal(slow, time_stretch(inputs, 0.5)[0, :SAMPLES])
    np.testing.assert_array_equal(fast[: SAMPLES // 2], time_stretch(inputs, 2.0)[0])
    assert not fast[SAMPLES // 2 :].any()


def test_hidden_parts_take_their_channels_mean() -> None:
    inputs = example("specaugment")
    outputs = run("specaugment", inputs)
    hidden = outputs != inputs
    means = np.broadcast_to(inputs.mean(axis=1, keepdims=True), inputs.shape)
    # 1e-4: float32 sums of numbers in the hundreds.
    np.testing.assert_allclose(outputs[hidden], means[hidden], atol=1e-4)


def test_masks_are_no_wider_and_no_more_than_asked_for() -> None:
    inputs = np.random.default_rng(0).standard_normal((100, 60, 16)).astype(np.float32)
    options = {"time_masks": 1, "time_width_frames": 9, "time_width_share": 1.0}
    hidden = run("specaugment", inputs, **options, channel_masks=1, channel_width=3) != inputs
    stretches = hidden.all(axis=2).sum(axis=1)
    bands = hidden.all(axis=1).sum(axis=1)
    assert set(stretches) == set(range(10))
    assert set(bands) == set(range(4))
    capped = run("specaugment", inputs, **options | {"time_width_share": 0.05}, channel_masks=0)
    assert (capped != inputs).all(axis=2).sum(axis=1).max() == 3


def test_no_masks_hide_nothing() -> None:
    inputs = example("specaugment")
    outputs = run("specaugment", inputs, time_masks=0, channel_masks=0)
    np.testing.assert_array_equal(outputs, inputs)


@pytest.mark.parametrize("rate", [0.8, 0.96, 1.0, 1.25, 2.0])
def test_time_stretch_equals_librosas(rate: float) -> None:
    waveform = voice()
    # In float64: in float32 librosa sums up phases of a hundred thousand radians.
    expected = librosa.effects.time_stretch(waveform.astype(np.float64), rate=rate)
    # 95 dB: float32.
    assert_equals_librosas(time_stretch(waveform[np.newaxis], rate)[0].numpy(), expected, 95)


@pytest.mark.parametrize("semitones", [-4.0, 0.0, 0.7, 12.0])
def test_pitch_shift_equals_librosas(semitones: float) -> None:
    waveform = voice()
    expected = librosa.effects.pitch_shift(
        waveform.astype(np.float64), sr=RATE_HZ, n_steps=semitones
    )
    # 55 dB: the resampling's transition band, and its drift of up to a hundredth of a sample.
    assert_equals_librosas(pitch_shift(waveform[np.newaxis], semitones)[0].numpy(), expected, 55)


def test_phase_vocoder_equals_librosas_on_random_spectra() -> None:
    rng = np.random.default_rng(0)
    spectra = rng.standard_normal((2, 40, 33)) + 1j * rng.standard_normal((2, 40, 33))
    spectra[:, 5:9] = 0  # digital silence has no phase
    spectra = spectra.astype(np.complex64)
    actual = phase_vocoder(spectra, 0.7).numpy()
    wide = spectra.astype(np.complex128)
    expected = librosa.phase_vocoder(wide.swapaxes(1, 2), rate=0.7).swapaxes(1, 2)
    # 1e-5: up to 57 products in float32 of numbers around 1. Of the last: see above.
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual[:, :-2], expected[:, :-2], atol=1e-5)


def test_published_copies_are_clean_noise_pitch_and_both() -> None:
    waveform = voice()
    clean, noisy, raised, both = tf.function(published_copies)(waveform, SEED).numpy()
    np.testing.assert_array_equal(clean, waveform)
    expected = librosa.effects.pitch_shift(waveform, sr=22_050, n_steps=0.7)
    assert_equals_librosas(raised, expected, 50)  # as above, and librosa's float32
    for copy, base in [(noisy, clean), (both, raised)]:
        noise = copy - base
        assert 0 < noise.std() < 0.035 * base.max()
        # 12,000 normal numbers: mean within four standard errors, kurtosis 3 within six.
        assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(SAMPLES)
        assert np.mean((noise / noise.std()) ** 4) == pytest.approx(3, abs=0.27)
    assert np.corrcoef(noisy - clean, both - raised)[0, 1] == pytest.approx(0, abs=0.05)


def test_published_noise_levels_are_drawn_evenly_up_to_the_largest_sample() -> None:
    waveform = tf.concat([tf.fill([999], -1.0), [0.5]], 0)  # the largest, not the farthest from 0
    copies = tf.function(published_copies)
    seeds = [tf.constant([n, 0]) for n in range(60)]
    noises = np.stack([copies(waveform, seed)[1] - waveform for seed in seeds])
    shares = noises.std(axis=1) / (0.035 * 0.5)
    assert shares.max() < 1.05
    # The mean of 60 even draws from 0 to 1 has a standard error of 0.037.
    assert shares.mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("samples", [1, 2, 3_000])
def test_published_copies_of_odd_clips_are_finite(samples: int) -> None:
    for level in (0.0, 1.0):
        copies = published_copies(tf.fill([samples], level), SEED)
        assert copies.shape == (4, samples)
        assert np.isfinite(copies).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_the_waveforms_has_its_band_limited(share):
    noise = np.random.default_rng(0).normal(size=(4, 16_000)).astype(np.float32)
    band = {"low_hz": (300.0, 300.0), "high_hz": (3400.0, 3400.0)}
    heard = run("channel", noise, color_db=0.0, band_share=share, **band)
    hz = np.fft.rfftfreq(16_000, 1 / RATE_HZ)
    gain = np.abs(np.fft.rfft(heard)) ** 2 / np.abs(np.fft.rfft(noise)) ** 2
    below, within, above = 10 * np.log10(
        [np.median(gain[:, (hz > low) & (hz < high)]) for low, high in _BANDS_HZ]
    )
    # The band's edges reach a little into it; the FFT is of another length than the check's.
    assert abs(within) < (0.3 if share else 0.01)
    assert max(below, above) < (-30 if share else 0.01)


def test_four_clips_in_ten_come_over_the_telephone():
    noise = 0.1 * np.random.default_rng(0).normal(size=(400, 4_000)).astype(np.float32)
    heard = run("telephone", noise, band_share=AUGMENTATIONS["telephone"].settings["band_share"])
    hz = np.fft.rfftfreq(4_000, 1 / RATE_HZ)
    outside = (hz > 5_000) | (hz < 100)
    level = [np.mean(np.abs(np.fft.rfft(clips))[:, outside] ** 2, 1) for clips in (heard, noise)]
    narrow = 10 * np.log10(level[0] / level[1]) < -20
    # Of 400 drawn at 0.4, with a standard error of 0.025; the rest is as it was.
    assert np.mean(narrow) == pytest.approx(0.4, abs=0.08)
    np.testing.assert_allclose(heard[~narrow], noise[~narrow], atol=1e-5)


def test_a_telephone_has_the_noise_of_mu_law() -> None:
    band = {"low_hz": (300.0, 300.0), "high_hz": (3400.0, 3400.0)}
    tone = _tone(1_037, 0.3)
    with_mu_law = run("telephone", tone[np.newaxis], **band)[0]
    without = run("telephone", tone[np.newaxis], **band, mu_law=False)[0]
    condition = CONDITIONS["telephone"](tone, RATE_HZ, np.random.default_rng(0))
    # The eight bits of G.711 are good for some 38 dB at any level a voice has.
    assert 35 < _above_the_rest_db(with_mu_law) < 41
    assert abs(_above_the_rest_db(with_mu_law) - _above_the_rest_db(condition)) < 1
    assert _above_the_rest_db(without) > 60


def test_mu_law_clips_what_a_line_cannot_carry() -> None:
    heard = run("telephone", _tone(1_000, 3.0)[np.newaxis], low_hz=(100.0, 100.0))[0, 4_000:8_000]
    actual = 2 * np.abs(np.fft.rfft(heard))[[250, 750]] / 4_000
    expected = 2 * np.abs(np.fft.rfft(np.clip(_tone(1_000, 3.0)[4_000:8_000:2], -1, 1)))
    # 0.03: the bands' edges at the third harmonic.
    np.testing.assert_allclose(actual, expected[[250, 750]] / 2_000, atol=0.03)


def _tone(hz: float, amplitude: float) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(SAMPLES) / RATE_HZ)).astype(np.float32)


def _above_the_rest_db(waveform: np.ndarray) -> float:
    """The level of a tone of 1,037 Hz over that of all else."""
    middle = waveform[2_000:10_000] * np.blackman(8_000)
    power = np.abs(np.fft.rfft(middle)) ** 2  # 2 Hz a bin
    tone = power[510:527].sum()
    return 10 * np.log10(tone / (power.sum() - tone))


@pytest.mark.parametrize("level", [0.01, 3.0])
def test_clipping_cuts_peaks_off_at_a_level_relative_to_the_highest(level: float) -> None:
    clip = level * voice()
    heard = run("clipping", clip[np.newaxis], over_db=(6.0, 6.0))[0]
    ceiling = np.abs(clip).max() * 10 ** (-6 / 20)
    np.testing.assert_allclose(heard, np.clip(clip, -ceiling, ceiling), rtol=1e-5)
    assert 0.001 < np.mean(np.abs(clip) > ceiling) < 0.5


def test_a_share_of_the_clips_is_clipped() -> None:
    inputs = np.tile(np.linspace(-1, 1, 50, dtype=np.float32), (1000, 1))
    outputs = run("clipping", inputs, share=AUGMENTATIONS["clipping"].settings["share"])
    clipped = (outputs != inputs).any(axis=1)
    # Of 1,000 drawn at 0.2, a standard error of 0.013.
    assert clipped.mean() == pytest.approx(0.2, abs=0.04)
    peaks_db = 20 * np.log10(outputs.max(axis=1))
    assert -20.001 < peaks_db.min() < -19
    np.testing.assert_array_equal(outputs, -outputs[:, ::-1])


@pytest.mark.parametrize(
    ("gain_db", "condition"), [(-30, "gain of -30 dB"), (20, "gain of +20 dB, clipped")]
)
def test_recordings_are_made_as_the_conditions_are(gain_db: float, condition: str) -> None:
    heard = run("recording", voice()[np.newaxis], gain_db=(gain_db, gain_db))[0]
    expected = CONDITIONS[condition](voice(), RATE_HZ, np.random.default_rng(0))
    np.testing.assert_array_equal(heard * 2**15, np.round(heard * 2**15))
    # A sample half-way between two steps may be rounded to either.
    assert np.abs(heard - expected).max() <= 2**-15
    assert np.mean(heard != expected) < 0.001


def test_a_share_of_the_clips_is_recorded_with_few_bits() -> None:
    inputs = np.tile(np.linspace(-1, 1, 501, dtype=np.float32), (1000, 1))
    options = {
        "gain_db": (0.0, 0.0),
        "share": AUGMENTATIONS["recording"].settings["share"],
        "bits": 4,
    }
    outputs = run("recording", inputs, **options)
    recorded = (outputs != inputs).any(axis=1)
    # Of 1,000 drawn at 0.5, a standard error of 0.016.
    assert recorded.mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(np.unique(outputs[recorded]), np.arange(-8, 8) / 8)


_BANDS_HZ = [(20, 130), (600, 2400), (6000, 8000)]


def test_a_channels_colour_deviates_as_asked_for():
    impulse = np.zeros((600, 4_000), np.float32)
    impulse[:, 2_000] = 1.0
    heard = run("channel", impulse, color_db=6.0, band_share=0.0)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(heard)))[:, 100:1900]  # 400 to 7,600 Hz
    # Deviations of 600 clips' gains, over all frequencies.
    assert abs(np.sqrt(np.mean(gain_db**2)) - 6.0) < 0.5


def linear(features, others, of_others):
    return (1 - of_others) * features + of_others * others


def test_mixed_clips_and_their_targets_keep_more_than_half_of_themselves():
    features = np.eye(64, dtype=np.float32)[:, :, None]  # of clip n, frame n alone
    targets = np.eye(64, dtype=np.float32)
    mixed, wanted = (np.asarray(part) for part in mixup(features, targets, SEED, 0.5, linear))
    np.testing.assert_allclose(mixed[..., 0], wanted, atol=1e-7)
    np.testing.assert_allclose(wanted.sum(axis=1), 1, atol=1e-6)
    kept = np.diagonal(wanted)
    assert (kept >= 0.5).all()
    assert 16 < (kept < 1).sum() < 48
    again = mixup(features, targets, SEED, 0.5, linear)[1]
    np.testing.assert_array_equal(again, wanted)
    np.testing.assert_array_equal(mixup(features, targets, SEED, 0.0, linear)[1], targets)
