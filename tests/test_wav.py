import io
import struct

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from ser_tf.layers.signal import wav
from ser_tf.layers.signal.wav import MOST_CHUNKS, decode_wav

RATE_HZ = 16000
SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
PCM, FLOAT, MP3 = 1, 3, 85

decode = tf.function(decode_wav, input_signature=[tf.TensorSpec([], tf.string)])


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def decode_each(contents):
    def summary(content):
        waveform, rate_hz, error = decode_wav(content)
        sums = [tf.reduce_sum(waveform), tf.reduce_max(tf.abs(waveform))]
        return tf.stack([*sums, tf.cast(tf.size(waveform), tf.float32)]), rate_hz, error

    specs = (tf.TensorSpec((3,)), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.string))
    return tf.map_fn(summary, contents, fn_output_signature=specs)


def noise(samples=301, channels=1, peak=0.5, seed=0):
    return np.random.default_rng(seed).uniform(-peak, peak, (samples, channels))


def written(samples, subtype="PCM_16", form="WAV", rate_hz=RATE_HZ):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, subtype=subtype, format=form)
    return file.getvalue()


def read(content):
    samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate_hz


def chunk(name, content, size=None):
    padding = b"\0" * (len(content) % 2)
    return name + struct.pack("<I", len(content) if size is None else size) + content + padding


def fmt(code=PCM, channels=1, rate_hz=RATE_HZ, bits=16, more=b""):
    block = channels * bits // 8
    fields = (code, channels, rate_hz, rate_hz * block % 2**32, block % 2**16, bits)
    return chunk(b"fmt ", struct.pack("<HHIIHH", *fields) + more)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


ONE_TWO_THREE = np.array([1, 2, 3], "<i2")
DATA = chunk(b"data", ONE_TWO_THREE.tobytes())


def assert_refused(content, text):
    waveform, rate_hz, error = decode(content)
    assert error.numpy().decode() == text
    assert waveform.numpy().tolist() == [0.0]
    assert rate_hz == 0


def assert_one_two_three(content):
    waveform, rate_hz, error = decode(content)
    assert error == b""
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(waveform, ONE_TWO_THREE / np.float32(32768))


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_every_format_is_read_as_libsndfile_reads_it(subtype, channels, form):
    content = written(noise(channels=channels), subtype, form, rate_hz=44100)
    expected, expected_rate_hz = read(content)
    waveform, rate_hz, error = decode(content)
    assert error == b""
    assert rate_hz == expected_rate_hz
    # The samples are the same to the bit; the mean of channels may be summed in another order.
    np.testing.assert_allclose(waveform, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("bits", "data"),
    [
        (8, bytes([0, 128, 255])),
        (16, struct.pack("<3h", -(2**15), 0, 2**15 - 1)),
        (24, bytes.fromhex("000080 000000 ffff7f")),
        (32, struct.pack("<3i", -(2**31), 0, 2**31 - 1)),
    ],
)
def test_the_ends_of_the_integer_ranges_are_read_as_libsndfile_reads_them(bits, data):
    content = riff(fmt(bits=bits), chunk(b"data", data))
    np.testing.assert_array_equal(decode(content)[0], read(content)[0])
    assert decode(content)[0][0] == -1.0


def test_float_samples_beyond_full_scale_are_left_to_the_resampling():
    content = written(np.array([-3.0, -1.0, 0.25, 1.5]), "FLOAT")
    np.testing.assert_array_equal(decode(content)[0], [-3.0, -1.0, 0.25, 1.5])


def test_channels_are_averaged_before_clipping():
    content = written(np.array([[1.5, 0.0], [-0.5, 0.25]]), "FLOAT")
    np.testing.assert_array_equal(decode(content)[0], [0.75, -0.125])


def test_chunks_around_the_samples_are_passed_over():
    odd = chunk(b"LIST", b"odd")
    assert_one_two_three(riff(odd, chunk(b"bext", b"x" * 602), fmt(), odd, DATA, odd))
    assert_one_two_three(riff(fmt(), DATA, chunk(b"data", b"second"), fmt(bits=8)))
    assert_one_two_three(riff(DATA, fmt()))


def test_an_extended_fmt_chunk_is_read():
    assert_one_two_three(riff(fmt(more=b"\0\0"), DATA))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 7])
def test_a_streamed_file_gives_what_is_there(size):
    data = chunk(b"data", ONE_TWO_THREE.tobytes(), size)
    for riff_size in (0, 36, 0xFFFFFFFF):
        assert_one_two_three(riff(fmt(), data, size=riff_size))


def test_a_finished_file_of_no_samples_does_not_read_the_next_chunk_as_sound():
    assert_refused(riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"text")), "no samples")


def test_a_block_cut_in_two_is_left_out():
    content = written(noise(samples=300, channels=3), "PCM_24")
    whole, _, _ = decode(content)
    for cut in range(1, 9):
        np.testing.assert_array_equal(decode(content[:-cut])[0], whole[:-1])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not a RIFF/WAVE file"),
        (b"RIFF", "not a RIFF/WAVE file"),
        (b"fLaC" + bytes(100), "not a RIFF/WAVE file"),
        (b"RIFF\0\0\0\0AVI " + fmt() + DATA, "not a RIFF/WAVE file"),
        (riff(), "no fmt chunk"),
        (riff(DATA), "no fmt chunk"),
        (riff(fmt()), "no data chunk"),
        (riff(fmt(), b"data\1\0"), "no data chunk"),
        (riff(fmt(), chunk(b"junk", b"", 0xFFFFFFFF), DATA), "no data chunk"),
        (riff(fmt(), *[chunk(b"junk", b"")] * MOST_CHUNKS, DATA), "no data chunk"),
        (riff(fmt(), chunk(b"data", b"")), "no samples"),
        (riff(fmt(channels=4), DATA), "no samples"),
        (riff(fmt(channels=65535), DATA), "no samples"),
        (riff(fmt(MP3), DATA), "format 85 (MP3) is not PCM or float"),
        (riff(fmt(99), DATA), "format 99 is not PCM or float"),
        (riff(fmt(0xFFFE), DATA), "format 65534 (extensible) is not PCM or float"),
        (
            riff(fmt(0xFFFE, more=bytes(8)), b"\1\0" + bytes(6), DATA),
            "format 65534 (extensible) is not PCM or float",
        ),
        (riff(chunk(b"fmt ", fmt()[8:22]), DATA), "0-bit PCM is not supported"),
        (riff(fmt(bits=12), DATA), "12-bit PCM is not supported"),
        (riff(fmt(bits=0), DATA), "0-bit PCM is not supported"),
        (riff(fmt(FLOAT, bits=16), DATA), "16-bit float is not supported"),
        (riff(fmt(channels=0), DATA), "no channels"),
        (riff(fmt(rate_hz=0), DATA), "sample rate 0 Hz"),
        (riff(fmt(rate_hz=2**32 - 1), DATA), "sample rate 4294967295 Hz"),
    ],
)
def test_what_cannot_be_decoded_says_why(content, text):
    assert_refused(content, text)


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_formats_are_named(subtype):
    error = decode(written(noise()[:, 0], subtype))[2].numpy().decode()
    assert error.endswith(") is not PCM or float")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("width", ["<f4", "<f8"])
def test_samples_that_are_no_numbers_are_refused(width, bad):
    data = chunk(b"data", np.array([0.5, bad, 0.5], width).tobytes())
    content = riff(fmt(FLOAT, bits=8 * int(width[-1])), data)
    assert_refused(content, "samples that are not finite numbers")


def test_float64_samples_beyond_float32_are_refused():
    data = chunk(b"data", np.array([1e300]).tobytes())
    assert_refused(riff(fmt(FLOAT, bits=64), data), "samples that are not finite numbers")


def test_eager_and_graph_agree():
    content = written(noise(channels=2), "PCM_24", "WAVEX")
    for eager, graph in zip(decode_wav(tf.constant(content)), decode(content), strict=True):
        np.testing.assert_array_equal(eager, graph)


def mutated(content, rng):
    """`content` with a few bytes, most of them in its headers, changed, added or taken away."""
    changed = bytearray(content)
    extremes = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, min(len(changed), 90) + 1))
        count = int(rng.integers(1, 9))
        match rng.integers(5):
            case 0:
                changed[at : at + 1] = rng.bytes(1)
            case 1:
                changed[at : at + 4] = int(rng.choice(extremes)).to_bytes(4, "little")
            case 2:
                changed[at:at] = rng.bytes(count)
            case 3:
                del changed[at : at + count]
            case _:
                del changed[int(rng.integers(0, len(changed) + 1)) :]
    return bytes(changed)


def test_hostile_bytes_never_raise_nor_touch_their_neighbours():
    rng = np.random.default_rng(0)
    seeds = [
        written(noise(samples=19, channels=channels), subtype, form)
        for subtype in SUBTYPES
        for channels in (1, 3)
        for form in ("WAV", "WAVEX")
    ]
    good = seeds[5]
    expected = [part.numpy()[0] for part in decode_each([good])]
    refused = 0
    for _ in range(15):
        contents = [mutated(seeds[rng.integers(len(seeds))], rng) for _ in range(40)]
        contents[20] = good
        sums, rates_hz, errors = (part.numpy() for part in decode_each(contents))
        for got, want in zip((sums, rates_hz, errors), expected, strict=True):
            np.testing.assert_array_equal(got[20], want)
        assert np.isfinite(sums).all()
        assert (sums[:, 1] <= 1).all()
        assert (sums[:, 2] >= 1).all()
        np.testing.assert_array_equal(rates_hz > 0, errors == b"")
        np.testing.assert_array_equal(sums[errors != b""], [[0, 0, 1]] * np.sum(errors != b""))
        refused += np.sum(errors != b"")
    assert 100 < refused < 580  # both kinds have been met


def test_more_samples_than_memory_is_meant_for_are_refused_undecoded(monkeypatch):
    monkeypatch.setattr(wav, "MOST_SAMPLES", 600)
    limited = tf.function(decode_wav, input_signature=[tf.TensorSpec([], tf.string)])
    for samples, channels in ((601, 1), (301, 2)):
        assert limited(written(noise(samples, channels)))[2] == b"more than 600 samples"
    for samples, channels in ((600, 1), (300, 2)):
        assert limited(written(noise(samples, channels)))[2] == b""
