"""A stand-in for TensorFlow Serving: `python tests/standin --model NAME=FOLDER`.

It speaks the server's protocols through the official gRPC servicers and the REST routes, loads
SavedModels where Keras and this package cannot be imported, merges concurrent requests into
batches and picks up new versions. It is a tool of the tests and no product: the real server is
faster, and what it does beyond this is not imitated.
"""

import argparse
import json
import sys
import threading
from pathlib import Path

BLOCKED = ("keras", "keras_lmu", "ser_tf", "librosa", "soundfile")


def main():
    flags = _parser().parse_args()
    for name in BLOCKED:
        sys.modules[name] = None  # importing it fails from here on
    import rest
    import rpc
    import versions

    labels = {label: int(number) for label, number in flags.label}
    batching = (flags.max_batch_size, flags.batch_timeout_ms / 1000)
    served = [versions.Model(name, Path(folder), labels, batching) for name, folder in flags.model]
    models = versions.Models(served, flags.poll_seconds)
    _, rest_port = rest.serve(models, flags.rest_port)
    _, grpc_port = rpc.serve(models, flags.port)
    blocked = [name for name in BLOCKED if _cannot_be_imported(name)]
    ready = {"rest_port": rest_port, "grpc_port": grpc_port, "blocked": blocked}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    threading.Event().wait()


def _parser():
    parser = argparse.ArgumentParser(prog="python tests/standin", description=__doc__)
    pair = {"action": "append", "default": [], "type": lambda text: text.split("=", 1)}
    parser.add_argument("--model", metavar="NAME=FOLDER", **pair)
    parser.add_argument("--label", metavar="LABEL=VERSION", **pair)
    parser.add_argument("--port", type=int, default=0, help="of gRPC; 0: any free one")
    parser.add_argument("--rest-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--max-batch-size", type=int, default=32)
    parser.add_argument("--batch-timeout-ms", type=float, default=5.0)
    parser.add_argument("--poll-seconds", type=float, default=0.2)
    return parser


def _cannot_be_imported(name):
    try:
        __import__(name)
    except ImportError:
        return True
    return False


if __name__ == "__main__":
    main()
