"""ONNX: files that answer in onnxruntime as the Keras model does."""

import json
import sys

import numpy as np
import pytest
from test_litert import RATE_HZ, SMALL, build, syllables
from toy import CLASSES

from ser_tf.errors import InputError
from ser_tf.serving import onnx

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_without_the_extra_it_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"pip install 'ser_tf\[onnx\]'"):
        onnx.convert(build("mfcc", **SMALL["mfcc"]), CLASSES, RATE_HZ, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("features", [pytest.param("causal", marks=pytest.mark.slow), "mfcc"])
def test_clips_and_streams_are_answered_as_by_the_keras_model(features, tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    model = build(features, **SMALL[features])
    written = onnx.convert(model, CLASSES, RATE_HZ, tmp_path, [syllables(2.3)])
    assert all(difference <= onnx.TOLERANCE for _, difference in written)
    described = json.loads((tmp_path / "onnx" / "model.json").read_text())
    assert described["classes"] == list(CLASSES)
    assert ("stream" in described) == (len(written) == 2) == (features == "causal")
    answer = onnx.runner(written[0].path.read_bytes())
    for clips, seconds in ((1, 0.2), (3, 1.1)):
        batch = np.stack([syllables(seconds, seed) for seed in range(clips)])
        found = answer(waveform=batch)["probabilities"]
        np.testing.assert_allclose(found, model(batch), rtol=0, atol=onnx.TOLERANCE)
