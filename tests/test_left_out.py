"""Temperature and threshold by a run's answers on corpora that it left out."""

import json

import numpy as np
import pandas as pd
import pytest

from ser_tf.config import Config, Split
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.training.calibration import SURE_IS_RIGHT, by_corpora_left_out

CLASSES = ("neutral", "happy", "sad")


def answers(corpus, temperature, clips=600, seed=0):
    """Answers whose true probabilities are the softmax of their logits over 3."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 6, (clips, len(CLASSES)))
    true = np.exp(logits / 3) / np.exp(logits / 3).sum(axis=1, keepdims=True)
    labels = [rng.choice(len(CLASSES), p=chances) for chances in true]
    said = np.exp(logits / temperature) / np.exp(logits / temperature).sum(axis=1, keepdims=True)
    table = pd.DataFrame(said, columns=[f"p_{emotion}" for emotion in CLASSES])
    return table.assign(corpus=corpus, emotion=[CLASSES[label] for label in labels])


@pytest.fixture
def left_out(tmp_path):
    model_folder.save_config(tmp_path, Config(split=Split(kind="corpora", folds=2)), CLASSES)
    model_folder.save_metrics(tmp_path, {})
    for number, temperature in enumerate((1.5, 0.8), start=1):
        fold = tmp_path / f"fold-{number}"
        fold.mkdir()
        model_folder.save_metrics(fold, {"temperature": temperature})
        table = answers(f"corpus-{number}", temperature, seed=number)
        table.to_csv(fold / model_folder.PREDICTIONS, index=False)
    return tmp_path


def test_the_logits_of_all_folds_share_a_temperature(left_out):
    temperature, threshold = by_corpora_left_out(left_out, CLASSES)
    assert temperature == pytest.approx(3, rel=0.1)
    # Calibrated answers from a threshold on are right somewhat more often than it says.
    assert 0.4 < threshold < SURE_IS_RIGHT


def test_a_run_that_leaves_no_corpus_out_is_refused(left_out):
    with pytest.raises(InputError, match="tells neutral, happy, sad apart, not happy, sad"):
        by_corpora_left_out(left_out, ("happy", "sad"))
    (left_out / model_folder.METRICS).unlink()
    with pytest.raises(InputError, match=r"training\.calibrated_by: .* no finished run"):
        by_corpora_left_out(left_out, CLASSES)
    model_folder.save_config(left_out, Config(), CLASSES)
    (left_out / model_folder.METRICS).write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"split\.kind=corpora"):
        by_corpora_left_out(left_out, CLASSES)
