"""The rules for arguments of layers, and the one wording of errors: rule, received, choices.

All layers of `ser_tf` check their arguments here. It lies in this folder because the layers of
Legendre Memory Units need nothing else of `ser_tf`.
"""

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any


def require(holds: bool, rule: str, **received: Any) -> None:
    """Checks a rule.

    Args:
        holds: whether the rule is kept.
        rule: a sentence without its full stop, as "width must be odd".
        received: the arguments that the rule is about, by their names.

    Raises:
        ValueError: with the rule and what was received, unless it holds.
    """
    if not holds:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule}. Received: {values}.")


def require_sizes(**sizes: int) -> None:
    """Raises ValueError unless all are integers of at least 1."""
    for name, size in sizes.items():
        holds = isinstance(size, Integral) and not isinstance(size, bool) and size >= 1
        require(holds, f"{name} must be an integer of at least 1", **{name: size})


def require_positive(**numbers: float) -> None:
    """Raises ValueError unless all are finite numbers above 0."""
    for name, number in numbers.items():
        holds = isinstance(number, Real) and math.isfinite(number) and number > 0
        require(holds, f"{name} must be a finite number above 0", **{name: number})


def require_not_negative(**numbers: float) -> None:
    """Raises ValueError unless all are finite numbers of at least 0."""
    for name, number in numbers.items():
        holds = isinstance(number, Real) and math.isfinite(number) and number >= 0
        require(holds, f"{name} must be a finite number of at least 0", **{name: number})


def require_shares(**shares: float) -> None:
    """Raises ValueError unless all are from 0 to 1."""
    for name, share in shares.items():
        require(0 <= share <= 1, f"{name} must be from 0 to 1", **{name: share})


def require_rates(**rates: float) -> None:
    """Raises ValueError unless all, rates of dropout, are at least 0 and below 1."""
    for name, rate in rates.items():
        require(0 <= rate < 1, f"{name} must be at least 0 and below 1", **{name: rate})


def require_choice(choices: Collection[str], **words: str) -> None:
    """Raises ValueError unless all are among the choices."""
    for name, word in words.items():
        require(word in choices, f"{name} must be one of {', '.join(choices)}", **{name: word})


def require_range(
    name: str, bounds: Sequence[float], above: float = -math.inf
) -> tuple[float, float]:
    """`bounds` as a pair.

    Raises:
        ValueError: unless they are two finite numbers, the lower first, both greater than `above`.
    """
    low, high = bounds if len(bounds) == 2 else (math.nan, math.nan)
    limit = "" if above == -math.inf else f" and both above {above:g}"
    rule = f"{name} must be two finite numbers, the lower first{limit}"
    require(above < low <= high < math.inf, rule, **{name: bounds})
    return low, high
