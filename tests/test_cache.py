"""The cache: versions of what fills it, and what is damaged or unused in it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tf import audio, corpora, doctor, home
from ser_tf.config import Features
from ser_tf.data import cache, decode, extract, inventory
from ser_tf.data.sounds import KINDS, make_sound
from ser_tf.errors import InputError
from ser_tf.models.augmentations import AUGMENTATIONS

RATE_HZ = 16_000

# Mean, deviation and mean change of what each producer makes, see `summary`.
WAVEFORM = [-0.0002359, 0.0654211, 0.0715295]
SOUNDS = {
    "silence": [0.0000000, 0.0000000, 0.0000000],
    "noise": [0.0000023, 0.0006191, 0.0006777],
    "hum": [-0.0004751, 0.1013377, 0.0066241],
    "clicks": [-0.0000024, 0.0003601, 0.0002175],
    "tone": [0.0000001, 0.0007427, 0.0003767],
    "music": [-0.0000107, 0.0973619, 0.0318228],
}
FEATURES = {
    "published": [0.4090, 5.4318, 1.4557],
    "mfcc": [-21.0956, 106.7979, 1.7272],
    "mfcc_deltas": [-7.0090, 62.4648, 0.6776],
    "mfcc_pitch": [-16.8727, 95.8956, 1.3829],
    "causal": [-340.9757, 1814.6148, 0.8111],
}
AUGMENTED = {
    "noise": [-0.000230, 0.167665, 0.170108],
    "background": [-0.000249, 0.167394, 0.168126],
    "channel": [-0.000004, 0.154192, 0.085849],
    "telephone": [-0.000003, 0.091415, 0.047721],
    "gain": [-0.000261, 0.189471, 0.190615],
    "clipping": [-0.000230, 0.166866, 0.167874],
    "recording": [-0.000086, 0.062520, 0.062898],
    "shift": [-0.000234, 0.166841, 0.167135],
    "late": [-0.000114, 0.164971, 0.165323],
    "pitch": [-0.000094, 0.122603, 0.117301],
    "stretch": [-0.000211, 0.149634, 0.150794],
}


def noise(samples: int = 24_000) -> np.ndarray:
    """Noise that swells, the same with every version of NumPy: its digits come from a formula."""
    count = np.arange(samples)
    digits = np.sin(count * 12.9898) * 43_758.5453
    return ((digits - np.floor(digits) - 0.5) * count / samples).astype(np.float32)


def summary(values: np.ndarray) -> list[float]:
    """Mean, deviation, and mean change from each value to the next along the first axis."""
    values = np.asarray(values, np.float64)
    return [values.mean(), values.std(), np.abs(np.diff(values, axis=0)).mean()]


@pytest.fixture
def clip(tmp_path):
    """The table of one decoded clip."""
    return decode.keep_sounds([noise()], tmp_path)


def test_waveforms_are_those_of_their_version(tmp_path):
    """Whoever changes them raises `VERSIONS["waveforms"]` and puts the new values here."""
    assert cache.VERSIONS["waveforms"] == 2
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.stack([noise(), noise()[::-1]], axis=1), 48_000, subtype="FLOAT")
    waveform = audio.load(path, RATE_HZ)
    assert len(waveform) == 8_000
    assert summary(waveform) == pytest.approx(WAVEFORM, abs=1e-6)  # soxr sums in float32


def test_sounds_are_those_of_their_version():
    """Whoever changes them raises `VERSIONS["sounds"]` and puts the new values here."""
    assert cache.VERSIONS["sounds"] == 1
    found = {kind: summary(make_sound(kind, 1.0, RATE_HZ, 7)) for kind in KINDS}
    assert set(found) == set(SOUNDS)
    for kind, values in found.items():
        assert values == pytest.approx(SOUNDS[kind], abs=1e-6)  # float32


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_those_of_their_version(name, clip, tmp_path):
    """Whoever changes them raises `VERSIONS["features"]` and puts the new values here."""
    assert cache.VERSIONS["features"] == 1
    features = Features(name)
    found = extract.clip_features(clip, features, features.entry.build(), tmp_path)
    # Levels of tens of dB, summed in float32 in an order that depends on the machine.
    assert summary(found[0]) == pytest.approx(FEATURES[name], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", [n for n, a in AUGMENTATIONS.items() if a.domain == "waveform"])
def test_augmentations_are_those_of_their_version(name):
    """Whoever changes them raises `VERSIONS["copies"]` and puts the new values here."""
    assert cache.VERSIONS["copies"] == 1
    layer = AUGMENTATIONS[name].build(RATE_HZ)
    changed = extract.augment([layer], noise()[np.newaxis], np.array([1, 2]))
    assert summary(changed[0]) == pytest.approx(AUGMENTED[name], abs=1e-4)  # a phase vocoder's


def test_the_index_is_that_of_its_version(small_dir):
    """Whoever changes what it says raises `VERSIONS["clips"]` and puts the new values here."""
    assert cache.VERSIONS["clips"] == 1
    index = corpora.load(["demo"], small_dir)
    path, *labels = index.iloc[0]
    assert Path(path).name == "demo-01_angry_s1_t1.wav"
    assert labels == ["demo", "demo-01", "angry", "male", "", "1"]


def test_what_is_made_of_a_newer_version_has_another_folder(tmp_path, monkeypatch):
    before = {kind: cache.folder(kind, tmp_path) for kind in cache.VERSIONS}
    monkeypatch.setitem(cache.VERSIONS, "features", 2)
    after = {kind: cache.folder(kind, tmp_path) for kind in cache.VERSIONS}
    assert {kind for kind in before if before[kind] != after[kind]} == {"features", "copies"}


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-4_096],
        lambda content: content + bytes(4),
        lambda content: content[:128] + bytes(len(content) - 128),  # silence
        lambda content: bytes(len(content)),
        flipped,
    ],
)
def test_a_damaged_entry_is_noticed_and_made_again(damage, tmp_path, small_dir, caplog):
    index = corpora.load(["demo"], small_dir).head(1)
    features = Features("logmel")

    def load() -> np.ndarray:
        clips = decode.decode(index, RATE_HZ, tmp_path)
        return np.array(extract.clip_features(clips, features, features.entry.build(), tmp_path))

    whole = load()
    entries = list(tmp_path.rglob("*.npy"))
    assert len(entries) == 2
    for entry in entries:
        entry.write_bytes(damage(entry.read_bytes()))
    np.testing.assert_array_equal(load(), whole)
    for entry in entries:
        assert f"{entry}: damaged" in caplog.text


@pytest.mark.parametrize("shape", [(3,), (1_234_567_890, 0), (2, 3, 40_000, 1)])
def test_a_checksum_stands_in_the_header_where_numpy_passes_it_over(shape, tmp_path):
    path, array = tmp_path / "a.npy", np.ones(shape, np.float32)
    cache.save(path, array)
    assert cache.is_whole(path)
    np.testing.assert_array_equal(np.load(path), array)
    np.save(path, array)  # as version 0.1 did
    assert cache.is_whole(path)


def touch(path: Path, hours_old: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1234567890")
    then = path.stat().st_mtime - 3600 * hours_old
    os.utime(path, (then, then))


KEY = "0123456789abcdef" * 2
UNUSED = [
    f"waveforms/01/{KEY}.f32",
    f"features/{KEY}.npy",
    f"clips/{KEY}.json",
    f"features-1.0/{KEY}.npy",
    "demo-0123abcdef/demo-01/demo-01_sad_s1_t1.wav",
]
USED = [
    f"waveforms-2/01/{KEY}.npy",
    f"features-2.1/{KEY}.npy",
    f"features-2.7/{KEY}.npy",
    "demo-1/demo-01/demo-01_sad_s1_t1.wav",
    f"features-2.1/.{KEY}-01234567.npy",
    "features/notes.txt",
    "thesis.pdf",
]


@pytest.fixture
def lived_in(tmp_path):
    for name in (*UNUSED, *USED):
        touch(tmp_path / name)
    touch(tmp_path / f"features-2.1/.{KEY}-89abcdef.npy", hours_old=2)
    return tmp_path


def test_the_doctor_lists_what_the_cache_holds_and_what_of_it_is_unused(lived_in, capsys):
    assert doctor.main(["--cache", "--cache-dir", str(lived_in)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {tuple(line.split()[:2]): line for line in lines}
    assert rows["features", "2.1"].split() == ["features", "2.1", "1", "0.0", "MB"]
    assert rows["features", "0.1"].endswith("unused")
    assert lines[-1].startswith("Unused: 6 entries, 0.0 MB; `--cache prune`")
    assert all((lived_in / name).exists() for name in UNUSED)


def test_the_doctor_says_the_same_in_json(lived_in, capsys):
    assert doctor.main(["--cache", "--json", "--cache-dir", str(lived_in)]) == 0
    holdings = json.loads(capsys.readouterr().out)["holdings"]
    sizes = [held["size_bytes"] for held in holdings if not held["used"]]
    assert sizes == [10] * 6
    assert {held["kind"] for held in holdings} == {
        *("waveforms", "features", "clips", "demo", "leftovers")
    }


def test_pruning_removes_what_is_unused_and_nothing_else(lived_in, capsys):
    assert doctor.main(["--cache", "prune", "--cache-dir", str(lived_in)]) == 0
    assert "Removed" in capsys.readouterr().err
    kept = {path.relative_to(lived_in).as_posix() for path in lived_in.rglob("*")}
    assert {name for name in kept if (lived_in / name).is_file()} == set(USED)
    assert not (lived_in / "waveforms").exists()
    assert not [held for held in inventory.survey(lived_in) if not held.used]


@pytest.mark.parametrize(("answer", "kept"), [("n\n", True), ("y\n", False), ("", True)])
def test_in_a_terminal_pruning_asks_first(answer, kept, lived_in, monkeypatch, capsys):
    class Terminal:
        isatty = staticmethod(lambda: True)
        readline = staticmethod(lambda: answer)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert doctor.main(["--cache", "prune", "--cache-dir", str(lived_in)]) == 0
    assert (lived_in / UNUSED[0]).exists() == kept


def test_a_cache_that_is_not_there_holds_nothing(tmp_path, capsys):
    assert doctor.main(["--cache", "--cache-dir", str(tmp_path / "none")]) == 0
    assert "Nothing in it is unused." in capsys.readouterr().out


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, in an environment that names no other."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "HOME", "KAGGLEHUB_CACHE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home._make_substitute.cache_clear()
    return tmp_path


def without_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("missing", ["unset", "not to be written", "a file"])
def test_without_a_home_to_write_to_the_cache_is_a_folder_of_ones_own(
    missing, temporary, monkeypatch, caplog
):
    if missing == "unset":
        monkeypatch.setattr(Path, "home", without_home)
    elif missing == "a file":
        (temporary / "home").touch()
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    own = temporary / f"ser_tf-{os.getuid()}"
    assert home.default_cache_dir() == own
    assert own.stat().st_mode & 0o777 == 0o700
    home.provide_for_libraries()
    assert os.environ["NUMBA_CACHE_DIR"] == str(own / "numba")
    assert os.environ["KAGGLEHUB_CACHE"] == str(own / "kagglehub")
    assert os.environ["MPLCONFIGDIR"] == str(own / "matplotlib")
    assert caplog.text.count(f"The cache is {own}") == 1


def test_the_cache_is_where_the_environment_says(temporary, monkeypatch):
    assert home.default_cache_dir() == temporary / "home" / ".cache" / "ser_tf"
    home.provide_for_libraries()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setenv("XDG_CACHE_HOME", str(temporary / "cache"))
    monkeypatch.setattr(Path, "home", without_home)
    assert home.default_cache_dir() == temporary / "cache" / "ser_tf"
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("trap", ["open to others", "a link"])
def test_a_substitute_that_others_can_write_to_is_refused(trap, temporary, monkeypatch):
    monkeypatch.setattr(Path, "home", without_home)
    own = temporary / f"ser_tf-{os.getuid()}"
    if trap == "a link":
        own.symlink_to(temporary)
    else:
        own.mkdir()
        own.chmod(0o777)
    with pytest.raises(InputError, match="another user's, or open to others"):
        home.default_cache_dir()
