"""The delay system of a Legendre Memory Unit, in float64 NumPy.

The system `theta m'(t) = A m(t) + B u(t)` keeps in `m` the coefficients of shifted Legendre
polynomials that describe `u` over the last `theta` steps (Voelker et al., 2019, "Legendre Memory
Units", equations 1 to 3).
"""

import functools
import math

import numpy as np
from scipy.linalg import expm

from ser_tf.layers.lmu.checks import require_positive, require_sizes

SILENCE = 1e-9
"""The impulse response is over when it stays below this share of its peak: 1/100 of the
resolution of float32."""

_ROWS = 32


def continuous(order: int) -> tuple[np.ndarray, np.ndarray]:
    """A `(order, order)` and B `(order,)` of the system whose window is 1 long.

    Divide both by theta for a window of theta.
    """
    degree = np.arange(order)
    row, column = degree[:, None], degree[None]
    scale = 2.0 * degree + 1
    sign = np.where(row < column, -1.0, (-1.0) ** (row - column + 1))
    return scale[:, None] * sign, scale * (-1.0) ** degree


def check(order: int, theta: float) -> None:
    """Raises ValueError unless order is an integer >= 1 and theta a finite number above 0."""
    require_sizes(order=order)
    require_positive(theta=theta)


@functools.lru_cache(maxsize=8)
def discretise(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """A `(order, order)` and B `(order,)` of `m[t] = A m[t-1] + B u[t]`, by zero-order hold.

    Equal to `scipy.signal.cont2discrete(..., dt=1, method="zoh")`. Callers share the arrays, which
    are read-only.

    Args:
        order: number of Legendre polynomials, at least 1.
        theta: length of the window in steps, above 0.

    Raises:
        ValueError: if order or theta is out of range.
    """
    check(order, theta)
    a, b = continuous(order)
    system = np.zeros((order + 1, order + 1))
    system[:order, :order], system[:order, order] = a / theta, b / theta
    exponential = expm(system)
    return _frozen(exponential[:order, :order]), _frozen(exponential[:order, order])


@functools.lru_cache(maxsize=8)
def impulse_response(order: int, theta: float, length: int) -> np.ndarray:
    """The memory 0, 1, ... length - 1 steps after an input of 1: `A^t B`.

    Returns:
        A read-only array `(length, order)`, which callers share.

    Raises:
        ValueError: if order, theta or length is out of range.
    """
    require_sizes(length=length)
    a, b = discretise(order, theta)
    response = np.empty((length, order))
    response[0] = b
    rows = min(_ROWS, length)
    for t in range(1, rows):
        response[t] = a @ response[t - 1]
    if length > rows:  # takes a fifth of the time of one product for each step
        jump = np.linalg.matrix_power(a, rows).T
        for t in range(rows, length, rows):
            end = min(t + rows, length)
            response[t:end] = response[t - rows : end - rows] @ jump
    return _frozen(response)


@functools.lru_cache(maxsize=8)
def powers(order: int, theta: float, length: int) -> np.ndarray:
    """A, A², ... A^length: a read-only array `(length, order, order)`, which callers share."""
    a, _ = discretise(order, theta)
    result = np.empty((length, order, order))
    result[0] = a
    for t in range(1, length):
        result[t] = a @ result[t - 1]
    return _frozen(result)


@functools.lru_cache(maxsize=64)
def audible_steps(order: int, theta: float, length: int | None = None) -> int:
    """Steps until every order of the impulse response stays below `SILENCE` of its peak.

    Args:
        order: number of Legendre polynomials, at least 1.
        theta: length of the window in steps, above 0.
        length: most steps to look at; None: until the response is over, about 1.1 theta for large
            orders and 21 theta for order 1.
    """
    if length is not None:
        return length if length <= theta else _last_audible(order, theta, length)
    length = math.ceil(2 * theta) + 16
    while (steps := _last_audible(order, theta, length)) > 0.75 * length:
        length *= 2
    return steps


def _last_audible(order: int, theta: float, length: int) -> int:
    response = np.abs(impulse_response(order, theta, length))
    audible = (response > SILENCE * response.max(axis=0)).any(axis=1)
    return int(np.flatnonzero(audible)[-1]) + 1


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
