"""The pages: figures come from data, links and commands lead somewhere, versions agree."""

import configparser
import importlib
import importlib.util
import itertools
import re
import shlex
from pathlib import Path

import pytest

import ser_tf
from ser_tf import fit
from ser_tf.config import recipes
from ser_tf.errors import InputError

ROOT = Path(ser_tf.__file__).parents[1]


def _rendering():
    spec = importlib.util.spec_from_file_location("render", ROOT / ".ci/render_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RENDERING = _rendering()
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in RENDERING.pages()}
TYPED = {
    page: re.sub(r"<!-- table: .*?<!-- end -->", "", text, flags=re.DOTALL)
    for page, text in TEXTS.items()
}
"""The pages without what is rendered into them."""

each_page = pytest.mark.parametrize("page", TEXTS)


def code(text: str) -> list[str]:
    """The fenced code of a page, block by block."""
    return re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands() -> dict[str, list[str]]:
    """Every `python -m ser_tf.NAME ...` of the pages, in words; those of `benchmark` are simple."""
    found = {}
    for page, text in TYPED.items():
        inline = re.findall(r"`(python -m ser_tf\.(?!benchmark)[^`]*)`", text)
        lines = [line for block in code(text) for line in block.replace("\\\n", "").splitlines()]
        for line in (*inline, *lines):
            for part in line.removesuffix("&").split("&&"):
                if "python -m ser_tf." in part:
                    found[f"{page}: {part.strip()}"] = shlex.split(part.split("-m ser_tf.")[1])
    return found


def settings(words: list[str]) -> list[str]:
    """What stands behind `--set`."""
    if "--set" not in words:
        return []
    behind = words[words.index("--set") + 1 :]
    return [*itertools.takewhile(lambda word: not word.startswith("--"), behind)]


COMMANDS = commands()
TRAINING = {line: words for line, words in COMMANDS.items() if words[0] in ("fit", "compare")}


@each_page
def test_the_tables_of_a_page_are_what_the_data_say(page):
    assert RENDERING.render(TEXTS[page]) == TEXTS[page], "run .ci/render_tables.py"


@each_page
def test_a_table_with_measured_figures_is_rendered(page):
    for line in (line for line in TYPED[page].splitlines() if line.startswith("|")):
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
    ("page", "most"),
    [
        ("README.md", 250),
        ("saved_models/ser-lmu/README.md", 120),
        ("saved_models/ser-whisper/README.md", 120),
    ],
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


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_the_flags_of_a_command_exist(words, capsys):
    name, *rest = words
    with pytest.raises(SystemExit):
        importlib.import_module(f"ser_tf.{name}").main(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("words", TRAINING.values(), ids=TRAINING)
def test_the_recipe_and_the_settings_of_a_command_exist(words):
    name, *rest = words
    at = 0 if name == "compare" else rest.index("--recipe") + 1 if "--recipe" in rest else None
    recipe = [] if at is None else rest[at : at + 1]
    known = recipe and recipe[0] in recipes.names()
    flags = ["--recipe", *recipe] if known else []
    assert fit.main([*flags, "--set", "seed=0", *settings(rest), "--show"]) == 0


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
