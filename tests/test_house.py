"""Laws of the house: who may import whom, and what must stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ser_tf

ROOT = Path(ser_tf.__file__).parent
FLOORS = (
    ("errors",),
    ("emotions", "files", "console"),
    ("audio",),
    ("layers",),
    ("models",),
    ("corpora",),
    ("config",),
    ("data",),
    ("inference",),
    ("evaluation",),
    ("training",),
    ("serving",),
    ("commandline",),
    ("fit", "evaluate", "predict", "export", "doctor", "stream", "benchmark", "client", "compare"),
)
HEAVY = ("tensorflow", "keras", "keras_lmu", "librosa", "sklearn", "pandas", "kagglehub", "grpc")
COMMANDS = FLOORS[-1]


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def rooms() -> list[str]:
    return sorted({path.relative_to(ROOT).parts[0].removesuffix(".py") for path in sources()})


def sources() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def imported_rooms(path: Path) -> set[str]:
    """The rooms of the house that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "ser_tf":
            names |= {f"ser_tf.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    found = {name.split(".")[1] for name in names if name.startswith("ser_tf.")}
    return found - {"__version__"}


def test_every_file_has_a_floor():
    assert set(rooms()) == {room for rooms in FLOORS for room in rooms}


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


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for imported in imported_rooms(path) - {room}:
        assert floor(imported) < floor(room), f"{path} imports {imported}"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_registries_configuration_and_commands_import_nothing_heavy():
    names = ("models.features", "models.augmentations", "models", "corpora", "corpora.splits")
    names += ("config", "commandline.flags", *COMMANDS)
    imports = "\n".join(f"import ser_tf.{name}" for name in names)
    result = run_python(f"{imports}\nimport sys\nprint(*sys.modules)")
    assert result.returncode == 0, result.stderr
    assert not set(HEAVY) & set(result.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_answers_without_anything_heavy(command: str):
    code = (
        f"import sys\nfrom ser_tf.{command} import main\n"
        "try:\n    main(['--help'])\n"
        f"finally:\n    assert not set({HEAVY}) & set(sys.modules)"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert f"python -m ser_tf.{command}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--corpora", "emodb"], "'ravdess'"),
        (["--model", "rnn"], "'lmu'"),
        (["--features", "mel"], "'logmel'"),
        (["--split", "random"], "'speakers'"),
        (["--epochs", "0"], "at least 1"),
        (["--learning-rate", "nan"], "above 0"),
        (["--folds", "1"], "at least 2"),
        (["--folds", "5", "--test-speakers", "demo-01"], "exclude each other"),
        (["--split", "clips", "--test-speakers", "demo-01"], "--split speakers"),
        (["--protocol", "savee"], "'ravdess'"),
        (["--protocol", "ravdess", "--folds", "5"], "exclude each other"),
        (["--protocol", "ravdess", "--validation-speakers", "a"], "exclude each other"),
        (["--protocol", "ravdess", "--split", "clips"], "--split speakers"),
        (["--protocol", "ravdess", "--no-validation"], "--validation"),
        (["--watch-test"], "exclude each other"),
        (["--copies", "published"], "--features published"),
        (["--model-options", "width=3"], "choose from members, units"),
        (["--model-options", "units"], "NAME=VALUE"),
        (["--feature-options", "n_mels=x"], "n_mels"),
        (["--resume", "--overwrite"], "not allowed with"),
        (["--preset", "best"], "'published'"),
        (["--preset", "published", "--validation"], "--preset published sets --watch-test."),
    ],
)
def test_wrong_flags_of_fit_exit_with_2_and_name_what_is_right(arguments, named, capsys):
    from ser_tf.fit import main

    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert named in capsys.readouterr().err
