"""`python -m ser_tf.predict`: the emotion in recordings of any format."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import api, audio
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.inference import answers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ser_tf.inference.answers import Answer

_LOG = logging.getLogger(__name__)
_LONGEST_STEM = 200
"""Bytes of a recording's name that its picture's has; file systems allow 255 in all."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Prints the answer for every recording; returns 1 if one cannot be read or drawn."""
    arguments = _parser().parse_args(argv)
    paths = audio.find(arguments.paths)
    recogniser = api.load(arguments.model_dir)
    pictures = _name_pictures(paths, arguments.plot_dir) if arguments.plot_dir else {}
    failed = False
    for path in paths:
        try:
            waveform = recogniser.waveform(path)
        except audio.AudioError as error:
            _LOG.error("error: %s", error)
            failed = True
            continue
        windows = None
        if arguments.timeline or pictures:
            answer, windows = recogniser.listen(waveform)
        else:
            answer = recogniser.answer(waveform)
        describe = _as_json if arguments.json else _as_text
        sys.stdout.write(f"{describe(path, answer, windows if arguments.timeline else None)}\n")
        sys.stdout.flush()
        if windows is not None and pictures:
            failed |= not _draw_timeline(windows, waveform, recogniser, pictures[path])
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("predict", "Recognise the emotion in recordings of any audio format.")
    parser.add_argument(
        "paths",
        nargs="+",
        type=flags.path,
        metavar="PATH",
        help="recording, folder of them, or - for standard input",
    )
    flags.add_model_dir(parser)
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
    pictures: dict[Path, Path] = {}
    for path in dict.fromkeys(paths):
        numbers = ("", *(f"-{number}" for number in range(2, len(paths) + 1)))
        stem = os.fsencode(path.stem)[:_LONGEST_STEM].decode(errors="ignore")
        names = (folder / f"{stem}{number}-timeline.png" for number in numbers)
        pictures[path] = next(name for name in names if name not in pictures.values())
    return pictures


def _draw_timeline(
    windows: "pd.DataFrame", waveform: "np.ndarray", recogniser: api.Recogniser, picture: Path
) -> bool:
    """Whether the picture could be written."""
    from ser_tf.evaluation import plots

    figure = plots.draw_timeline(windows, recogniser.classes, waveform, recogniser.rate_hz)
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
