"""Laws of the house: who may import whom, and what must stay light."""

import ast
import functools
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import ser_tf

ROOT = Path(ser_tf.__file__).parent
FLOORS = (
    ("errors",),
    ("emotions", "files", "console", "home", "parallel"),
    ("audio", "backend"),
    ("layers",),
    ("models",),
    ("corpora",),
    ("config",),
    ("data",),
    ("inference",),
    ("evaluation",),
    ("training",),
    ("serving",),
    ("api",),
    ("commandline",),
    ("fit", "evaluate", "predict", "export", "doctor", "stream", "benchmark", "client", "compare"),
    ("__main__",),
)
HEAVY = ("tensorflow", "keras", "keras_lmu", "librosa", "sklearn", "pandas", "kagglehub", "grpc")
COMMANDS = FLOORS[-2]


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def sources() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def file_of(module: str) -> Path | None:
    """The file of a module of ours; None if there is no such module."""
    path = ROOT.parent.joinpath(*module.split("."))
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found and module.split(".")[0] == "ser_tf" else None


@functools.cache
def imports(path: Path) -> list[tuple[str, str | None]]:
    """What a file imports, with its alias: also inside functions, and for annotations alone."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, alias.asname) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(f"{node.module}.{alias.name}", alias.asname) for alias in node.names]
    return found


def imported_files(path: Path) -> set[Path]:
    """The files of the package that a file names in its imports: modules, or where names are."""
    files = {file_of(name) or file_of(name.rpartition(".")[0]) for name, _ in imports(path)}
    return {file for file in files if file and file != ROOT / "__init__.py"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_file_has_a_floor():
    assert {room_of(path) for path in sources()} <= {room for rooms in FLOORS for room in rooms}


def test_no_two_layers_are_registered_under_one_name():
    """A saved model would load the wrong one."""
    classes = [
        node.name
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any("register_keras" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    assert len(classes) > 20
    assert len(set(classes)) == len(classes)


def test_rooms_import_upwards_in_the_listing_only():
    wrong = [
        f"{path.relative_to(ROOT)} imports {file.relative_to(ROOT)}"
        for path in sources()
        for file in imported_files(path)
        if room_of(file) != room_of(path) and floor(room_of(file)) >= floor(room_of(path))
    ]
    assert not wrong


def test_no_files_import_each_other_in_a_circle():
    graph = {path: imported_files(path) for path in sources()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = [str(path.relative_to(ROOT)) for path in error.args[1]]
        pytest.fail(" is imported by ".join(circle))


def test_no_module_of_ours_needs_an_alias():
    aliased = [
        f"{path.relative_to(ROOT)}: {name} as {alias}"
        for path in sources()
        for name, alias in imports(path)
        if alias and name.startswith("ser_tf")
    ]
    assert not aliased


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_registries_configuration_and_commands_import_nothing_heavy():
    names = ("models.features", "models.augmentations", "models", "corpora", "corpora.splits")
    names += ("config", "commandline.flags", *COMMANDS)
    imports = "\n".join(f"import ser_tf.{name}" for name in names)
    result = run_python(f"{imports}\nimport sys\nprint(*sys.modules)")
    assert result.returncode == 0, result.stderr
    assert not set(HEAVY) & set(result.stdout.split())


def test_help_answers_without_anything_heavy():
    code = (
        "import importlib, sys\n"
        f"for name in {COMMANDS}:\n"
        "    try:\n        importlib.import_module(f'ser_tf.{name}').main(['--help'])\n"
        "    except SystemExit as stop:\n        assert stop.code == 0, name\n"
        f"    assert not set({HEAVY}) & set(sys.modules), name"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    for command in COMMANDS:
        assert f"python -m ser_tf.{command}" in result.stdout


def test_the_commands_are_listed_with_a_line_each(capsys):
    assert importlib.import_module("ser_tf.__main__").main([]) == 0
    listed = [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == [f"ser_tf.{name}" for name in sorted(COMMANDS)]


@pytest.mark.parametrize("name", [*COMMANDS, "__main__"])
def test_every_command_says_its_version(name, capsys):
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"ser_tf.{name}").main(["--version"])
    assert stop.value.code in (0, None)
    assert capsys.readouterr().out == f"ser_tf {ser_tf.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--corpora", "emodb"], "choose from ravdess"),
        (["--model", "rnn"], "'lmu'"),
        (["--features", "mel"], "'logmel'"),
        (["--split", "random"], "'speakers'"),
        (["--epochs", "0"], "at least 1"),
        (["--set", "training.learning_rate=-1"], "above 0"),
        (["--set", "split.folds=1"], "at least 2"),
        (["--set", "split.folds=5", "split.test_speakers=demo-01"], "exclude each other"),
        (["--split", "clips", "--set", "split.test_speakers=demo-01"], "split.kind=speakers"),
        (["--set", "split.protocol=savee"], "ravdess"),
        (["--set", "split.protocol=ravdess", "split.folds=5"], "exclude each other"),
        (["--set", "split.protocol=ravdess", "split.validation_speakers=a"], "exclude each other"),
        (["--set", "split.protocol=ravdess", "--split", "clips"], "split.kind=speakers"),
        (["--set", "split.protocol=ravdess", "split.validation=false"], "split.validation"),
        (["--set", "training.watch_test=true"], "exclude each other"),
        (["--set", "augmentation.published_rows=true"], "features.name=published"),
        (["--set", "model.width=3"], "model.units"),
        (["--set", "model.units"], "KEY=VALUE"),
        (["--set", "features.n_mels=x"], "n_mels"),
        (["--resume", "--overwrite"], "not allowed with"),
        (["--folds", "5"], "--folds is now --set split.folds=..."),
        (["--model-options", "units=3"], "is now --set model."),
        (["--preset", "published"], "is now --recipe"),
        (["--recipe", "best"], "published"),
        (
            ["--recipe", "published", "--set", "split.validation=true"],
            "training.watch_test = true (recipe published)",
        ),
    ],
)
def test_wrong_flags_of_fit_exit_with_2_and_name_what_is_right(arguments, named, capsys):
    from ser_tf.fit import main

    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert named in capsys.readouterr().err
