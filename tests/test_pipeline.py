import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import tensorflow as tf

from ser_tf import audio, benchmark, corpora, files
from ser_tf.data import batches, decode
from ser_tf.data.augmented import Copies
from ser_tf.errors import InputError
from ser_tf.models.augmentations import AUGMENTATIONS
from ser_tf.models.features import FEATURES

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def index(small_dir) -> pd.DataFrame:
    return corpora.load(["demo"], small_dir).head(12)


@pytest.fixture(scope="module")
def clips(index, cache_dir) -> pd.DataFrame:
    return decode.decode(index, RATE_HZ, cache_dir)


def row_batches(count: int = 10, **options) -> tf.data.Dataset:
    """Training batches of rows whose features are their own numbers."""
    features = np.arange(count, dtype=np.float32).reshape(-1, 1, 1)
    arguments = {"batch_size": 4, "seed": 0, "epochs": range(2), **options}
    return batches.training_batches(features, np.arange(count), **arguments)


def numbered_copies(rows: np.ndarray) -> np.ndarray:
    """Two copies a row, whose features are the row's number and 100 or 200."""
    return np.add.outer(rows, [100, 200]).astype(np.float32)[..., np.newaxis, np.newaxis]


def numbers(dataset: tf.data.Dataset) -> list[int]:
    return [int(label) for _, labels in dataset for label in labels]


def test_decoding_keeps_the_index_and_adds_digest_and_waveform(index, clips):
    pd.testing.assert_frame_equal(clips[index.columns], index)
    assert clips.columns.difference(index.columns).tolist() == ["digest", "waveform"]
    for clip in clips.itertuples():
        samples = np.fromfile(clip.waveform, "<f4")
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
        found.append(np.fromfile(waveform, "<f4")[0])
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
    found = decode.features(clips, entry, front_end, "none", cache_dir)
    assert found.shape == (len(clips), *entry.shape)
    for clip, row in zip(clips.itertuples(), found, strict=True):
        waveform = audio.load(clip.path, RATE_HZ)[np.newaxis]
        # The graph of the pipeline and eager execution may sum in another order.
        np.testing.assert_allclose(np.asarray(front_end(waveform))[0], row, atol=1e-3)
    monkeypatch.setattr(decode, "_extract", None)
    again = decode.features(clips, entry, front_end, "none", cache_dir)
    np.testing.assert_array_equal(again, found)


def test_published_copies_are_those_of_librosa_but_for_the_noise(clips, cache_dir):
    entry = FEATURES["published"]
    decoded = decode.decode(clips.head(2), entry.rate_hz, cache_dir)
    rows = decode.features(decoded, entry, entry.build(), "published", cache_dir)
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
    found = numbers(row_batches())
    first, second = found[:10], found[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert [len(labels) for _, labels in row_batches()] == [4, 4, 2] * 2


def test_features_stay_beside_their_labels():
    for features, labels in row_batches():
        np.testing.assert_array_equal(features[:, 0, 0], labels)


def test_the_order_depends_on_seed_and_epoch_alone():
    whole = numbers(row_batches(epochs=range(4)))
    assert numbers(row_batches(epochs=range(2, 4))) == whole[20:]
    assert numbers(row_batches(epochs=range(4), seed=1)) != whole


@pytest.mark.parametrize("names", [["specaugment"], ["noise", "gain", "shift", "specaugment"]])
def test_augmentation_depends_on_seed_and_epoch_alone(names, clips, cache_dir):
    entry = FEATURES["mfcc"]
    front_end = entry.build()
    features = decode.features(clips, entry, front_end, "none", cache_dir)
    layers = [(AUGMENTATIONS[name].domain, AUGMENTATIONS[name].build(RATE_HZ)) for name in names]
    on_waveforms = [layer for domain, layer in layers if domain == "waveform"]

    def seen(**options) -> list[np.ndarray]:
        clip = on_waveforms and batches.augmented_clips(
            clips["waveform"].tolist(), on_waveforms, entry, front_end
        )
        dataset = batches.training_batches(
            features,
            np.arange(len(clips)),
            batch_size=5,
            feature_layers=[layer for domain, layer in layers if domain == "features"],
            augmented_clip=clip or None,
            **{"seed": 0, "epochs": range(2), **options},
        )
        return [batch.numpy() for batch, _ in dataset]

    whole = seen()
    np.testing.assert_array_equal(np.concatenate(seen()), np.concatenate(whole))
    np.testing.assert_array_equal(
        np.concatenate(seen(epochs=range(1, 2))), np.concatenate(whole[3:])
    )
    assert not np.array_equal(whole[0], seen(seed=1)[0])
    assert not np.isin(whole[0], features).all()


def test_copies_are_drawn_from_beside_the_row_itself():
    copies = Copies.of(numbered_copies(np.arange(10)))
    seen = {}
    for features, labels in row_batches(epochs=range(40), copies=copies):
        for value, label in zip(features.numpy().ravel(), labels.numpy(), strict=True):
            assert value % 100 == label
            seen[value - label] = seen.get(value - label, 0) + 1
    assert sorted(seen) == [0, 100, 200]
    assert min(seen.values()) > 90  # of 400 draws, a third each


def test_rows_keep_their_copies_when_chosen_and_when_others_follow():
    first, other = (Copies.of(numbered_copies(rows)) for rows in (np.arange(5), np.arange(50, 53)))
    rows = [4, 1, 50, 51, 52]
    chosen = first.only(np.array([4, 1])).followed_by(other)
    for number, more in enumerate((100, 200)):
        drawn = chosen.drawn(np.arange(5), np.full(5, number))
        assert (drawn.ravel() - more).tolist() == rows
    again = chosen.followed_by(first).only(np.array([0, 3, 9]))
    assert again.drawn(np.arange(3), np.array([0, 1, 0])).ravel().tolist() == [104, 251, 104]


def test_rows_are_drawn_in_proportion_to_their_shares():
    shares = np.array([8.0] + [1.0] * 8 + [0.0001])
    drawn = numbers(row_batches(epochs=range(100), shares=shares))
    assert len(drawn) == 1000
    assert 400 < drawn.count(0) < 600
    assert drawn.count(9) < 3


def test_a_row_that_is_drawn_twice_is_changed_in_two_ways():
    chain = batches.training_batches(
        np.zeros((2, 1, 1), np.float32),
        np.zeros((2, 1), np.float32),
        batch_size=2,
        seed=0,
        epochs=range(20),
        shares=np.array([1.0, 1e-9]),
        augmented_clip=lambda row, seed: tf.random.stateless_uniform((1, 1), seed),
    )
    assert all(len(np.unique(features)) == 2 for features, _ in chain.as_numpy_iterator())


def test_augmented_copies_depend_on_the_clip_alone(clips, cache_dir):
    entry = FEATURES["causal"]
    arguments = (entry, entry.build(), [AUGMENTATIONS["background"]], 2)
    copies = decode.augmented_copies(clips, *arguments, cache_dir)
    assert copies.shape == (len(clips), 2, *entry.array_shape)
    turned = decode.augmented_copies(clips[::-1], *arguments, cache_dir)
    np.testing.assert_array_equal(turned[::-1], copies)
    assert not np.array_equal(copies[:, 0], copies[:, 1])


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
