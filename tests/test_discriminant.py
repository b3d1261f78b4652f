"""The linear discriminant against scikit-learn, and what it makes of speakers and corpora."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ser_tf.layers.discriminant import LinearDiscriminant
from ser_tf.models import LMUEncoder

CLASSES, CHANNELS = 3, 4


def clips(per_class=20, speakers=2, corpora=1, seed=0):
    """Vectors, labels, speakers and corpora, everyone with all classes."""
    rng = np.random.default_rng(seed)
    count = per_class * CLASSES
    labels = np.arange(count) % CLASSES
    speaker = np.arange(count) // CLASSES % speakers
    corpus = speaker % corpora
    vectors = (
        rng.normal(size=(count, CHANNELS)) + 2.0 * rng.normal(size=(CLASSES, CHANNELS))[labels]
    )
    return vectors, labels, [f"s{n}" for n in speaker], [f"c{n}" for n in corpus]


def adapted(*table, copies=(), **shares):
    layer = LinearDiscriminant(CLASSES, **shares)
    layer.build((None, CHANNELS))
    layer.adapt(*map(np.asarray, table), copies)
    return layer


def centred(kernel):
    """A kernel but for what is common to all classes, which no probability depends on."""
    return kernel - kernel.mean(axis=1, keepdims=True)


def test_of_one_speaker_it_is_scikit_learns_at_a_temperature():
    vectors, labels, _, corpora = clips()
    layer = adapted(
        vectors, labels, ["s"] * len(labels), corpora, speaker_share=0, corpus_share=0, ridge=0
    )
    reference = LinearDiscriminantAnalysis("lsqr").fit(vectors, labels)
    ours, theirs = centred(np.asarray(layer.kernel)), centred(reference.coef_.T)
    np.testing.assert_allclose(ours, theirs * (ours / theirs)[0, 0], rtol=1e-4)
    logits = np.asarray(layer(vectors.astype("float32")))
    np.testing.assert_array_equal(logits.argmax(axis=1), reference.predict(vectors))


def test_a_direction_that_tells_the_corpus_counts_for_less():
    vectors, labels, speakers, corpora = clips(per_class=40, speakers=8, corpora=2)
    shifted = vectors.copy()
    shifted[:, 0] += 6.0 * (np.array(corpora) == "c1") * (labels - 1)  # classes lie elsewhere
    weight = {
        share: np.abs(
            centred(
                np.asarray(adapted(shifted, labels, speakers, corpora, corpus_share=share).kernel)
            )
        )
        for share in (0.0, 10.0)
    }
    shares = {share: kernel[0].max() / kernel.max() for share, kernel in weight.items()}
    assert shares[10.0] < 0.5 * shares[0.0]


def test_copies_widen_the_covariance_and_leave_the_means():
    vectors, labels, speakers, corpora = clips(per_class=40)
    noisy = vectors + np.array([5.0, 0, 0, 0]) * np.random.default_rng(1).normal(
        size=(len(vectors), 1)
    )
    plain = adapted(vectors, labels, speakers, corpora)
    copied = adapted(vectors, labels, speakers, corpora, copies=[noisy])
    ratio = np.abs(centred(np.asarray(copied.kernel))) / np.abs(centred(np.asarray(plain.kernel)))
    assert ratio[0].max() < 0.3 * np.median(ratio[1:])


def test_the_logits_are_calibrated_on_speakers_left_out():
    vectors, labels, speakers, corpora = clips(per_class=200, speakers=8)
    logits = np.asarray(adapted(vectors, labels, speakers, corpora)(vectors.astype("float32")))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sure = probabilities.max(axis=1).mean()
    assert abs(sure - (logits.argmax(axis=1) == labels).mean()) < 0.05


def test_a_rare_class_is_seldom_the_answer_in_doubt():
    table = clips(per_class=40)
    few = np.flatnonzero((table[1] > 0) | (np.arange(120) < 12))  # 4 of 40 of class 0
    rare = adapted(*([column[n] for n in few] for column in table))
    between = np.mean([table[0][table[1] == label].mean(axis=0) for label in range(CLASSES)], 0)
    chances = [
        np.exp(logits - np.logaddexp.reduce(logits))[0]
        for logits in (np.asarray(layer(between[None]))[0] for layer in (rare, adapted(*table)))
    ]
    assert chances[0] < 0.3 * chances[1]


def test_a_class_without_clips_is_never_the_answer():
    vectors, labels, speakers, corpora = clips()
    layer = LinearDiscriminant(CLASSES + 1)
    layer.build((None, CHANNELS))
    layer.adapt(vectors, labels, speakers, corpora)
    logits = np.asarray(layer(vectors.astype("float32")))
    assert np.isfinite(logits).all()
    assert (logits.argmax(axis=1) < CLASSES).all()


def test_sequences_of_different_lengths_are_refused():
    vectors, labels, speakers, corpora = clips()
    with pytest.raises(ValueError, match="all sequences must be equally long"):
        adapted(vectors, labels[:-1], speakers, corpora)


@pytest.mark.parametrize("features", ["mfcc", "whisper"])
def test_an_lmu_with_a_discriminant_answers_by_the_mean_of_both(features):
    shape = {"mfcc": (20, CHANNELS), "whisper": (None, CHANNELS)}[features]
    encoder = LMUEncoder(units=(5,), order=3, memory_d=2, filters=(4,), discriminant=True)
    network = encoder.build(shape, CLASSES)
    names = [member.name for member in network.layers[-1].members]
    assert names == ["encoder", "discriminant"]
    x = np.random.default_rng(0).normal(size=(2, 20, CHANNELS)).astype("float32")
    x[..., -1] = 0.0
    members = [np.asarray(member(x)) for member in network.layers[-1].members]
    np.testing.assert_allclose(network(x), np.mean(members, axis=0), atol=1e-6)
