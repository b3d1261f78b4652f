"""The client against the stand-in server, and the exported model behind both."""

import base64
import contextlib
import http.client
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from toy import CLASSES, RATE_HZ, noise, toy_model, wav

from ser_tf import client
from ser_tf.layers.signal.wav import MOST_SAMPLES
from ser_tf.models.features import FEATURES
from ser_tf.serving import saved_model
from ser_tf.serving.client import Client, ServerError
from ser_tf.serving.client import client as requests
from ser_tf.serving.client.failures import UnavailableError
from ser_tf.serving.signatures import LONGEST_SECONDS

STANDIN = Path(__file__).with_name("standin")


@contextlib.contextmanager
def standin(folder, *flags):
    """A stand-in server of the model `toy` in `folder`: addresses, and what it cannot import."""
    command = [sys.executable, str(STANDIN), "--model", f"toy={folder}", *flags]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            rest = f"http://127.0.0.1:{ready['rest_port']}"
            yield {"http": rest, "grpc": f"grpc://127.0.0.1:{ready['grpc_port']}", **ready}
        finally:
            process.kill()


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two exported versions of the toy model, with other weights; only the first lies in `m`."""
    folder = tmp_path_factory.mktemp("versions")
    for seed, version in enumerate((1, 2)):
        saved_model.write(toy_model(seed), CLASSES, RATE_HZ, folder / "later", version)
    (folder / "m").mkdir()
    shutil.copytree(folder / "later" / "1", folder / "m" / "1")
    return folder


@pytest.fixture(scope="module")
def server(versions):
    with standin(versions / "m", "--label", "stable=1") as addresses:
        yield addresses


@pytest.fixture(params=["http", "grpc"])
def address(server, request):
    return server[request.param]


@pytest.fixture
def clip(tmp_path):
    soundfile.write(tmp_path / "clip.wav", noise(3000), RATE_HZ, subtype="FLOAT")
    return tmp_path / "clip.wav"


def ask(server, method, path, body=None):
    connection = http.client.HTTPConnection(server["http"].removeprefix("http://"))
    connection.request(method, path, json.dumps(body) if body is not None else None)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def predict(server, body, name="toy"):
    return ask(server, "POST", f"/v1/models/{name}:predict", body)


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def one_error_line(capsys):
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("error: ")


def test_the_stand_in_serves_where_keras_and_this_package_cannot_be_imported(server):
    assert {"keras", "keras_lmu", "ser_tf"} <= set(server["blocked"])


def test_the_stand_in_warms_up_by_the_published_requests(server):
    assert ask(server, "GET", "/standin")[1]["toy/1"]["warmed_up"] == 8


def test_an_answer_is_that_of_the_keras_model(address, clip):
    expected = toy_model()(noise(3000)[np.newaxis])[0]
    with Client(address, "toy") as asked:
        answer = asked.answer(clip)
    # 1e-5: the sums of one network in float32, taken in another order.
    np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=1e-5)
    assert list(answer.probabilities) == list(CLASSES)
    assert answer.emotion == CLASSES[int(np.argmax(expected))]
    assert answer.probability == answer.probabilities[answer.emotion]
    assert answer.unsure == (answer.probability < 0.6)


def test_the_command_prints_what_predict_prints_and_names_what_has_no_answer(
    address, clip, tmp_path, capsys
):
    soundfile.write(tmp_path / "b.flac", noise(2000, 1), 16_000)
    (tmp_path / "c.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "d.wav", noise(100), 2000)
    assert client.main(["--server", address, "--model", "toy", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [line["path"] for line in lines] == [str(tmp_path / "b.flac"), str(clip)]
    for line in lines:
        assert list(line) == ["path", "emotion", "probability", "probabilities", "unsure"]
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-6)  # float32
    broken, slow = captured.err.strip().splitlines()
    assert f"{tmp_path / 'c.wav'}: " in broken
    assert f"{tmp_path / 'd.wav'}: sample rate 2000 Hz is not from 4000 to 192000 Hz." in slow


def test_both_interfaces_give_the_same_numbers(server, clip):
    answers = []
    for scheme in ("http", "grpc"):
        with Client(server[scheme], "toy") as asked:
            answers.append(asked.answer(clip))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("version", ["1", "stable"])
def test_a_version_is_asked_by_number_or_label(address, clip, version):
    with Client(address, "toy", version) as asked:
        asked.check()
        assert asked.answer(clip).emotion in CLASSES


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--model", "nope"], "the server has no model nope."),
        (["--model", "toy", "--version", "7"], "model toy has no version 7; it has 1."),
        (["--model", "toy", "--version", "beta"], "Unrecognized servable version label: beta"),
    ],
)
def test_a_model_or_version_that_is_not_there_is_one_line(address, clip, flags, reason, capsys):
    assert client.main(["--server", address, *flags, str(clip)]) == 1
    assert reason in one_error_line(capsys)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_down_is_one_line(scheme, clip, capsys):
    address = f"{scheme}://127.0.0.1:{free_port()}"
    assert client.main(["--server", address, str(clip)]) == 1
    assert f"{address}: no server answers there" in one_error_line(capsys)


@pytest.mark.parametrize(
    "address", ["localhost", "http://localhost:85O1", "http://[::1", "http://a..b", "grpc://:80"]
)
def test_an_address_that_is_none_names_the_choices(address, clip, capsys):
    assert client.main(["--server", address, str(clip)]) == 1
    assert "choose from http://HOST:PORT" in one_error_line(capsys)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_never_answers_is_waited_for_as_long_as_told(scheme, clip, capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        assert client.main(["--server", address, "--timeout", "0.2", str(clip)]) == 1
    assert "no answer within 0.2 s." in one_error_line(capsys)


def test_what_is_no_tensorflow_serving_is_said(server, clip, capsys):
    address = server["grpc"].replace("grpc", "http")
    assert client.main(["--server", address, "--model", "toy", str(clip)]) == 1
    assert "is not TensorFlow Serving's REST" in one_error_line(capsys)


@contextlib.contextmanager
def web_server(code, content):
    """A server that answers everything alike; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Says nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.mark.parametrize(
    ("code", "content", "reason"),
    [
        (200, b"<html>", "is not TensorFlow Serving's REST"),
        (404, b'{"detail": "no"}', "is not TensorFlow Serving's REST"),
        (200, b"\xff", "is not TensorFlow Serving's REST"),
        (200, b"[]", "is not TensorFlow Serving's REST"),
        (503, b"busy", "no server answers there (it answers 503)"),
    ],
)
def test_another_web_server_is_one_line(code, content, reason, clip, capsys):
    with web_server(code, content) as address:
        assert client.main(["--server", address, str(clip)]) == 1
    assert reason in one_error_line(capsys)


class Busy:
    """A transport that is unavailable so many times, then answers."""

    def __init__(self, times):
        self.times = times

    def states(self, version):
        return {"1": "AVAILABLE"}

    def ask(self, wav):
        self.times -= 1
        if self.times >= 0:
            raise UnavailableError("queue full")
        answer = {"label": "sad", "probabilities": [0.1, 0.2, 0.7], "classes": CLASSES}
        return answer | {"unsure": False, "error": ""}


@pytest.fixture
def waits(monkeypatch):
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_a_busy_server_is_asked_again_ever_later(clip, waits):
    asked = Client("http://localhost:1", "toy", retries=3)
    asked._transport = Busy(3)
    assert asked.answer(clip).emotion == "sad"
    assert len(waits) == 3
    assert all(0.5 * 0.25 * 2**n <= wait <= 0.25 * 2**n for n, wait in enumerate(waits))


def test_after_the_last_try_the_recording_has_no_answer_and_the_next_is_asked(clip, waits):
    asked = Client("http://localhost:1", "toy", retries=1)
    asked._transport = Busy(2)
    (_, failed), (_, answered) = asked.answers([clip, clip], concurrency=1)
    assert str(failed) == f"{clip}: no answer in 2 tries (queue full)."
    assert answered.emotion == "sad"


def test_a_model_of_another_kind_is_said(clip):
    asked = Client("http://localhost:1", "toy")
    asked._transport = Busy(0)
    asked._transport.ask = lambda wav: {"output_0": [0.5]}
    with pytest.raises(ServerError, match="model toy was not exported by ser_tf"):
        asked.answer(clip)


def test_rest_needs_neither_the_extra_nor_tensorflow(server, clip):
    code = (
        "import sys\nsys.modules['grpc'] = sys.modules['tensorflow_serving'] = None\n"
        "from ser_tf import client\n"
        f"assert client.main(['--server', '{server['http']}', '--model', 'toy', '{clip}']) == 0\n"
        "assert not {'tensorflow', 'keras', 'sklearn', 'pandas'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_grpc_without_the_extra_says_what_it_needs(monkeypatch, clip, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    assert client.main(["--server", "grpc://localhost:1", str(clip)]) == 1
    assert "gRPC needs `pip install tensorflow-serving-api`" in one_error_line(capsys)


def test_rows_and_columns_are_answered_alike(server):
    files = [b64(wav(noise(900, seed))) for seed in (0, 1)]
    _, rows = predict(server, {"instances": [{"wav_bytes": file} for file in files]})
    _, short = predict(server, {"instances": files})
    _, columns = predict(server, {"inputs": {"wav_bytes": files}})
    _, bare = predict(server, {"inputs": files})
    assert rows == short
    assert columns == bare
    for number, row in enumerate(rows["predictions"]):
        assert row == {name: values[number] for name, values in columns["outputs"].items()}
    assert columns["outputs"]["error"] == ["", ""]


def test_every_signature_is_served_over_rest(server):
    waveform = [[0.1, -0.1, 0.2]] * 2
    rated = {"waveform": waveform, "sample_rate_hz": [8000, 0], "length": [3, 3]}
    for name, inputs in {
        "waveform": {"waveform": waveform},
        "features": {"waveform": waveform},
        "waveform_with_rate": rated,
    }.items():
        code, answer = predict(server, {"signature_name": name, "inputs": inputs})
        assert code == 200
        assert len(answer["outputs"]["error"]) == 2
    assert answer["outputs"]["error"][1] == "sample rate 0 Hz is not from 4000 to 192000 Hz"


def test_status_and_metadata_are_told(server):
    code, answer = ask(server, "GET", "/v1/models/toy/versions/1")
    assert code == 200
    assert answer["model_version_status"][0]["state"] == "AVAILABLE"
    code, answer = ask(server, "GET", "/v1/models/toy/metadata")
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"] == {"wav_bytes": {"dtype": "DT_STRING"}}


@pytest.mark.parametrize(
    ("name", "body", "code", "words"),
    [
        ("no", {"inputs": []}, 404, "Servable not found for request: Latest(no)"),
        ("toy", {"inputs": {}}, 400, "Missing named input: wav_bytes in 'inputs' object."),
        ("toy", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("toy", {"instances": [], "inputs": []}, 400, "both 'instances' and 'inputs'"),
        ("toy", {"signature_name": "x", "inputs": []}, 400, "not found in signature def"),
        ("toy", {"inputs": [{"b64": "%"}]}, 400, "JSON Value"),
        ("toy", {"inputs": {"wav_bytes": b64(b"")}}, 400, "must have at least one dimension"),
        ("toy", {"inputs": b64(b"")}, 400, "must have at least one dimension"),
        ("toy", {"inputs": {"wav_bytes": 7}}, 400, "JSON Value"),
        ("toy", {"inputs": [[b64(b"")]]}, 400, ""),
        ("toy", {"inputs": [b64(b""), [b64(b"")]]}, 400, ""),
        ("toy", {"instances": [{"wav_bytes": b64(b"")}, 7]}, 400, "element: 1 of 'instances'"),
        ("toy", {"signature_name": 7, "inputs": []}, 400, "must be a string value"),
        ("toy", {"signature_name": "waveform", "inputs": [0.1, 0.2]}, 400, ""),
        ("toy", {"signature_name": "waveform", "inputs": [[0.1], [0.2, 0.3]]}, 400, "JSON Value"),
        ("toy", [1, 2], 400, "JSON Value: [1, 2] Is not object"),
        ("toy", "words", 400, "Is not object"),
        ("toy", 7, 400, "Is not object"),
    ],
)
def test_errors_are_worded_as_by_tensorflow_serving(server, name, body, code, words):
    found, answer = predict(server, body, name)
    assert found == code
    assert words in answer["error"]
    assert predict(server, {"inputs": [b64(wav(noise(900)))]})[0] == 200  # it goes on


def test_recordings_of_many_megabytes_are_answered_through_both_interfaces(address, tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(3_000_000), 48_000, subtype="FLOAT")
    with Client(address, "toy") as asked:
        assert asked.answer(tmp_path / "long.wav").emotion in CLASSES


def test_a_recording_of_too_many_samples_is_sent_at_a_lower_rate(monkeypatch, tmp_path):
    monkeypatch.setattr(requests, "MOST_SAMPLES", 10_000)
    for rate_hz, sent_hz in ((48_000, 24_000), (8_000, 8_000)):
        samples, rate = soundfile.read(io.BytesIO(requests._wav(noise(12_000), rate_hz)))
        assert (len(samples), rate) == (12_000 * sent_hz // rate_hz, sent_hz)
    samples, rate = soundfile.read(io.BytesIO(requests._wav(noise(10_000), 48_000)))
    assert (len(samples), rate) == (10_000, 48_000)


def test_ten_minutes_at_the_lower_rate_are_decoded_and_no_model_hears_more():
    assert requests.MOST_SAMPLES == MOST_SAMPLES
    assert requests.LONG_CALL_RATE_HZ * LONGEST_SECONDS <= MOST_SAMPLES
    assert max(feature.rate_hz for feature in FEATURES.values()) <= requests.LONG_CALL_RATE_HZ


def test_requests_at_once_are_merged_and_a_bad_one_spoils_none(server):
    good = {seed: wav(noise(900, seed)) for seed in range(12)}
    alone = {
        seed: predict(server, {"inputs": [b64(content)]})[1]["outputs"]["probabilities"][0]
        for seed, content in good.items()
    }
    before = len(ask(server, "GET", "/standin")[1]["toy/1"]["batches"]["serving_default"])
    contents = {**good, "bad": b"RIFF", "empty": b""}

    def ask_about(content):
        return predict(server, {"inputs": [b64(content)]})[1]["outputs"]

    with ThreadPoolExecutor(len(contents)) as pool:
        found = pool.map(ask_about, contents.values())
        answers = dict(zip(contents, found, strict=True))
    for seed, probabilities in alone.items():
        # 1e-6: a product over more rows may be summed in another order.
        np.testing.assert_allclose(answers[seed]["probabilities"][0], probabilities, atol=1e-6)
    assert answers["bad"]["error"] == answers["empty"]["error"] == ["not a RIFF/WAVE file"]
    sizes = ask(server, "GET", "/standin")[1]["toy/1"]["batches"]["serving_default"][before:]
    assert sum(sizes) == len(contents)
    assert max(sizes) > 1


@pytest.mark.parametrize(
    ("clients", "answers"), [(4, 10), pytest.param(64, 300, marks=pytest.mark.slow)]
)
def test_while_a_version_is_published_no_request_fails_and_each_answer_is_of_one_version(
    versions, tmp_path, clients, answers
):
    folder = tmp_path / "m"
    shutil.copytree(versions / "m", folder)
    clips = []
    for seed in range(4):
        clips.append(tmp_path / f"{seed}.wav")
        soundfile.write(clips[-1], noise(3000, seed), RATE_HZ, subtype="FLOAT")
    whole = {
        (version, path): np.asarray(toy_model(version - 1)(noise(3000, seed)[np.newaxis]))[0]
        for version in (1, 2)
        for seed, path in enumerate(clips)
    }
    seen = []  # of which versions each answer may be
    over = threading.Event()

    def ask_on(address, turn):
        with Client(address, "toy", retries=0) as asked:
            while not over.is_set():
                turn += 1
                path = clips[turn % len(clips)]
                found = list(asked.answer(path).probabilities.values())
                # 1e-5: as everywhere; the two versions differ by a hundredth or more.
                which = [v for v in (1, 2) if np.abs(whole[v, path] - found).max() < 1e-5]
                seen.append(which)

    def count(version):
        return sum(which == [version] for which in seen)

    def wait_for_answers(version, threads):
        until = time.monotonic() + 300
        while count(version) < answers * clients:
            assert time.monotonic() < until, f"version {version} does not answer"
            assert not any(thread.done() for thread in threads)
            time.sleep(0.1)

    with standin(folder) as addresses, ThreadPoolExecutor(clients) as pool:
        kinds = [addresses["http"], addresses["grpc"]]
        threads = [pool.submit(ask_on, kinds[n % 2], n) for n in range(clients)]
        try:
            wait_for_answers(1, threads)
            shutil.copytree(versions / "later" / "2", folder / ".publishing-2")
            (folder / ".publishing-2").rename(folder / "2")
            wait_for_answers(2, threads)
        finally:
            over.set()
        for thread in threads:
            thread.result()  # raises what went wrong in it
    print(f"{clients} clients: {count(1)} + {count(2)} answers")  # noqa: T201
    assert count(1) + count(2) == len(seen)
    assert all(which == [2] for which in seen[-clients:])
