"""Where caches lie: ours and those of libraries, also where there is no home to write to.

In a container HOME may be unset, missing or read-only.
"""

import functools
import logging
import os
import tempfile
from pathlib import Path

from ser_tf.errors import InputError

_LIBRARIES = {
    "KAGGLEHUB_CACHE": "kagglehub",
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",  # without a place to write to, librosa cannot be imported
}
"""The variables that name the folders of libraries, and their folders below ours."""

_LOG = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/ser_tf`, by default `~/.cache/ser_tf`.

    Where that cannot be written, a folder of this user's among the temporary ones, which is made,
    and logged once.

    Raises:
        InputError: if that folder is another user's, or open to others.
    """
    parents = (os.environ.get("XDG_CACHE_HOME"), _home_cache())
    parent = next((Path(parent) for parent in parents if parent), None)
    if parent and _is_writable(parent):
        return parent / "ser_tf"
    return _make_substitute(parent)


def provide_for_libraries() -> None:
    """Names writable folders to libraries that keep files in the home, if it cannot be written.

    Raises:
        InputError: as `default_cache_dir`.
    """
    home = _home_cache()
    if not home:
        os.environ["HOME"] = str(default_cache_dir())
    if not (home and _is_writable(home)):
        for variable, name in _LIBRARIES.items():
            if variable not in os.environ:
                os.environ[variable] = str(default_cache_dir() / name)


def _home_cache() -> Path | None:
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # neither HOME nor an entry of this user in the password file
        return None


def _is_writable(folder: Path) -> bool:
    """Whether `folder` can be written, or made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@functools.lru_cache(maxsize=1)
def _make_substitute(usual: Path | None) -> Path:
    """A folder that only this user can enter, as none else may put files for us there."""
    folder = Path(tempfile.gettempdir()) / f"ser_tf-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(
            f"{folder}: is another user's, or open to others, so it cannot be the cache; name "
            "another with --cache-dir or XDG_CACHE_HOME."
        )
    reason = f"{usual} cannot be written" if usual else "there is no home"
    _LOG.warning("The cache is %s, as %s; XDG_CACHE_HOME names another.", folder, reason)
    return folder
