"""`python -m ser_tf.predict`: the emotion in recordings of any format."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tf import audio, backend
from ser_tf.commandline import command
from ser_tf.inference import answers, model_folder

if TYPE_CHECKING:
    import numpy as np

    from ser_tf.inference.recogniser import Recogniser

_LOG = logging.getLogger(__name__)


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Answers for every recording; 1 if one could not be read."""
    arguments = _parser().parse_args(argv)
    paths = audio.find(arguments.paths)
    model_folder.load_config(arguments.model_dir)  # a wrong folder is named at once

    backend.import_tensorflow()
    from ser_tf.inference.recogniser import Recogniser

    recogniser = Recogniser(model_folder.load(arguments.model_dir))
    pictures = _pictures(paths, arguments.plot_dir) if arguments.timeline else {}
    failed = False
    for path in paths:
        try:
            waveform = audio.load(path, recogniser.artifact.rate_hz)
        except audio.AudioError as error:
            _LOG.error("error: %s", error)
            failed = True
        else:
            line = _describe(path, waveform, recogniser, arguments.json, pictures.get(path))
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("predict", "Recognise the emotion in recordings of any audio format.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="recording or folder of them")
    command.add_model_dir(parser)
    parser.add_argument("--json", action="store_true", help="print a line of JSON a recording")
    parser.add_argument(
        "--timeline",
        action="store_true",
        help="also show how the emotion changes with time, and draw it in --plot-dir",
    )
    parser.add_argument(
        "--plot-dir",
        type=Path,
        metavar="DIR",
        default=Path(),
        help="folder for the timelines' plots (default: the current one)",
    )
    return parser


def _pictures(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each recording's timeline is drawn; recordings of one name are numbered."""
    pictures: dict[Path, Path] = {}
    for path in dict.fromkeys(paths):
        numbers = ("", *(f"-{number}" for number in range(2, len(paths) + 1)))
        names = (folder / f"{path.stem}{number}-timeline.png" for number in numbers)
        pictures[path] = next(name for name in names if name not in pictures.values())
    return pictures


def _describe(
    path: Path, waveform: "np.ndarray", recogniser: "Recogniser", json: bool, picture: Path | None
) -> str:
    """The answer on a recording as a line of JSON or as text, with its timeline if drawn."""
    answer = recogniser.answer(waveform)
    windows = recogniser.timeline(waveform) if picture else None
    if windows is not None and picture:
        from ser_tf.evaluation import plots

        artifact = recogniser.artifact
        figure = plots.timeline(windows, artifact.classes, waveform, artifact.rate_hz)
        plots.save(figure, picture)
    if json:
        timeline = {} if windows is None else {"timeline": windows.to_dict("records")}
        return answers.to_json(path, answer, **timeline)
    lines = [f"{path}  {answers.describe(answer.emotion, answer.probability, answer.unsure)}"]
    if windows is not None:
        lines += [
            f"  {window['start_seconds']:6.1f} s to {window['end_seconds']:6.1f} s  "
            f"{answers.describe(window['emotion'], window['probability'], window['unsure'])}"
            for window in windows.to_dict("records")
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
