"""`python -m ser_tf.stream`: the emotion in a recording or at the microphone while it goes on."""

import argparse
import itertools
import logging
import queue
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import api, audio, console
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.errors import InputError
from ser_tf.inference import answers, shipped

if TYPE_CHECKING:
    import numpy as np

    from ser_tf.inference.answers import Answer
    from ser_tf.inference.stream import Stream

_LOG = logging.getLogger(__name__)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Follows the sound to its end, or a microphone until Ctrl-C."""
    parser = _parser()
    given = parser.parse_args(argv)
    if (given.path is None) != given.mic:
        parser.error("give the PATH of a recording, or --mic")
    recogniser = api.load(given.model_dir, given.runtime)
    stream = recogniser.stream()
    samples = round(given.interval * recogniser.rate_hz / 2)
    source = _microphone if given.mic else _recording(given.path)
    describe = _as_json(given.path) if given.json else _as_row
    sound = _pair(source(recogniser.rate_hz, samples))
    if not given.json:
        sys.stdout.write(_heading(recogniser.classes))
    _follow(stream, sound, describe)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "stream", "Follow the emotion in a recording or at the microphone as it goes on."
    )
    parser.add_argument("path", nargs="?", type=flags.path, metavar="PATH", help="recording")
    parser.add_argument("--mic", action="store_true", help="listen to the microphone")
    flags.add_model_dir(parser, shipped.SMALL)
    flags.add_runtime(parser)
    parser.add_argument(
        "--interval",
        type=flags.at_least(float, 0.05),
        default=1.0,
        metavar="SECONDS",
        help="sound between two lines; the first comes after half of it (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print lines of JSON")
    return parser


def _follow(
    stream: "Stream", sound: Iterable["np.ndarray"], describe: Callable[[float, "Answer"], str]
) -> None:
    """Prints a line after each chunk of `sound`, and at the end the processor's time for them."""
    busy_seconds = 0.0
    for chunk in sound:
        began_seconds = time.process_time()
        answer = stream.feed(chunk)
        busy_seconds += time.process_time() - began_seconds
        if answer:
            sys.stdout.write(describe(stream.heard_seconds, answer) + "\n")
            sys.stdout.flush()
    heard_seconds = max(stream.heard_seconds, 1e-9)
    _LOG.info(
        "%.1f s of sound took %.2f s of one core: %.2f %% of real time.",
        heard_seconds,
        busy_seconds,
        100 * busy_seconds / heard_seconds,
    )


def _pair(halves: Iterable["np.ndarray"]) -> Iterator["np.ndarray"]:
    """The first two halves of a chunk by themselves, for an early answer, then two at a time."""
    import numpy as np

    remaining = iter(halves)
    yield from itertools.islice(remaining, 2)
    for half in remaining:
        yield np.concatenate([half, *itertools.islice(remaining, 1)])


def _recording(path: Path) -> Callable[[int, int], Iterator["np.ndarray"]]:
    """The sound of a file: a function of a rate in Hz and a number of samples a chunk."""

    def chunks(rate_hz: int, samples: int) -> Iterator["np.ndarray"]:
        return audio.cut(audio.pieces(path, rate_hz), samples)

    return chunks


def _microphone(rate_hz: int, samples: int) -> Iterator["np.ndarray"]:
    """Chunks of `samples` samples from the default microphone, without end.

    Raises:
        InputError: if there is no microphone, or the package to read it is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise InputError(
            f"--mic: needs PortAudio and the package sounddevice, `pip install sounddevice` "
            f"({error})."
        ) from error
    recorded: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
    try:
        microphone = sounddevice.InputStream(
            rate_hz,
            samples,
            channels=1,
            dtype="float32",
            callback=lambda block, *_: recorded.put(block[:, 0].copy()),
        )
    except sounddevice.PortAudioError as error:
        raise InputError(f"--mic: no microphone that records at {rate_hz} Hz ({error}).") from error
    return _blocks(microphone, recorded)


def _blocks(
    microphone: AbstractContextManager[object], recorded: "queue.SimpleQueue[np.ndarray]"
) -> Iterator["np.ndarray"]:
    with microphone:
        while True:
            yield recorded.get()


def _heading(classes: Sequence[str]) -> str:
    return console.row(" " * 36, classes) + "\n"


def _as_row(seconds: float, answer: "Answer") -> str:
    """The time, the emotion, and the percentage of each class."""
    shares = [round(100 * share) for share in answer.probabilities.values()]
    return console.row(f"{seconds:8.1f} s  {answer!s:<24}", shares)


def _as_json(path: Path | None) -> Callable[[float, "Answer"], str]:
    return lambda seconds, answer: answers.to_json(path, answer, seconds=round(seconds, 3))


if __name__ == "__main__":
    sys.exit(main())
