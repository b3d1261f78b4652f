"""Whisper's frames against librosa and KerasHub, and where its weights come from."""

import dataclasses
import json
from pathlib import Path

import keras
import librosa
import numpy as np
import presets
import pytest

from ser_tf.corpora.demo.synthesis import synthesise
from ser_tf.errors import InputError
from ser_tf.layers import features
from ser_tf.layers.calibration import Calibration
from ser_tf.layers.features import ABSENT
from ser_tf.models import LMUEncoder
from ser_tf.models.features import FEATURES, WhisperFeatures, whisper_weights
from ser_tf.serving import litert

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# A float32 transform is off by 1e-7 of its peak amplitude, which is 1e-3 of the least amplitude,
# 80 dB below the peak: 1e-3 of a level's decade, over 4. librosa transforms in float64.
LEVELS = {"rtol": 0, "atol": 3e-4}
# Values of up to 4 after some hundred float32 sums, by operations in another order.
FRAMES = {"rtol": 0, "atol": 2e-5}
GOLDEN = json.loads((Path(__file__).parent / "whisper_frames.json").read_text())
"""Frames of two blocks by `keras_hub.models.WhisperBackbone` 0.32 with the weights of `presets`."""

SMALL = {"width": 16, "heads": 2, "blocks": 2}


def noise(samples, level=0.1, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype("float32")


SIGNALS = {
    "speech": synthesise(1, "happy", 1, 1),
    "noise": noise(20_000),
    "quiet noise": noise(16_001, level=1e-4),
    "chirp": librosa.chirp(fmin=60, fmax=7000, sr=16_000, length=30_000).astype("float32"),
    "less than a frame": noise(100),
    "one sample": noise(1),
    "silence": np.zeros(5000, "float32"),
    "constant": np.full(5000, 0.5, "float32"),
}


def mel_frames(clips=1, frames=21):
    """Log-mel frames that are all present, `(clips, frames, 81)`."""
    levels = np.random.default_rng(1).uniform(-1, 1, (clips, frames, 80)).astype("float32")
    return np.concatenate([levels, np.zeros((clips, frames, 1), "float32")], axis=2)


def encoder(folder, width=16, heads=2, blocks=2, last_norm=False):
    """An encoder with the weights of a preset in `folder`."""
    layer = features.WhisperEncoder(width, heads, blocks, last_norm)
    layer.build((None, None, 81))
    whisper_weights.load(layer, "base", str(folder))
    return layer


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return presets.write(tmp_path_factory.mktemp("preset"), **SMALL)


@pytest.mark.parametrize("name", SIGNALS)
def test_levels_equal_librosas_of_a_clip_followed_by_zeros(name):
    waveform = SIGNALS[name]
    padded = np.pad(waveform, (0, 32_000))
    power = librosa.feature.melspectrogram(
        y=padded, sr=16_000, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect"
    )
    levels = np.log10(np.maximum(power, 1e-10))
    expected = (np.maximum(levels, levels.max() - 8) + 4) / 4
    ours = np.asarray(features.WhisperLogMel()(waveform[None]))[0]
    assert len(ours) == 2 * -(-len(waveform) // 320)
    np.testing.assert_allclose(ours[:, :80], expected.T[: len(ours)], **LEVELS)


def test_the_power_equals_numpys():
    layer, waveform = features.WhisperLogMel(), noise(4000)
    layer.build((None, None))
    frames = np.lib.stride_tricks.sliding_window_view(waveform.astype("float64"), 400)[::160]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    expected = np.abs(np.fft.rfft(frames * window)) ** 2
    ours = layer.spectrum(waveform[None])[0]
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize(("blocks", "name"), [(1, "one_block"), (2, "all_blocks")])
def test_frames_equal_the_reference_s(blocks, name, preset):
    ours = encoder(preset, blocks=blocks, last_norm=blocks == 2)(mel_frames())
    assert not np.any(ours[..., -1])
    np.testing.assert_allclose(ours[0, :, :-1], GOLDEN[name], **FRAMES)


def test_frames_equal_keras_hub_s_where_it_is_installed(tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.WhisperBackbone(
        vocabulary_size=4,
        num_layers=3,
        num_heads=3,
        hidden_dim=24,
        intermediate_dim=96,
        max_decoder_sequence_length=4,
    )
    backbone.save_weights(tmp_path / "model.weights.h5")
    config = keras.saving.serialize_keras_object(backbone)
    (tmp_path / "config.json").write_text(json.dumps(config))
    tokens = np.zeros((2, 1), "int32")
    for frames in (21, 3000):
        mel = mel_frames(2, frames)
        inputs = {"encoder_features": mel[..., :-1], "decoder_token_ids": tokens}
        theirs = backbone(inputs | {"decoder_padding_mask": tokens})["encoder_sequence_output"]
        ours = encoder(tmp_path, width=24, heads=3, blocks=3, last_norm=True)(mel)
        np.testing.assert_allclose(ours[..., :-1], theirs, **FRAMES)


def test_zeros_after_a_clip_change_nothing(preset):
    layers = [features.WhisperLogMel(), encoder(preset), features.ThinFrames(2)]
    waveform = noise(20_011)
    batch = np.stack([np.pad(waveform, (0, 12_000)), noise(32_011, seed=1)])
    alone, padded = waveform[None], batch
    for layer in layers:
        alone, padded = layer(alone), np.asarray(layer(padded))
        frames = alone.shape[1]
        # Matrix products of another size add up in another order.
        np.testing.assert_allclose(padded[0, :frames], alone[0], **FRAMES)
        assert (padded[0, frames:, -1] == ABSENT).all()
        assert not padded[1, :-1, -1].any()
    assert not padded[0, frames:, :-1].any()


def test_a_frames_weight_falls_around_the_gate():
    clip = np.concatenate([noise(3200), noise(3200, level=0.1 * 10**-1.5), np.zeros(640), [0.1]])
    weights = np.exp(features.WhisperLogMel(30.0)(clip[None].astype("float32"))[0, :, -1])
    assert weights.shape == (46,)
    assert (weights[:20] > 0.999).all()
    # 30 dB below a frame of average level, at most 1 dB more below the loudest.
    assert ((weights[20:40] > 0.3) & (weights[20:40] < 0.7)).all()
    assert (weights[40:44] < 1e-12).all()


def test_long_silence_around_a_clip_and_its_level_change_nothing():
    layer, clip = features.IsolateSound(320, 45.0, 2), synthesise(1, "happy", 1, 1)
    clip = np.pad(clip, (960, 0))  # more than the margin
    expected = np.asarray(layer(clip[None]))[0]
    frames = expected[: len(clip) // 320 * 320].reshape(-1, 320)
    np.testing.assert_allclose(np.sqrt((frames**2).mean(axis=1)).max(), 0.15, rtol=1e-3)
    for gain, before, after in ((0.01, 0, 0), (20.0, 3200, 0), (1.0, 640, 4800)):
        moved = np.asarray(layer(gain * np.pad(clip, (before, after))[None]))[0]
        np.testing.assert_allclose(moved[: len(clip)], expected, atol=1e-6)
        assert not moved[len(clip) :].any()


def test_the_margin_of_silence_is_kept_before_and_after_the_sound():
    faint = noise(3200, level=1e-5)
    layer, clip = features.IsolateSound(320, 45.0, 3), np.r_[faint, noise(3200), faint]
    isolated = np.asarray(layer(clip[None]))[0]
    sounds = isolated.reshape(-1, 320).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(sounds), range(3 + 10 + 3))
    np.testing.assert_allclose(
        isolated[:5120], clip[2240:7360] * isolated[960] / clip[3200], rtol=1e-6
    )


def test_of_a_long_clip_the_first_thirty_seconds_are_used():
    layer, waveform = features.WhisperLogMel(), noise(500_000)
    assert layer.compute_output_shape((1, 500_000)) == (1, 3000, 81)
    np.testing.assert_array_equal(layer(waveform[None]), layer(waveform[None, :480_000]))


def test_thinned_frames_are_the_means_of_those_present():
    frames = np.random.default_rng(0).standard_normal((1, 7, 3)).astype("float32")
    frames[..., -1] = [0, 0, 0, 0, ABSENT, ABSENT, ABSENT]
    thinned = np.asarray(features.ThinFrames(3)(frames))[0]
    expected = [frames[0, :3, :-1].mean(axis=0), frames[0, 3, :-1], [0, 0]]
    np.testing.assert_allclose(thinned[:, :-1], expected, rtol=1e-6)
    np.testing.assert_allclose(thinned[:, -1], [0, np.log(1 / 3), ABSENT], rtol=1e-6)


def test_the_encoder_is_trained_only_if_that_is_asked_for():
    layer = features.WhisperEncoder(**SMALL)
    front_end = keras.Sequential([keras.Input((None, 81)), layer])
    assert front_end.trainable_weights == []
    layer.trainable = True
    assert len(front_end.trainable_weights) == 4 + 2 * 15
    assert type(layer).from_config(layer.get_config()).trainable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 8000}, "rate_hz must be 16000. Received: rate_hz=8000"),
        ({"size": "large"}, "size must be one of tiny, base, small. Received: size=large"),
        ({"blocks": 7}, "blocks must be from 1 to the 6 of size base. Received: blocks=7"),
        ({"size": "tiny", "blocks": 0}, "blocks must be from 1 to the 4"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"clip_seconds": 31.0}, "clip_seconds must be above 0 and at most 30"),
    ],
)
def test_a_hyperparameter_of_whisper_that_breaks_its_rule_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WhisperFeatures(**changes)


def test_the_whole_encoder_ends_with_layer_normalisation(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    presets.write_cache(tmp_path, "tiny", 384, 6, 4)
    for blocks in (3, 4):
        front_end = WhisperFeatures(size="tiny", blocks=blocks).build()
        assert (front_end.layers[2].norm is not None) == (blocks == 4)


def test_weights_come_from_a_model_folder_that_holds_them(preset, tmp_path):
    layer = encoder(preset)
    path = tmp_path / whisper_weights.FILE
    whisper_weights.save(layer, path)
    for blocks in (2, 1):
        expected = encoder(preset, blocks=blocks)(mel_frames())
        np.testing.assert_array_equal(encoder(tmp_path, blocks=blocks)(mel_frames()), expected)


def test_weights_are_stored_in_half_precision_where_that_changes_none(preset, tmp_path):
    layer = encoder(preset)
    kernel = layer.convolutions[0].kernel
    kernel.assign(np.asarray(kernel).astype("float16"))
    whisper_weights.save(layer, tmp_path / whisper_weights.FILE)
    with np.load(tmp_path / whisper_weights.FILE) as arrays:
        assert arrays["conv1d/0"].dtype == "float16"
        assert arrays["conv1d_1/0"].dtype == "float32"


def test_weights_that_cannot_be_had_are_told_of_in_one_line(preset, tmp_path, monkeypatch):
    import kagglehub

    def unreachable(handle):
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setattr(kagglehub, "model_download", unreachable)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as failure:
        FEATURES["whisper"].build()
    handle = "keras/whisper/keras/whisper_base_multi/4"
    assert f"{handle} is not in {tmp_path / 'models' / handle}" in str(failure.value)
    assert "(no route to host)" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_folder_without_such_an_encoder_is_refused(preset, tmp_path):
    with pytest.raises(InputError, match="2 blocks of 16 channels, not 1 of 24"):
        encoder(preset, width=24, heads=3, blocks=1)
    with pytest.raises(InputError, match=f"{tmp_path}: no preset of Whisper"):
        encoder(tmp_path)
    whisper_weights.save(encoder(preset), tmp_path / whisper_weights.FILE)
    with pytest.raises(InputError, match="no Whisper encoder of 3 blocks of 16 channels"):
        encoder(tmp_path, blocks=3)
    with pytest.raises(InputError, match="of an encoder of another size"):
        encoder(tmp_path, width=24)
    (tmp_path / whisper_weights.FILE).write_text("no zip")
    with pytest.raises(InputError, match=r"front_end\.npz: broken"):
        encoder(tmp_path)


def test_an_entry_reads_the_preset_that_kagglehub_has(whisper_preset):
    entry = dataclasses.replace(FEATURES["whisper"], size="tiny", blocks=1)
    front_end = entry.build()
    assert front_end.trainable_weights == []
    expected = encoder(whisper_preset, width=384, heads=6, blocks=1)
    mel = features.WhisperLogMel()(noise(4000)[None])
    np.testing.assert_array_equal(front_end.layers[2](mel), expected(mel))


def test_a_flatbuffer_answers_on_a_clip_before_zeros_as_on_the_clip(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    presets.write_cache(tmp_path, "tiny", width=384, heads=6, blocks=1)
    entry = WhisperFeatures(size="tiny", blocks=1, clip_seconds=1.0)
    front_end = entry.build()
    clip = noise(10_000)
    normalisation = entry.normalisation(np.asarray(entry.fit(front_end(clip[None]))))
    network = LMUEncoder(units=(8,), order=4, memory_d=4, filters=(8,)).build(entry.shape, 3)
    encoder = keras.Sequential([keras.Input(entry.shape), normalisation, network], name="encoder")
    calibration = Calibration(name="calibration")
    waveform = keras.Input((None,), name="waveform")
    model = keras.Model(waveform, calibration(encoder(front_end(waveform))))
    written = litert.convert(model, ("neutral", "happy", "sad"), entry, tmp_path / "model", [clip])
    assert [file.path.name for file in written] == ["model.tflite", "model-int8.tflite"]
    answer = litert.runner(written[0].path.read_bytes())
    padded = np.pad(clip, (0, 6000))[None]
    # The tolerance of a flatbuffer.
    np.testing.assert_allclose(
        answer(waveform=padded)["probabilities"], model(clip[None]), rtol=0, atol=litert.TOLERANCE
    )
