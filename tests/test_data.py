import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import tensorflow as tf

from ser_tf import audio, benchmark, corpora, files
from ser_tf.config import Config, Features, Split
from ser_tf.data import batches, dataset, decode, extract, loading
from ser_tf.data.batches import Epochs
from ser_tf.data.dataset import Dataset
from ser_tf.data.store import FeatureStore
from ser_tf.errors import InputError
from ser_tf.models.augmentations import AUGMENTATIONS
from ser_tf.models.features import FEATURES

RATE_HZ = 16_000
ORDER = [8, 3, 2, 4, 5, 7, 9, 1, 0, 6, 7, 1, 8, 5, 0, 9, 2, 3, 6, 4]
DRAWN = [7, 4, 6, 1, 3, 6, 5, 6, 3, 0, 7, 7, 1, 8, 6, 8, 4, 5, 7, 3]
COPIED = [208, 203, 2, 104, 205, 7, 109, 201, 0, 206, 107, 201, 208, 5, 0, 109, 2, 103, 6, 4]


@pytest.fixture(scope="module")
def index(small_dir) -> pd.DataFrame:
    return corpora.load(["demo"], small_dir).head(12)


@pytest.fixture(scope="module")
def clips(index, cache_dir) -> pd.DataFrame:
    return decode.decode(index, RATE_HZ, cache_dir)


def store(values: np.ndarray) -> FeatureStore:
    """Rows of a single number each."""
    return FeatureStore.of(np.asarray(values, np.float32).reshape(-1, 1, 1))


def numbered(count: int = 10, copies: int = 0) -> Dataset:
    """Rows whose features and targets are their own numbers, in the copies 100 and so on more."""
    numbers = np.arange(count)
    of_copies = tuple(store(numbers + 100 * copy) for copy in range(1, copies + 1))
    return Dataset(pd.DataFrame(index=numbers), store(numbers), numbers, (), of_copies)


def epochs(numbers: range = range(2), **options) -> Epochs:
    return Epochs(**{"batch_size": 4, "seed": 0, "numbers": numbers, **options})


def numbers(chain: tf.data.Dataset) -> list[int]:
    return [int(target) for _, targets in chain for target in targets]


def test_decoding_keeps_the_index_and_adds_digest_and_waveform(index, clips):
    pd.testing.assert_frame_equal(clips[index.columns], index)
    assert clips.columns.difference(index.columns).tolist() == ["digest", "waveform"]
    for clip in clips.itertuples():
        samples = np.load(clip.waveform)
        np.testing.assert_array_equal(samples, audio.load(clip.path, RATE_HZ))


def test_a_second_pass_decodes_nothing(index, clips, cache_dir, monkeypatch):
    monkeypatch.setattr(audio, "load", None)
    pd.testing.assert_frame_equal(decode.decode(index, RATE_HZ, cache_dir), clips)


def test_a_clip_whose_content_changes_is_decoded_anew(index, cache_dir, tmp_path):
    path = tmp_path / "demo-01_happy_s1_t1.wav"
    table = index.head(1).assign(path=str(path))
    found = []
    for level in (0.1, 0.2):
        soundfile.write(path, np.full(100, level), RATE_HZ, subtype="FLOAT")
        [waveform] = decode.decode(table, RATE_HZ, cache_dir)["waveform"]
        found.append(np.load(waveform)[0])
    np.testing.assert_allclose(found, [0.1, 0.2], rtol=1e-6)


def with_broken(index: pd.DataFrame, folder: Path, broken: int) -> pd.DataFrame:
    """Forty copies of a clip, the first `broken` of which hold no audio."""
    paths = [folder / f"{number:02}.wav" for number in range(40)]
    for number, path in enumerate(paths):
        if number < broken:
            path.write_bytes(b"RIFF....")
        else:
            shutil.copy(index["path"][0], path)
    rows = index.iloc[[0] * 40].reset_index(drop=True)
    return rows.assign(path=[str(path) for path in paths])


def test_a_corrupt_clip_is_named_and_left_out(index, cache_dir, tmp_path, caplog):
    clips = decode.decode(with_broken(index, tmp_path, 2), RATE_HZ, cache_dir)
    assert len(clips) == 38
    assert "left out" in caplog.text
    assert str(tmp_path / "00.wav") in caplog.text
    assert str(tmp_path / "01.wav") in caplog.text


def test_more_than_a_twentieth_of_corrupt_clips_is_refused(index, cache_dir, tmp_path):
    with pytest.raises(InputError, match=r"3 of 40 clips .*00\.wav.*doctor"):
        decode.decode(with_broken(index, tmp_path, 3), RATE_HZ, cache_dir)


def test_a_full_disk_leaves_no_half_entry_in_the_cache(index, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        decode.decode(index, RATE_HZ, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_features_are_those_of_the_front_end_and_come_from_the_cache_next(
    clips, cache_dir, monkeypatch
):
    entry = FEATURES["mfcc"]
    front_end = entry.build()
    found = extract.clip_features(clips, Features("mfcc"), front_end, cache_dir)
    assert found.shape == (len(clips), *entry.shape)
    for clip, row in zip(clips.itertuples(), found, strict=True):
        waveform = audio.load(clip.path, RATE_HZ)[np.newaxis]
        # The graph of the pipeline and eager execution may sum in another order.
        np.testing.assert_allclose(np.asarray(front_end(waveform))[0], row, atol=1e-3)
    monkeypatch.setattr(extract, "_extract", None)
    again = extract.clip_features(clips, Features("mfcc"), front_end, cache_dir)
    np.testing.assert_array_equal(again, found)


def test_a_corpus_has_the_same_features_in_the_cache_alone_and_in_a_pool(
    index, tmp_path, monkeypatch
):
    config = Config(features=Features("logmel"))
    front_end = config.features.entry.build()
    both = index.assign(corpus=["a"] * 5 + ["b"] * 7)
    monkeypatch.setattr(corpora, "load", lambda *_: both)
    pooled = loading.load(config, front_end, tmp_path).features
    monkeypatch.setattr(corpora, "load", lambda *_: both[both.corpus == "b"].reset_index(drop=True))
    monkeypatch.setattr(extract, "_extract", None)  # nothing is to be computed
    alone = loading.load(config, front_end, tmp_path).features
    np.testing.assert_array_equal(alone.array(), pooled.array()[5:])


def test_clips_alone_are_called_as_with_their_features(small_dir, cache_dir):
    config = Config(corpora=("demo",), data_dir=str(small_dir), map=("calm=neutral",))
    rows = loading.load(config, config.features.entry.build(), cache_dir).rows
    pd.testing.assert_frame_equal(loading.load_clips(config, cache_dir).rows, rows)
    assert "calm" not in set(rows["emotion"])


def test_published_copies_are_those_of_librosa_but_for_the_noise(clips, cache_dir):
    entry = FEATURES["published"]
    decoded = decode.decode(clips.head(2), entry.rate_hz, cache_dir)
    rows = extract.clip_features(
        decoded, Features("published"), entry.build(), cache_dir, published_rows=True
    )
    rows = rows.reshape(2, 4, *entry.shape)
    for path, found in zip(decoded["path"], rows, strict=True):
        expected = benchmark.pipeline.published_rows(path, np.random.default_rng(0))
        # MFCC in dB, whose largest values are in the hundreds. librosa cuts before it resamples,
        # and its phase vocoder reaches silence between words at other rounding errors.
        clean, pitched = (np.abs(found[i, :, 0] - expected[i]).mean() for i in (0, 2))
        assert clean < 0.05
        assert pitched < 0.5
        assert not np.allclose(found[0], found[1])
        assert not np.allclose(found[1], found[3])


def test_every_epoch_has_every_row_once_in_an_order_of_its_own():
    chain = batches.plain(numbered(), epochs())
    found = numbers(chain)
    first, second = found[:10], found[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert [len(targets) for _, targets in chain] == [4, 4, 2] * 2


def test_features_stay_with_their_targets():
    for features, targets in batches.plain(numbered(), epochs()):
        np.testing.assert_array_equal(features[:, 0, 0], targets)


def test_the_order_depends_on_seed_and_epoch_alone():
    whole = numbers(batches.plain(numbered(), epochs(range(4))))
    assert numbers(batches.plain(numbered(), epochs(range(2, 4)))) == whole[20:]
    assert numbers(batches.plain(numbered(), epochs(range(4), seed=1))) != whole


@pytest.mark.parametrize("names", [["specaugment"], ["noise", "gain", "shift", "specaugment"]])
def test_augmentation_depends_on_seed_and_epoch_alone(names, clips, cache_dir):
    entry = FEATURES["mfcc"]
    front_end = entry.build()
    features = extract.clip_features(clips, Features("mfcc"), front_end, cache_dir)
    data = Dataset(clips, FeatureStore.of(features), np.arange(len(clips)), ())
    layers = {"waveform": [], "features": []}
    for name in names:
        layers[AUGMENTATIONS[name].domain].append(AUGMENTATIONS[name].build(RATE_HZ))

    def seen(*numbers: range, **options) -> list[np.ndarray]:
        chain = batches.augmented(
            data,
            epochs(*numbers, **{"batch_size": 5, **options}),
            waveform_layers=layers["waveform"],
            feature_layers=layers["features"],
            entry=entry,
            front_end=front_end,
        )
        return [batch.numpy() for batch, _ in chain]

    whole = seen()
    np.testing.assert_array_equal(np.concatenate(seen()), np.concatenate(whole))
    np.testing.assert_array_equal(np.concatenate(seen(range(1, 2))), np.concatenate(whole[3:]))
    assert not np.array_equal(whole[0], seen(seed=1)[0])
    assert not np.isin(whole[0], features).all()


def test_a_row_or_one_of_its_copies_is_drawn():
    seen = {}
    for features, targets in batches.copied(numbered(copies=2), epochs(range(40))):
        for value, target in zip(features.numpy().ravel(), targets.numpy(), strict=True):
            assert value % 100 == target
            seen[value - target] = seen.get(value - target, 0) + 1
    assert sorted(seen) == [0, 100, 200]
    assert min(seen.values()) > 90  # of 400 draws, a third each


def test_order_and_draws_are_those_of_version_0_1():
    """What a run of that version would train on next; resumed here, it ends in its weights."""
    assert numbers(batches.plain(numbered(), epochs(seed=3))) == ORDER
    shares = np.arange(1.0, 11.0)
    assert numbers(batches.plain(numbered(), epochs(seed=3, shares=shares))) == DRAWN
    copied = batches.copied(numbered(copies=2), epochs(seed=3))
    assert [int(value) for features, _ in copied for value in np.ravel(features)] == COPIED


def test_rows_keep_their_features_when_chosen_and_when_others_follow():
    first, other = store(np.arange(5)), store(np.arange(50, 53))
    chosen = first.only(np.array([4, 1])).followed_by(other)
    assert len(chosen) == 5
    assert chosen.array().ravel().tolist() == [4, 1, 50, 51, 52]
    again = chosen.followed_by(first).only(np.array([0, 3, 9]))
    assert again.take(np.array([2, 0, 1])).ravel().tolist() == [4, 4, 51]


def test_features_of_half_precision_are_taken_in_single():
    half = FeatureStore.of(np.ones((3, 2, 1), np.float16))
    assert half.take(np.array([1])).dtype == np.float32


def test_rows_are_drawn_in_proportion_to_their_shares():
    shares = np.array([8.0] + [1.0] * 8 + [0.0001])
    drawn = numbers(batches.plain(numbered(), epochs(range(100), shares=shares)))
    assert len(drawn) == 1000
    assert 400 < drawn.count(0) < 600
    assert drawn.count(9) < 3


def test_a_row_that_is_drawn_twice_is_changed_in_two_ways(clips):
    entry = FEATURES["mfcc"]
    data = Dataset(clips.head(2), store(np.zeros(2)), np.zeros((2, 1), np.float32), ())
    chain = batches.augmented(
        data,
        epochs(range(4), batch_size=2, shares=np.array([1.0, 1e-9])),
        waveform_layers=[AUGMENTATIONS["noise"].build(RATE_HZ)],
        feature_layers=[],
        entry=entry,
        front_end=entry.build(),
    )
    assert not any(np.array_equal(*features) for features, _ in chain.as_numpy_iterator())


def test_augmented_copies_depend_on_the_clip_alone(clips, cache_dir):
    features = Features("causal")
    front_end = features.entry.build()

    def copies_of(table: pd.DataFrame) -> np.ndarray:
        return extract.augmented_copies(
            table, features, front_end, cache_dir, names=["background"], copies=2
        )

    copies = copies_of(clips)
    assert copies.shape == (len(clips), 2, *features.entry.array_shape)
    np.testing.assert_array_equal(copies_of(clips[::-1])[::-1], copies)
    assert not np.array_equal(copies[:, 0], copies[:, 1])


def with_sounds(clips: pd.DataFrame) -> Dataset:
    """A dataset of the clips and two sounds of no emotion."""
    rows = clips.assign(copy=0)
    data = Dataset.labelled(rows, store(np.arange(len(rows))), sorted(set(rows["emotion"])))
    sounds = rows.head(2).assign(path="", corpus="", speaker="", emotion="", digest="s")
    return data.followed_by(Dataset.labelled(sounds, store([100, 101]), data.classes))


def test_sounds_of_no_emotion_train_and_nothing_else(small_dir):
    index = corpora.load(["demo"], small_dir)
    data = with_sounds(index.assign(digest=index["path"], waveform=""))
    alone = data.clips
    assert len(data) == len(alone) + 2
    assert data.class_weights == alone.class_weights
    assert data.labels[-2:].tolist() == [-1, -1]
    np.testing.assert_array_equal(data.targets[-2:], np.full((2, 8), 1 / 8, np.float32))
    np.testing.assert_array_equal(data.shares[:-2], alone.shares)
    for config in (Config(), Config(split=Split(folds=3))):
        split, without = (dataset.split(rows, config) for rows in (data, alone))
        for part in ("validation", "test"):
            pd.testing.assert_frame_equal(split.of(part).rows, without.of(part).rows)
        training = split.of("train")
        assert training.features.array().ravel()[-2:].tolist() == [100, 101]
        pd.testing.assert_frame_equal(training.clips.rows, without.of("train").rows)


@pytest.mark.parametrize("kind", ["speakers", "clips"])
def test_all_folds_are_made_at_once_and_each_is_the_split_of_its_number(kind, small_dir):
    index = corpora.load(["demo"], small_dir)
    rows = index.assign(digest=index["path"], waveform="", copy=0)
    data = Dataset.labelled(rows, store(np.arange(len(rows))), sorted(set(rows["emotion"])))
    config = Config(split=Split(kind=kind, folds=3))
    tested = []
    for number, fold in enumerate(dataset.folds(data, config), start=1):
        alone = dataset.split(data, config.changed({"split.fold": number}))
        pd.testing.assert_frame_equal(fold.rows, alone.rows)
        tested += fold.of("test").features.array().ravel().tolist()
    assert sorted(tested) == list(range(len(rows)))


def test_replacing_leaves_the_old_file_where_writing_fails(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"new": float("nan")})
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_examples_are_the_clip_as_it_is_and_after_each_augmentation():
    entry = FEATURES["mfcc"]
    waveform = np.sin(np.arange(RATE_HZ) / 20).astype(np.float32) / 2
    examples = batches.examples(waveform, entry)
    assert list(examples) == ["as it is", *AUGMENTATIONS]
    original, frames = examples.pop("as it is")
    np.testing.assert_array_equal(original, waveform)
    front_end = entry.build()
    for name, (sound, features) in examples.items():
        changes_sound = AUGMENTATIONS[name].domain == "waveform"
        assert np.array_equal(sound, waveform) != changes_sound
        assert not np.array_equal(features, frames)
        if changes_sound:
            np.testing.assert_array_equal(features, front_end(sound[np.newaxis])[0])
