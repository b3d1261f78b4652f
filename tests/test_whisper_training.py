"""A model on Whisper's frames, from the corpus to the answer."""

import json

import numpy as np
import presets
import pytest

import ser_tf

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FEATURES = {"name": "whisper", "size": "tiny", "blocks": 1, "stride": 4, "clip_seconds": 2.0}
MODEL = {"name": "lmu", "units": (8,), "order": 4, "memory_d": 4, "filters": (8,)}


@pytest.fixture(scope="module")
def run(small_dir, tmp_path_factory):
    """A model trained for an epoch, and the folder of the cache."""
    folder = tmp_path_factory.mktemp("whisper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLEHUB_CACHE", str(folder))
        presets.write_cache(folder, "tiny", width=384, heads=6, blocks=1)
        ser_tf.train(
            corpora=["demo"],
            data_dir=small_dir,
            cache_dir=folder / "cache",
            output=folder / "model",
            features=FEATURES,
            model=MODEL,
            epochs=1,
            export={"litert": False},
        )
    return folder


def test_a_model_on_whisper_s_frames_is_trained_and_answers_without_the_preset(
    run, small_dir, monkeypatch
):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(run / "nowhere"))
    recogniser = ser_tf.load(run / "model")
    answer = recogniser.answer(next(small_dir.rglob("*.wav")))
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_frames_are_kept_in_half_precision(run):
    [path] = (run / "cache").glob("features-*/*.npy")
    table = np.load(path, mmap_mode="r")
    assert (table.dtype, table.shape) == ("float16", (48, 25, 385))


def test_metrics_tell_trained_weights_from_whisper_s(run):
    metrics = json.loads((run / "model" / "metrics.json").read_text())
    assert metrics["parameters"] < 20_000
    convolutions, block = 3 * 80 * 384 + 384 + 3 * 384**2 + 384, 12 * 384**2 + 12 * 384
    assert metrics["front_end_parameters"] == convolutions + 1500 * 384 + block


@pytest.mark.slow
def test_the_saved_model_answers_as_the_model_does(run, small_dir):
    ser_tf.load(run / "model").export()
    assert (run / "model" / "1" / "saved_model.pb").is_file()
