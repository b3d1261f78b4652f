"""The real kagglehub client against a stand-in for Kaggle on the loopback interface."""

import functools
import io
import json
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ser_tf.corpora import CORPORA, load
from ser_tf.errors import InputError

SAVEE = CORPORA["savee"]
CLIENT_CHUNK_BYTES = 1024**2  # what kagglehub writes at a time


@functools.cache
def content(name: str) -> bytes:
    """6 kB that cannot be compressed, so that the archive is several of the client's chunks."""
    return random.Random(name).randbytes(6 * 1024)


@functools.cache
def archive(*, without: str = "") -> bytes:
    """SAVEE in its Kaggle layout, every clip twice."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name in sorted(SAVEE.names() - {without}):
            zipped.writestr(f"ALL/{name}.wav", content(name))
            zipped.writestr(f"savee/ALL/{name}.wav", b"")
        zipped.writestr("Info.txt", "SAVEE")
    return file.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Serves one data set of one version.

    The client reaches it as a proxy for http://localhost, because kagglehub 1 can be pointed to
    localhost but to no port.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.archive = archive()
        self.status = 200
        self.cut_at: int | None = None  # the next transfer ends after so many bytes
        self.ranges: list[str | None] = []  # of the transfers
        self.asked: list[str] = []  # what the API was asked


class Handler(BaseHTTPRequestHandler):
    server: Kaggle

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/storage/archive.zip":
            return self.transfer()
        self.server.asked.append(path)
        if self.server.status != 200:
            return self.answer(self.server.status, json.dumps({"message": "no"}).encode())
        if "download" in path.lower():  # kagglehub 1: .../DownloadDataset, 0.3: .../download/...
            return self.answer(302, b"", Location="http://localhost/storage/archive.zip")
        return self.answer(200, json.dumps({"currentVersionNumber": 1}).encode())

    do_POST = do_GET  # noqa: N815

    def transfer(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = self.server.archive[start:]
        cut_at, self.server.cut_at = self.server.cut_at, None
        self.answer(
            206 if start else 200,
            body[:cut_at],
            **{
                "Content-Length": str(len(body)),
                "Content-Type": "application/zip",
                "Accept-Ranges": "bytes",
            },
        )

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        defaults = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        for name, value in (defaults | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Without credentials of whoever runs the tests, and with kagglehub's cache in `tmp_path`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("KAGGLE", "COLAB", "TBE_")) and name.upper() != "NO_PROXY"
    }
    return kept | {
        "HOME": str(tmp_path),
        "KAGGLEHUB_CACHE": str(tmp_path / "cache"),
        "KAGGLE_CONFIG_DIR": str(tmp_path),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",  # kagglehub 1
        "KAGGLE_API_ENDPOINT": "http://localhost",  # kagglehub 0.3
    }


@pytest.fixture
def kaggle(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with Kaggle() as server:
        environment["http_proxy"] = f"http://127.0.0.1:{server.server_port}"
        for name in set(os.environ) - set(environment):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def refusal() -> str:
    with pytest.raises(InputError) as caught:
        load(["savee"])
    line = str(caught.value)
    assert "\n" not in line
    for part in ("SAVEE", "ejlok1/surrey-audiovisual-expressed-emotion-savee", "--data-dir"):
        assert part in line
    return line


def test_a_whole_corpus_is_downloaded_once_and_indexed_once(kaggle: Kaggle) -> None:
    index = load(["savee"])
    again = load(["savee"])
    assert len(index) == SAVEE.clips
    assert all(Path(path).read_bytes() == content(Path(path).stem) for path in index.path)
    assert again.equals(index)
    assert kaggle.ranges == [None]


def test_a_cut_transfer_is_one_line_and_the_next_run_goes_on_from_there(kaggle: Kaggle) -> None:
    kaggle.cut_at = CLIENT_CHUNK_BYTES * 5 // 2
    assert len(kaggle.archive) > kaggle.cut_at
    assert "cut off" in refusal()
    index = load(["savee"])
    assert kaggle.ranges == [None, None, f"bytes={2 * CLIENT_CHUNK_BYTES}-"]
    assert len(index) == SAVEE.clips
    assert all(Path(path).read_bytes() == content(Path(path).stem) for path in index.path)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_one_line_with_its_reason(kaggle: Kaggle, status: int) -> None:
    kaggle.status = status
    assert str(status) in refusal()
    assert kaggle.ranges == []


def test_an_archive_that_is_none_is_one_line(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.archive = b"<html>try again later</html>"
    line = refusal()
    assert "archive" in line
    assert f"delete {tmp_path}" in line


def test_a_corpus_that_lacks_a_clip_is_not_taken_for_a_whole_one(kaggle: Kaggle) -> None:
    kaggle.archive = archive(without="JK_sa07")
    assert "1 of its 480 clips" in refusal()


def test_offline_is_one_line(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # the discard port: nobody listens
    assert "cannot be reached" in refusal()
    assert kaggle.asked == []


def test_offline_a_whole_copy_in_the_cache_serves(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = load(["savee"])
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert load(["savee"]).equals(index)
    assert "cannot be reached" in caplog.text


def test_offline_half_a_copy_in_the_cache_does_not_serve(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.cut_at = CLIENT_CHUNK_BYTES * 5 // 2
    refusal()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "cannot be reached" in refusal()


def test_the_client_shows_its_progress_on_stderr_alone(
    kaggle: Kaggle, environment: dict[str, str]
) -> None:
    code = "from ser_tf.corpora import load; print(len(load(['savee'])))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "480\n"
    assert "100%" in done.stderr
