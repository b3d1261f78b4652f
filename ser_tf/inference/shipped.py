"""The model that comes with ser_tf: trained, ready for predict, stream and export."""

import importlib.metadata
from pathlib import Path

NAME = "ser-lmu"


def model_dir() -> Path | None:
    """The shipped model's folder: of the checkout, or where a wheel put it; None without one."""
    beside = Path(__file__).parents[2] / "saved_models" / NAME
    if beside.is_dir():
        return beside
    try:
        files = importlib.metadata.files("ser_tf") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    [*found] = (Path(str(file.locate())) for file in files if file.match(f"{NAME}/config.json"))
    return found[0].resolve().parent if found else None
