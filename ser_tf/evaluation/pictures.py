"""Pictures that lie in files, for notebooks to show."""

import base64
from pathlib import Path


class Picture:
    """A PNG file, which a notebook shows.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Picture({str(self.path)!r})"

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()


class Pictures(dict[str, Picture]):
    """Pictures by name; a notebook shows them one below the other."""

    def _repr_html_(self) -> str:
        shown = (base64.b64encode(picture._repr_png_()).decode() for picture in self.values())
        return "".join(
            f'<img src="data:image/png;base64,{content}" style="max-width:800px">'
            for content in shown
        )
