"""Concurrent requests merged into one, as TensorFlow Serving does with `--enable_batching`."""

import queue
import threading
import time
from concurrent.futures import Future

import numpy as np
import tensorflow as tf

MOST_WAITING = 1000
GRACE_SECONDS = 5.0  # who chose a version just before it was retired asks it within this time


class Batcher:
    """Answers requests to one signature in batches.

    Args:
        signature: the signature's function.
        most: items a batch.
        wait_seconds: how long a batch waits for more.
    """

    def __init__(self, signature, most, wait_seconds):
        self._signature = signature
        self._most = most
        self._wait_seconds = wait_seconds
        self._waiting = queue.Queue(MOST_WAITING)
        self._closed = False
        self.sizes = []
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, inputs):
        """The outputs of one request, arrays by name."""
        if not all(value.ndim for value in inputs.values()):
            raise ValueError(
                "Batching session Run() input tensors must have at least one dimension"
            )
        sizes = {len(value) for value in inputs.values()}
        if len(sizes) > 1:
            raise ValueError("Batching Run() input tensors must have equal 0th-dimension size")
        future = Future()
        try:
            self._waiting.put_nowait((inputs, sizes.pop(), future))
        except queue.Full:
            raise OverflowError(
                "The batch scheduling queue to which this task was submitted is full"
            ) from None
        return future.result()

    def close(self):
        """Ends the thread once nothing has been asked for `GRACE_SECONDS`."""
        self._closed = True

    def _work(self):
        while True:
            try:
                tasks = self._gather(self._waiting.get(timeout=GRACE_SECONDS))
            except queue.Empty:
                if self._closed:
                    return
                continue
            try:
                self._answer(tasks)
            except Exception as error:  # one bad request fails its batch, as it does there
                for _, _, future in tasks:
                    future.set_exception(error)

    def _gather(self, first):
        tasks, items = [first], first[1]
        until = time.monotonic() + self._wait_seconds
        while items < self._most:
            try:
                tasks.append(self._waiting.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
            items += tasks[-1][1]
        return tasks

    def _answer(self, tasks):
        names = tasks[0][0]
        for name in names:
            if len({inputs[name].shape[1:] for inputs, _, _ in tasks}) > 1:
                raise ValueError(
                    f"Tensors with name '{name}' from different tasks have different shapes and "
                    "padding is turned off."
                )
        merged = {name: np.concatenate([inputs[name] for inputs, _, _ in tasks]) for name in names}
        outputs = self._signature(**{name: tf.constant(value) for name, value in merged.items()})
        self.sizes.append(sum(items for _, items, _ in tasks))
        outputs = {name: value.numpy() for name, value in outputs.items()}
        start = 0
        for _, items, future in tasks:
            rows = slice(start, start + items)
            future.set_result({name: value[rows] for name, value in outputs.items()})
            start += items
