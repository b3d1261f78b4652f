"""The synthetic demo corpus on disk: made once, whole or not at all."""

import io
import logging
import tempfile
import wave
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from ser_tf import emotions
from ser_tf.corpora.demo.phones import SENTENCES
from ser_tf.corpora.demo.synthesis import RATE_HZ, synthesise
from ser_tf.corpora.demo.voices import SPEAKERS
from ser_tf.errors import InputError

TAKES = (1, 2)

_README = """\
Synthetic speech, made by ser_tf with source-filter synthesis. No person speaks here.

demo-SPEAKER/demo-SPEAKER_EMOTION_sSENTENCE_tTAKE.wav; odd speakers are male voices, even ones
female. 16 kHz, 16 bit, mono. It is for trying the program out: what a model scores here says
nothing about real speech.
"""

VERSION = 1
"""Raise it whenever the clips change: folders of older versions are then no longer used."""

_LOG = logging.getLogger(__name__)


def make(cache_dir: str | Path) -> Path:
    """The folder of the synthetic demo corpus below `cache_dir`, made there if it is not yet.

    The folder's name carries the `VERSION` of the clips. It is written under a temporary name and
    renamed, so it is whole or absent, even if the process is killed or several make it at once.

    Args:
        cache_dir: any folder; made if absent.

    Returns:
        The folder: 320 clips (16 kHz, 16 bit, mono WAV) in one folder per speaker, named like
        `demo-01/demo-01_happy_s1_t1.wav` (speaker, emotion, sentence, take), and a README.txt.

    Raises:
        InputError: if `cache_dir` cannot be written to.
    """
    folder = Path(cache_dir) / f"demo-{VERSION}"
    if folder.is_dir():
        return folder
    _LOG.info("Making the synthetic demo corpus (%d clips) in %s", len(list(paths())), folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder.parent) as temporary:
            _write(Path(temporary) / folder.name)
            _move(Path(temporary) / folder.name, folder)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"{cache_dir}: the demo corpus cannot be written there ({reason})."
        ) from error
    return folder


def paths() -> Iterator[tuple[Path, tuple[int, str, int, int]]]:
    """Every clip's path in the corpus's folder, and the arguments of `synthesise` for it."""
    for speaker, emotion, sentence, take in product(SPEAKERS, emotions.EMOTIONS, SENTENCES, TAKES):
        name = f"demo-{speaker:02}"
        path = Path(name, f"{name}_{emotion}_s{sentence}_t{take}.wav")
        yield path, (speaker, emotion, sentence, take)


def _write(folder: Path) -> None:
    for path, clip in paths():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(_wav(synthesise(*clip)))
    (folder / "README.txt").write_text(_README)


def _wav(waveform: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _move(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process may have made the same corpus meanwhile, which serves as well.
        if not folder.is_dir():
            raise
