"""What two measurements of the same things say of each other."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mcnemar(worse: int, better: int) -> float:
    """The two-sided p-value of McNemar's exact test (1947): could the flips both ways be chance?

    Args:
        worse: Pairs that passed before and fail after.
        better: Pairs that failed before and pass after.

    Returns:
        From 0 to 1; 1 where nothing flipped.
    """
    total = worse + better
    if not total:
        return 1.0
    fewer = min(worse, better)
    tail = sum(math.exp(_log_choose(total, k) - total * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def pearson(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's correlation, from -1 to 1; None for fewer than two pairs, or where one of the two does not vary.

    Raises:
        ValueError: When there are not as many of the one as of the other.
    """
    if len(x) != len(y):
        raise ValueError(f"pairs are expected, got {len(x)} and {len(y)} values")
    if len(x) < 2 or min(x) == max(x) or min(y) == max(y):
        return None
    return _correlation(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rank correlation (1904), from -1 to 1; equal values share the mean of their ranks. None as for `pearson`.

    Raises:
        ValueError: When there are not as many of the one as of the other.
    """
    return pearson([*map(float, ranks(x))], [*map(float, ranks(y))])


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """The rank of each value, from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    # scaled first: the squares of very large or very small numbers are no finite or no positive numbers
    dx, dy = (_scaled(values - values.mean()) for values in (x / np.abs(x).max(), y / np.abs(y).max()))
    norm = float(np.sqrt((dx * dx).sum() * (dy * dy).sum()))
    return max(-1.0, min(1.0, float((dx * dy).sum()) / norm)) if norm else None


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = float(np.abs(values).max())
    return values / largest if largest else values


def _log_choose(total: int, k: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
