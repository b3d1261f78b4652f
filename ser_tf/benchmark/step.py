"""`python -m ser_tf.benchmark.step CASE WAY SECONDS`: one case of `benchmark lmu`.

Each case has a process to itself, whose peak of memory is that of the case alone. A line of JSON
is printed as soon as a part is measured.
"""

import dataclasses
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from ser_tf import backend, models
from ser_tf.benchmark import rivals
from ser_tf.models.encoder import network

BATCH = 16
CLASSES = 8
FEWEST, MOST = 3, 200
"""How many steps are timed."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A shape to compare layers at.

    Attributes:
        shape: steps and channels of the sequence.
        encoder: sizes and number of the layers.
    """

    shape: tuple[int, int]
    encoder: models.LMUEncoder

    def __str__(self) -> str:
        size = "-".join(map(str, self.encoder.units))
        output = "last state" if self.encoder.pooling == "last" else "all states"
        return (
            f"{self.shape[0]} steps of {self.shape[1]}, order {self.encoder.order}, memory_d "
            f"{self.encoder.memory_d}, units {size}, {output}"
        )


STACK = cast(models.LMUEncoder, models.PUBLISHED["lmu"])


def _layer(units: int, order: int, memory_d: int, pooling: str) -> models.LMUEncoder:
    sizes: dict[str, Any] = {"units": (units,), "order": order, "memory_d": memory_d}
    return dataclasses.replace(STACK, **sizes, dropout=0.0, pooling=pooling)


CASES = {
    "stack": Case((2376, 1), STACK),
    "long": Case((2376, 1), _layer(64, 256, 1, "mean")),
    "long-last": Case((2376, 1), _layer(64, 256, 1, "last")),
    "frames": Case((128, 20), _layer(64, 64, 20, "mean")),
    "frames-last": Case((128, 20), _layer(64, 64, 20, "last")),
    "wide": Case((300, 64), _layer(128, 16, 8, "mean")),
    "wide-last": Case((300, 64), _layer(128, 16, 8, "last")),
}
"""What is compared, by name."""


def measure(case: Case, way: str, seconds: float) -> Iterator[dict[str, float]]:
    """The time and the peak memory of an inference step, then of a training step.

    Args:
        case: what to compute.
        way: the layer, a key of `rivals.WAYS`.
        seconds: how long to time each kind of step, `FEWEST` steps at least.

    Yields:
        `build_s`; `inference_ms` and `inference_mb`; `training_ms` and `training_mb`. Times are
        medians, and `_lowest_ms` and `_highest_ms` stand next to each. Memory is the peak of the
        process above what it had with TensorFlow loaded.
    """
    import keras
    import keras_lmu  # noqa: F401  (its memory shall count as loaded)
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    x = tf.random.normal((BATCH, *case.shape))
    labels = tf.random.uniform((BATCH,), maxval=CLASSES, dtype=tf.int32)
    before_mb, began = peak_mb(), time.perf_counter()
    summarise = functools.partial(case.encoder.summarise_with, rivals.WAYS[way])
    model = network(summarise, case.shape, CLASSES)
    yield {"build_s": time.perf_counter() - began}

    inference = tf.function(lambda: model(x, training=False))
    yield _timed("inference", inference, seconds, before_mb)
    yield _timed("training", _training_step(model, x, labels), seconds, before_mb)


def peak_mb() -> float:
    """The most memory that this process has had resident so far, to about 1 MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e6


def _training_step(model: Any, x: Any, labels: Any) -> Callable[[], Any]:
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    return step


def _timed(
    name: str, step: Callable[[], Any], seconds: float, before_mb: float
) -> dict[str, float]:
    step().numpy()  # traces
    times_ms: list[float] = []
    until = time.perf_counter() + seconds
    while len(times_ms) < FEWEST or (time.perf_counter() < until and len(times_ms) < MOST):
        began = time.perf_counter()
        step().numpy()
        times_ms.append(1000 * (time.perf_counter() - began))
    return {
        f"{name}_ms": statistics.median(times_ms),
        f"{name}_lowest_ms": min(times_ms),
        f"{name}_highest_ms": max(times_ms),
        f"{name}_mb": peak_mb() - before_mb,
    }


def main(case: str, way: str, seconds: str) -> None:
    """Prints what `measure` finds."""
    backend.import_tensorflow()
    for part in measure(CASES[case], way, float(seconds)):
        sys.stdout.write(json.dumps(part) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
