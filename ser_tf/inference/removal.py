"""Removes a training run from a folder, and nothing else."""

import json
from pathlib import Path

from ser_tf.errors import InputError
from ser_tf.inference.model_folder import CONFIG, LITERT, NOT_OURS, RUN_FILES, TENSORBOARD


def remove_run(folder: str | Path) -> None:
    """Removes what an earlier training run left in `folder`, by name; all else in it stays.

    Without a `config.json` the folder holds no run, and nothing is removed.

    Raises:
        InputError: if the `config.json` is not one of a model folder.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        return
    if not _is_run(folder):
        raise InputError(
            f"{folder}: its {CONFIG} is not of a model folder, so nothing in it is replaced; "
            "choose another folder."
        )
    folds = [path.parent for path in folder.glob(f"fold-*/{CONFIG}") if _is_run(path.parent)]
    for run in (*folds, folder):
        _remove_curves(run / TENSORBOARD)
        _remove_flatbuffers(run / LITERT)
        for name in RUN_FILES:
            (run / name).unlink(missing_ok=True)
    for fold in folds:
        _remove_if_empty(fold)


def _is_run(folder: Path) -> bool:
    """Whether the folder's `config.json` is one that `save_config` wrote, of any version."""
    try:
        content = json.loads((folder / CONFIG).read_text())
        return isinstance(content["format"], int) and {"classes", "config"} <= content.keys()
    except NOT_OURS:
        return False


def _remove_curves(board: Path) -> None:
    for part in (board / "train", board / "validation"):
        for path in part.glob("events.out.tfevents.*"):
            path.unlink()
        _remove_if_empty(part)
    _remove_if_empty(board)


def _remove_flatbuffers(folder: Path) -> None:
    for path in (*folder.glob("*.tflite"), folder / "model.json"):
        path.unlink(missing_ok=True)
    _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
