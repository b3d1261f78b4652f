"""The model that ships with ser_tf, ready to answer, stream and export."""

import importlib.metadata
from pathlib import Path

NAME = "ser-lmu"


def model_dir() -> Path | None:
    """The shipped model's folder, in a checkout or where a wheel put it; None if it is missing."""
    in_checkout = Path(__file__).parents[2] / "saved_models" / NAME
    if in_checkout.is_dir():
        return in_checkout
    try:
        files = importlib.metadata.files("ser_tf") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    [*found] = (Path(str(file.locate())) for file in files if file.match(f"{NAME}/config.json"))
    return found[0].resolve().parent if found else None
