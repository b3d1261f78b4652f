"""The pages: figures come from data, links and commands lead somewhere, versions agree."""

import configparser
import importlib.util
import re
from pathlib import Path

import pytest

import ser_tf
from ser_tf.errors import InputError

ROOT = Path(ser_tf.__file__).parents[1]


def _rendering():
    spec = importlib.util.spec_from_file_location("render", ROOT / ".ci/render_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RENDERING = _rendering()
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in RENDERING.pages()}
each_page = pytest.mark.parametrize("page", TEXTS)


def code(text: str) -> list[str]:
    """The fenced code of a page, block by block."""
    return re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@each_page
def test_the_tables_of_a_page_are_what_the_data_say(page):
    assert RENDERING.render(TEXTS[page]) == TEXTS[page], "run .ci/render_tables.py"


@each_page
def test_a_table_with_measured_figures_is_rendered(page):
    typed = re.sub(r"<!-- table: .*?<!-- end -->", "", TEXTS[page], flags=re.DOTALL)
    for line in (line for line in typed.splitlines() if line.startswith("|")):
        # Words in front mark the version of a licence, not a figure.
        assert not re.search(r"(?<![A-Za-z] )\b\d+\.\d+ ?(%|ms|$|\||±)|±", line), line


def test_a_figure_typed_by_hand_is_put_right():
    page = "<!-- table: leak -->\n| 99.9 |\n<!-- end -->\n"
    rendered = RENDERING.render(page)
    assert "speakers" in rendered
    assert RENDERING.render(rendered.replace("41.0", "91.0")) == rendered


def test_a_table_that_nobody_measured_is_refused():
    with pytest.raises(InputError, match="no such results"):
        RENDERING.render("<!-- table: best -->\n<!-- end -->")


def test_every_run_measured_elsewhere_has_its_command():
    folder = RENDERING.RESULTS / "elsewhere"
    listed = {row["file"] for row in RENDERING._rows("elsewhere/commands.csv")}
    assert listed == {path.name for path in folder.glob("*.json")}


@pytest.mark.parametrize(
    ("page", "most"), [("README.md", 250), ("saved_models/ser-lmu/README.md", 120)]
)
def test_a_page_for_newcomers_stays_short(page, most):
    assert len(TEXTS[page].splitlines()) <= most


@each_page
def test_a_command_takes_two_lines_at_most(page):
    for block in code(TEXTS[page]):
        assert not re.search(r"\\\n.*\\\n", block), block


@each_page
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", TEXTS[page]):
        if not link.startswith("http"):
            assert (ROOT / page).parent.joinpath(link).exists(), link


@each_page
def test_links_lead_to_headings(page):
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", TEXTS[page]):
        if not link.startswith("http"):
            target = (ROOT / page).parent.joinpath(link) if link else ROOT / page
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
            assert anchor in anchors, f"{link}#{anchor}"


def test_every_room_is_on_the_map():
    entries = {path.name for path in (ROOT / "ser_tf").iterdir() if path.suffix in ("", ".py")}
    for name in entries - {"__init__.py", "__pycache__", "py.typed"}:
        assert re.search(rf"`{name}/?`", TEXTS["ser_tf/README.md"]), name


def test_the_version_is_the_same_everywhere():
    version = ser_tf.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert f"Version {version};" in TEXTS["README.md"]


def test_the_licence_is_the_one_that_setup_cfg_names():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert (ROOT / "LICENSE").read_text().startswith(f"{config['metadata']['license']} License")
