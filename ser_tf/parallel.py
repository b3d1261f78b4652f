"""Work on all cores whose results come in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CORES = os.cpu_count() or 1
"""The cores of this machine."""

_AHEAD = 2
"""Items begun a thread: one is worked on and one waits."""


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """What `function` makes of every item, in the order of the items.

    Items are taken only as fast as results are: memory does not grow with their number.

    Args:
        function: called in the threads, so it should spend its time outside Python.
        items: what to work on; they are made by the caller's thread.
        threads: how many items are worked on at a time.
    """
    pool = ThreadPoolExecutor(threads)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > _AHEAD * threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
