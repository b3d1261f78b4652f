"""From weighted frames to one vector a clip."""

import dataclasses

import keras
import numpy as np
import pytest

from ser_tf.layers.features import ABSENT
from ser_tf.layers.pooling import SplitWeights, WeightedPooling
from ser_tf.models import LMUEncoder, of_features
from ser_tf.models.features import FEATURES

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"units": (8, 6), "order": 4, "memory_d": 3, "filters": (7,)}


def frames(clips=2, count=11, channels=6, seed=0):
    """Frames that are all present, `(clips, count, channels)`."""
    values = np.random.default_rng(seed).standard_normal((clips, count, channels))
    values[..., -1] = 0
    return values.astype("float32")


def followed_by_absent(clips, count=5):
    absent = np.ones((len(clips), count, clips.shape[-1]), "float32")
    absent[..., -1] = ABSENT
    return np.concatenate([clips, absent], axis=1)


def pooled(pooling, clips):
    return np.asarray(WeightedPooling(pooling)(SplitWeights()(clips)))


def test_poolings_equal_numpys():
    clips = frames()
    values = clips[..., :-1]
    np.testing.assert_allclose(pooled("mean", clips), values.mean(axis=1), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(pooled("last", clips), values[:, -1])
    both = np.concatenate([values.mean(axis=1), np.sqrt(values.var(axis=1) + 1e-4)], axis=1)
    np.testing.assert_allclose(pooled("mean_and_deviation", clips), both, rtol=0, atol=1e-6)


def test_a_frame_counts_as_often_as_its_weight_says():
    clips = frames(1, 3)
    twice = clips.copy()
    twice[0, 1, -1] = np.log(2)
    repeated = clips[:, [0, 1, 1, 2]]
    for pooling in ("mean", "mean_and_deviation"):
        expected = pooled(pooling, repeated)
        np.testing.assert_allclose(pooled(pooling, twice), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "mean", "mean_and_deviation"])
def test_absent_frames_change_no_pooling(pooling):
    clips = frames()
    padded = pooled(pooling, followed_by_absent(clips))
    np.testing.assert_allclose(padded, pooled(pooling, clips), rtol=0, atol=1e-6)
    assert np.isfinite(pooled(pooling, followed_by_absent(clips[:, :0]))).all()


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"pooling must be one of last.* Received: pooling='max'"):
        WeightedPooling("max")


@pytest.mark.parametrize("pooling", ["last", "mean", "mean_and_deviation"])
def test_absent_frames_change_nothing_of_an_lmu(pooling, tmp_path):
    model = LMUEncoder(**SMALL, pooling=pooling).build((None, 6), 3)
    clips = frames()
    answers = np.asarray(model(clips))
    # Matrix products of another size add up in another order.
    np.testing.assert_allclose(model(followed_by_absent(clips)), answers, rtol=0, atol=2e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(clips), answers)


def test_absent_frames_change_nothing_in_training():
    entry = LMUEncoder(**SMALL, noise=0.0, dropout=0.0, channel_dropout=0.0)
    alone, padded = entry.build((None, 6), 3), entry.build((None, 6), 3)
    padded.set_weights(alone.get_weights())
    clips = frames()
    answers = alone(clips, training=True)
    after = padded(followed_by_absent(clips), training=True)
    np.testing.assert_allclose(after, answers, rtol=0, atol=2e-6)
    for mine, theirs in zip(alone.get_weights(), padded.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"theta": None}, {"memory": "keras_lmu"}, {"normalise": "time_and_channels"}]
)
def test_what_needs_one_number_of_frames_is_refused(changes):
    entry = dataclasses.replace(of_features("whisper")["lmu"], **changes)
    with pytest.raises(ValueError, match=f"frames vary .* Received: {next(iter(changes))}="):
        entry.build(FEATURES["whisper"].shape, 8)
