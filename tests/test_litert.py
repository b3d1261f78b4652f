"""LiteRT: flatbuffers of built-in operators that answer as the Keras model does."""

import json
import types
from dataclasses import replace

import keras
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema
from toy import CLASSES, noise

from ser_tf import export, files
from ser_tf.config import Features
from ser_tf.corpora.demo.synthesis import synthesise
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.layers.calibration import Calibration
from ser_tf.layers.features import spectrum
from ser_tf.models import MODELS, of_features
from ser_tf.models.features import FEATURES
from ser_tf.serving import litert

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RATE_HZ = 16_000
SMALL = {
    "mfcc": {"units": (12, 8), "order": 6, "memory_d": 4, "filters": (16,)},
    "causal": {"units": (12, 8), "order": 6, "memory_d": 4, "filters": 16},
}

# float32 sums and logarithms by other operators.
CLOSE = {"rtol": 0, "atol": litert.TOLERANCE}


def syllables(seconds, seed=0):
    """Noise that swells and ebbs."""
    samples = round(seconds * RATE_HZ)
    envelope = np.maximum(np.sin(2 * np.pi * 2.5 * np.arange(samples) / RATE_HZ + seed), 0.01)
    return (0.3 * envelope * noise(samples, seed)).astype(np.float32)


def build(features, name="lmu", **options):
    """An untrained model whose features have mean 0 and variance 1."""
    keras.utils.set_random_seed(0)
    feature = FEATURES[features]
    front_end = feature.build()
    heard = np.asarray(front_end(np.stack([syllables(feature.span_seconds, i) for i in range(3)])))
    inner = replace(of_features(features)[name], **options).build(feature.shape, len(CLASSES))
    encoder = keras.Sequential([feature.normalisation(heard), inner], name="encoder")
    calibration = Calibration(name="calibration")
    calibration.set(temperature=0.5, unsure_below=0.6)
    waveform = keras.Input((None,), name="waveform")
    return keras.Model(waveform, calibration(encoder(front_end(waveform))))


def convert(model, features, folder):
    return litert.convert(model, CLASSES, FEATURES[features], folder, [syllables(2.3)])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A model of whole clips, what was written of it, and where."""
    folder, model = tmp_path_factory.mktemp("whole"), build("mfcc", **SMALL["mfcc"])
    return model, convert(model, "mfcc", folder), folder / "litert"


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A model that follows streams, what was written of it, and where."""
    folder, model = tmp_path_factory.mktemp("causal"), build("causal", **SMALL["causal"])
    return model, convert(model, "causal", folder), folder / "litert"


def run(path, **inputs):
    return litert.runner(path.read_bytes())(**inputs)


@pytest.mark.parametrize("samples", [1, 30_000, 64_000, 80_001])
def test_a_clip_of_any_length_is_answered_as_by_the_keras_model(whole, samples):
    model, _, folder = whole
    clip = syllables(samples / RATE_HZ)
    fitted = np.pad(clip, (max(0, 64_000 - samples), 0))[max(0, samples - 64_000) // 2 :][:64_000]
    found = run(folder / "model.tflite", waveform=fitted[np.newaxis])
    assert list(found) == ["probabilities"]
    np.testing.assert_allclose(found["probabilities"], model(clip[np.newaxis]), **CLOSE)


def short_clips(rate_hz, span_seconds):
    """Swelling noise and synthetic speech of many lengths below the span."""
    speech = synthesise(1, "angry", 1, 1)
    for seconds in (0.01, *np.linspace(0.2, 0.95, 6) * span_seconds):
        samples = round(seconds * rate_hz)
        yield syllables(span_seconds * rate_hz / RATE_HZ, samples)[:samples]
        yield speech[:samples]


def pad(clip, samples, zeros):
    """A clip with zeros in front of it or behind it."""
    missing = max(0, samples - len(clip))
    return np.pad(clip, (missing, 0) if zeros == "in front" else (0, missing))


# What Whisper computes of a clip before zeros is in `test_whisper.py`.
@pytest.mark.parametrize("name", [name for name in FEATURES if name != "whisper"])
def test_zeros_are_put_where_they_change_no_features(name):
    feature = FEATURES[name]
    front_end, samples = feature.build(), round(feature.span_seconds * feature.rate_hz)
    harmless = {"in front", "behind"}
    for clip in short_clips(feature.rate_hz, feature.span_seconds):
        expected = np.asarray(front_end(clip[np.newaxis]))
        for zeros in sorted(harmless):
            found = np.asarray(front_end(pad(clip, samples, zeros)[np.newaxis]))
            # Sums in float32 over other lengths; levels are in dB.
            if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-3):
                harmless.remove(zeros)
    assert harmless == {feature.zeros} - {None}


def test_short_clips_are_answered_as_by_the_keras_model(causal):
    model, _, folder = causal
    feature, answer = FEATURES["causal"], litert.runner((folder / "model.tflite").read_bytes())
    for clip in short_clips(feature.rate_hz, feature.span_seconds):
        found = answer(waveform=clip[np.newaxis])["probabilities"]
        np.testing.assert_allclose(found, model(clip[np.newaxis]), **CLOSE)


def test_a_stream_is_followed_chunk_by_chunk_as_by_the_keras_model(causal):
    model, _, folder = causal
    answer = litert.runner((folder / "stream.tflite").read_bytes())
    description = json.loads((folder / "model.json").read_text())["stream"]
    stride, sound = description["stride_samples"], syllables(8)[np.newaxis]
    state, begin = np.zeros((1, description["state_size"]), np.float32), 0
    for strides in (1, 25, 12, 13, 100, 1, 25):
        end = begin + strides * stride
        found = answer(chunk=sound[:, begin:end], state=state)
        begin = end
        state = found["next_state"]
        np.testing.assert_allclose(found["probabilities"], model(sound[:, :end]), **CLOSE)


def test_the_description_says_what_an_app_must_know(whole, causal):
    described = [json.loads((folder / "model.json").read_text()) for *_, folder in (whole, causal)]
    of_clips, of_streams = described
    assert of_clips == {
        "classes": list(CLASSES),
        "rate_hz": RATE_HZ,
        "temperature": pytest.approx(0.5),
        "unsure_below": pytest.approx(0.6),
        "weights": None,  # the models of these tests are in no folder
        "model": {
            "samples": 64_000,
            "zeros_for_shorter_clips": "in front",
            "part_of_longer_clips": "middle",
        },
    }
    assert of_streams["model"] == {
        "samples": None,
        "zeros_for_shorter_clips": None,
        "part_of_longer_clips": None,
    }
    assert of_streams["stream"]["stride_samples"] == 640


def operators(path):
    """The operators of a flatbuffer, by number, and the names of its custom ones."""
    codes = schema.ModelT.InitFromPackedBuf(path.read_bytes()).operatorCodes
    custom = [code for code in codes if code.customCode]
    return {code.builtinCode for code in codes}, custom


def test_every_operator_is_built_in(whole, causal):
    for _, written, _ in (whole, causal):
        for path, _ in written:
            numbers, custom = operators(path)
            assert len(numbers) > 10
            assert schema.BuiltinOperator.CUSTOM not in numbers
            assert not custom


def test_int8_is_smaller_and_its_difference_is_told(whole, causal):
    for _, written, folder in (whole, causal):
        assert {path for path, _ in written} == set(folder.glob("*.tflite"))
        for exact, rounded in zip(written[::2], written[1::2], strict=True):
            assert rounded.path.stem == f"{exact.path.stem}-int8"
            assert rounded.path.stat().st_size < exact.path.stat().st_size
            assert 0 <= exact.difference <= litert.TOLERANCE < rounded.difference < 0.1


def test_int8_leaves_the_power_of_mel_bands_as_it_is():
    for rate_hz, n_fft, n_mels in ((16_000, 512, 64), (22_050, 2048, 128)):
        sizes = [block.size for *_, block in spectrum.mel_blocks(rate_hz, n_fft, n_mels)]
        assert max(sizes) < 1024


def test_a_model_that_answers_otherwise_is_refused_and_the_earlier_one_stays(
    whole, tmp_path, monkeypatch
):
    model, *_ = whole
    (tmp_path / "litert").mkdir()
    (tmp_path / "litert" / "model.tflite").write_bytes(b"earlier")
    monkeypatch.setattr(litert, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match=r"not converted, probabilities of model\.tflite differ"):
        convert(model, "mfcc", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["litert"]
    assert (tmp_path / "litert" / "model.tflite").read_bytes() == b"earlier"


def test_a_folder_whose_replacement_was_killed_comes_back(tmp_path):
    (tmp_path / ".replaced-a").mkdir()
    (tmp_path / ".replaced-a" / "old").touch()
    (tmp_path / ".publishing-a").mkdir()
    with files.replacing_folder(tmp_path / "a") as temporary:
        assert (tmp_path / "a" / "old").exists()
        temporary.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert not list((tmp_path / "a").iterdir())


def test_what_litert_cannot_express_is_named(tmp_path):
    model = build("mfcc", memory="keras_lmu", **SMALL["mfcc"])
    with pytest.raises(InputError, match=r"cannot express this model \(it lacks IRFFT\)\.$"):
        convert(model, "mfcc", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "name"),
    [
        *(("mfcc", name) for name in MODELS),
        *((name, "cnn1") for name in ("logmel", "mfcc_deltas", "mfcc_pitch", "published")),
        ("published", "lmu"),
        ("causal", "lmu"),
    ],
)
def test_every_model_and_feature_is_converted(features, name, tmp_path):
    for path, _ in convert(build(features, name), features, tmp_path):
        _, custom = operators(path)
        assert not custom


def test_the_command_writes_and_tells_sizes_and_differences(whole, tmp_path, monkeypatch, capsys):
    model, written, folder = whole
    artifact = types.SimpleNamespace(
        model=model,
        classes=CLASSES,
        rate_hz=RATE_HZ,
        folder=tmp_path,
        config=types.SimpleNamespace(features=Features()),
        calibration=model.get_layer("calibration"),
    )
    asked = []
    monkeypatch.setattr(model_folder, "load", lambda folder: artifact)
    monkeypatch.setattr(litert, "convert", lambda *arguments: asked.extend(arguments) or written)
    assert export.main(["--model-dir", str(tmp_path), "--target", "litert"]) == 0
    assert asked == [model, CLASSES, FEATURES["mfcc"], tmp_path, []]
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading == str(tmp_path / "litert")
    assert [row.split()[0] for row in rows] == ["model.tflite", "model-int8.tflite", "model.json"]
    megabytes = (folder / "model.tflite").stat().st_size / 1e6
    assert (
        f"{megabytes:.2f} MB  probabilities differ by at most {written[0].difference:.2g}"
        in rows[0]
    )


@pytest.mark.parametrize("flag", [["--version", "3"], ["--serving-config"]])
def test_flags_of_serving_are_refused(flag, capsys):
    with pytest.raises(SystemExit) as stopped:
        export.main(["--model-dir", "x", "--target", "litert", *flag])
    assert stopped.value.code == 2
    assert f"{flag[0]} is for --target saved_model" in capsys.readouterr().err
