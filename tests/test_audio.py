import io
import itertools
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
import librosa
import numpy as np
import pytest
import soundfile

from ser_tf import audio
from ser_tf.audio import AudioError, decoding, levels
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
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate_hz + 7).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    expected, _ = librosa.load(tmp_path / "a.wav", sr=RATE_HZ)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", RATE_HZ), expected)


@pytest.mark.parametrize("samples", [1, 2, 999, 50_001])
@pytest.mark.parametrize("rate_hz", [1_000, 16_000, 44_100, 768_000])
def test_pieces_are_the_whole_however_it_is_cut(samples, rate_hz):
    """Up to 40 ms at a time; the last piece of all may be empty."""
    rng = np.random.default_rng(samples)
    waveform = rng.uniform(-1.2, 1.2, samples).astype(np.float32)
    whole = audio.resample(waveform, rate_hz, RATE_HZ)
    assert len(whole) == -(-samples * RATE_HZ // rate_hz)
    pieces = np.split(waveform, np.sort(rng.integers(0, samples + 1, 20)))
    found = [*audio.resample_pieces(pieces, rate_hz, RATE_HZ)]
    np.testing.assert_array_equal(np.concatenate(found), whole)
    cut = [*audio.cut(found, 320)]
    np.testing.assert_array_equal(np.concatenate(cut), whole)
    assert {len(piece) for piece in cut[:-1]} <= {320}


@pytest.mark.parametrize("name", ["a.wav", "float.wav", "a.flac", "a.mp3", "a.ogg", "a.m4a"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_of_many_blocks_is_that_of_one(
    name, channels, tmp_path, monkeypatch, with_ffmpeg
):
    sound = np.stack([SINE, 0.3 * SINE[::-1]], axis=1)[:, :channels]
    source = tmp_path / ("a.wav" if name == "a.m4a" else name)
    subtype = "FLOAT" if name == "float.wav" else None
    soundfile.write(source, sound, RATE_HZ, subtype=subtype)
    if name == "a.m4a":
        subprocess.run([with_ffmpeg, "-v", "error", "-i", source, tmp_path / name], check=True)
    whole = audio.load(tmp_path / name, 22_050)
    monkeypatch.setattr(decoding, "_BLOCK", 5_000)
    np.testing.assert_array_equal(audio.load(tmp_path / name, 22_050), whole)


def test_reading_imports_no_librosa(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE, 48_000)
    code = (
        "import sys; from ser_tf import audio; audio.load(sys.argv[1], 16_000); "
        "print(*{'librosa', 'numba', 'scipy', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, tmp_path / "a.wav"]
    assert not subprocess.run(command, capture_output=True, check=True).stdout.split()


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


def wav(samples, subtype="PCM_16", form="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, subtype=subtype, format=form)
    return bytearray(file.getvalue())


def loaded(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    return audio.load(tmp_path / "a.wav", RATE_HZ)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2])
def test_floats_that_hold_integers_are_scaled_with_a_note(
    bits, subtype, channels, tmp_path, caplog
):
    sound = np.stack([SINE, 0.9 * SINE], axis=1)[:, :channels]
    expected = loaded(tmp_path, wav(sound, subtype))
    found = loaded(tmp_path, wav(sound * 2 ** (bits - 1), subtype))
    np.testing.assert_allclose(found, expected, atol=1e-7)  # float32
    [note] = caplog.messages
    assert note.endswith(f"they are taken as integers of {bits} bits.")
    assert "a.wav: samples reach" in note
    np.testing.assert_allclose(audio.to_mono(sound * 2 ** (bits - 1)), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("int8", 2**7), ("int16", 2**15), ("int32", 2**31), ("int64", 2**15), ("int64", 2**31)],
)
def test_integers_are_scaled_by_their_type_or_where_it_is_wider_than_any_by_their_peak(
    dtype, scale, caplog
):
    found = audio.to_mono((SINE * scale).astype(dtype))
    np.testing.assert_allclose(found, SINE, atol=1 / scale + 1e-7)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (SINE * 1_000, r"in \[-1, 1\]\. Received: up to 500"),
        ([3, -4], "floats or int16"),
        ([np.nan], "not finite"),
    ],
)
def test_part_of_a_recording_tells_no_scale(samples, reason):
    with pytest.raises(InputError, match=reason):
        audio.to_mono(samples, part=True)


def test_part_of_a_recording_says_nothing_about_its_channels(caplog):
    stereo = np.stack([SINE, -SINE], axis=1)
    assert not audio.to_mono(stereo, part=True).any()
    assert not caplog.messages


def test_loud_floats_are_clipped_and_not_scaled(tmp_path, caplog):
    np.testing.assert_array_equal(loaded(tmp_path, wav(99.0 * SINE, "FLOAT")).max(), 1.0)
    assert not caplog.messages


def test_samples_of_no_scale_are_refused(tmp_path):
    with pytest.raises(AudioError, match=r"a\.wav: samples reach 5e\+09; no samples"):
        loaded(tmp_path, wav(SINE * 1e10, "FLOAT"))


@pytest.mark.parametrize("gain", [1.0, 0.95])
@pytest.mark.parametrize("block", [2**20, 3_000])
def test_of_channels_that_cancel_the_louder_is_taken_with_a_note(
    gain, block, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(decoding, "_BLOCK", block)
    found = loaded(tmp_path, wav(np.stack([SINE, -gain * SINE], axis=1)))
    np.testing.assert_allclose(found, SINE, atol=2**-15)
    [note] = caplog.messages
    assert note.endswith("a.wav: its channels cancel each other; channel 1 is taken alone.")


def test_channels_that_share_nothing_are_averaged_without_a_note(tmp_path, caplog):
    channels = np.random.default_rng(0).uniform(-0.5, 0.5, (4_000, 32))
    np.testing.assert_allclose(
        loaded(tmp_path, wav(channels, "FLOAT")), channels.mean(axis=1), atol=1e-7
    )
    loaded(tmp_path, wav(np.stack([SINE, 0.2 * SINE], axis=1)))
    loaded(tmp_path, wav(np.zeros((4_000, 2))))
    assert not caplog.messages


def test_of_a_silent_channel_there_is_a_note(tmp_path, caplog):
    found = loaded(tmp_path, wav(np.stack([SINE, 0 * SINE], axis=1)))
    np.testing.assert_allclose(found, SINE / 2, atol=2**-15)
    assert "a.wav: 1 of 2 channels are silent; their mean is 6 dB softer" in caplog.text


def changed(content, place, form, value):
    struct.pack_into(form, content, place, value)
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        *[(changed(wav(SINE), 24, "<I", rate), f"{rate} Hz") for rate in (1, 999, 768_001)],
        *[
            (changed(wav(SINE), 22, "<H", channels), f"{channels} channels")
            for channels in (33, 99)
        ],
        (changed(wav(SINE), 24, "<I", 2**31 - 1), "2147483647 Hz"),
    ],
)
def test_headers_that_lie_are_told_before_anything_is_read(content, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(AudioError, match=rf"a\.wav: its header says {reason}; recordings have"):
        loaded(tmp_path, content)


@pytest.mark.parametrize("rate_hz", [0, 2**31, 2**32 - 1])
def test_rates_that_libsndfile_refuses_are_one_line_too(rate_hz, tmp_path, with_ffmpeg):
    with pytest.raises(AudioError) as error:
        loaded(tmp_path, changed(wav(SINE), 24, "<I", rate_hz))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sizes", [*itertools.product([0, 8, 36, 0xFFFFFFFF], [0, 0xFFFFFFFF])])
def test_sizes_that_a_killed_recorder_left_mean_the_files_end(sizes, tmp_path):
    whole = loaded(tmp_path, wav(SINE))
    content = wav(SINE)
    for place, size in zip((4, 40), sizes, strict=True):
        changed(content, place, "<I", size)
    np.testing.assert_array_equal(loaded(tmp_path, content), whole)
    content[36:36] = b"LIST\3\0\0\0odd\0"  # a chunk in front of the samples
    np.testing.assert_array_equal(loaded(tmp_path, content), whole)


def test_formats_other_than_wav_may_be_unfinished_too(tmp_path):
    unfinished = {
        "AU": ((8, ">I", 0),),
        "AIFF": ((4, ">I", 0), (22, ">I", 0), (42, ">I", 0)),
        "FLAC": ((22, ">I", 0),),
    }
    for form, changes in unfinished.items():
        content = wav(SINE, form=form)
        whole = loaded(tmp_path, content)
        for change in changes:
            changed(content, *change)
        np.testing.assert_array_equal(loaded(tmp_path, content), whole)


def test_a_finished_file_of_no_samples_stays_one(tmp_path):
    content = wav(SINE[:0]) + b"LIST\4\0\0\0text"
    with pytest.raises(AudioError, match="no samples"):
        loaded(tmp_path, changed(content, 4, "<I", len(content) - 8))


def test_a_length_that_a_header_invents_asks_for_no_memory(tmp_path):
    """FLAC counts samples in 36 bits: 64 billion would be 256 GB."""
    content = wav(SINE, form="FLAC")
    whole = loaded(tmp_path, content)
    content[21] |= 0x0F
    found = loaded(tmp_path, changed(content, 22, ">I", 0xFFFFFFFF))
    np.testing.assert_array_equal(found, whole)


def test_a_video_without_sound_says_so(tmp_path, with_ffmpeg):
    command = [with_ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=s=16x16:d=0.1"]
    subprocess.run([*command, tmp_path / "a.mp4"], check=True)
    with pytest.raises(AudioError, match=r"a\.mp4: a video without sound\."):
        audio.load(tmp_path / "a.mp4", RATE_HZ)


def test_a_file_that_breaks_off_in_a_later_block_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_BLOCK", 4_096)
    monkeypatch.setattr(levels, "find_mix", None)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000)
    content = wav(noise, form="FLAC")
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"a\.flac: broken after 1\.[01] s \(.*lost sync\)"):
        audio.load(tmp_path / "a.flac", RATE_HZ)


def test_standard_input_is_a_recording_too(tmp_path, with_ffmpeg):
    """Twice, since a recording may be read twice."""
    soundfile.write(tmp_path / "a.wav", SINE, RATE_HZ)
    code = "from ser_tf import audio; print(*[audio.load('-', 16_000).sum() for _ in range(2)])"
    command = [sys.executable, "-c", code]
    with (tmp_path / "a.wav").open("rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, check=True)
    expected = str(audio.load(tmp_path / "a.wav", RATE_HZ).sum())
    assert result.stdout.decode().split() == [expected] * 2
    assert audio.find(["-"]) == [Path("-")]


def test_a_named_pipe_is_read_though_it_cannot_be_sought(tmp_path, monkeypatch):
    pipe, content = tmp_path / "pipe", bytes(wav(np.stack([SINE, SINE], axis=1)))
    os.mkfifo(pipe)
    monkeypatch.setattr(decoding, "_BLOCK", 5_000)  # two channels of many blocks are read twice
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, content)
        found = audio.load(pipe, RATE_HZ)
    np.testing.assert_array_equal(found, loaded(tmp_path, content))


def test_standard_input_of_nothing_is_named(tmp_path):
    code = "from ser_tf import audio; audio.load('-', 16_000)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert result.stderr.splitlines()[-1].endswith("AudioError: -: the file is empty (0 bytes).")
