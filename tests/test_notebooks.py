"""The notebooks run from top to bottom, offline, and are kept in the form that git shall see."""

import ast
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

import ser_tf
from ser_tf.models.augmentations import AUGMENTATIONS

ROOT = Path(ser_tf.__file__).parents[1]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
SMALL = """
import dataclasses
from ser_tf import corpora
whole = corpora.CORPORA["demo"]
kept = [name for name in whole.names() if name < "demo-07" and name.endswith("_s1_t1")]
few = dataclasses.replace(whole, clips=len(kept), names=lambda kept=frozenset(kept): kept)
corpora.CORPORA["demo"] = few
from ser_tf import models
sizes = {"units": (8,), "order": 4, "memory_d": 2}
models.MODELS["lmu"] = dataclasses.replace(models.MODELS["lmu"], **sizes)
models.CAUSAL["lmu"] = dataclasses.replace(models.CAUSAL["lmu"], **sizes, theta=(40.0,))
from ser_tf.serving import targets
targets.leave_flatbuffers = lambda folder: None
"""
"""Lets the clips of `small_dir` be the whole demo corpus and the default models be small, and saves
the time for flatbuffers."""
QUICK = {
    "01_train": "EPOCHS = 1",
    "02_data_and_features": "",
    "03_published_table": (
        "EPOCHS = 1; SPLITS = ['rows', 'speakers']; OPTIONS = ['model.filters=4']"
    ),
    "04_serve": "EPOCHS = 1; DOCKER = False",
}
"""What replaces the parameters of each notebook, so that it ends soon."""

RUN = """
import nbclient, nbformat
notebook = nbformat.read("run.ipynb", as_version=4)
nbformat.write(nbclient.execute(notebook, timeout=1800, kernel_name="python3"), "run.ipynb")
"""

each = pytest.mark.parametrize("name", NOTEBOOKS)


@pytest.fixture(scope="module")
def tidying():
    """The module `.ci/tidy_notebooks.py`."""
    spec = importlib.util.spec_from_file_location("tidy", ROOT / ".ci" / "tidy_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name):
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook):
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    return [number for number, found in enumerate(tags) if "parameters" in found]


def execute(names, folder, cache):
    """Notebooks by name as they are after a run in folders of their own, in one kernel, offline."""
    notebooks = {}
    for name in names:
        notebooks[name] = read(name)
        quick = nbformat.v4.new_code_cell(SMALL + QUICK[name])
        notebooks[name].cells.insert(tagged(notebooks[name])[0] + 1, quick)
        anew = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {folder / name}")
        notebooks[name].cells.insert(0, anew)
        (folder / name).mkdir()
        for number, cell in enumerate(notebooks[name].cells):
            cell.id = f"{name}-{number}"
    cells = [cell for notebook in notebooks.values() for cell in notebook.cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "run.ipynb")
    environment = {flag: value for flag, value in os.environ.items() if flag != "NO_COLOR"} | {
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # its fonts are found already
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": str(ROOT),
        "HTTP_PROXY": "http://127.0.0.1:9",  # nothing may be fetched
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-c", RUN]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    ran = {cell.id: cell for cell in nbformat.read(folder / "run.ipynb", as_version=4).cells}
    for notebook in notebooks.values():
        notebook.cells = [ran[cell.id] for cell in notebook.cells]
    return notebooks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where notebooks run."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def cache(folder, demo_dir, small_dir):
    """What notebooks find in the cache."""
    (folder / "cache" / "ser_tf").mkdir(parents=True)
    (folder / "cache" / "ser_tf" / demo_dir.name).symlink_to(small_dir)
    return folder / "cache"


@pytest.fixture(scope="module")
def quick(folder, cache):
    """The notebooks that run in every test run."""
    return execute(["01_train", "02_data_and_features"], folder, cache)


@pytest.fixture(scope="module")
def slow(folder, cache):
    """The others."""
    return execute(["03_published_table", "04_serve"], folder, cache)


def shown(notebook):
    """All that a run has printed, and the kinds of what it has shown."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    text = "".join(output.get("text", "") for output in outputs)
    return text, [kind for output in outputs for kind in output.get("data", {})]


def test_a_model_is_trained_watched_evaluated_and_exported(quick, folder):
    text, kinds = shown(quick["01_train"])
    assert re.search(r"(?<!\d)1/1(?!\d)", text)  # Keras's bar
    assert kinds.count("image/png") == 4
    assert kinds.count("text/html") >= 1  # the answer's bars
    assert "serving_default" in text
    assert (folder / "01_train/saved_models/lmu-demo/1/saved_model.pb").is_file()


def test_data_features_and_augmentations_are_seen_and_heard(quick, folder):
    notebook = quick["02_data_and_features"]
    text, kinds = shown(notebook)
    assert "0 errors, 0 warnings" in text
    assert kinds.count("image/png") == 4
    players = re.findall("<audio", json.dumps(notebook))
    assert len(players) == 1 + 1 + len(AUGMENTATIONS)  # the clip; as it is and after each
    assert {path.name for path in (folder / "02_data_and_features/tensors").iterdir()} == {
        *("train.npz", "validation.npz", "test.npz")
    }


@pytest.mark.slow
def test_the_table_shows_the_splits_side_by_side(slow):
    text, kinds = shown(slow["03_published_table"])
    assert "2 of 2: cnn1, speakers" in text
    assert kinds.count("text/markdown") == 1
    assert kinds.count("image/png") == 3


@pytest.mark.slow
def test_a_server_is_asked_by_rest_and_grpc_and_a_recording_is_followed(slow, folder):
    text, kinds = shown(slow["04_serve"])
    answers = re.findall(r"^demo\S+\.wav .* %.*$", text, re.M)
    assert len(answers) == 2 * 3
    assert answers[:3] == answers[3:]
    assert len(re.findall(r"^ *\d+\.\d s  .* %", text, re.M)) > 2  # the stream's
    assert kinds.count("image/png") == 1
    assert (folder / "04_serve/saved_models/lmu-causal-demo/serving/compose.yaml").is_file()


@each
def test_a_notebook_is_kept_without_outputs_and_with_the_projects_address(name, tidying):
    text = NOTEBOOKS[name].read_text()
    nbformat.validate(nbformat.reads(text, 4))
    assert tidying.tidy(text, name, tidying.address()) == text, "run .ci/tidy_notebooks.py"


def test_the_readme_links_every_notebook_with_the_projects_address(tidying):
    text = (ROOT / "notebooks/README.md").read_text()
    assert tidying.tidy_readme(text, tidying.address()) == text, "run .ci/tidy_notebooks.py"
    assert set(re.findall(r"\((\w+)\.ipynb\)", text)) == set(NOTEBOOKS)


@pytest.mark.parametrize(
    "lines",
    ["url = https://github.com/a/b", "project_urls =\n    Source = https://github.com/a/b.git"],
)
def test_the_address_is_read_from_setup_cfg(lines, tidying, tmp_path, monkeypatch):
    (tmp_path / "setup.cfg").write_text(f"[metadata]\nname = x\n{lines}\n")
    monkeypatch.setattr(tidying, "ROOT", tmp_path)
    assert tidying.address() == "a/b"


@each
def test_an_address_in_setup_cfg_becomes_a_badge_and_what_is_installed(name, tidying):
    text = NOTEBOOKS[name].read_text()
    with_address = tidying.tidy(text, name, "someone/speech")
    first, install = (
        "".join(cell["source"])
        for cell in json.loads(with_address)["cells"][:3]
        if cell["cell_type"] == "code" or "Colab" in "".join(cell["source"])
    )
    page = f"colab.research.google.com/github/someone/speech/blob/main/notebooks/{name}.ipynb"
    assert page in first
    assert re.search(r"ser_tf(\[serving\])? @ git\+https://github.com/someone/speech\"", install)
    assert tidying.tidy(with_address, name, "someone/speech") == with_address
    assert tidying.tidy(with_address, name, None) == tidying.tidy(text, name, None)


@each
def test_a_notebook_has_one_switch_and_explains_each_step(name):
    notebook = read(name)
    assert len(tagged(notebook)) == 1
    switch = notebook.cells[tagged(notebook)[0]].source
    assert switch.startswith('CORPORA = ["demo"]  # or ["ravdess"')
    for cell in notebook.cells:
        assert len(cell.source.splitlines()) <= 25
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(prose) >= len(code_cells(notebook)) - 3


@each
def test_a_notebook_uses_no_private_names(name):
    transform = TransformerManager().transform_cell
    for cell in code_cells(read(name)):
        for node in ast.walk(ast.parse(transform(cell.source))):
            if isinstance(node, ast.Attribute):
                assert not re.match("_(?!_)", node.attr), node.attr
            if isinstance(node, ast.ImportFrom):
                assert not any(alias.name.startswith("_") for alias in node.names)


class Names(dict):
    """What a notebook imports of `ser_tf`, by the names it gives them."""

    def add(self, node):
        """Takes in an import."""
        for alias in node.names:
            if isinstance(node, ast.Import) and alias.name == "ser_tf":
                self[alias.asname or alias.name] = ser_tf
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("ser_tf"):
                module = importlib.import_module(node.module)
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                self[alias.asname or alias.name] = getattr(module, alias.name)

    def find(self, node):
        """The function, class or module that an expression names, or None if it is not ours."""
        if isinstance(node, ast.Name):
            return self.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.find(node.value)
            return owner and getattr(owner, node.attr)
        return None


@each
def test_what_a_notebook_imports_and_calls_is_there(name):
    names = Names()
    transform = TransformerManager().transform_cell
    for cell in code_cells(read(name)):
        nodes = [*ast.walk(ast.parse(transform(cell.source)))]
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names.add(node)
        for node in nodes:
            names.find(node)
            if isinstance(node, ast.Call) and callable(function := names.find(node.func)):
                if any(isinstance(value, ast.Starred) for value in node.args):
                    continue
                keywords = {keyword.arg: None for keyword in node.keywords}
                inspect.signature(function).bind(*node.args, **keywords)
    assert names
