"""A client of TensorFlow Serving, whichever interface it is asked through."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from ser_tf import audio
from ser_tf.errors import InputError
from ser_tf.inference.answers import Answer
from ser_tf.serving.client.failures import ClipError, ServerError, UnavailableError
from ser_tf.serving.client.rest import REST
from ser_tf.serving.client.rpc import GRPC

_FIRST_DELAY_SECONDS = 0.25
_READY = "AVAILABLE"

MOST_SAMPLES = 2**24
"""Samples that an exported model decodes of one WAV file (`ser_tf.layers.signal.wav`)."""

LONG_CALL_RATE_HZ = 24_000
"""The rate at which a recording of more samples is sent: no model's is higher, and the ten minutes
that are answered fit."""


class Transport(Protocol):
    """An interface of the server."""

    def states(self, version: str | None) -> dict[str, str]:
        """The state of `version`, or of each version of the model; empty if there is none."""

    def ask(self, wav: bytes) -> Mapping[str, Any]:
        """The outputs of `serving_default`, by name, for one WAV file.

        Raises:
            UnavailableError: if the server cannot be reached or is too busy.
            ClipError: if the server does not answer in time, or refuses.
        """

    def close(self) -> None:
        """Lets go of the connection."""


TRANSPORTS: dict[str, type] = {"http": REST, "https": REST, "grpc": GRPC}
"""The interfaces by the scheme of the server's address."""


class Client:
    """Asks a server about recordings.

    As in::

        with Client("http://localhost:8501", "ser-lmu") as client:
            print(client.answer("talk.mp3"))

    The server answers every recording as one clip; `predict` cuts recordings longer than twice the
    span of the model's features into windows.

    Args:
        server: `http://HOST:PORT` or `https://HOST:PORT` (REST), or `grpc://HOST:PORT`, which
            needs tensorflow-serving-api.
        model: the model's name on the server.
        version: number or label of the version; None: the server's choice.
        timeout_seconds: how long to wait for an answer.
        retries: how often to ask again when the server is not available; the pause doubles each
            time.

    Raises:
        InputError: if `server` is not such an address.
    """

    def __init__(
        self,
        server: str,
        model: str,
        version: str | None = None,
        timeout_seconds: float = 60.0,
        retries: int = 4,
    ) -> None:
        if (scheme := _scheme(server)) not in TRANSPORTS:
            choices = ", ".join(f"{scheme}://HOST:PORT" for scheme in TRANSPORTS)
            raise InputError(f"{server}: not the address of a server; choose from {choices}.")
        self.server = server
        self.model = model
        self.version = version
        self.retries = retries
        self._transport: Transport = TRANSPORTS[scheme](server, model, version, timeout_seconds)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def check(self) -> None:
        """Checks that the server has the model.

        Raises:
            ServerError: if no server answers, or it lacks the model or the version.
        """
        states = self._states(self.version)
        if _READY in states.values():
            return
        if states:
            found = ", ".join(f"{version} is {state}" for version, state in states.items())
            raise ServerError(f"{self.server}: model {self.model} is not available yet ({found}).")
        known = self._states(None) if self.version else {}
        if not known:
            raise ServerError(f"{self.server}: the server has no model {self.model}.")
        raise ServerError(
            f"{self.server}: model {self.model} has no version {self.version}; "
            f"it has {', '.join(known)}."
        )

    def answer(self, path: str | Path) -> Answer:
        """The emotion in a recording of any format.

        Raises:
            AudioError: if it cannot be read.
            ClipError: if the server cannot answer it.
            ServerError: if no server answers.
        """
        rate_hz, pieces = audio.read_mono(path)
        outputs = self._persist(_wav(np.concatenate([*pieces]), rate_hz), path)
        try:
            if error := outputs["error"]:
                raise ClipError(f"{path}: {error}.")
            return _answer(outputs)
        except KeyError:
            raise ServerError(
                f"{self.server}: model {self.model} was not exported by ser_tf."
            ) from None

    def answers(
        self, paths: Iterable[str | Path], concurrency: int = 4
    ) -> Iterator[tuple[Path, Answer | InputError]]:
        """Each path with its answer or its error, in the order of the paths.

        Raises:
            ServerError: if no server answers.
        """

        def attempt(path: Path) -> tuple[Path, Answer | InputError]:
            try:
                return path, self.answer(path)
            except ServerError:
                raise
            except InputError as error:
                return path, error

        pool = ThreadPoolExecutor(concurrency)
        try:
            yield from pool.map(attempt, map(Path, paths))
        finally:
            pool.shutdown(cancel_futures=True)

    def _persist(self, wav: bytes, path: str | Path) -> Mapping[str, Any]:
        """The server's outputs for one file; asks again while the server is unavailable."""
        for attempt in range(self.retries + 1):
            try:
                return self._transport.ask(wav)
            except ClipError as error:
                raise ClipError(f"{path}: {error}") from None
            except ServerError as error:
                raise ServerError(f"{self.server}: {error}") from None
            except UnavailableError as error:
                reason = error
            if attempt < self.retries:
                time.sleep(_FIRST_DELAY_SECONDS * 2**attempt * random.uniform(0.5, 1.0))
        self.check()
        raise ClipError(f"{path}: no answer in {self.retries + 1} tries ({reason}).")

    def _states(self, version: str | None) -> dict[str, str]:
        try:
            return self._transport.states(version)
        except UnavailableError as error:
            raise ServerError(f"{self.server}: no server answers there ({error}).") from None
        except (ClipError, ServerError) as error:
            raise ServerError(f"{self.server}: {error}") from None


def _wav(waveform: np.ndarray, rate_hz: int) -> bytes:
    """The file to send: at its own rate, unless it were too long for the server."""
    if len(waveform) > MOST_SAMPLES and rate_hz > LONG_CALL_RATE_HZ:
        waveform, rate_hz = audio.resample(waveform, rate_hz, LONG_CALL_RATE_HZ), LONG_CALL_RATE_HZ
    return audio.to_wav(waveform, rate_hz)


def _scheme(server: str) -> str:
    """The scheme of an address; "" if it lacks a host or is malformed."""
    try:
        address = urlsplit(server)
        host, _ = address.hostname or "", address.port  # both raise where they are malformed
        host.encode("idna")
    except ValueError:
        return ""
    return address.scheme if host else ""


def _answer(outputs: Mapping[str, Any]) -> Answer:
    values = np.asarray(outputs["probabilities"], np.float32).tolist()
    probabilities = dict(zip(outputs["classes"], values, strict=True))
    emotion = outputs["label"]
    return Answer(emotion, probabilities[emotion], probabilities, outputs["unsure"])
