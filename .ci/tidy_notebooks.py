"""Brings the notebooks into the form in which they are kept: `python .ci/tidy_notebooks.py`.

Without outputs, and with the project's address on GitHub as `url` or `project_urls` in setup.cfg
say it: in the badges that open them in Colab, here and in their README, and in the cell that
installs the project there. Without an address there are no badges, and that cell installs the
folder above.
"""

import configparser
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
_BADGE = rf"\[!\[Open in Colab\]\({re.escape(_IMAGE)}\)\]\([^)]*\)"


def address() -> str | None:
    """The project on GitHub, as `OWNER/NAME`; None if setup.cfg does not say where it is."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    metadata = config["metadata"]
    found = f"{metadata.get('url', '')}\n{metadata.get('project_urls', '')}\n"
    match = re.search(r"https://github\.com/([\w.-]+/[\w-]+(?:\.[\w-]+)*?)(?:\.git)?/?\s", found)
    return match and match[1]


def badge(name: str, project: str) -> str:
    """The Markdown of a picture that opens the notebook in Colab."""
    page = f"https://colab.research.google.com/github/{project}/blob/main/notebooks/{name}.ipynb"
    return f"[![Open in Colab]({_IMAGE})]({page})"


def tidy(text: str, name: str, project: str | None) -> str:
    """The notebook `text`, without outputs and with the address `project`."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
            source = _install_from(source, project)
        cell["source"] = source.splitlines(keepends=True)
    title, *rest = re.sub(rf"{_BADGE}\n\n", "", "".join(notebook["cells"][0]["source"])).split("\n")
    above = [title, "", badge(name, project)] if project else [title]
    notebook["cells"][0]["source"] = "\n".join([*above, *rest]).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def tidy_readme(text: str, project: str | None) -> str:
    """The page, with a badge behind each link to a notebook if there is an address."""
    link = rf"(\((\w+)\.ipynb\))(?: {_BADGE})?"
    return re.sub(link, lambda m: f"{m[1]} {badge(m[2], project)}" if project else m[1], text)


def _install_from(source: str, project: str | None) -> str:
    """The cell with what pip installs replaced, the extras kept."""
    line = r'(%pip install -q -c kept\.txt) "[^"\[]*(\[\w+\])?[^"]*"'
    what = rf"ser_tf\2 @ git+https://github.com/{project}" if project else r"..\2"
    return re.sub(line, rf'\1 "{what}"', source)


def main() -> None:
    """Rewrites what is not in that form."""
    project = address()
    for path in NOTEBOOKS.glob("*.ipynb"):
        path.write_text(tidy(path.read_text(), path.stem, project))
    readme = NOTEBOOKS / "README.md"
    readme.write_text(tidy_readme(readme.read_text(), project))


if __name__ == "__main__":
    main()
