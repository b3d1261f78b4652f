import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import log_softmax, softmax
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    recall_score,
)

from ser_tf.evaluation import confidence, metrics

CLASSES = ("neutral", "happy", "sad", "angry")


def make_table(clips=200, speakers=6, classes=CLASSES, truth=None, seed=0):
    """Answers somewhat better than chance, of two corpora, with a sex that not all have."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(classes), size=clips) if truth is None else np.asarray(truth)
    logits = random.normal(size=(len(labels), len(classes)))
    logits[np.arange(len(labels)), labels] += 1.0
    probabilities = softmax(logits, axis=1)
    speaker = random.integers(speakers, size=len(labels))
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes])
    return table.assign(
        emotion=np.array(classes)[labels],
        predicted=np.array(classes)[probabilities.argmax(axis=1)],
        speaker=[f"demo-{number:02}" for number in speaker],
        corpus=np.where(speaker < 2, "ravdess", "demo"),
        sex=[("female", "male", None, "")[number % 4] for number in speaker],
    )


def by_hand(rows, classes=("happy", "sad", "angry")):
    """A table from (emotion, predicted, probabilities) rows of one speaker."""
    table = pd.DataFrame([row[:2] for row in rows], columns=["emotion", "predicted"])
    table[[f"p_{name}" for name in classes]] = [row[2] for row in rows]
    return table.assign(corpus="demo", speaker="demo-01", sex="female")


def test_rates_equal_scikit_learns():
    table = make_table()
    result = metrics.score(table, CLASSES)
    truth, predicted = table.emotion, table.predicted
    # 1e-12 throughout: the same ratios of counts, summed in another order.
    assert result["accuracy"] == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    assert result["uar"] == pytest.approx(balanced_accuracy_score(truth, predicted), abs=1e-12)
    macro_f1 = f1_score(truth, predicted, labels=CLASSES, average="macro")
    assert result["macro_f1"] == pytest.approx(macro_f1, abs=1e-12)
    assert result["confusion"] == confusion_matrix(truth, predicted, labels=CLASSES).tolist()
    assert (result["n_clips"], result["n_speakers"]) == (200, 6)
    # Where no class is missing there is nothing to mask.
    assert result["uar_masked"] == result["uar"]


def test_uar_is_over_the_classes_present_and_masking_helps():
    table = make_table(truth=np.random.default_rng(1).choice([0, 2], size=300))
    result = metrics.score(table, CLASSES)
    present = ["neutral", "sad"]
    recall = recall_score(table.emotion, table.predicted, labels=present, average="macro")
    assert result["uar"] == pytest.approx(recall, abs=1e-12)
    f1 = f1_score(table.emotion, table.predicted, labels=present, average="macro")
    assert result["macro_f1"] == pytest.approx(f1, abs=1e-12)
    masked = np.where(table.p_neutral >= table.p_sad, "neutral", "sad")
    recall = recall_score(table.emotion, masked, labels=present, average="macro")
    assert result["uar_masked"] == pytest.approx(recall, abs=1e-12)
    assert result["uar_masked"] > result["uar"]
    assert list(result["per_class"]) == present


def test_a_case_worked_by_hand():
    table = by_hand(
        [
            ("happy", "happy", [0.8, 0.1, 0.1]),
            ("happy", "happy", [0.6, 0.3, 0.1]),
            ("happy", "angry", [0.3, 0.1, 0.6]),
            ("sad", "happy", [0.5, 0.3, 0.2]),
        ]
    )
    result = metrics.score(table, ("happy", "sad", "angry"))
    assert result["accuracy"] == pytest.approx(2 / 4)
    assert result["uar"] == pytest.approx((2 / 3 + 0) / 2)
    # Without angry the third clip is answered happy.
    assert result["uar_masked"] == pytest.approx((3 / 3 + 0) / 2)
    assert result["per_class"] == {
        "happy": {
            "recall": pytest.approx(2 / 3),
            "precision": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
            "n_clips": 3,
        },
        "sad": {"recall": 0.0, "precision": 0.0, "f1": 0.0, "n_clips": 1},
    }
    assert result["confusion"] == [[2, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert result["uar_ci95"] is None
    # Bins of 1/15: 0.8 alone (right), both 0.6 (one right), 0.5 alone (wrong).
    assert result["ece"] == pytest.approx((0.2 + abs(1.2 - 1) + 0.5) / 4)


def test_groups_are_scored_as_if_alone():
    table = make_table()
    result = metrics.score(table, CLASSES)
    for key, column in (("per_corpus", "corpus"), ("per_sex", "sex"), ("per_speaker", "speaker")):
        known = table[table[column].fillna("") != ""]
        assert set(result[key]) == set(known[column])
        for name, group in known.groupby(column):
            alone = metrics.score(group, CLASSES)
            assert result[key][name] == {k: alone[k] for k in ("accuracy", "uar", "n_clips")}
    assert set(result["per_sex"]) == {"female", "male"}


def test_the_result_has_the_keys_of_the_contract_and_survives_json():
    result = metrics.score(make_table(), CLASSES)
    assert list(result) == [
        *("accuracy", "uar", "n_clips", "uar_masked", "macro_f1", "n_speakers", "uar_ci95"),
        *("per_corpus", "per_class", "per_sex", "per_speaker", "confusion", "ece"),
        "ece_uncalibrated",
    ]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_part_of_one_class_and_one_clip_is_scored_without_a_warning():
    table = by_hand([("sad", "happy", [0.5, 0.3, 0.2])])
    result = metrics.score(table, ("happy", "sad", "angry"))
    assert (result["uar"], result["uar_masked"], result["macro_f1"]) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("column", ["emotion", "predicted"])
def test_words_that_are_no_classes_are_refused(column):
    table = make_table()
    table.loc[3, column] = "calm"
    with pytest.raises(ValueError, match=rf"'{column}' holds the model's classes.*Received: calm"):
        metrics.score(table, CLASSES)


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="At least one clip"):
        metrics.score(make_table().iloc[:0], CLASSES)


def test_uar_of_many_confusions_at_once_equals_one_by_one():
    confusions = np.random.default_rng(0).integers(0, 5, size=(20, 4, 4))
    confusions[3, 1] = 0
    together = metrics.uar(confusions)
    assert together.shape == (20,)
    assert together.tolist() == [float(metrics.uar(one)) for one in confusions]


def test_the_interval_equals_a_brute_force_bootstrap():
    table = make_table(clips=120, speakers=5)
    result = metrics.score(table, CLASSES, seed=7)
    clips_of = dict(list(table.groupby("speaker")))
    names = sorted(clips_of)
    # The same draws, but by concatenating the drawn speakers' clips.
    drawn = np.random.default_rng(7).multinomial(5, [1 / 5] * 5, size=metrics.RESAMPLES)
    rates = []
    for counts in drawn[:150]:
        chosen = [clips_of[n] for n, times in zip(names, counts, strict=True) for _ in range(times)]
        clips = pd.concat(chosen)
        rates.append(recall_of(clips))
    resampled = np.array(rates)
    confusions = np.array(
        [confusion_matrix(c.emotion, c.predicted, labels=CLASSES) for c in map(clips_of.get, names)]
    )
    ours = metrics.uar(np.tensordot(drawn, confusions, axes=1))
    np.testing.assert_allclose(ours[:150], resampled, atol=1e-12)
    tail = stats.norm.cdf(-np.sqrt(5 / 4) * stats.t.ppf(0.975, 4))
    np.testing.assert_allclose(result["uar_ci95"], np.quantile(ours, [tail, 1 - tail]), atol=1e-12)


def recall_of(clips):
    present = sorted(set(clips.emotion))
    return recall_score(clips.emotion, clips.predicted, labels=present, average="macro")


def test_the_interval_is_seeded_and_holds_the_uar():
    table = make_table(speakers=12)
    low, high = metrics.score(table, CLASSES, seed=0)["uar_ci95"]
    assert low < metrics.score(table, CLASSES)["uar"] < high
    assert metrics.score(table, CLASSES, seed=0)["uar_ci95"] == [low, high]
    assert metrics.score(table, CLASSES, seed=1)["uar_ci95"] != [low, high]


@pytest.mark.parametrize("count", [6, 10, 30])
def test_the_interval_covers_the_true_uar_of_new_speakers(count):
    """Speakers differ in how well they are understood; about 95 of 100 intervals hold."""
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        skill = np.clip(random.normal(0.6, 0.15, size=count), 0, 1)  # The true UAR is 0.6.
        speakers = np.repeat(np.arange(count), 20)
        truth = np.tile(np.arange(2), 10 * count)
        predicted = np.where(random.random(20 * count) < skill[speakers], truth, 1 - truth)
        low, high = metrics.uar_interval(truth, predicted, speakers, 2, seed)
        covered += low <= 0.6 <= high
    assert covered >= 90  # 95 expected, binomial standard deviation 2.2


def test_too_few_speakers_have_no_interval():
    table = make_table(speakers=metrics.LEAST_SPEAKERS)
    assert metrics.score(table, CLASSES)["uar_ci95"]
    fewer = table[table.speaker != table.speaker.iloc[0]]
    assert metrics.score(fewer, CLASSES)["uar_ci95"] is None


def test_results_do_not_depend_on_the_order_of_the_clips():
    table = make_table()
    shuffled = table.sample(frac=1, random_state=1)
    one, other = metrics.score(table, CLASSES), metrics.score(shuffled, CLASSES)
    # 1e-12: the probabilities are summed in another order.
    for name in ("ece", "ece_uncalibrated"):
        assert one.pop(name) == pytest.approx(other.pop(name), abs=1e-12)
    assert one == other


def brute_force_ece(probabilities, labels, bins):
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    total = 0.0
    for low, high in zip(
        np.linspace(0, 1, bins + 1), np.linspace(0, 1, bins + 1)[1:], strict=False
    ):
        inside = (top > low) & (top <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    return total


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_ece_equals_its_definition(bins):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(8, 0.3), size=500)
    probabilities[0] = np.eye(8)[2]
    labels = random.integers(8, size=500)
    wanted = brute_force_ece(probabilities, labels, bins)
    assert metrics.ece(probabilities, labels, bins) == pytest.approx(wanted, abs=1e-12)


def test_a_probability_on_the_edge_of_two_bins_counts_in_the_lower():
    probabilities = np.array([[0.70, 0.30], [0.75, 0.25], [0.80, 0.20]])
    # (0.5, 0.75] holds a wrong and a right answer, (0.75, 1] a right one.
    wanted = (abs(-0.70 + 0.25) + 0.20) / 3
    assert metrics.ece(probabilities, np.array([1, 0, 0]), bins=4) == pytest.approx(wanted)


def test_the_uncalibrated_error_is_that_of_the_bare_logits():
    table = make_table()
    columns = [f"p_{name}" for name in CLASSES]
    logits = np.random.default_rng(0).normal(size=(len(table), len(CLASSES)))
    errors = {}
    for temperature in (1.0, 2.5):
        scaled = softmax(logits / temperature, axis=1)
        scored = metrics.score(
            table.assign(**dict(zip(columns, scaled.T, strict=True))), CLASSES, temperature
        )
        errors[temperature] = scored["ece"], scored["ece_uncalibrated"]
    assert errors[1.0][0] == pytest.approx(errors[1.0][1])
    assert errors[2.5][1] == pytest.approx(errors[1.0][0])
    assert errors[2.5][0] != pytest.approx(errors[1.0][0])


def test_ece_is_zero_for_certain_and_right_and_one_for_certain_and_wrong():
    certain = np.eye(3)
    assert metrics.ece(certain, np.arange(3)) == 0.0
    assert metrics.ece(certain, (np.arange(3) + 1) % 3) == 1.0


def test_reliability_tells_of_each_bin_what_is_claimed_and_what_is_true():
    probabilities = np.array([[0.70, 0.30], [0.75, 0.25], [0.80, 0.20]])
    table = metrics.reliability(probabilities, np.array([1, 0, 0]), bins=4)
    assert table.high.tolist() == [0.25, 0.5, 0.75, 1]
    assert table.clips.tolist() == [0, 0, 2, 1]
    np.testing.assert_allclose(table.probability, [np.nan, np.nan, 0.725, 0.8])
    np.testing.assert_allclose(table.accuracy, [np.nan, np.nan, 0.5, 1])


def test_coverage_equals_the_accuracy_above_each_threshold():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=200).round(2)  # many are equal
    labels = random.integers(3, size=200)
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    table = metrics.coverage(probabilities, labels)
    assert table.threshold.tolist() == sorted(set(top), reverse=True)
    for threshold, share, accuracy in table.itertuples(index=False):
        assert share == (top >= threshold).mean()
        assert accuracy == pytest.approx(right[top >= threshold].mean())


def sampled(temperature, clips=4000, seed=0):
    """Logits and labels drawn from softmax(logits / temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=4, size=(clips, 8))
    gumbel = random.gumbel(size=logits.shape)
    return logits, (logits / temperature + gumbel).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    logits, labels = sampled(temperature)
    # 5 %: over two standard errors of the estimate from 4,000 clips.
    assert confidence.fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_calibration_mends_overconfident_answers():
    logits, labels = sampled(3.0, seed=1)
    logits, labels, new_logits, new_labels = logits[:500], labels[:500], logits[500:], labels[500:]
    temperature = confidence.fit_temperature(logits, labels)
    before, after = softmax(new_logits, axis=1), softmax(new_logits / temperature, axis=1)
    assert log_loss(new_labels, after) < log_loss(new_labels, before) - 0.1
    assert metrics.ece(after, new_labels) < 0.25 * metrics.ece(before, new_labels)


def test_no_temperature_on_a_fine_grid_is_likelier():
    logits, labels = sampled(1.7, clips=60)
    best = confidence.fit_temperature(logits, labels)

    def loss(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(60), labels].mean()

    assert all(loss(best) <= loss(other) + 1e-9 for other in np.geomspace(0.05, 20, 400))


def test_a_temperature_stays_in_its_range_and_one_if_all_is_right():
    logits = np.eye(4) * 5
    assert confidence.fit_temperature(logits, np.arange(4)) == 1.0
    backwards = confidence.fit_temperature(logits, (np.arange(4) + 1) % 4)
    assert backwards == pytest.approx(confidence.HIGHEST_TEMPERATURE, rel=1e-3)


def two_classes(top):
    top = np.asarray(top, float)
    return np.stack([top, 1 - top], axis=1)


@pytest.mark.parametrize(
    ("top", "wrong", "wanted"),
    [
        # Separable: between the surest wrong and the least sure right answer.
        ([0.55, 0.65, 0.75, 0.95], [0.55, 0.65], 0.70),
        # All right, all wrong, wrong ones surest: nothing to go by.
        ([0.60, 0.70, 0.80], [], 0.0),
        ([0.60, 0.70, 0.80], [0.60, 0.70, 0.80], 0.0),
        ([0.60, 0.70, 0.95], [0.95], 0.0),
        # 0.75 would keep 1 of 4 right answers and no wrong one: too few are kept.
        ([0.55, 0.56, 0.57, 0.70, 0.80], [0.70], 0.0),
        # Youden: 0.625 keeps 3/3 right and 1/2 wrong answers.
        ([0.60, 0.65, 0.70, 0.75, 0.80], [0.60, 0.75], 0.625),
        # Equal indices (0.65: 4/4 - 1/2; 0.75: 2/4 - 0/2): the threshold that keeps more.
        ([0.60, 0.68, 0.69, 0.70, 0.80, 0.90], [0.60, 0.70], 0.64),
    ],
)
def test_an_unsure_threshold_separates_right_from_wrong_answers(top, wrong, wanted):
    labels = np.isin(top, wrong).astype(int)
    # 1e-9: a midpoint of two floats.
    assert confidence.unsure_threshold(two_classes(top), labels) == pytest.approx(wanted, abs=1e-9)


def test_answers_above_the_unsure_threshold_are_more_often_right():
    logits, labels = sampled(2.0, seed=3)
    probabilities = softmax(logits / 2.0, axis=1)
    threshold = confidence.unsure_threshold(probabilities[:300], labels[:300])
    top, right = probabilities[300:].max(axis=1), probabilities[300:].argmax(axis=1) == labels[300:]
    assert right[top >= threshold].mean() > right.mean() + 0.1
    assert right[top < threshold].mean() < right.mean() - 0.1


def test_a_threshold_of_precision_counts_all_corpora_alike():
    tops = np.linspace(0.5, 1.0, 101)
    probabilities = np.stack([tops, 1 - tops], axis=1)
    hits = tops > 0.8  # right above, wrong below
    labels = np.where(hits, 0, 1)
    alone = confidence.precision_threshold(probabilities, labels, np.full(101, "a"), 0.75)
    assert (hits[tops >= alone]).mean() >= 0.75 > (hits[tops >= alone - 0.01]).mean()
    # A second corpus, always right, makes up for the first in half of the mean.
    both = confidence.precision_threshold(
        np.tile(probabilities, (2, 1)),
        np.concatenate([labels, np.zeros(101, int)]),
        np.repeat(["a", "b"], 101),
        0.75,
    )
    assert both < alone
    assert (
        confidence.precision_threshold(probabilities, np.ones(101, int), np.full(101, "a"), 0.5)
        == 1
    )


def test_a_temperature_follows_the_weights_of_clips():
    logits = np.array([[2.0, 0.0]] * 10)
    labels = np.array([0] * 9 + [1])
    calibrated = confidence.fit_temperature(logits, labels)
    assert 2 / calibrated == pytest.approx(np.log(9), rel=1e-3)
    weighted = confidence.fit_temperature(logits, labels, np.array([1.0] * 9 + [3.0]))
    assert 2 / weighted == pytest.approx(np.log(3), rel=1e-3)
