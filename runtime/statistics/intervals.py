"""95 % intervals of a mean and of a share, which stay inside the values that there can be."""

import math

import numpy as np
from numpy.typing import NDArray

FEWEST = 10
"""Rows below which there is no interval: it would say more than so few rows can."""
Z = 1.959963984540054
"""Standard normal quantile of a 95 % interval."""

Interval = tuple[float, float]


def of_share(count: int, total: int) -> Interval | None:
    """Wilson's interval (1927) of a share, inside 0 to 1; None for fewer than ten.

    Unlike the normal one it holds near 0 and 1, and has a width at 0 and 1.
    """
    if total < FEWEST:
        return None
    rate = count / total
    middle = (rate + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z * math.sqrt(rate * (1 - rate) / total + Z * Z / (4 * total * total)) / (1 + Z * Z / total)
    return min(max(0.0, middle - half), rate), max(min(1.0, middle + half), rate)


def of_mean(values: NDArray[np.float64], bounds: Interval) -> Interval | None:
    """An interval of the mean of values, inside the bounds; None for fewer than ten, and where nothing is known of the spread.

    Where there are two different values it is Wilson's for the share of the larger one, scaled to them; where all are the lowest
    or all the highest value that there can be, Wilson's for 0 or 1, scaled to the bounds. Otherwise it is the normal one,
    cut at the smallest and the largest value, since a mean lies between them.

    Args:
        values: What was measured.
        bounds: The smallest and the largest value that there can be; may be infinite.
    """
    total = len(values)
    if total < FEWEST:
        return None
    smallest, largest = float(values.min()), float(values.max())
    if smallest == largest:
        return _of_one_value(smallest, total, bounds)
    if not ((values == smallest) | (values == largest)).all():
        mean = float(values.mean())
        half = Z * float(values.std(ddof=1)) / math.sqrt(total)
        return max(smallest, mean - half), min(largest, mean + half)
    return _scaled(of_share(int((values == largest).sum()), total), smallest, largest)


def _of_one_value(value: float, total: int, bounds: Interval) -> Interval | None:
    low, high = bounds
    if value not in bounds or low == high or math.isinf(high - low):
        return None
    return _scaled(of_share(total if value == high else 0, total), low, high)


def _scaled(share: Interval | None, low: float, high: float) -> Interval | None:
    if share is None:
        return None
    first, last = (max(low, min(high, low + part * (high - low))) for part in share)
    return first, last
