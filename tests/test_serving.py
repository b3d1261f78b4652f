import io
import os
import re
import subprocess
import sys

import keras
import numpy as np
import operators
import pytest
import soundfile
import tensorflow as tf
from toy import CLASSES, FRAME_SAMPLES, FRAMES, RATE_HZ, noise, toy_model, wav

from ser_tf import audio, export
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.layers.calibration import Calibration
from ser_tf.serving import config, saved_model, warmup

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def answer_files(signatures, *contents):
    answers = signatures["serving_default"](wav_bytes=tf.constant(contents, tf.string))
    return {name: tensor.numpy() for name, tensor in answers.items()}


def words(tensor):
    return np.asarray(tensor).astype(str).tolist()


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return saved_model.write(model, CLASSES, RATE_HZ, folder, waveforms=[noise(999, seed=7)])


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


# 1e-5 below: the sums of one network in float32, taken in another order.


@pytest.mark.parametrize("samples", [1, 399, 2400, 20000])
def test_a_waveform_and_its_wav_are_answered_as_by_the_keras_model(model, signatures, samples):
    clip = noise(samples)
    expected = model(clip[np.newaxis])
    waveform = signatures["waveform"](waveform=clip[np.newaxis])
    np.testing.assert_allclose(waveform["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(
        answer_files(signatures, wav(clip))["probabilities"], expected, atol=1e-5
    )


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "DOUBLE"])
def test_a_wav_of_any_format_is_answered_as_its_samples_are(model, signatures, subtype):
    content = wav(noise(3000), subtype)
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    answers = answer_files(signatures, content)
    np.testing.assert_allclose(answers["probabilities"], model(samples[np.newaxis]), atol=1e-5)


@pytest.mark.parametrize("peak", [0.5, 2.0])
@pytest.mark.parametrize("rate_hz", [4000, 11025, 16000, 44100, 192000])
def test_a_wav_of_another_rate_is_answered_as_the_file_resampled_outside(
    model, signatures, rate_hz, peak
):
    """Clipping, where floats go beyond full scale, comes after the resampling in both."""
    seconds = np.arange(rate_hz) / rate_hz
    clip = peak * np.sin(2 * np.pi * 440 * seconds) * np.hanning(rate_hz)
    heard = audio.resample(clip.astype(np.float32), rate_hz, RATE_HZ)
    # 1e-3: the two filters differ by less than 60 dB below the tone.
    np.testing.assert_allclose(
        answer_files(signatures, wav(clip, "FLOAT", rate_hz))["probabilities"],
        model(heard[np.newaxis]),
        atol=1e-3,
    )


def test_waveforms_of_one_batch_are_answered_as_alone(model, signatures):
    clips = np.stack([noise(5000, seed) for seed in range(4)])
    answers = signatures["waveform"](waveform=clips)
    alone = np.concatenate([model(clip[np.newaxis]) for clip in clips])
    np.testing.assert_allclose(answers["probabilities"], alone, atol=1e-5)


def test_label_probability_and_unsure_follow_from_the_probabilities(model, signatures):
    clips = np.stack([noise(5000, seed) for seed in range(40)])
    answers = signatures["waveform"](waveform=clips)
    probabilities = model(clips).numpy()
    assert words(answers["label"]) == [CLASSES[i] for i in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(answers["probability"], probabilities.max(axis=1), atol=1e-5)
    unsure = answers["unsure"].numpy()
    np.testing.assert_array_equal(unsure, answers["probability"].numpy() < 0.6)
    assert 0 < unsure.sum() < len(clips)
    assert words(answers["classes"]) == [list(CLASSES)] * len(clips)


def test_every_input_and_output_is_named_and_shaped(exported):
    outputs = {
        "classes": "string [?, 3]",
        "error": "string [?]",
        "label": "string [?]",
        "probabilities": "float32 [?, 3]",
        "probability": "float32 [?]",
        "unsure": "bool [?]",
    }
    waveform = {"waveform": "float32 [?, ?]"}
    rated = waveform | {"sample_rate_hz": "int32 [?]", "length": "int32 [?]"}
    features = {"features": f"float32 [?, {FRAMES}, {FRAME_SAMPLES}]", "error": "string [?]"}
    assert saved_model.describe(exported) == {
        "serving_default": ({"wav_bytes": "string [?]"}, outputs),
        "waveform": (waveform, outputs),
        "waveform_with_rate": (rated, outputs),
        "features": (waveform, features),
    }


def test_bad_clips_have_errors_and_good_ones_in_their_batch_their_answers(signatures):
    good = [wav(noise(samples, samples)) for samples in (1, 2400, 30000)]
    bad = {
        b"": "not a RIFF/WAVE file",
        wav(noise(100))[:60]: "no data chunk",
        wav(noise(0)): "no samples",
        wav(noise(100), "ULAW"): "format 7 (mu-law) is not PCM or float",
        wav(noise(100), rate_hz=3999): "sample rate 3999 Hz is not from 4000 to 192000 Hz",
        wav(noise(100), rate_hz=192001): "sample rate 192001 Hz is not from 4000 to 192000 Hz",
    }
    batch = [good[0], *bad, good[1], good[2]]
    answers = answer_files(signatures, *batch)
    places = [0, len(batch) - 2, len(batch) - 1]
    for place, content in zip(places, good, strict=True):
        alone = answer_files(signatures, content)
        for name, values in answers.items():
            if name in {"probability", "probabilities"}:
                # 1e-6: a product over more rows may be summed in another order.
                np.testing.assert_allclose(values[place], alone[name][0], atol=1e-6)
            else:
                np.testing.assert_array_equal(values[place], alone[name][0])
        assert answers["error"][place] == b""
    rows = slice(1, 1 + len(bad))
    assert words(answers["error"][rows]) == list(bad.values())
    assert words(answers["label"][rows]) == [""] * len(bad)
    assert answers["unsure"][rows].all()
    assert not answers["probability"][rows].any()
    assert not answers["probabilities"][rows].any()


@pytest.mark.parametrize("peak", [2e9, 3e38])
def test_samples_of_any_size_are_heard(signatures, peak):
    clip = noise(2000)
    clip[1000] = peak
    answers = [
        answer_files(signatures, wav(clip, "FLOAT")),
        answer_files(signatures, wav(clip, "FLOAT", RATE_HZ // 2)),
        signatures["waveform"](waveform=clip[np.newaxis]),
        signatures["waveform_with_rate"](
            waveform=clip[np.newaxis],
            sample_rate_hz=np.full(1, 2 * RATE_HZ, np.int32),
            length=np.full(1, len(clip), np.int32),
        ),
    ]
    for answer in answers:
        assert words(answer["error"]) == [""]
        assert np.isfinite(answer["probabilities"]).all()


def goods():
    """WAV files of every format, with their answers to come."""
    return [
        *(wav(noise(500, seed), subtype) for seed, subtype in enumerate(("PCM_U8", "PCM_16"))),
        *(wav(noise(400, seed), subtype) for seed, subtype in enumerate(("PCM_24", "FLOAT"))),
        wav(np.stack([noise(300), noise(300, 1)], axis=1), "PCM_16", 44_100),
        wav(noise(900), "PCM_32", 11_025),
    ]


def mutant(content, rng):
    """A file with some bytes changed, most of them in its headers, and its end perhaps cut off."""
    changed = bytearray(content)
    for _ in range(rng.integers(0, 6)):
        place = rng.integers(0, 60 if rng.random() < 0.8 else len(changed))
        changed[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(0, 256)])
    if rng.random() < 0.3:
        changed[:] = changed[: rng.integers(0, len(changed) + 1)]
    if rng.random() < 0.1:  # a piece put in, so that chunks no longer stand where they say
        place = rng.integers(0, len(changed) + 1)
        changed[place:place] = rng.bytes(rng.integers(1, 40))
    return bytes(changed)


@pytest.mark.parametrize("mutants", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_hostile_bytes_never_fail_a_batch(signatures, mutants):
    rng = np.random.default_rng(0)
    good = goods()
    alone = [answer_files(signatures, content)["probabilities"][0] for content in good]
    failed = 0
    for first in range(0, mutants, 25):
        hostile = [
            mutant(good[rng.integers(len(good))], rng) for _ in range(min(25, mutants - first))
        ]
        batch = [*good, *hostile]
        order = rng.permutation(len(batch))
        answers = answer_files(signatures, *(batch[place] for place in order))
        places = np.argsort(order)
        probabilities = answers["probabilities"][places]
        errors = answers["error"][places]
        assert not any(errors[: len(good)])
        # 1e-6: a product over more rows may be summed in another order.
        np.testing.assert_allclose(probabilities[: len(good)], alone, atol=1e-6)
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), errors == b"", atol=1e-6)
        np.testing.assert_array_equal(answers["label"][places] == b"", errors != b"")
        assert answers["unsure"][places][errors != b""].all()
        failed += sum(errors != b"")
    print(f"{mutants} mutants, {failed} with an error")  # noqa: T201
    assert mutants / 4 < failed < mutants


def test_a_file_cut_within_its_headers_has_its_error(signatures):
    content = wav(noise(50), "PCM_16")
    answers = answer_files(signatures, *(content[:size] for size in range(45)))
    assert all(answers["error"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_waveform_that_is_no_number_has_no_label_and_its_neighbour_its_answer(signatures, bad):
    clips = np.stack([noise(3000), noise(3000)])
    clips[0, 7] = bad
    answers = signatures["waveform"](waveform=clips)
    alone = signatures["waveform"](waveform=clips[1:])
    assert words(answers["label"]) == ["", *words(alone["label"])]
    assert answers["unsure"].numpy()[0]
    assert not answers["probabilities"].numpy()[0].any()
    np.testing.assert_allclose(answers["probabilities"][1:], alone["probabilities"], atol=1e-6)


def ask_with_rate(signatures, waveform, rates, lengths):
    answers = signatures["waveform_with_rate"](
        waveform=tf.constant(waveform),
        sample_rate_hz=tf.constant(rates, tf.int32),
        length=tf.constant(lengths, tf.int32),
    )
    return {name: tensor.numpy() for name, tensor in answers.items()}


def test_padded_waveforms_of_any_rate_are_answered_as_their_wav_files_alone(signatures):
    clips = {8000: noise(2000, 1), 16_000: noise(3000, 2), 44_100: noise(999, 3)}
    batch = np.full((3, 3100), np.nan, np.float32)  # what lies beyond a clip's end is not heard
    for row, clip in zip(batch, clips.values(), strict=True):
        row[: len(clip)] = clip
    answers = ask_with_rate(signatures, batch, [*clips], [len(clip) for clip in clips.values()])
    for place, (rate_hz, clip) in enumerate(clips.items()):
        alone = answer_files(signatures, wav(clip, rate_hz=rate_hz))
        # 1e-6: a product over more rows may be summed in another order.
        np.testing.assert_allclose(
            answers["probabilities"][place], alone["probabilities"][0], atol=1e-6
        )
        assert answers["label"][place] == alone["label"][0]


def test_a_bad_rate_length_or_sample_has_its_error_and_its_neighbour_its_answer(signatures):
    bad = {
        (3999, 50): "sample rate 3999 Hz is not from 4000 to 192000 Hz",
        (-1, 50): "sample rate -1 Hz is not from 4000 to 192000 Hz",
        (RATE_HZ, 0): "length 0 is not from 1 to 100",
        (RATE_HZ, -7): "length -7 is not from 1 to 100",
        (RATE_HZ, 101): "length 101 is not from 1 to 100",
        (RATE_HZ, 51): "samples that are not finite numbers",
        (RATE_HZ, 50): "",
    }
    waveform = np.stack([noise(100)] * len(bad))
    waveform[:, 50] = np.inf
    answers = ask_with_rate(signatures, waveform, *zip(*bad, strict=True))
    assert words(answers["error"]) == list(bad.values())
    assert not answers["probabilities"][:-1].any()
    alone = ask_with_rate(signatures, waveform[-1:], [RATE_HZ], [50])
    np.testing.assert_allclose(answers["probabilities"][-1:], alone["probabilities"], atol=1e-6)


def test_features_are_what_the_encoder_sees(model, signatures):
    clips = np.stack([noise(3000), noise(3000, 1), noise(3000, 2)])
    clips[1, 5] = np.nan
    answers = signatures["features"](waveform=clips)
    assert words(answers["error"]) == ["", "samples that are not finite numbers", ""]
    expected = model.get_layer("front_end")(clips[::2])
    np.testing.assert_allclose(answers["features"][::2], expected, atol=1e-6)
    assert np.isfinite(answers["features"]).all()


def test_waveforms_without_samples_have_an_error(signatures):
    assert words(signatures["waveform"](waveform=np.zeros((2, 0)))["error"]) == ["no samples"] * 2
    answer = ask_with_rate(signatures, np.zeros((1, 0), np.float32), [RATE_HZ], [0])
    assert all(words(answer["error"]))


@pytest.mark.parametrize("name", ["waveform", "features", "waveform_with_rate"])
def test_a_clip_of_over_ten_minutes_has_an_error(signatures, name):
    samples = 600 * RATE_HZ
    inputs = {"waveform": np.zeros((1, samples + 1), np.float32)}
    if name == "waveform_with_rate":
        inputs |= {"sample_rate_hz": np.int32([RATE_HZ]), "length": np.int32([samples + 1])}
    asked = {key: tf.constant(value) for key, value in inputs.items()}
    assert words(signatures[name](**asked)["error"]) == ["longer than 600 s"]


def test_where_clips_have_features_of_any_length_each_is_judged_alone(tmp_path):
    keras.utils.set_random_seed(0)
    waveform = keras.Input((None,), name="waveform")
    frames = keras.Sequential(
        [keras.Input((None,)), keras.layers.Reshape((-1, 1))], name="front_end"
    )
    features = keras.Input((None, 1))
    state = keras.layers.SimpleRNN(4)(keras.layers.AveragePooling1D(50, padding="same")(features))
    encoder = keras.Model(features, keras.layers.Dense(3)(state), name="encoder")
    model = keras.Model(waveform, Calibration(name="calibration")(encoder(frames(waveform))))
    exported = saved_model.write(model, CLASSES, RATE_HZ, tmp_path)
    served = tf.saved_model.load(str(exported)).signatures
    clips = [noise(500), noise(801, 1)]
    answers = answer_files(served, *map(wav, clips))["probabilities"]
    for clip, answer in zip(clips, answers, strict=True):
        np.testing.assert_allclose(answer, model(clip[np.newaxis])[0], atol=1e-5)


def test_an_empty_batch_has_an_empty_answer(signatures):
    assert answer_files(signatures)["probabilities"].shape == (0, 3)


def test_only_core_operators_are_published(exported):
    assert not operators.used(exported) - operators.KNOWN


def test_warm_up_asks_every_signature_about_one_clip_and_about_many(exported, signatures):
    from tensorflow_serving.apis import prediction_log_pb2

    asked, sizes = [], []
    for record in tf.data.TFRecordDataset(str(exported / warmup.PATH)):
        sizes.append(len(record.numpy()))
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        answers = signatures[request.model_spec.signature_name](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        assert not any(words(answers["error"]))
        assert request.model_spec.name == exported.parent.name
        asked.append((request.model_spec.signature_name, len(answers["error"])))
    names = ("serving_default", "waveform", "waveform_with_rate", "features")
    assert asked == [(name, batch) for name in names for batch in (1, 32)]
    assert max(np.divide(sizes[1::2], sizes[::2])) < 1.1  # equal clips are kept once


def test_without_the_extra_warm_up_is_left_out_and_that_is_said(
    exported, tmp_path, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with caplog.at_level("INFO", "ser_tf"):
        warmup.write(tmp_path, "m", None)
    assert "needs tensorflow-serving-api" in caplog.text
    assert not list(tmp_path.iterdir())


SERVE = """
import sys
for name in ("keras", "keras_lmu", "ser_tf", "librosa", "soundfile"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
folder, content, answers = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serving_default"]
result = serve(wav_bytes=tf.constant([open(content, "rb").read()]))
np.save(answers, result["probabilities"].numpy())
"""


def test_it_runs_where_keras_and_this_package_cannot_be_imported(model, exported, tmp_path):
    clip = noise(4000)
    (tmp_path / "clip.wav").write_bytes(wav(clip))
    files = [str(tmp_path / "clip.wav"), str(tmp_path / "answers.npy")]
    subprocess.run(
        [sys.executable, "-c", SERVE, str(exported), *files],
        cwd=tmp_path,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        check=True,
    )
    expected = model(clip[np.newaxis])
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), expected, atol=1e-5)


@pytest.fixture
def unverified(monkeypatch):
    """Publishing without the slow parts, for tests of what happens around them."""
    monkeypatch.setattr(saved_model, "_compare", lambda *arguments: None)
    monkeypatch.setattr(saved_model, "_write", lambda signatures, folder: folder.mkdir())
    monkeypatch.setattr(saved_model, "Signatures", lambda *arguments: None)
    monkeypatch.setattr(warmup, "write", lambda *arguments: None)


@pytest.mark.usefixtures("unverified")
def test_versions_count_on_from_the_highest(model, tmp_path):
    for name in ("7", "fold-9", "v12", "12.5", "²"):
        (tmp_path / name).mkdir()
    assert saved_model.write(model, CLASSES, RATE_HZ, tmp_path) == tmp_path / "8"
    assert saved_model.write(model, CLASSES, RATE_HZ, tmp_path) == tmp_path / "9"
    assert saved_model.write(model, CLASSES, RATE_HZ, tmp_path, version=3) == tmp_path / "3"


@pytest.mark.usefixtures("unverified")
def test_the_first_version_is_1_in_a_folder_made_for_it(model, tmp_path):
    folder = tmp_path / "new" / "model"
    assert saved_model.write(model, CLASSES, RATE_HZ, folder) == folder / "1"


@pytest.mark.usefixtures("unverified")
def test_a_version_that_exists_is_refused_and_kept(model, tmp_path):
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").touch()
    with pytest.raises(InputError, match=r"--version 2: .* exists"):
        saved_model.write(model, CLASSES, RATE_HZ, tmp_path, version=2)
    assert (tmp_path / "2" / "saved_model.pb").exists()


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_below_1_is_refused(model, tmp_path, version):
    with pytest.raises(InputError, match=f"--version {version}: versions are numbers from 1"):
        saved_model.write(model, CLASSES, RATE_HZ, tmp_path, version=version)


@pytest.mark.usefixtures("unverified")
def test_what_an_interrupted_run_left_is_cleaned_away(model, tmp_path):
    (tmp_path / ".publishing-1" / "variables").mkdir(parents=True)
    saved_model.write(model, CLASSES, RATE_HZ, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_version_that_answers_unlike_the_model_is_not_published(model, tmp_path, monkeypatch):
    # The weights change between writing and comparing.
    def write(signatures, folder, write=saved_model._write):
        write(signatures, folder)
        model.get_layer("calibration").set(temperature=0.6, unsure_below=0.6)

    monkeypatch.setattr(saved_model, "_write", write)
    try:
        with pytest.raises(InputError, match="not exported, its serving_default differs"):
            saved_model.write(model, CLASSES, RATE_HZ, tmp_path)
    finally:
        model.get_layer("calibration").set(temperature=0.5, unsure_below=0.6)
    assert not list(tmp_path.iterdir())


def test_a_model_that_refuses_its_own_rate_is_not_published(model, tmp_path):
    with pytest.raises(InputError, match=r"refuses a good clip \(sample rate 3000 Hz"):
        saved_model.write(model, CLASSES, 3000, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(model, tmp_path, monkeypatch):
    def save(*arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nat save")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)\.$"):
        saved_model.write(model, CLASSES, RATE_HZ, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_number_of_classes_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"The model answers 3 classes. Received: 2"):
        saved_model.write(model, CLASSES[:2], RATE_HZ, tmp_path)


def test_the_settings_name_the_two_newest_versions_and_mark_what_is_generated(tmp_path):
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    folder = tmp_path / "ser-toy"
    for version in ("3", "12", "4"):
        (folder / version).mkdir(parents=True)
    written = config.write(folder, "2.21.0")
    text = (written / "models.config").read_text()
    (listed,) = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert (listed.name, listed.base_path) == ("ser-toy", "/models/ser-toy")
    assert dict(listed.version_labels) == {"stable": 4, "canary": 12}
    assert listed.model_version_policy.latest.num_versions == 2
    for path in written.iterdir():
        assert "Generated by" in path.read_text().splitlines()[0]
    guide = (written / "README.md").read_text()
    assert "docker run" in guide
    assert "Untested" in guide
    for flag in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        assert f"--{flag}=/models/ser-toy/serving/" in guide


def test_one_version_is_stable_and_canary(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    text = (config.write(tmp_path / "m", "2.21.0") / "models.config").read_text()
    assert text.count("value: 1 }") == 2


class ToyArtifact:
    def __init__(self, folder):
        self.model, self.classes, self.rate_hz, self.folder = toy_model(), CLASSES, RATE_HZ, folder
        self.calibration = self.model.get_layer("calibration")


def test_the_command_publishes_and_says_what_is_served(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(model_folder, "load", ToyArtifact)
    soundfile.write(tmp_path / "real.wav", noise(3000), RATE_HZ)
    (tmp_path / "bad.wav").touch()
    rows = ["path", *(tmp_path / name for name in ("real.wav", "bad.wav", "gone.wav"))]
    (tmp_path / "predictions.csv").write_text("\n".join(map(str, rows)))
    heard = []
    compare = saved_model._compare
    monkeypatch.setattr(
        saved_model, "_compare", lambda *args: (heard.extend(args[2]), compare(*args))
    )
    flags = ["--model-dir", str(tmp_path), "--version", "4", "--serving-config"]
    assert export.main(flags) == 0
    assert len(heard) == 10  # nine probes and the one clip that can be read
    assert (tmp_path / "serving" / "models.config").is_file()
    printed = capsys.readouterr().out
    assert re.search(rf"{re.escape(str(tmp_path / '4'))} \(\d\.\d\d MB\)\n", printed)
    assert "  serving_default\n    in   wav_bytes  string [?]\n" in printed
    assert "    out  probabilities  float32 [?, 3]\n" in printed

    assert export.main(["--model-dir", str(tmp_path), "--version", "4"]) == 1
    assert "--version 4" in capsys.readouterr().err


def test_the_command_names_its_targets(capsys):
    with pytest.raises(SystemExit) as stopped:
        export.main(["--model-dir", "x", "--target", "tfjs"])
    assert stopped.value.code == 2
    assert "saved_model" in capsys.readouterr().err
