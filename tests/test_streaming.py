"""Streams: chunk by chunk the layers, the model and the command give what the whole gives."""

import json
import sys
import types
from dataclasses import replace

import keras
import librosa
import numpy as np
import operators
import pytest
import scipy.fft
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import TINY_CAUSAL

from ser_tf import audio, benchmark, fit, predict, stream
from ser_tf.inference import model_folder
from ser_tf.inference.runtimes import KerasRuntime
from ser_tf.inference.stream import Stream
from ser_tf.layers import features, streaming
from ser_tf.layers.features import ABSENT
from ser_tf.layers.summary import LMUSummary
from ser_tf.models import CAUSAL, MODELS
from ser_tf.models.features import FEATURES
from ser_tf.serving import saved_model

# Keras reads a TensorFlow variable in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RATE_HZ = 16_000
HOP, WINDOW = 160, 400
STRIDE = 4 * HOP

# Probabilities of at most 1 after sums of float32 in another order: the LMU's impulse response in
# blocks against a state handed on, and means of squares less squares of means.
CLOSE = {"rtol": 0, "atol": 1e-5}


def speech(samples, seed=0):
    """Syllables of gliding harmonics, between pauses of faint noise."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(4 * seconds + seed)) / RATE_HZ
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = np.maximum(np.sin(2 * np.pi * 2.5 * seconds + seed), 0)
    return (0.1 * harmonics * envelope + 1e-3 * rng.standard_normal(samples)).astype("float32")


def cut(length, unit, seed):
    """Chunk lengths, each one `unit` or more, that add up to `length`."""
    rng = np.random.default_rng(seed)
    units, left = [], length // unit
    while left:
        units.append(int(rng.integers(1, left + 1)) if rng.uniform() < 0.5 else 1)
        left -= units[-1]
    return [unit * number for number in units]


def stepped(layers, inputs, chunks):
    """What a chain of streaming layers gives chunk by chunk."""
    state = np.zeros((len(inputs), streaming.state_size(layers)), "float32")
    outputs, start = [], 0
    for chunk in chunks:
        output, state = streaming.step(layers, inputs[:, start : start + chunk], state)
        outputs.append(np.asarray(output))
        start += chunk
    return outputs


@pytest.fixture(scope="module")
def frames():
    """Features of two clips `(2, 240, 22)`."""
    clips = np.stack([speech(240 * HOP), 0.1 * speech(240 * HOP, seed=1)])
    return np.asarray(FEATURES["causal"].build()(clips))


def summary(**options):
    keras.utils.set_random_seed(3)
    sizes = {"block_frames": 4, "look_back": 1, "filters": 12, "units": (10, 8), "order": 6}
    sizes |= {"theta": (40.0, 90.0), "memory_d": 3, "memory_frames": 300.0}
    layer = LMUSummary(**sizes | options)
    layer.build((None, None, 22))
    rng = np.random.default_rng(0)
    layer.set_weights([w + 0.1 * rng.uniform(0, 1, w.shape) for w in layer.get_weights()])
    return layer


# Features


def test_causal_levels_equal_librosas_of_frames_that_end_at_each_hop():
    waveform = speech(20_123)
    n_fft = 512
    middle = (n_fft - WINDOW) // 2  # librosa puts the window in the middle of n_fft samples
    padded = np.pad(waveform, (WINDOW - HOP + middle, middle))
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=padded,
            sr=RATE_HZ,
            n_fft=n_fft,
            win_length=WINDOW,
            hop_length=HOP,
            n_mels=64,
            center=False,
        ),
        amin=1e-16,
        top_db=None,
    )
    layer = features.CausalLogMel(
        rate_hz=RATE_HZ, window_samples=WINDOW, hop_samples=HOP, n_fft=n_fft, n_mels=64
    )
    # float32 against float64: 1e-8 of the loudest bin, in bands 60 dB below it.
    np.testing.assert_allclose(layer(waveform[None])[0], expected.T, rtol=0, atol=5e-3)


def test_levels_do_not_depend_on_what_comes_after():
    front_end = FEATURES["causal"].build()
    waveform = speech(16_000)
    changed = np.concatenate([waveform[:8000], -3 * waveform[8000:]])
    np.testing.assert_array_equal(
        front_end(waveform[None])[:, :50], front_end(changed[None])[:, :50]
    )


def relative_levels(levels, memory_frames, exponent, range_db, gate_db, core=(None,)):
    """The definition, frame by frame in float64."""
    rows, weights, total = [], 0.0, 0.0
    for bands in levels.astype("float64"):
        level = 10 * np.log10(np.sum(10 ** (bands[slice(*core)] / 10)))
        weight = 10 ** (level * exponent / 10)
        fading = np.exp(-1 / memory_frames)
        weights, total = weights * fading + weight, total * fading + weight * level
        reference = total / weights
        relative = np.maximum(np.append(bands, level) - reference, -range_db) / 20
        gate = 1 / (1 + np.exp(-(level - reference + gate_db) / 4))
        rows.append(np.append(relative, np.log(gate * 10 ** (reference * exponent / 10))))
    return np.array(rows)


@pytest.mark.parametrize("core", [{}, {"core": (2, 5)}], ids=["all bands", "core"])
def test_relative_levels_equal_their_definition(core):
    levels = np.random.default_rng(0).uniform(-90, 20, (500, 7)).astype("float32")
    options = {"memory_frames": 80.0, "exponent": 0.4, "range_db": 50.0, "gate_db": 30.0, **core}
    expected = relative_levels(levels, **options)
    # Units of 20 dB, of levels of up to 90 dB in float32.
    np.testing.assert_allclose(
        features.RelativeLevels(**options)(levels[None])[0], expected, rtol=1e-5, atol=2e-5
    )


def test_the_cepstrum_is_the_orthonormal_cosine_transform_of_the_bands():
    levels = np.random.default_rng(0).normal(size=(1, 9, 42)).astype("float32")
    cepstrum = np.asarray(features.RelativeCepstrum(13)(levels))
    expected = scipy.fft.dct(levels[..., :40], norm="ortho")[..., :13]
    np.testing.assert_allclose(cepstrum[..., :13], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(cepstrum[..., 13:], levels[..., 40:])


@pytest.mark.parametrize("outside", [0, 1, 2, 7])
def test_the_core_and_what_is_outside_it_are_transformed_each_by_themselves(outside):
    levels = np.random.default_rng(0).normal(size=(1, 9, 42)).astype("float32")
    cepstrum = np.asarray(features.RelativeCepstrum(13, core=(7, 30), outside=outside)(levels))
    core, below, above = levels[..., 7:30], levels[..., :7], levels[..., 30:40]
    expected = [
        scipy.fft.dct(bands, norm="ortho")[..., :coefficients]
        for bands, coefficients in ((core, 13), (below, outside), (above, outside))
    ]
    expected = np.concatenate([*expected, levels[..., 40:]], axis=-1)
    np.testing.assert_allclose(cepstrum, expected, rtol=0, atol=1e-5)


def test_the_core_alone_is_deaf_to_what_lies_outside_it():
    whole = FEATURES["causal"]
    core = replace(whole, core_hz=(300.0, 3400.0), outside=0)
    time = np.arange(32_000) / RATE_HZ
    clip = speech(32_000)[np.newaxis]
    hum = 0.1 * (np.sin(2 * np.pi * 60 * time) + np.sin(2 * np.pi * 6_000 * time))
    changes = []
    for entry in (whole, core):
        front_end = entry.build()
        change = front_end(clip + hum.astype("float32")) - front_end(clip)
        changes.append(np.abs(change[:, 3:]).max())  # after the onset, which is no tone
    assert changes[0] > 2
    assert changes[1] < 0.15  # side lobes of a Hann window


def test_normalised_are_the_frames_that_were_heard_and_not_their_weights():
    entry = FEATURES["causal"]
    clips = np.stack([speech(48_000), 0.1 * speech(48_000, seed=1)])
    arrays = np.asarray(entry.fit(entry.build()(clips)))
    normalised = np.asarray(entry.normalisation(arrays)(arrays))[:, :300]
    np.testing.assert_allclose(normalised[..., :-1].mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(normalised[..., :-1].std(axis=(0, 1)), 1, atol=1e-3)
    np.testing.assert_array_equal(normalised[..., -1], arrays[:, :300, -1])


def test_filled_frames_are_absent_after_a_short_clip_and_the_last_of_a_long_one():
    clip = np.random.default_rng(0).normal(size=(1, 5, 3)).astype("float32")
    longer = np.asarray(features.FillFrames(7)(clip))
    np.testing.assert_array_equal(longer[:, :5], clip)
    np.testing.assert_array_equal(longer[0, 5:], [[0, 0, ABSENT]] * 2)
    np.testing.assert_array_equal(features.FillFrames(2)(clip), clip[:, 3:])


def test_mixed_frames_are_means_and_those_of_one_clip_alone_are_its_own():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 1, 6, 4)).astype("float32")
    one[:, 4:], other[:, 2:5] = [0, 0, 0, ABSENT], [0, 0, 0, ABSENT]
    mixed = np.asarray(features.mix_frames(one, other, np.full((1, 1, 1), 0.3, "float32")))
    both, only_one, nobody, only_other = mixed[0, :2], mixed[0, 2:4], mixed[0, 4], mixed[0, 5]
    np.testing.assert_allclose(
        both[:, :3], 0.7 * one[0, :2, :3] + 0.3 * other[0, :2, :3], atol=1e-6
    )
    weights = 0.7 * np.exp(one[0, :2, 3]) + 0.3 * np.exp(other[0, :2, 3])
    np.testing.assert_allclose(both[:, 3], np.log(weights), atol=1e-5)
    np.testing.assert_allclose(only_one[:, :3], one[0, 2:4, :3], atol=1e-6)
    np.testing.assert_allclose(only_one[:, 3], one[0, 2:4, 3] + np.log(0.7), atol=1e-5)
    np.testing.assert_array_equal(nobody, [0, 0, 0, ABSENT])
    np.testing.assert_allclose(only_other[3], other[0, 5, 3] + np.log(0.3), atol=1e-5)


# Fading sums


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 500])
def test_fading_sums_equal_a_recurrence(steps):
    rng = np.random.default_rng(0)
    x, before = rng.normal(size=(2, steps, 3)), rng.normal(size=(2, 3))
    expected, total = [], before
    for now in range(steps):
        total = total * np.exp(-1 / 70) + x[:, now]
        expected.append(total)
    sums = streaming.fading_sums(x.astype("float32"), before.astype("float32"), 70.0)
    np.testing.assert_allclose(sums, np.stack(expected, axis=1), rtol=0, atol=1e-5)


def test_fading_sums_of_an_hour_of_frames_are_those_of_its_end():
    ones = np.ones((1, 360_000, 1), "float32")
    limit = 1 / (1 - np.exp(-1 / 1000))
    sums = streaming.fading_sums(ones, np.zeros((1, 1), "float32"), 1000.0)
    np.testing.assert_allclose(sums[0, -1], limit, rtol=1e-5)


# Layers chunk by chunk


@pytest.mark.parametrize("pitch", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_front_end_gives_the_same_frames_on_every_chunking(seed, pitch):
    front_end = replace(FEATURES["causal"], pitch=pitch).build()
    waveform = np.stack([speech(100 * HOP), speech(100 * HOP, seed=1)])
    chunks = cut(100 * HOP, HOP, seed)
    frames = np.concatenate(stepped(streaming.flatten(front_end), waveform, chunks), axis=1)
    np.testing.assert_allclose(frames, front_end(waveform), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("block", "look_back"), [(1, 0), (2, 3), (4, 1)])
def test_the_summary_of_each_chunk_is_that_of_the_frames_so_far(frames, block, look_back):
    sizes = {"filters": 5, "units": (4, 3), "order": 4, "theta": (20.0, 50.0), "memory_d": 2}
    layer = LMUSummary(block_frames=block, look_back=look_back, memory_frames=100.0, **sizes)
    layer.build((None, None, 22))

    @settings(max_examples=3, deadline=None, derandomize=True)
    @given(st.integers(0, 2**31))
    def check(seed):
        chunks = cut(120, block, seed)
        parts = stepped([layer], frames[:, :120], chunks)
        for end, part in zip(np.cumsum(chunks), parts, strict=True):
            # A deviation is the root of a difference of squares: some 1e-6 of a square of 1, over
            # the 0.01 that a deviation is at least.
            np.testing.assert_allclose(part, layer(frames[:, :end]), rtol=0, atol=2e-4)

    check()


def test_layers_that_need_the_future_or_are_unknown_cannot_stream():
    build = FEATURES["causal"].build
    assert streaming.can_stream(streaming.flatten(build()))
    assert streaming.can_stream(streaming.flatten(replace(FEATURES["causal"], pitch=True).build()))
    assert not streaming.can_stream(streaming.flatten(FEATURES["mfcc"].build()))
    assert not streaming.can_stream(streaming.flatten(FEATURES["mfcc_pitch"].build()))
    assert not streaming.can_stream([*streaming.flatten(build()), keras.layers.Conv1D(3, 5)])
    assert not streaming.can_stream([keras.layers.Dense(3)])


# The summary


def normalised(x, norm):
    """Batch normalisation by its moving averages, or layer normalisation."""
    gamma, beta, *moments = (np.array(weight, "float64") for weight in norm.weights)
    mean, variance = moments or (x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True))
    return (x - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta


def summarised(layer, clip):
    """The definition, for one clip in float64; LMU layers are tested against theirs elsewhere."""
    blocks, size = len(clip) // layer.block_frames, layer.block_frames
    x = clip[: blocks * size].astype("float64").reshape(blocks, size, -1)
    weight, x = np.exp(x[..., -1]).mean(axis=1), x[..., :-1].reshape(blocks, -1)
    past = np.pad(x, ((layer.look_back, 0), (0, 0)))
    seen = [past[lag : lag + blocks] for lag in range(layer.look_back + 1)]
    h = np.concatenate(seen, axis=1) @ np.array(layer.dense.kernel, "float64")
    for number, (memory, norm) in enumerate(zip(layer.memories, layer.norms, strict=True)):
        h = normalised(h, norm)
        h = np.maximum(h, 0) if number == 0 else h
        h = np.asarray(memory(h[None].astype("float32")))[0].astype("float64")
    weight *= np.exp(-np.arange(blocks)[::-1] * size / layer.memory_frames)
    weight /= weight.sum()
    mean = weight @ h
    return np.concatenate([mean, np.sqrt(weight @ h**2 - mean**2 + 1e-4)])


def test_the_summary_equals_its_definition(frames):
    layer = summary()
    expected = [summarised(layer, clip) for clip in frames]
    np.testing.assert_allclose(layer(frames), expected, rtol=0, atol=2e-5)


def test_absent_frames_after_a_clip_change_nothing(frames):
    layer = summary()
    filled = features.FillFrames(300)(frames[:, :203])
    # The same sums, but 75 blocks long rather than 50.
    np.testing.assert_allclose(layer(filled), layer(frames[:, :203]), rtol=0, atol=2e-5)


def test_frames_after_the_last_whole_block_are_passed_over(frames):
    layer = summary()
    np.testing.assert_allclose(layer(frames[:, :203]), layer(frames[:, :200]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("theta", [(), (40.0,)])
def test_each_layer_of_a_summary_has_a_memory_of_its_own_length(theta):
    with pytest.raises(ValueError, match=r"units and theta must have one number .* Received: "):
        summary(theta=theta)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"block_frames": 0}, "block_frames must be an integer of at least 1"),
        ({"memory_frames": 0}, "memory_frames must be a finite number above 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
    ],
)
def test_a_summary_refuses_what_it_cannot_do(options, reason):
    settings = {"filters": 8, "units": (4,), "order": 2, "theta": (9.0,), "memory_d": 1}
    settings |= {"block_frames": 4, "look_back": 1, "memory_frames": 9.0}
    with pytest.raises(ValueError, match=reason + ".*Received: "):
        LMUSummary(**settings | options)


def test_clips_of_less_than_a_block_are_refused():
    with pytest.raises(ValueError, match=r"clip_seconds must be at least 0\.04, .*=0\.01"):
        replace(FEATURES["causal"], clip_seconds=0.01).build()


# The model


@pytest.fixture(scope="module")
def folder(run_fit, tmp_path_factory):
    """A streaming ensemble, trained for an epoch."""
    output = tmp_path_factory.mktemp("streaming") / "model"
    flags = ("--epochs", "1", *TINY_CAUSAL, "features.pitch=true", "model.members=2")
    assert run_fit(output, *flags) == 0
    return output


@pytest.fixture(scope="module")
def artifact(folder):
    return model_folder.load(folder)


@pytest.mark.parametrize("seed", range(2))
def test_a_streams_answer_is_the_models_on_all_that_was_heard(artifact, seed):
    following, waveform = Stream(artifact, KerasRuntime(artifact)), speech(30_000, seed)
    start = 0
    for length in np.random.default_rng(seed).integers(1, 5000, 7):
        answer = following.feed(waveform[start : start + length])
        start += length
        expected = artifact.model(waveform[None, : min(start, len(waveform))])[0]
        if start >= STRIDE:
            np.testing.assert_allclose([*answer.probabilities.values()], expected, **CLOSE)
        else:
            assert answer is None


def test_gain_changes_no_answer(artifact):
    waveform = speech(48_000)
    quiet, plain, loud = (artifact.model(g * waveform[None]) for g in (10**-1.5, 1.0, 10.0))
    np.testing.assert_allclose(quiet, plain, rtol=0, atol=1e-5)
    np.testing.assert_allclose(loud, plain, rtol=0, atol=1e-5)


def test_a_stream_that_is_reset_has_forgotten(artifact):
    following = Stream(artifact, KerasRuntime(artifact))
    first = following.feed(speech(9000))
    following.feed(speech(9000, seed=1))
    following.reset()
    assert following.heard_seconds == 0
    assert following.feed(speech(9000)) == first


@pytest.mark.parametrize("samples", [np.zeros(50_000), np.sign(speech(50_000)), np.ones(50_000)])
def test_a_stream_of_hostile_sound_has_finite_answers(artifact, samples):
    answer = Stream(artifact, KerasRuntime(artifact)).feed(samples.astype("float32"))
    assert np.isfinite([*answer.probabilities.values()]).all()


def test_ten_minutes_leave_as_much_to_remember_as_a_second(artifact):
    following = Stream(artifact, KerasRuntime(artifact))
    following.feed(np.tile(speech(RATE_HZ), 600))
    assert following.heard_seconds == 600
    assert following._state.shape == (1, streaming.state_size(streaming.flatten(artifact.model)))
    assert len(following._rest) < STRIDE
    assert np.isfinite(following._state.numpy()).all()


class Whole:
    """The runtime of a model of whole clips, that is surer of "happy" the louder a clip is."""

    unsure_below = 0.5

    def __init__(self):
        self.asked = []

    def follow(self):
        return None

    def of_clip(self, waveform):
        self.asked.append(waveform)
        sure = np.abs(waveform).max()
        return np.array([1 - sure, sure], np.float32)


def test_a_model_of_whole_clips_answers_on_the_last_seconds_anew():
    config = types.SimpleNamespace(features=types.SimpleNamespace(entry=FEATURES["mfcc"]))
    whole = types.SimpleNamespace(rate_hz=RATE_HZ, classes=("sad", "happy"), config=config)
    runtime = Whole()
    following, sound = Stream(whole, runtime), 0.5 * speech(6 * RATE_HZ) / np.abs(speech(9)).max()
    sound = np.clip(sound, -1, 1)
    assert following.feed(sound[:3000]) is None  # a stride is a quarter of a second
    window = round(4.0 * RATE_HZ)
    for begin, end in ((3000, 20_000), (20_000, 96_000)):
        answer = following.feed(sound[begin:end])
        heard = end // 4000 * 4000
        np.testing.assert_array_equal(runtime.asked[-1], sound[max(0, heard - window) : heard])
    first, last = (np.abs(asked).max() for asked in runtime.asked)
    old = np.exp(-76_000 / RATE_HZ)
    assert answer.probabilities["happy"] == pytest.approx(old * first + (1 - old) * last, rel=1e-5)
    following.reset()
    assert following.feed(np.zeros(4000)).probabilities["happy"] == 0


def test_an_ensemble_follows_a_stream_only_if_its_members_do():
    members = {"members": 2}
    following = replace(CAUSAL["lmu"], **members).build((None, 22), 3)
    whole = replace(MODELS["cnn1"], **members).build((401, 20), 3)
    assert streaming.can_stream(streaming.flatten(following))
    assert not streaming.can_stream(streaming.flatten(whole))


def test_only_an_lmu_of_our_own_follows_streams(capsys):
    for flags, named in (
        (["--model", "cnn1"], "choose model.name from lmu"),
        (["--set", "model.memory=keras_lmu"], "model.memory"),
    ):
        with pytest.raises(SystemExit) as stop:
            fit.main(["--features", "causal", *flags])
        assert stop.value.code == 2
        assert named in capsys.readouterr().err


# The signature


@pytest.fixture(scope="module")
def served(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    version = saved_model.write(artifact.model, artifact.classes, artifact.rate_hz, folder)
    assert not operators.used(version) - operators.KNOWN
    return tf.saved_model.load(str(version)).signatures["stream"]


def test_the_signature_follows_calls_of_a_stateless_server(artifact, served):
    clips = np.stack([speech(20_000), 0.1 * speech(20_000, seed=1)])
    state = np.zeros((2, served.structured_input_signature[1]["state"].shape[1]), "float32")
    start = 0
    for length in (700, 5000, 640, 9000):
        answer = served(chunk=clips[:, start : start + length], state=state)
        consumed = answer["consumed_samples"].numpy()
        np.testing.assert_array_equal(consumed, length // STRIDE * STRIDE)
        start, state = start + int(consumed[0]), answer["next_state"]
        expected = artifact.model(clips[:, :start])
        np.testing.assert_allclose(answer["probabilities"], expected, **CLOSE)
        assert not any(answer["error"].numpy())


def test_a_bad_chunk_has_its_error_and_its_neighbour_goes_on(served):
    clips = np.stack([speech(6400), np.full(6400, np.nan, "float32")])
    state = np.zeros((2, served.structured_input_signature[1]["state"].shape[1]), "float32")
    answer = {name: value.numpy() for name, value in served(chunk=clips, state=state).items()}
    alone = served(chunk=clips[:1], state=state[:1])
    np.testing.assert_allclose(answer["probabilities"][0], alone["probabilities"][0], **CLOSE)
    assert answer["error"].tolist() == [b"", b"samples that are not finite numbers"]
    assert answer["consumed_samples"].tolist() == [6400, 0]
    np.testing.assert_array_equal(answer["next_state"][1], state[1])
    assert answer["unsure"][1]


def test_a_state_that_nobody_gave_has_its_error(served):
    state = np.full((1, served.structured_input_signature[1]["state"].shape[1]), 1e38, "float32")
    answer = served(chunk=speech(6400)[None], state=state)
    assert answer["error"].numpy().tolist() == [b"a state that no answer gave"]
    np.testing.assert_array_equal(answer["probabilities"], np.zeros((1, 8)))
    np.testing.assert_array_equal(answer["next_state"], state)


def test_less_than_a_stride_leaves_the_state_as_it_was(served):
    state = np.ones((1, served.structured_input_signature[1]["state"].shape[1]), "float32")
    answer = served(chunk=speech(639)[None], state=state)
    assert answer["error"].numpy().tolist() == [b"fewer than 640 samples"]
    assert answer["consumed_samples"].numpy().tolist() == [0]
    np.testing.assert_array_equal(answer["next_state"], state)


# The command


@pytest.fixture(scope="module")
def recording(small_dir):
    return next(iter(sorted(small_dir.glob("*.wav"))))


def test_the_command_ends_with_what_predict_says(folder, recording, capsys):
    assert stream.main([str(recording), "--model-dir", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert "of real time" in captured.err
    assert predict.main([str(recording), "--model-dir", str(folder), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    seconds = [line.pop("seconds") for line in lines]
    expected = [0.5, *range(1, len(lines) - 1)]
    np.testing.assert_allclose(seconds[:-1], expected, atol=0.04)  # whole strides
    assert seconds[-1] <= len(audio.load(recording, RATE_HZ)) / RATE_HZ < seconds[-1] + 0.04
    for key in ("path", "emotion", "unsure"):
        assert lines[-1][key] == whole[key]
    np.testing.assert_allclose(
        [*lines[-1]["probabilities"].values()], [*whole["probabilities"].values()], **CLOSE
    )


def test_the_command_prints_a_row_a_chunk(folder, recording, capsys):
    assert stream.main([str(recording), "--model-dir", str(folder), "--interval", "0.5"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == list(model_folder.load_config(folder)[1])
    assert [row.split()[0] for row in rows[:3]] == ["0.2", "0.5", "1.0"]
    for row in rows:
        # Each class is rounded by itself.
        assert sum(map(int, row.split()[-8:])) == pytest.approx(100, abs=4)


class FakeMicrophone:
    """Records a second of speech, then is interrupted as by Ctrl-C."""

    def __init__(self, samplerate, blocksize, channels, dtype, callback):
        assert (channels, dtype) == (1, "float32")
        sound = speech(samplerate)[:, None]
        for start in range(0, samplerate, blocksize):
            callback(sound[start : start + blocksize], blocksize, None, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_the_microphone_is_heard_until_ctrl_c(folder, monkeypatch, capsys):
    fake = types.SimpleNamespace(InputStream=FakeMicrophone, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    get = stream.queue.SimpleQueue.get

    class Interrupted(stream.queue.SimpleQueue):
        def get(self):
            if self.empty():
                raise KeyboardInterrupt
            return get(self)

    monkeypatch.setattr(stream.queue, "SimpleQueue", Interrupted)
    flags = ["--mic", "--model-dir", str(folder), "--json", "--interval", "0.25"]
    assert stream.main(flags) == 130
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == [None] * 5


def test_a_missing_microphone_package_is_one_line(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert stream.main(["--mic", "--model-dir", str(folder)]) == 1
    assert "pip install sounddevice" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["talk.wav", "--mic"]])
def test_either_a_recording_or_the_microphone_is_followed(flags, capsys):
    with pytest.raises(SystemExit) as stop:
        stream.main([*flags, "--model-dir", "."])
    assert stop.value.code == 2
    assert "the PATH of a recording, or --mic" in capsys.readouterr().err


def test_a_broken_recording_is_one_line(folder, tmp_path, capsys):
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    assert stream.main([str(tmp_path / "talk.wav"), "--model-dir", str(folder)]) == 1
    assert "talk.wav" in capsys.readouterr().err


def test_the_serving_benchmark_names_the_features_it_can_restate(folder, capsys):
    assert benchmark.main(["serving", "--model-dir", str(folder)]) == 1
    assert "features causal; benchmark serving restates mfcc" in capsys.readouterr().err


def test_streaming_models_are_registered():
    assert list(CAUSAL) == ["lmu"]
