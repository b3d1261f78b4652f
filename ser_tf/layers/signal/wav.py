"""WAV files decoded inside the graph, by core TensorFlow operators alone.

`tf.audio.decode_wav` reads 16-bit PCM only and raises on everything else. A served model may do
neither: its clips come in all of WAV's formats, and one bad clip must not fail the batch it
arrived in. So no operator here can fail, whatever the bytes: every offset is bounded before use.

The layout is that of Microsoft's "Multiple Channel Audio Data and WAVE Files" (2007) and of
"Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

MOST_CHUNKS = 128
"""Most chunks that are searched for the format and the samples."""

MOST_SAMPLES = 2**24
"""Most samples that are decoded, over all channels: 350 s of one channel at 48 kHz. This bounds the
memory that any file can take."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_NAMES = {
    2: " (ADPCM)",
    6: " (A-law)",
    7: " (mu-law)",
    17: " (IMA ADPCM)",
    49: " (GSM)",
    80: " (MPEG)",
    85: " (MP3)",
    _EXTENSIBLE: " (extensible)",
}


class _Chunks(NamedTuple):
    """The state of the search over the chunks: byte offsets of chunk headers, -1 until found."""

    step: Any
    at: Any
    fmt: Any
    data: Any


class _Layout(NamedTuple):
    """The contents of the headers, as int64 scalars; the samples are `size` bytes from `start`."""

    code: Any
    bits: Any
    channels: Any
    rate_hz: Any
    start: Any
    size: Any


def decode_wav(content: Any) -> tuple[Any, Any, Any]:
    """The waveform in the bytes of a WAV file, or what is wrong with them. It never raises.

    Reads PCM of 8, 16, 24 and 32 bits and float of 32 and 64, plain or extensible, with any number
    of channels and any chunks around. Samples are scaled as libsndfile does it. A file cut short,
    or streamed by a writer that did not know its length (data of size 0 or 0xFFFFFFFF, or larger
    than the file), gives the whole blocks that it has. A file of more than `MOST_SAMPLES` is not
    decoded.

    Args:
        content: scalar string, the file.

    Returns:
        The mean of the channels, float32 `(samples,)`, within [-1, 1] but for files of floats that
        go beyond; the rate in Hz, int32; and an empty string. For bytes that cannot be decoded: one
        sample of zero, rate 0 and a phrase that says why.
    """
    layout, error = _parse(content)
    data = tf.strings.substr(content, layout.start, layout.size)
    branches = [_branch(read, data, layout.channels) for read in _READERS.values()]
    chosen = tf.argmax(_matches(layout), output_type=tf.int32)
    chosen = tf.where(error == "", chosen, len(branches))
    waveform = tf.switch_case(chosen, [*branches, _nothing])  # (samples,)

    finite = tf.reduce_all(tf.math.is_finite(waveform))
    error = tf.where(finite, error, "samples that are not finite numbers")
    waveform = tf.cond(finite, lambda: waveform, _nothing)
    rate_hz = tf.where(error == "", layout.rate_hz, 0)
    return tf.ensure_shape(waveform, (None,)), tf.cast(rate_hz, tf.int32), error


def _parse(content: Any) -> tuple[_Layout, Any]:
    """The layout of the file, and the first error in it or an empty string."""
    length = tf.cast(tf.strings.length(content), tf.int64)
    riff = _bytes(content, tf.constant(0, tf.int64), 12)
    chunks = _walk(content, length)
    fmt_size = _unsigned(_bytes(content, chunks.fmt + 4, 4))
    fmt = _bytes(content, chunks.fmt + 8, 40)
    fmt = tf.where(tf.range(40, dtype=tf.int64) < fmt_size, fmt, 0)  # a short one has no more
    layout = _Layout(
        code=_format_code(fmt),
        bits=_unsigned(fmt[14:16]),
        channels=_unsigned(fmt[2:4]),
        rate_hz=_unsigned(fmt[4:8]),
        start=tf.minimum(chunks.data + 8, length),
        size=_data_size(content, length, chunks.data, _unsigned(riff[4:8])),
    )
    block = tf.maximum(layout.channels * layout.bits // 8, 1)
    blocks = layout.size // block
    layout = layout._replace(size=blocks * block)
    wrong = [
        (~_equal(riff[:4], b"RIFF") | ~_equal(riff[8:], b"WAVE"), "not a RIFF/WAVE file"),
        (chunks.fmt < 0, "no fmt chunk"),
        (chunks.data < 0, "no data chunk"),
        *_unreadable(layout),
        (blocks * layout.channels > MOST_SAMPLES, f"more than {MOST_SAMPLES} samples"),
    ]
    return layout, first_error(wrong)


def first_error(wrong: Sequence[tuple[Any, Any]]) -> Any:
    """The text of the first error, or an empty string.

    Args:
        wrong: pairs of whether there is the error, bool, and its text, string, of one shape.
    """
    error = tf.constant("")
    for is_wrong, text in reversed(wrong):
        error = tf.where(is_wrong, text, error)
    return error


def _walk(content: Any, length: Any) -> _Chunks:
    """The first "fmt " and "data" chunks; each step goes on by 8 bytes or more."""

    def unfinished(chunks: _Chunks) -> Any:
        searching = (chunks.fmt < 0) | (chunks.data < 0)
        return searching & (chunks.at + 8 <= length) & (chunks.step < MOST_CHUNKS)

    def follow(chunks: _Chunks) -> tuple[_Chunks]:
        header = _bytes(content, chunks.at, 8)
        size = _unsigned(header[4:])
        is_fmt = (chunks.fmt < 0) & _equal(header[:4], b"fmt ")
        is_data = (chunks.data < 0) & _equal(header[:4], b"data")
        following = _Chunks(
            step=chunks.step + 1,
            at=chunks.at + 8 + size + size % 2,  # chunks of odd size are padded by one byte
            fmt=tf.where(is_fmt, chunks.at, chunks.fmt),
            data=tf.where(is_data, chunks.at, chunks.data),
        )
        return (following,)

    nowhere = tf.constant(-1, tf.int64)
    start = _Chunks(tf.constant(0), tf.constant(12, tf.int64), nowhere, nowhere)
    (chunks,) = tf.while_loop(unfinished, follow, (start,))
    return chunks


def _format_code(fmt: Any) -> Any:
    """The format's number: in an extensible chunk it is the head of a 16-byte identifier."""
    code = _unsigned(fmt[:2])
    extended = (code == _EXTENSIBLE) & _equal(fmt[26:], _SUBFORMAT_TAIL)
    return tf.where(extended, _unsigned(fmt[24:26]), code)


def _data_size(content: Any, length: Any, data: Any, riff_size: Any) -> Any:
    """The number of bytes of samples; a size never filled in stands for the rest of the file.

    Size 0 means no samples only if the RIFF size was filled in.
    """
    available = tf.maximum(length - data - 8, 0)
    size = _unsigned(_bytes(content, data + 4, 4))
    streamed = (size == 0) & (riff_size + 8 != length)
    return tf.where(streamed, available, tf.minimum(size, available))


def _unreadable(layout: _Layout) -> list[tuple[Any, Any]]:
    """The possible errors in a layout, most important first: whether it is there, and its text."""
    code, bits, rate_hz = map(tf.strings.as_string, (layout.code, layout.bits, layout.rate_hz))
    names = tf.where(layout.code == list(_NAMES), list(_NAMES.values()), "")
    known = (layout.code == _PCM) | (layout.code == _FLOAT)
    kind = tf.where(layout.code == _PCM, "PCM", "float")
    return [
        (~known, "format " + code + tf.strings.reduce_join(names) + " is not PCM or float"),
        (~tf.reduce_any(_matches(layout) > 0), bits + "-bit " + kind + " is not supported"),
        (layout.channels == 0, "no channels"),
        ((layout.rate_hz == 0) | (layout.rate_hz > tf.int32.max), "sample rate " + rate_hz + " Hz"),
        (layout.size == 0, "no samples"),
    ]


def _matches(layout: _Layout) -> Any:
    """1 for the one entry of `_READERS` that reads this layout, 0 for the others."""
    codes, bits = map(list, zip(*_READERS, strict=True))
    return tf.cast((layout.code == codes) & (layout.bits == bits), tf.int32)


def _branch(read: Callable[[Any], Any], data: Any, channels: Any) -> Callable[[], Any]:
    def mean() -> Any:
        samples = tf.reshape(read(data), tf.stack([-1, tf.cast(channels, tf.int32)]))
        return tf.reduce_mean(samples, axis=1)

    return mean


def _nothing() -> Any:
    return tf.zeros(1)


def _integers(dtype: Any) -> Callable[[Any], Any]:
    return lambda data: tf.cast(tf.io.decode_raw(data, dtype), tf.float32) / -float(dtype.min)


def _floats(dtype: Any) -> Callable[[Any], Any]:
    return lambda data: tf.cast(tf.io.decode_raw(data, dtype), tf.float32)


def _pcm_8(data: Any) -> Any:
    return (tf.cast(tf.io.decode_raw(data, tf.uint8), tf.float32) - 128.0) / 128.0


def _pcm_24(data: Any) -> Any:
    low, middle, high = tf.unstack(tf.reshape(tf.io.decode_raw(data, tf.uint8), (-1, 3)), axis=1)
    high = tf.cast(tf.bitcast(high, tf.int8), tf.int32)  # the sign is in the last byte
    whole = high * 65536 + tf.cast(middle, tf.int32) * 256 + tf.cast(low, tf.int32)
    return tf.cast(whole, tf.float32) / 2.0**23


_READERS: dict[tuple[int, int], Callable[[Any], Any]] = {
    (_PCM, 8): _pcm_8,
    (_PCM, 16): _integers(tf.int16),
    (_PCM, 24): _pcm_24,
    (_PCM, 32): _integers(tf.int32),
    (_FLOAT, 32): _floats(tf.float32),
    (_FLOAT, 64): _floats(tf.float64),
}


def _bytes(content: Any, at: Any, count: int) -> Any:
    """The `count` bytes from `at` on as int64 `(count,)`; zeros where the file has none."""
    length = tf.cast(tf.strings.length(content), tf.int64)
    piece = tf.strings.substr(content, tf.clip_by_value(at, 0, length), count)
    padded = tf.strings.substr(piece + b"\0" * count, 0, count)
    return tf.ensure_shape(tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64), (count,))


def _unsigned(digits: Any) -> Any:
    """The little-endian number of up to 4 `digits`: an int64, since uint32 reaches past int32."""
    return tf.reduce_sum(digits * [256**i for i in range(digits.shape[0])])


def _equal(digits: Any, text: bytes) -> Any:
    return tf.reduce_all(digits == list(text))
