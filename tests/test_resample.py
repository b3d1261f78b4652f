import librosa
import numpy as np
import pytest
import tensorflow as tf

from ser_tf.layers.signal.resample import resample

RATES = [
    (48_000, 16_000),
    (44_100, 16_000),
    (8_000, 16_000),
    (22_050, 16_000),
    (96_000, 16_000),
    (24_414, 22_050),
    (4_000, 16_000),
    (44_100, 22_050),
]

resampled = tf.function(
    resample,
    input_signature=[
        tf.TensorSpec((None, None)),
        tf.TensorSpec((), tf.float64),
        tf.TensorSpec((), tf.float64),
    ],
)


def voice(rate_hz: int, seconds: float = 0.7) -> np.ndarray:
    """Harmonics of a falling pitch under a decaying spectrum, with a little noise: like speech."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (180 * time - 40 * time**2)
    harmonics = sum(np.sin(n * phase) / n for n in range(1, 40) if n * 180 < rate_hz / 2)
    noise = np.random.default_rng(0).standard_normal(len(time))
    envelope = np.sin(np.pi * time / seconds) ** 2
    return (0.2 * envelope * (harmonics + 0.01 * noise)).astype(np.float32)


def level_db(waveform: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(waveform)))


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_resampling_equals_soxr(from_hz: int, to_hz: int) -> None:
    waveform = voice(from_hz)
    expected = librosa.resample(waveform, orig_sr=from_hz, target_sr=to_hz)
    actual = resampled(waveform[np.newaxis], from_hz, to_hz)[0].numpy()
    assert actual.shape == expected.shape
    # 60 dB: what is left is the transition band, where the two filters differ by 0.003.
    assert level_db(actual - expected) < level_db(expected) - 60


def test_resampling_between_rates_without_a_common_length_is_soxrs_but_for_a_drift() -> None:
    waveform = voice(44_101)
    expected = librosa.resample(waveform, orig_sr=44_101, target_sr=16_000)
    actual = resample(waveform[np.newaxis], 44_101, 16_000)[0].numpy()
    # A hundredth of a sample at the end turns a tone of 2 kHz by 0.008: 42 dB at the worst.
    assert level_db(actual - expected) < level_db(expected) - 50


def test_mfcc_do_not_hear_who_resampled() -> None:
    waveform = voice(48_000)
    expected = librosa.resample(waveform, orig_sr=48_000, target_sr=16_000)
    actual = resample(waveform[np.newaxis], 48_000, 16_000)[0].numpy()
    difference = librosa.feature.mfcc(y=actual, sr=16_000) - librosa.feature.mfcc(
        y=expected, sr=16_000
    )
    # Coefficients of speech run to hundreds; the decibels under them differ only in the topmost
    # of 128 bands.
    assert np.abs(difference).max() < 0.05


def test_a_tone_above_the_new_nyquist_vanishes() -> None:
    time = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 9_000 * time) * np.hanning(48_000)
    actual = resample(tone[np.newaxis].astype(np.float32), 48_000, 16_000)
    # Bins above the Nyquist frequency are left out: only rounding in float32 remains.
    assert np.abs(actual).max() < 1e-5


@pytest.mark.parametrize("ratio", [0.96037, 1.041234567, 0.5, 1.7])
def test_a_tone_keeps_its_phase_to_the_end_at_any_ratio(ratio: float) -> None:
    samples = 30_000
    tone = np.cos(0.3 * np.arange(samples)).astype(np.float32)
    actual = resample(tone[np.newaxis], 1.0, ratio)[0].numpy()
    expected = np.cos(0.3 / ratio * np.arange(len(actual)))
    inner = slice(1000, -1000)  # the tone's abrupt ends ring
    # A hundredth of a sample's drift turns this tone by 0.003; the ring's tail adds as much.
    assert np.abs(actual - expected)[inner].max() < 0.01


@pytest.mark.parametrize("samples", [1, 2, 3, 777])
@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48_000, 16_000), (8_000, 16_000), (44_100, 16_000)]
)
def test_short_clips_have_librosas_length(samples: int, from_hz: int, to_hz: int) -> None:
    actual = resampled(np.ones((2, samples), np.float32), from_hz, to_hz)
    assert actual.shape == (2, -(-samples * to_hz // from_hz))
    assert np.isfinite(actual).all()


def test_equal_rates_change_nothing() -> None:
    waveform = voice(16_000)[np.newaxis]
    np.testing.assert_array_equal(resampled(waveform, 16_000, 16_000), waveform)


def test_rates_may_be_integer_tensors() -> None:
    waveform = voice(8_000)[np.newaxis]
    expected = resample(waveform, 8_000, 16_000)
    np.testing.assert_array_equal(
        resample(waveform, tf.constant(8_000), tf.constant(16_000)), expected
    )


def test_silence_and_dc_keep_their_level() -> None:
    silence_and_dc = np.stack([np.zeros(20_000), np.full(20_000, 0.5)]).astype(np.float32)
    silent, constant = resample(silence_and_dc, 48_000, 16_000).numpy()
    assert not silent.any()
    # 1e-5: float32 over an FFT of twenty thousand samples; the ends ring.
    np.testing.assert_allclose(constant[500:-500], 0.5, atol=1e-5)


def test_an_item_does_not_hear_its_neighbours() -> None:
    batch = np.stack([voice(44_100), voice(44_100)[::-1], np.full_like(voice(44_100), 0.9)])
    together = resample(batch, 44_100, 16_000)
    for item, alone in zip(together, batch, strict=True):
        # 1e-6: FFTs of several rows may be vectorised in another order.
        np.testing.assert_allclose(item, resample(alone[np.newaxis], 44_100, 16_000)[0], atol=1e-6)


def test_a_saved_graph_resamples_any_rate(tmp_path) -> None:
    module = tf.Module()
    module.serve = resampled
    tf.saved_model.save(module, str(tmp_path))
    served = tf.saved_model.load(str(tmp_path)).serve
    for from_hz in (4_000, 48_000, 192_000):
        waveform = voice(from_hz, 0.2)[np.newaxis]
        np.testing.assert_array_equal(
            served(
                tf.constant(waveform),
                tf.constant(from_hz, tf.float64),
                tf.constant(16e3, tf.float64),
            ),
            resampled(waveform, from_hz, 16_000),
        )
