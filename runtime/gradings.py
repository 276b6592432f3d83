"""The results of a batch: rewards in an array, and a `GraderResult` when somebody looks at one."""

import math
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from graders import Grader, GraderInfo, GraderResult


class Gradings(Sequence[GraderResult]):
    """Results in the order of the rows.

    Attributes:
        rewards: float64, one for each row; NaN where the row is ungraded.
        seconds: Mean seconds of one grading that was done in bulk.
    """

    def __init__(
        self,
        grader: Grader,
        rewards: NDArray[np.float64],
        known: Mapping[int, GraderResult],
        seconds: float = 0.0,
    ) -> None:
        self._grader, self._known = grader, known
        self.rewards, self.seconds = rewards, seconds

    @property
    def grader(self) -> GraderInfo:
        """What graded."""
        return self._grader.info

    def __len__(self) -> int:
        return len(self.rewards)

    @overload
    def __getitem__(self, index: int) -> GraderResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[GraderResult]: ...
    def __getitem__(self, index: int | slice) -> GraderResult | list[GraderResult]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        known = self._known.get(position)
        return known or self._grader.complete(float(self.rewards[position]), execution_time=self.seconds)

    def known(self, index: int) -> GraderResult | None:
        """The result of a row that was not done in bulk; None where there is nothing to it but its reward."""
        return self._known.get(index)

    @property
    def ungraded(self) -> int:
        """Number of rows without a reward."""
        return int(np.isnan(self.rewards).sum())


def gradings_of(grader: Grader, results: Sequence[GraderResult]) -> Gradings:
    """Results that were made one by one."""
    rewards = np.array([math.nan if r.reward is None else r.reward for r in results], dtype=np.float64)
    return Gradings(grader, rewards, dict(enumerate(results)))
