"""The models that ship with ser_tf, ready to answer, stream and export."""

import importlib.metadata
from pathlib import Path

ACCURATE = "ser-whisper"
"""Takes whole clips; the one for everything but streams."""

SMALL = "ser-lmu"
"""Follows streams, on the smallest machines."""

NAMES = (ACCURATE, SMALL)


def model_dir(name: str = ACCURATE) -> Path | None:
    """A shipped model's folder, in a checkout or where a wheel put it; None if it is missing."""
    in_checkout = Path(__file__).parents[2] / "saved_models" / name
    if in_checkout.is_dir():
        return in_checkout
    try:
        files = importlib.metadata.files("ser_tf") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    [*found] = (Path(str(file.locate())) for file in files if file.match(f"{name}/config.json"))
    return found[0].resolve().parent if found else None
