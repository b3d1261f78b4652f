"""What the tests share: a small part of the synthetic demo corpus, and a cache."""

import os
import shutil
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores as they are: more threads would wait for one another.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from ser_tf.corpora import demo
from ser_tf.emotions import EMOTIONS


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that lives as long as the test session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def demo_dir(cache_dir: Path) -> Path:
    """The folder of the whole synthetic demo corpus."""
    return demo.make(cache_dir)


@pytest.fixture(scope="session")
def small_dir(demo_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six speakers of the demo corpus, each saying one sentence once with every emotion."""
    folder = tmp_path_factory.mktemp("small")
    for speaker in range(1, 7):
        for emotion in EMOTIONS:
            name = f"demo-{speaker:02}_{emotion}_s1_t1.wav"
            shutil.copy(demo_dir / f"demo-{speaker:02}" / name, folder / name)
    return folder
