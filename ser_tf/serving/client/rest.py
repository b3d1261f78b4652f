"""TensorFlow Serving's REST interface."""

import base64
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ser_tf.serving.client.failures import (
    ServerError,
    UnavailableError,
    UnknownModelError,
    late,
    refusal,
)

_FOREIGN = "what answers there is not TensorFlow Serving's REST."


class REST:
    """Bytes as base64 in JSON."""

    def __init__(
        self, server: str, model: str, version: str | None, timeout_seconds: float
    ) -> None:
        self.address = urlsplit(server)
        self.model = f"{self.address.path.rstrip('/')}/v1/models/{quote(model, safe='')}"
        self.version = version
        self.timeout_seconds = timeout_seconds

    def states(self, version: str | None) -> dict[str, str]:
        path = self.model + _version_path(version)
        try:
            found = self._request("GET", path, wanted="model_version_status")
        except UnknownModelError:
            return {}
        return {one["version"]: one["state"] for one in found}

    def ask(self, wav: bytes) -> Mapping[str, Any]:
        question = {"inputs": {"wav_bytes": [{"b64": base64.b64encode(wav).decode()}]}}
        path = f"{self.model}{_version_path(self.version)}:predict"
        outputs = self._request("POST", path, json.dumps(question).encode(), wanted="outputs")
        try:
            return {name: values[0] for name, values in outputs.items()}
        except (AttributeError, LookupError, TypeError):
            raise ServerError(f"{self.model} was not exported by ser_tf.") from None

    def close(self) -> None:
        """Nothing is held between requests."""

    def _request(self, method: str, path: str, body: bytes | None = None, *, wanted: str) -> Any:
        """The value under the key `wanted` of the answer."""
        secure = self.address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self.address.netloc, timeout=self.timeout_seconds)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except TimeoutError:
            raise late(self.timeout_seconds) from None
        except http.client.IncompleteRead:
            raise UnavailableError("it broke off its answer") from None
        except OSError as error:
            raise UnavailableError((error.strerror or str(error)).lower()) from None
        except http.client.HTTPException:
            raise ServerError(_FOREIGN) from None
        finally:
            connection.close()
        if response.status == 503:
            raise UnavailableError("it answers 503")
        try:
            answer = json.loads(content)
            if response.status != 200:
                raise refusal(answer["error"])
            return answer[wanted]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            raise ServerError(_FOREIGN) from None


def _version_path(version: str | None) -> str:
    if version is None:
        return ""
    return f"/{'versions' if version.isdigit() else 'labels'}/{quote(version, safe='')}"
