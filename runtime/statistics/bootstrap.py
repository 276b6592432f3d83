"""95 % intervals by drawing the values again with replacement: Efron's percentile bootstrap (1979), seeded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.statistics.intervals import FEWEST, Interval

REPEATS = 2_000
_AT_ONCE = 1 << 22
"""Values that are drawn at once; they take 64 MB."""


def of_mean(values: Sequence[float], *, seed: int = 0, repeats: int = REPEATS) -> Interval | None:
    """An interval of the mean; None for fewer than ten values. The same values and seed give the same interval.

    It lies between the smallest and the largest value.

    Args:
        values: What was measured: one number for each unit that was drawn by itself, such as a prompt.
        seed: Of the random numbers.
        repeats: How often the values are drawn again.
    """
    known = np.asarray(values, dtype=np.float64)
    if len(known) < FEWEST:
        return None
    low, high = np.percentile(_means(known, seed, repeats), [2.5, 97.5])
    return float(max(low, known.min())), float(min(high, known.max()))


def of_paired_difference(
    before: Sequence[float], after: Sequence[float], *, seed: int = 0, repeats: int = REPEATS
) -> Interval | None:
    """An interval of the mean of `after` minus `before`, over pairs that are drawn together; None for fewer than ten.

    Args:
        before: First measurements.
        after: Second measurements of the same things, in the same order.
        seed: Of the random numbers.
        repeats: How often the pairs are drawn again.

    Raises:
        ValueError: When there are not as many of the one as of the other.
    """
    if len(before) != len(after):
        raise ValueError(f"pairs are expected, got {len(before)} and {len(after)} values")
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    return of_mean([float(each) for each in differences], seed=seed, repeats=repeats)


def _means(values: NDArray[np.float64], seed: int, repeats: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    size = len(values)
    means: list[NDArray[np.float64]] = []
    for _ in range(0, repeats, step := max(1, min(repeats, _AT_ONCE // size))):
        drawn = generator.integers(0, size, size=(step, size))
        means.append(values[drawn].mean(axis=1))
    return np.concatenate(means)[:repeats]
