"""Rules that the arguments of several layers obey."""

import numpy as np


def check_sizes(**sizes: int) -> None:
    """Checks sizes by their names.

    Raises:
        ValueError: unless all are integers of at least 1.
    """
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1. Received: {size!r}.")


def check_rates(**rates: float) -> None:
    """Checks rates of dropout by their names.

    Raises:
        ValueError: unless all are in [0, 1).
    """
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be at least 0 and below 1. Received: {rate!r}.")
