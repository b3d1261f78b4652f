"""The flatbuffers of a model folder, and answers by LiteRT, which runs them without TensorFlow."""

import contextlib
import json
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ser_tf import backend, parallel
from ser_tf.errors import InputError
from ser_tf.inference import model_folder
from ser_tf.inference.model_folder import Artifact
from ser_tf.inference.runtime import Follower

DESCRIPTION = "model.json"
"""The file next to them that tells classes, rates and sizes, and of which weights they are."""

WHOLE, STREAM = "model", "stream"
"""The names of the flatbuffers, before `SUFFIX`, and of their sizes in the description."""

INT8 = "-int8"
"""What the names of flatbuffers with matrices of 8 bits end in, before `SUFFIX`."""

SUFFIX = ".tflite"

Runner = Callable[..., dict[str, np.ndarray]]
"""Runs a flatbuffer: takes inputs and returns outputs by name."""

_HINT = "`python -m ser_tf.export --target litert` makes them anew"


class LiteRTRuntime:
    """A `Runtime`: a folder's flatbuffers on as many threads as there are cores, no TensorFlow.

    Args:
        artifact: a loaded model folder.

    Raises:
        InputError: if there are no flatbuffers, they are of other weights than the folder's, or
            ai-edge-litert is not installed.
    """

    name = "litert"

    def __init__(self, artifact: Artifact) -> None:
        self._folder = artifact.folder / model_folder.LITERT
        described = _describe(artifact)
        self._parts: Mapping[str, Any] = described
        self.unsure_below: float = described["unsure_below"]
        self.temperature: float = described["temperature"]
        # The last in is the first out: one thread alone makes one interpreter.
        self._free: queue.LifoQueue[Runner | None] = queue.LifoQueue()
        for _ in range(parallel.CORES - 1):
            self._free.put(None)  # to be made when it is needed
        with backend.silence():  # the first says how it computes
            self._free.put(self._open(WHOLE))

    def of_clip(self, waveform: np.ndarray) -> np.ndarray:
        """The probabilities `(classes,)` of a waveform `(samples,)` as a whole."""
        sizes = self._parts[WHOLE]
        clip = fit(
            waveform,
            sizes["samples"],
            kept=sizes["part_of_longer_clips"],
            zeros=sizes["zeros_for_shorter_clips"],
        )
        with self._runner() as run:
            [probabilities] = run(waveform=clip[np.newaxis])["probabilities"]
        return np.asarray(probabilities)

    def of_windows(self, windows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The probabilities `(classes,)` of each window `(samples,)`, in order."""
        return parallel.in_order(self.of_clip, windows, parallel.CORES)

    def follow(self) -> Follower | None:
        """What follows streams chunk by chunk; None if the model takes whole clips only."""
        sizes = self._parts.get(STREAM)
        if sizes is None:
            return None
        run = self._open(STREAM)

        def step(chunk: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            answer = run(chunk=chunk, state=state)
            return answer["probabilities"], answer["next_state"]

        return Follower(sizes["stride_samples"], sizes["state_size"], step)

    @contextlib.contextmanager
    def _runner(self) -> Iterator[Runner]:
        """An interpreter that no other thread uses."""
        free = self._free.get()
        try:
            free = free or self._open(WHOLE)
            yield free
        finally:
            self._free.put(free)

    def _open(self, name: str) -> Runner:
        from ai_edge_litert.interpreter import Interpreter

        path = self._folder / f"{name}{SUFFIX}"
        try:
            # Clips side by side need less than a clip whose operators are split up.
            interpreter = Interpreter(str(path), num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path}: broken, LiteRT cannot load it; {_HINT}.") from error
        runner: Runner = interpreter.get_signature_runner()
        return runner


def fit(
    waveform: np.ndarray, samples: int | None, *, kept: str | None, zeros: str | None
) -> np.ndarray:
    """A clip `(samples,)` at the length that a flatbuffer takes.

    Args:
        waveform: the clip, of any length.
        samples: the length; None: any.
        kept: the part to keep of a longer clip: "beginning", "middle" or "end".
        zeros: where to add zeros to a shorter one: "in front", otherwise behind.
    """
    if samples is None:
        return waveform
    missing = max(0, samples - len(waveform))
    before = missing if zeros == "in front" else 0
    spare = max(0, len(waveform) - samples)
    start = {"beginning": 0, "middle": spare // 2, "end": spare}[kept or "beginning"]
    return np.pad(waveform, (before, missing - before))[start:][:samples]


def _describe(artifact: Artifact) -> Mapping[str, Any]:
    """What is told of the flatbuffers, if LiteRT can run them and they are of these weights."""
    path = artifact.folder / model_folder.LITERT / DESCRIPTION
    try:
        described: Mapping[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path.parent}: no flatbuffers that can be used; {_HINT}.") from error
    weights = model_folder.fingerprint(artifact.folder)
    if weights is None or described.get("weights") != weights:
        raise InputError(f"{path.parent}: of other weights than {model_folder.MODEL}; {_HINT}.")
    if described["classes"] != [*artifact.classes] or described["rate_hz"] != artifact.rate_hz:
        raise InputError(f"{path.parent}: of another model than {model_folder.CONFIG}; {_HINT}.")
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{path.parent}: ai-edge-litert is not installed, or not for this machine ({error})."
        ) from error
    return described
