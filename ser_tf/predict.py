"""`python -m ser_tf.predict`: the emotion in recordings of any format."""

import argparse
import functools
import itertools
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ser_tf import api, audio, console, parallel
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.inference import answers
from ser_tf.inference.windows import Outline

if TYPE_CHECKING:
    import pandas as pd

    from ser_tf.inference.answers import Answer

_LOG = logging.getLogger(__name__)
_LONGEST_STEM = 200
"""Bytes of a recording's name that its picture's has; file systems allow 255 in all."""


class _Heard(NamedTuple):
    """What was found in a recording: an answer and, if they are wanted, its windows to draw."""

    path: Path
    answer: "Answer"
    windows: "pd.DataFrame | None" = None
    outline: Outline | None = None


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Prints the answer for every recording; returns 1 if one cannot be read or drawn."""
    given = _parser().parse_args(argv)
    paths = audio.find(given.paths)
    recogniser = api.load(given.model_dir, given.runtime)
    pictures = _name_pictures(paths, given.plot_dir) if given.plot_dir else {}
    describe = _as_json if given.json else _as_text
    failed = False
    listen = functools.partial(_listen, recogniser, with_windows=given.timeline or bool(pictures))
    heard: Iterator[_Heard | audio.AudioError] = parallel.in_order(listen, paths, given.jobs)
    if not sys.stdout.isatty():  # where the lines themselves show how far it is
        heard = console.bar(heard, "answering", len(paths))
    for found in heard:
        if isinstance(found, audio.AudioError):
            _LOG.error("error: %s", found)
            failed = True
            continue
        windows = found.windows if given.timeline else None
        sys.stdout.write(f"{describe(found.path, found.answer, windows)}\n")
        sys.stdout.flush()
        if pictures and found.windows is not None and found.outline is not None:
            picture = pictures[found.path]
            failed |= not _draw_timeline(found.windows, found.outline, recogniser.classes, picture)
    return int(failed)


def _listen(
    recogniser: api.Recogniser, path: Path, with_windows: bool
) -> _Heard | audio.AudioError:
    try:
        if not with_windows:
            return _Heard(path, recogniser.answer(path))
        outline = Outline(recogniser.rate_hz)
        return _Heard(path, *recogniser.listen(path, outline=outline), outline)
    except audio.AudioError as error:
        return error


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("predict", "Recognise the emotion in recordings of any audio format.")
    flags.add_recordings(parser)
    flags.add_model_dir(parser)
    flags.add_runtime(parser)
    parser.add_argument(
        "--jobs",
        type=flags.at_least(int, 1),
        metavar="N",
        default=parallel.CORES,
        help="recordings to read and answer at a time (default: as many as there are cores)",
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON a recording")
    parser.add_argument(
        "--timeline",
        action="store_true",
        help="also print how the emotion changes with time",
    )
    parser.add_argument(
        "--plot-dir",
        type=flags.path,
        metavar="DIR",
        help="also draw how the emotion changes with time, a picture a recording in DIR",
    )
    return parser


def _name_pictures(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """The file for each recording's timeline; recordings of the same name are numbered."""
    counts: dict[str, Iterator[str]] = {}
    taken: set[str] = set()
    pictures: dict[Path, Path] = {}
    for path in dict.fromkeys(paths):
        stem = os.fsencode(path.stem)[:_LONGEST_STEM].decode(errors="ignore")
        numbers = counts.setdefault(stem, _numbered(stem))
        name = next(name for name in numbers if name not in taken)
        taken.add(name)
        pictures[path] = folder / f"{name}-timeline.png"
    return pictures


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in itertools.count(2))


def _draw_timeline(
    windows: "pd.DataFrame", outline: Outline, classes: Sequence[str], picture: Path
) -> bool:
    """Whether the picture could be written."""
    from ser_tf.evaluation import plots

    figure = plots.draw_timeline(windows, classes, outline.waveform, outline.rate_hz)
    try:
        plots.save(figure, picture)
    except OSError as error:
        _LOG.error("error: %s: not drawn, %s.", picture, error.strerror)
        return False
    return True


def _as_json(path: Path, answer: "Answer", windows: "pd.DataFrame | None") -> str:
    timeline = {} if windows is None else {"timeline": windows.to_dict("records")}
    return answers.to_json(path, answer, **timeline)


def _as_text(path: Path, answer: "Answer", windows: "pd.DataFrame | None") -> str:
    """The answer, and a line for each window."""
    lines = [f"{path}  {answer}"]
    for window in [] if windows is None else windows.to_dict("records"):
        found = answers.describe(window["emotion"], window["probability"], window["unsure"])
        begin, end = window["start_seconds"], window["end_seconds"]
        lines.append(f"  {begin:6.1f} s to {end:6.1f} s  {found}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
