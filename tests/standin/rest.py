"""The stand-in's REST interface: predict, status and metadata."""

import base64
import binascii
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf
from versions import Refusal

PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<verb>:predict|/metadata)?"
)
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 412,
    "NOT_FOUND": 404,
    "UNAVAILABLE": 503,
}


def predict(version, body):
    """The answer to a predict request, in the format that it came in."""
    try:
        question = json.loads(body)
    except ValueError:
        raise Refusal("INVALID_ARGUMENT", "JSON Parse error: Invalid value.") from None
    if not isinstance(question, dict):
        raise Refusal("INVALID_ARGUMENT", f"JSON Value: {json.dumps(question)} Is not object")
    name = question.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise Refusal("INVALID_ARGUMENT", "'signature_name' key must be a string value.")
    if name not in version.signatures:
        raise Refusal(
            "INVALID_ARGUMENT", f'Serving signature name: "{name}" not found in signature def'
        )
    types = version.inputs[name]
    if "instances" in question and "inputs" in question:
        raise Refusal("INVALID_ARGUMENT", "Request has both 'instances' and 'inputs' keys.")
    if "instances" in question:
        inputs = _rows(question["instances"], types)
        return {"predictions": _to_rows(version.predict(name, inputs))}
    if "inputs" in question:
        outputs = version.predict(name, _columns(question["inputs"], types))
        columns = {key: _to_json(key, value) for key, value in outputs.items()}
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    raise Refusal("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")


def _rows(instances, types):
    if not isinstance(instances, list) or not instances:
        raise Refusal("INVALID_ARGUMENT", "Missing or empty 'instances' list.")
    if not isinstance(instances[0], dict) or set(instances[0]) == {"b64"}:
        instances = [{next(iter(types)): instance} for instance in instances]
    for number, instance in enumerate(instances):
        if not isinstance(instance, dict) or set(instance) != set(types):
            given = instance if isinstance(instance, dict) else ()
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Failed to process element: {number} of 'instances' list. JSON object: does not "
                f"have keys: {','.join(sorted(set(types) - set(given)))}",
            )
    return _columns({key: [one[key] for one in instances] for key in types}, types)


def _columns(inputs, types):
    if not isinstance(inputs, dict) or set(inputs) == {"b64"}:
        inputs = {next(iter(types)): inputs}
    for key in types:
        if key not in inputs:
            raise Refusal("INVALID_ARGUMENT", f"Missing named input: {key} in 'inputs' object.")
    return {key: _tensor(inputs[key], dtype) for key, dtype in types.items()}


def _tensor(value, dtype):
    try:
        if dtype == tf.string:
            return np.array(_strings(value), object)
        return np.array(value, dtype.as_numpy_dtype)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise Refusal(
            "INVALID_ARGUMENT", f"JSON Value: not of type {dtype.name}. {error}"
        ) from None


def _strings(value):
    if isinstance(value, list):
        return [_strings(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return value.encode()


def _to_rows(outputs):
    columns = {key: _to_json(key, value) for key, value in outputs.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows if len(columns) > 1 else [next(iter(row.values())) for row in rows]


def _to_json(key, value):
    if value.dtype == object:
        encode = _to_b64 if key.endswith("_bytes") else bytes.decode
        return np.vectorize(encode, otypes=[object])(value).tolist() if value.size else []
    if value.dtype == np.float32:  # its shortest digits, not those of a double
        return np.vectorize(lambda x: float(str(x)), otypes=[float])(value).tolist()
    return value.tolist()


def _to_b64(content):
    return {"b64": base64.b64encode(content).decode()}


def status(numbers):
    state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"model_version_status": [{"version": str(number), **state} for number in numbers]}


def metadata(name, version):
    signatures = {
        key: {"inputs": {each: {"dtype": f"DT_{t.name.upper()}"} for each, t in inputs.items()}}
        for key, inputs in version.inputs.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


class Handler(BaseHTTPRequestHandler):
    models = None

    def do_GET(self):
        self._respond()

    def do_POST(self):
        self._respond()

    def log_message(self, *_):
        """Says nothing: tests read the output."""

    def _respond(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            code, answer = 200, self._answer(body)
        except Refusal as refusal:
            code, answer = HTTP_STATUS[refusal.code], {"error": str(refusal)}
        except Exception as error:  # whatever it is, the connection gets an answer
            code, answer = 500, {"error": f"{type(error).__name__}: {error}"}
        content = json.dumps(answer, indent=4).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body):
        if self.path == "/standin":
            return self.models.report()
        match = PATH.fullmatch(self.path)
        if not match or (match["verb"] == ":predict") != (self.command == "POST"):
            raise Refusal("INVALID_ARGUMENT", f"Malformed request: {self.command} {self.path}")
        name, number = match["name"], match["number"] and int(match["number"])
        if match["verb"] == ":predict":
            return predict(self.models.choose(name, number, match["label"]), body)
        if match["verb"] == "/metadata":
            return metadata(name, self.models.choose(name, number, match["label"]))
        return status(self.models.find(name).states(number))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # many clients connect at once
    daemon_threads = True


def serve(models, port):
    """Serves on 127.0.0.1; the server and its port."""
    server = _Server(("127.0.0.1", port), type("Bound", (Handler,), {"models": models}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]
