"""Audio files of any format and rate as mono float32 waveforms: the one decoder outside the graph.

libsndfile (through soundfile) reads WAV, FLAC, OGG and MP3. What it cannot read (m4a, webm, wma
and others) goes through ffmpeg where that is installed.
"""

import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ser_tf import files
from ser_tf.errors import InputError

Sound = str | os.PathLike[str] | ArrayLike
"""A recording: the path of its file, or its samples."""

SUFFIXES = frozenset(
    ".aac .aif .aiff .amr .au .caf .flac .m4a .mka "
    ".mp3 .mp4 .oga .ogg .opus .wav .weba .webm .wma".split()
)
"""File-name endings, in lower case, by which a folder's recordings are found."""

POINTER = b"version https://git-lfs"
"""How a Git LFS pointer begins: a short text that stands in for a recording."""


_MOST_CHANNELS = 32
_LOUDEST = 100.0
"""Float samples beyond this, 40 dB above full scale, are unscaled integers rather than loud."""


class AudioError(InputError):
    """A recording cannot be decoded; the message names it and says why."""


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files among `paths` as they are, and for each folder all recordings below it, sorted.

    Links to folders are followed, each folder once.

    Raises:
        InputError: if a path does not exist or a folder holds no recording.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder.")
        if path.is_dir():
            below = sorted(filter(_is_recording, files.walk(path)))
            if not below:
                raise InputError(f"{path}: the folder holds no recording ({_suffix_list()}).")
            found += below
        else:
            found.append(path)
    return found


def _is_recording(path: Path) -> bool:
    """By its name; macOS puts companions `._NAME` beside files on foreign disks."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def digest(path: str | os.PathLike[str]) -> str:
    """The 128-bit BLAKE2 digest of the file's bytes, as 32 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """The samples of a recording as they are stored, and their rate.

    Returns:
        float32 `(samples, channels)`, integer formats scaled to [-1, 1), and the rate in Hz.

    Raises:
        AudioError: if the file is empty, no audio, cut off before its first sample, or holds
            samples that are not finite.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: {(error.strerror or 'cannot be read').lower()}.") from error
    if not content:
        raise AudioError(f"{path}: the file is empty (0 bytes).")
    if content.startswith(POINTER):
        raise AudioError(
            f"{path}: a Git LFS pointer of {len(content)} bytes in place of audio; "
            "`git lfs pull` fetches the recording."
        )
    samples, rate_hz = _decode(content, path)
    if not len(samples):
        raise AudioError(f"{path}: the file holds no samples.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: {np.sum(~np.isfinite(samples))} samples are not finite numbers.")
    return samples, rate_hz


def load(path: str | os.PathLike[str], rate_hz: int) -> np.ndarray:
    """The waveform of a recording: the mean of its channels at `rate_hz`.

    Resampling is soxr's, "high quality", as in `librosa.load`.

    Returns:
        float32 `(samples,)` in [-1, 1].

    Raises:
        AudioError: as for `read`.
    """
    samples, stored_rate_hz = read(path)
    return resample(samples.mean(axis=1), stored_rate_hz, rate_hz)


def to_mono(samples: ArrayLike) -> np.ndarray:
    """The mean of the channels of `samples`, integers scaled to [-1, 1) as `read` does.

    Args:
        samples: `(samples,)` or `(samples, channels)`: floats in [-1, 1], signed integers, or
            unsigned bytes as in WAV files.

    Returns:
        float32 `(samples,)`.

    Raises:
        InputError: if they have another shape or type, or values that no samples have.
    """
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= _MOST_CHANNELS):
        raise InputError(
            "samples: their shape is (samples,) or (samples, channels), of at most "
            f"{_MOST_CHANNELS} channels. Received: {array.shape}."
        )
    scaled = _scaled(array)
    if not np.isfinite(scaled).all():
        raise InputError(f"samples: {np.sum(~np.isfinite(scaled))} are not finite numbers.")
    if (loudest := np.abs(scaled).max(initial=0)) > _LOUDEST:
        raise InputError(f"samples: floats are in [-1, 1]. Received: up to {loudest:g}.")
    mono: np.ndarray = scaled.mean(axis=1) if scaled.ndim == 2 else scaled
    return mono


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Samples of any type as float32; integers by their full scale."""
    if samples.dtype == np.uint8:  # unsigned WAV files rest at 128
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.signedinteger):
        return samples.astype(np.float32) / np.float32(2.0 ** (8 * samples.dtype.itemsize - 1))
    if np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):  # too large for float32 is infinite, which is refused
            return samples.astype(np.float32)
    raise InputError(
        f"samples: they are floats, signed integers or unsigned bytes. Received: {samples.dtype}."
    )


def check_rate(rate_hz: float) -> int:
    """A sample rate as an integer.

    Raises:
        InputError: if it is not a whole number above 0.
    """
    if not (isinstance(rate_hz, int | float | np.number) and rate_hz > 0 and rate_hz % 1 == 0):
        raise InputError(f"rate_hz: must be a whole number above 0. Received: {rate_hz}.")
    return int(rate_hz)


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """`waveform` `(samples,)`, recorded at `from_hz`, at `to_hz`: float32 in [-1, 1]."""
    if from_hz != to_hz:
        import librosa

        waveform = librosa.resample(waveform, orig_sr=from_hz, target_sr=to_hz, res_type="soxr_hq")
    return np.clip(waveform, -1.0, 1.0).astype(np.float32, copy=False)


def to_wav(waveform: np.ndarray, rate_hz: int) -> bytes:
    """A WAV file of `waveform` float32 `(samples,)`: of 16 bits where they hold all of it."""
    import soundfile

    whole = waveform * 32_768
    exact = np.array_equal(whole, np.round(whole)) and np.all(whole < 32_768)
    stored = whole.astype(np.int16) if exact and np.all(whole >= -32_768) else waveform
    file = io.BytesIO()
    subtype = "PCM_16" if stored.dtype == np.int16 else "FLOAT"
    soundfile.write(file, stored, rate_hz, format="WAV", subtype=subtype)
    return file.getvalue()


def _decode(content: bytes, path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".").lower()
    if not shutil.which("ffmpeg"):
        raise AudioError(
            f"{path}: not readable by libsndfile ({reason}) and ffmpeg is not installed."
        )
    # By its path: a container such as m4a may keep its index at the end, out of a pipe's reach.
    source = ["-i", str(path.absolute())]
    command = ["ffmpeg", "-v", "error", *source, "-f", "wav", "-c:a", "pcm_f32le", "pipe:1"]
    result = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    try:
        decoded: tuple[Any, int] = soundfile.read(
            io.BytesIO(result.stdout), dtype="float32", always_2d=True
        )
    except soundfile.LibsndfileError:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or [reason]
        raise AudioError(
            f"{path}: not audio that libsndfile or ffmpeg can read ({lines[-1]})."
        ) from None
    return decoded


def _suffix_list() -> str:
    return " ".join(sorted(SUFFIXES))
