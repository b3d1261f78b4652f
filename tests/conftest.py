"""What the tests share: a small part of the synthetic demo corpus, and a cache."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import presets
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores as they are: more threads would wait for one another.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from ser_tf.corpora import demo
from ser_tf.emotions import EMOTIONS

LONGEST = ("training", "notebooks", "features", "conformance", "compare", "streaming", "backends")
LONGEST += ("commands", "api", "serving", "models", "whisper", "litert", "client", "lmu", "data")
"""The files that take longest: they come first, so that both processes end at about one time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; `--dist loadfile` hands files out in this order."""
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this test run, the same for all of its processes."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keeps other processes waiting that ask for the same lock."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def cache_dir(shared_dir: Path) -> Path:
    """A cache that lives as long as the test run."""
    folder = shared_dir / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo_dir(cache_dir: Path) -> Path:
    """The folder of the whole synthetic demo corpus."""
    with alone(cache_dir / "demo.lock"):
        return demo.make(cache_dir)


@pytest.fixture(scope="session")
def small_dir(demo_dir: Path, shared_dir: Path) -> Path:
    """Six speakers of the demo corpus, each saying one sentence once with every emotion."""
    folder = shared_dir / "small"
    with alone(shared_dir / "small.lock"):
        folder.mkdir(exist_ok=True)
        for speaker in range(1, 7):
            for emotion in EMOTIONS:
                path = Path(f"demo-{speaker:02}_{emotion}_s1_t1.wav")
                if not (folder / path).exists():
                    shutil.copy(demo_dir / path.name[:7] / path, folder)
    return folder


@pytest.fixture(scope="session")
def whisper_preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights of Whisper tiny's first block where kagglehub finds them."""
    cache = tmp_path_factory.mktemp("kagglehub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLEHUB_CACHE", str(cache))
        yield presets.write_cache(cache, "tiny", width=384, heads=6, blocks=1)


@pytest.fixture(scope="session")
def data_flags(small_dir: Path, cache_dir: Path) -> list[str]:
    """The flags of every command that name the data of these tests."""
    return ["--corpora", "demo", "--data-dir", str(small_dir), "--cache-dir", str(cache_dir)]


@pytest.fixture(scope="session")
def run_fit(data_flags: list[str]) -> Callable[..., int]:
    """`fit` on these data: `run_fit(output, *flags)` returns its exit code.

    Without pictures, nor flatbuffers, which take seconds, unless a flag asks for them.
    """
    from runs import without_pictures

    from ser_tf import fit

    usual = [*data_flags, "--set", "export.litert=false"]

    def run(output: Path, *flags: str) -> int:
        with without_pictures():
            return fit.main([*usual, "--output", str(output), *flags])

    return run


@pytest.fixture(scope="session")
def trained(run_fit: Callable[..., int], shared_dir: Path) -> Path:
    """The folder of a model trained by `runs.QUICK`, with flatbuffers.

    Whoever changes it works on a copy.
    """
    from runs import QUICK

    folder = shared_dir / "trained"
    with alone(shared_dir / "trained.lock"):
        if not (folder / "metrics.json").is_file():
            assert run_fit(folder, *QUICK, "export.litert=true", "--overwrite") == 0
    return folder
