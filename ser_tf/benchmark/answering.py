"""One process of `benchmark answers`: `python -m ser_tf.benchmark.answering WAY MODEL_DIR PATH`.

Of a recording it prints the emotion; of a folder a line of JSON, how fast its recordings are
answered. It imports what its way needs and no more.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import audio, backend, parallel
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Answer = Callable[[Path], "np.ndarray"]
"""From a recording to its probabilities `(classes,)`."""

WARM_TURNS = 20


def main(argv: Sequence[str]) -> int:
    """Answers as the words say."""
    way, model_dir, path = argv[0], Path(argv[1]), Path(argv[2])
    answer, threads = WAYS[way](model_dir)
    found = measure(answer, audio.find([path]), threads) if path.is_dir() else answer(path).argmax()
    sys.stdout.write(f"{json.dumps(found) if isinstance(found, dict) else found}\n")
    return 0


def measure(answer: Answer, paths: Sequence[Path], threads: int) -> dict[str, float]:
    """Milliseconds of a warm answer, clips a second, and the process's largest memory."""
    import resource

    answer(paths[0])
    times = []
    for _ in range(WARM_TURNS):
        began = time.perf_counter()
        answer(paths[0])
        times.append(1000 * (time.perf_counter() - began))
    began = time.perf_counter()
    count = sum(1 for _ in _answers(answer, paths, threads))
    return {
        "warm_ms": statistics.median(times),
        "clips_per_second": count / (time.perf_counter() - began),
        "folder_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _answers(answer: Answer, paths: Sequence[Path], threads: int) -> Iterable["np.ndarray"]:
    return parallel.in_order(answer, paths, threads) if threads > 1 else map(answer, paths)


def _by_runtime(name: str) -> Callable[[Path], tuple[Answer, int]]:
    def load(model_dir: Path) -> tuple[Answer, int]:
        import numpy as np

        from ser_tf import api

        recogniser = api.load(model_dir, name)

        def answer(path: Path) -> "np.ndarray":
            return np.array([*recogniser.answer(path).probabilities.values()])

        return answer, parallel.CORES

    return load


def _as_usual(model_dir: Path) -> tuple[Answer, int]:
    """What a script does: librosa reads, and the Keras model predicts."""
    import librosa
    import numpy as np

    from ser_tf.inference import model_folder

    backend.import_tensorflow()
    artifact = model_folder.load(model_dir)

    def answer(path: Path) -> "np.ndarray":
        waveform, _ = librosa.load(path, sr=artifact.rate_hz)
        [probabilities] = artifact.model.predict(waveform[np.newaxis], verbose=0)
        return np.asarray(probabilities)

    return answer, 1


def _by_saved_model(model_dir: Path) -> tuple[Answer, int]:
    """The newest version of TensorFlow Serving's, called from Python."""
    backend.import_tensorflow()
    import tensorflow as tf

    versions = [path for path in model_dir.glob("[0-9]*") if path.name.isdigit()]
    if not versions:
        raise InputError(f"{model_dir}: no version; `python -m ser_tf.export` writes one.")
    newest = max(versions, key=lambda path: int(path.name))
    loaded: Any = tf.saved_model.load(str(newest))
    serve = loaded.signatures["serving_default"]

    def answer(path: Path) -> "np.ndarray":
        probabilities: np.ndarray = serve(wav_bytes=tf.constant([path.read_bytes()]))[
            "probabilities"
        ].numpy()[0]
        return probabilities

    return answer, 1


WAYS: Mapping[str, Callable[[Path], tuple[Answer, int]]] = {
    "litert": _by_runtime("litert"),
    "keras": _by_runtime("keras"),
    "librosa, then model.predict": _as_usual,
    "SavedModel": _by_saved_model,
}
"""For each way what loads a model: its answer, and how many recordings it takes at a time."""

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        sys.exit(str(error))
