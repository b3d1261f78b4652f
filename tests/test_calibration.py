import numpy as np
import pytest
import scipy.special

from ser_tf.layers.calibration import Calibration

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LOGITS = np.random.default_rng(0).normal(0, 3, (5, 4)).astype(np.float32)


def calibrated(temperature, unsure_below=0.0, **options):
    layer = Calibration(**options)
    layer.set(temperature, unsure_below)
    return layer


def test_a_new_layer_is_the_softmax_and_always_sure():
    layer = Calibration()
    expected = scipy.special.softmax(LOGITS.astype(float), axis=-1)
    # 1e-6: float32 against float64.
    np.testing.assert_allclose(layer(LOGITS), expected, atol=1e-6)
    assert (layer.temperature, layer.unsure_below) == (1.0, 0.0)
    assert not np.any(layer.unsure(layer(LOGITS)))


@pytest.mark.parametrize("temperature", [0.1, 2.5, 100.0])
def test_the_temperature_divides_the_logits(temperature):
    expected = scipy.special.softmax(LOGITS.astype(float) / temperature, axis=-1)
    # 3e-6: logits of up to 100 carry a float32 rounding of that size into the exponential.
    np.testing.assert_allclose(calibrated(temperature)(LOGITS), expected, atol=3e-6)


def test_a_clip_is_unsure_when_its_best_class_is_below_the_threshold():
    layer = calibrated(1.0, unsure_below=0.5)
    rows = np.array([[0.4, 0.3, 0.3], [0.5, 0.25, 0.25], [0.9, 0.1, 0.0]], np.float32)
    assert np.array(layer.unsure(rows)).tolist() == [True, False, False]


def test_neither_number_is_trained():
    layer = Calibration()
    assert not layer.trainable_weights
    assert len(layer.non_trainable_weights) == 2


def test_it_computes_in_float32_whatever_the_policy():
    assert calibrated(1.0, dtype="float16")(LOGITS).dtype == "float32"


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        Calibration().set(temperature, 0.5)


@pytest.mark.parametrize("unsure_below", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(unsure_below):
    with pytest.raises(ValueError, match="unsure_below must be from 0 to 1"):
        Calibration().set(1.0, unsure_below)
