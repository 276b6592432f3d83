"""Groups of rows: consecutive ones with equal items, as a trainer sends the answers to one prompt.

A group whose rewards are all equal teaches a policy nothing, since every advantage in it is zero.
"""

from collections.abc import Sequence
from itertools import islice
from operator import eq

import numpy as np
from numpy.typing import NDArray

from graders import Item


def equal_groups(items: Sequence[Item | None], rewards: NDArray[np.float64]) -> tuple[int, int]:
    """How many groups there are, and in how many of them all rewards are equal.

    A group has two rows or more, and each of them a reward: one with an ungraded row is not counted.

    Args:
        items: One for each row; None where it cannot be read, so that the row is ungraded.
        rewards: One for each row; NaN where the row is ungraded.

    Returns:
        The number of groups, and of those whose rewards are all equal.

    Raises:
        ValueError: When the two differ in length.
    """
    if len(items) != len(rewards):
        raise ValueError(f"{len(items)} items and {len(rewards)} rewards: there is one of each for every row")
    if len(items) < 2:
        return 0, 0
    goes_on = np.fromiter(map(eq, items, islice(items, 1, None)), bool, len(items) - 1)
    if not goes_on.any():
        return 0, 0
    starts = np.concatenate(([0], np.flatnonzero(~goes_on) + 1))
    sizes = np.diff(starts, append=len(items))
    lowest, highest = np.minimum.reduceat(rewards, starts), np.maximum.reduceat(rewards, starts)
    counted = (sizes > 1) & ~np.isnan(lowest)
    return int(counted.sum()), int((counted & (lowest == highest)).sum())
