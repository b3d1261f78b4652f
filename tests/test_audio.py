import subprocess

import imageio_ffmpeg
import librosa
import numpy as np
import pytest
import soundfile

from ser_tf import audio
from ser_tf.audio import AudioError
from ser_tf.errors import InputError

RATE_HZ = 16_000
SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)


@pytest.fixture
def with_ffmpeg(tmp_path, monkeypatch) -> str:
    """A PATH on which there is an ffmpeg."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return str(tmp_path / "bin" / "ffmpeg")


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    # Half a step of the stored integers, doubled for rounding; lossy formats by ear.
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 1e-7),
        ("a.wav", "FLOAT", 1e-7),
        ("a.wav", "DOUBLE", 1e-7),
        ("a.flac", "PCM_16", 2**-15),
        ("a.ogg", "VORBIS", 0.05),
    ],
)
def test_every_sample_format_is_read(tmp_path, name, subtype, tolerance):
    soundfile.write(tmp_path / name, SINE, RATE_HZ, subtype=subtype)
    np.testing.assert_allclose(audio.load(tmp_path / name, RATE_HZ), SINE, atol=tolerance)


def test_extensible_headers_and_many_channels_give_the_mean_of_the_channels(tmp_path):
    channels = np.random.default_rng(0).uniform(-0.9, 0.9, (1000, 5))
    soundfile.write(tmp_path / "a.wav", channels, RATE_HZ, subtype="FLOAT", format="WAVEX")
    found = audio.load(tmp_path / "a.wav", RATE_HZ)
    np.testing.assert_allclose(found, channels.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_414, 44_100, 48_000, 96_000])
def test_any_rate_is_resampled_as_librosa_does(tmp_path, rate_hz):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate_hz).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    expected, _ = librosa.load(tmp_path / "a.wav", sr=RATE_HZ)
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav", RATE_HZ), expected, atol=1e-6)


def test_mp3_is_read(tmp_path):
    soundfile.write(tmp_path / "a.mp3", SINE, RATE_HZ)
    found = audio.load(tmp_path / "a.mp3", RATE_HZ)
    spectrum = np.abs(np.fft.rfft(found))
    assert np.argmax(spectrum) * RATE_HZ / len(found) == pytest.approx(440, abs=2)


def test_m4a_is_read_where_ffmpeg_is_installed(tmp_path, with_ffmpeg):
    soundfile.write(tmp_path / "a.wav", SINE, RATE_HZ)
    command = [with_ffmpeg, "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.m4a"]
    subprocess.run(command, check=True)
    found = audio.load(tmp_path / "a.m4a", RATE_HZ)
    # The codec adds a few milliseconds of priming.
    assert len(found) == pytest.approx(RATE_HZ, rel=0.2)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_without_ffmpeg_the_line_says_that_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(100))
    with pytest.raises(AudioError, match=r"a\.m4a: .*ffmpeg is not installed"):
        audio.load(tmp_path / "a.m4a", RATE_HZ)


def test_with_ffmpeg_what_is_no_audio_is_still_one_line(tmp_path, with_ffmpeg):
    (tmp_path / "a.wav").write_text("no sound in here, only words")
    with pytest.raises(AudioError, match=r"a\.wav: not audio") as error:
        audio.load(tmp_path / "a.wav", RATE_HZ)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    ],
)
def test_files_without_audio_are_named_with_the_reason(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.wav: .*{reason}"):
        audio.load(tmp_path / "a.wav", RATE_HZ)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"a\.wav: no such file"):
        audio.load(tmp_path / "a.wav", RATE_HZ)


def test_a_file_of_no_samples_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE_HZ)
    with pytest.raises(AudioError, match="holds no samples"):
        audio.load(tmp_path / "a.wav", RATE_HZ)


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.asarray([0.0, np.nan, np.inf]), RATE_HZ, subtype="FLOAT")
    with pytest.raises(AudioError, match="2 samples are not finite"):
        audio.load(tmp_path / "a.wav", RATE_HZ)


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.asarray([2.0, -3.0, 0.5]), RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", RATE_HZ), [1.0, -1.0, 0.5])


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path):
    (tmp_path / "b" / "folder.wav").mkdir(parents=True)
    for name in ("b/2.WAV", "b/1.flac", "b/notes.txt", "b/._1.flac", "odd.name"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = audio.find([tmp_path / "odd.name", tmp_path / "b"])
    assert [path.name for path in found] == ["odd.name", "1.flac", "2.WAV"]


def test_folders_behind_links_are_searched_once(tmp_path):
    for name in ("day/1.wav", "store/2.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    for link, target in (("day/more", "store"), ("day/same", "store"), ("day/loop", "day")):
        (tmp_path / link).symlink_to(tmp_path / target)
    found = audio.find([tmp_path / "day"])
    assert found == [tmp_path / "day" / "1.wav", tmp_path / "day" / "more" / "2.wav"]


def test_missing_paths_and_folders_without_recordings_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        audio.find([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="holds no recording"):
        audio.find([tmp_path])


def test_the_digest_depends_on_the_content_alone(tmp_path):
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (audio.digest(tmp_path / name) for name in "abc")
    assert a == b != c
    assert len(a) == 32
