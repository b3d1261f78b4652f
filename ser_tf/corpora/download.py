"""Corpora from Kaggle: kagglehub's own client, its failures as one line."""

import contextlib
import logging
import sys
from pathlib import Path

from ser_tf import home
from ser_tf.errors import InputError

_LOG = logging.getLogger(__name__)


def download(title: str, handle: str) -> Path:
    """The folder of a Kaggle data set in kagglehub's cache, downloaded if it is not there yet.

    A transfer that was cut off resumes where it stopped. If Kaggle cannot be reached, the newest
    whole copy in the cache is used.

    Args:
        title: the corpus, for messages.
        handle: `owner/name`.

    Raises:
        InputError: naming the corpus and the handle, if the data set cannot be downloaded.
    """
    home.provide_for_libraries()
    # kagglehub talks on stdout, which belongs to a command's results.
    with contextlib.redirect_stdout(sys.stderr):
        import kagglehub
        import requests

        try:
            try:
                return Path(kagglehub.dataset_download(handle))
            except requests.ConnectionError:
                version = _newest_in_cache(handle)
                if version is None:
                    raise
                _LOG.warning(
                    "%s: Kaggle cannot be reached; version %d of %s is in the cache.",
                    title,
                    version,
                    handle,
                )
                return Path(kagglehub.dataset_download(f"{handle}/versions/{version}"))
        # The client raises its own errors, those of requests, and those of the archive and disk.
        except Exception as error:
            raise InputError(
                f"{title}: {handle} cannot be downloaded: {_reason(error, handle)}. "
                "A copy of it can be used with --data-dir DIR (data_dir=...)."
            ) from error


def _cache(handle: str) -> Path:
    from kagglehub.config import get_cache_folder

    return Path(get_cache_folder(), "datasets", handle)


def _newest_in_cache(handle: str) -> int | None:
    # The client leaves VERSION.complete beside the versions that it has unpacked to the end.
    versions = (marker.stem for marker in _cache(handle).glob("*.complete"))
    return max((int(version) for version in versions if version.isdigit()), default=None)


def _reason(error: Exception, handle: str) -> str:
    import requests

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"Kaggle refuses it (HTTP {status})"
    if status == 404:
        return "Kaggle does not have it (HTTP 404)"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer was cut off; the next run goes on from there"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "Kaggle cannot be reached, or fell silent"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    # An archive that is whole but damaged would be unpacked again and again.
    return reason if status else f"{reason}; if that repeats, delete {_cache(handle)}"
