"""Recordings of any format, block by block, by the one decoder outside the graph.

libsndfile (through soundfile) reads WAV, FLAC, OGG and MP3. What it cannot read (m4a, webm, wma
and others) goes through ffmpeg where that is installed. Headers may lie: what they say is checked
before memory is asked for, and no memory is asked for by what they say.
"""

import functools
import itertools
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ser_tf.audio import segments
from ser_tf.audio.levels import MOST_CHANNELS, AudioError

STANDARD_INPUT = Path("-")
"""Stands for the recording that comes through standard input."""

POINTER = b"version https://git-lfs"
"""How a Git LFS pointer begins: a short text that stands in for a recording."""

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 768_000
"""The rates that recordings have; a header that says others is not believed."""

_LEAST = 4096
_MOST_CHUNKS = 128
_LARGEST = 2**32 - 1
_BLOCK = 2**20
"""Samples of a block, over all channels: 4 MB."""

_UNSCALED = frozenset({"FLOAT", "DOUBLE"})
"""libsndfile's formats whose samples may be of any scale."""

_COMMAND = "ffmpeg -nostdin -v error -protocol_whitelist file,pipe -i".split()
_TO_AU = "-vn -f au -c:a pcm_f32be pipe:1".split()
_AU_HEADER = struct.Struct(">4s5I")  # magic, offset of the samples, size, format, rate, channels
_WITHOUT_SOUND = "does not contain any stream"


class Source(NamedTuple):
    """An opened recording, to be read once.

    Attributes:
        rate_hz: its rate, within the limits.
        scaled: whether its format keeps samples within [-1, 1].
        blocks: its samples in order, float32 `(samples, channels)` each, at least one block.
    """

    rate_hz: int
    scaled: bool
    blocks: Iterator[np.ndarray]


def decode(path: str | os.PathLike[str]) -> Source:
    """Opens a recording, or a segment of one, and reads its first block.

    Of a pipe, or of standard input, whose name is `-`, what it gave when first asked is kept as
    long as the process lives.

    Raises:
        AudioError: if the file is empty, no audio, cut off before its first sample, or says of
            itself what no recording is, or if it ends before the segment; from `blocks`, if the
            rest of it cannot be read.
    """
    if segment := segments.parse(path):
        source = decode(segment.path)
        blocks = segments.cut_blocks(source.blocks, source.rate_hz, segment)
        if (first := next(blocks, None)) is None:
            raise AudioError(f"{os.fspath(path)}: the recording ends before the segment begins.")
        return source._replace(blocks=itertools.chain([first], blocks))
    name = Path(path)
    try:
        path = _settle(name)
        with path.open("rb") as file:
            head = file.read(len(POINTER))
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise AudioError(f"{name}: {(error.strerror or 'cannot be read').lower()}.") from error
    if not head:
        raise AudioError(f"{name}: the file is empty (0 bytes).")
    if head == POINTER:
        raise AudioError(
            f"{name}: a Git LFS pointer of {size} bytes in place of audio; "
            "`git lfs pull` fetches the recording."
        )
    return _by_libsndfile(name, path)


def _settle(path: Path) -> Path:
    """The recording's file; a pipe's content is copied to one, since it can be read only once."""
    if path == STANDARD_INPUT or (path.exists() and not (path.is_file() or path.is_dir())):
        return Path(_copy(path).name)
    return path


@functools.cache
def _copy(path: Path) -> Any:
    """What a pipe holds, in a file that lives as long as the process."""
    copy = tempfile.NamedTemporaryFile(prefix="ser_tf-")  # noqa: SIM115
    with os.fdopen(os.dup(0), "rb") if path == STANDARD_INPUT else path.open("rb") as pipe:
        shutil.copyfileobj(pipe, copy)
    copy.flush()
    return copy


def _by_libsndfile(name: Path, path: Path) -> Source:
    import soundfile

    try:
        file = soundfile.SoundFile(_opened(path))
        frames = _check(name, file.samplerate, file.channels)
        if file.format == "MP3":
            file.seek(0)  # as `soundfile.read` does: it changes the last bit
        file.seekable = lambda: False  # it would seek after each read, which unknown lengths forbid
        read = _libsndfile_blocks(name, file, frames)
        first = next(read, None)
    except soundfile.LibsndfileError as error:
        return _by_ffmpeg(name, path, _reason(error))
    return _source(name, file.samplerate, file.subtype not in _UNSCALED, first, read)


def _libsndfile_blocks(name: Path, file: Any, frames: int) -> Iterator[np.ndarray]:
    import soundfile

    heard, count = 0, frames
    with file:
        try:
            while count:
                # libsndfile fills what it does not need with zeros, which takes time.
                expected = max(_LEAST, min(frames, file.frames - heard))
                block = file.read(expected, dtype="float32", always_2d=True)
                heard += (count := len(block))
                if count:
                    yield block
        except soundfile.LibsndfileError as error:
            if not heard:
                raise
            seconds = heard / file.samplerate
            raise AudioError(f"{name}: broken after {seconds:.1f} s ({_reason(error)}).") from None


def _source(
    name: Path, rate_hz: int, scaled: bool, first: np.ndarray | None, rest: Iterator[np.ndarray]
) -> Source:
    if first is None or not len(first):
        raise AudioError(f"{name}: the file holds no samples.")
    return Source(rate_hz, scaled, itertools.chain([first], rest))


def _check(name: Path, rate_hz: int, channels: int) -> int:
    """Checks what a header says; the samples of a block, per channel."""
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{name}: its header says {rate_hz} Hz; recordings have "
            f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz."
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name}: its header says {channels} channels; recordings have 1 to {MOST_CHANNELS}."
        )
    return _BLOCK // channels


def _reason(error: Any) -> str:
    reason: str = error.error_string.strip().rstrip(".").lower()
    return reason


def _opened(path: Path) -> Any:
    """The file as soundfile takes it; a size that its header lacks is filled in."""
    with path.open("rb") as file:
        if lacking := _find_lacking_size(file):
            place, size = lacking
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            content[place : place + len(size)] = size
            return content
    return os.fsencode(path)


def _find_lacking_size(file: IO[bytes]) -> tuple[int, bytes] | None:
    """Where a WAV or AU header says that there are no samples though there are, and their size.

    A recorder writes the size when it ends. If it was killed, samples go on to the file's end. In
    WAV files, size 0 means no samples only if the size of the whole was filled in.
    """
    length = os.fstat(file.fileno()).st_size
    head = file.read(12)
    if head[:4] == b".snd":
        there = length - int.from_bytes(head[4:8], "big")
        lacks = head[8:] == bytes(4) and there > 0
        return (8, min(there, _LARGEST).to_bytes(4, "big")) if lacks else None
    if head[:4] != b"RIFF" or int.from_bytes(head[4:8], "little") + 8 == length:
        return None
    place = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"data":
            there = length - place - 8
            lacks = size == 0 and there > 0
            return (place + 4, min(there, _LARGEST).to_bytes(4, "little")) if lacks else None
        place += 8 + size + size % 2
    return None


def _by_ffmpeg(name: Path, path: Path, reason: str) -> Source:
    if not shutil.which("ffmpeg"):
        raise AudioError(
            f"{name}: not readable by libsndfile ({reason}) and ffmpeg is not installed."
        )
    read = _ffmpeg_blocks(name, path, reason)
    rate_hz = next(read)
    return _source(name, rate_hz, False, next(read, None), read)


def _ffmpeg_blocks(name: Path, path: Path, reason: str) -> Iterator[Any]:
    """The rate, then the blocks, as ffmpeg writes them to a pipe, as a Sun audio file."""
    # By its path: a container such as m4a may keep its index at the end, out of a pipe's reach.
    command = [*_COMMAND, str(path.absolute()), *_TO_AU]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        pipe: Any = process.stdout
        try:
            header = pipe.read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                errors.seek(0)
                raise AudioError(f"{name}: {_explain(errors.read(), reason)}.")
            _, offset, _, _, rate_hz, channels = _AU_HEADER.unpack(header)
            size = 4 * channels * _check(name, rate_hz, channels)
            pipe.read(offset - _AU_HEADER.size)
            yield rate_hz
            while content := pipe.read(size):
                whole = len(content) - len(content) % (4 * channels)
                yield np.frombuffer(content[:whole], ">f4").astype(np.float32).reshape(-1, channels)
        finally:
            process.kill()


def _explain(errors: bytes, reason: str) -> str:
    """Why ffmpeg wrote nothing."""
    text = errors.decode(errors="replace").strip()
    if _WITHOUT_SOUND in text:
        return "a video without sound"
    return f"not audio that libsndfile or ffmpeg can read ({(text.splitlines() or [reason])[-1]})"
