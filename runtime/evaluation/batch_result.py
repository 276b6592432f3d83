"""The results of a batch: rewards in an array, and a `GraderResult` when somebody looks at one."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from graders import Grader, GraderInfo, GraderResult
from graders.batch_scores import BatchScores


class Bulk:
    """What was graded in bulk: rewards, and what else the results say, which is put together when a result is looked at.

    Attributes:
        rewards: float64, one for each row; NaN where the row was not graded in bulk.
    """

    def __init__(self, rows: int) -> None:
        self.rewards = np.full(rows, np.nan)
        self._starts: list[int] = []
        self._scores: list[BatchScores] = []

    def add(self, start: int, scores: BatchScores) -> None:
        """Add the next rows, the first of which is at `start`."""
        self.rewards[start : start + len(scores.rewards)] = scores.rewards
        if scores.returned is not None:
            self._starts.append(start)
            self._scores.append(scores)

    @property
    def is_bare(self) -> bool:
        """Whether the results say nothing but their rewards."""
        return not self._scores

    def returned(self, row: int, seconds: float) -> object:
        """What the grading function returns for a row that was graded in bulk."""
        chunk = bisect_right(self._starts, row) - 1
        return self._scores[chunk].returned_for(row - self._starts[chunk], seconds)


class BatchResult(Sequence[GraderResult]):
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
        bulk: Bulk | None = None,
    ) -> None:
        """Results.

        Args:
            grader: What graded.
            rewards: One for each row; NaN where the row is ungraded.
            known: The results that are known already, by row.
            seconds: Mean seconds of one grading that was done in bulk.
            bulk: What the other results say beside their rewards; None where that is nothing.
        """
        self._grader, self._known = grader, dict(known)
        self._bulk = None if bulk is None or bulk.is_bare else bulk
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
        known = self.known(position)
        return known or self._grader.complete(float(self.rewards[position]), execution_time=self.seconds)

    def known(self, index: int) -> GraderResult | None:
        """The result of a row that says more than its reward; None where there is nothing to it but its reward."""
        known = self._known.get(index)
        if known is None and self._bulk is not None:
            returned = self._bulk.returned(index, self.seconds)
            known = self._known[index] = self._grader.complete(returned, execution_time=self.seconds)
        return known

    @property
    def ungraded(self) -> int:
        """Number of rows without a reward."""
        return int(np.isnan(self.rewards).sum())


def gradings_of(grader: Grader, results: Sequence[GraderResult]) -> BatchResult:
    """Results that were made one by one."""
    rewards = np.array([math.nan if r.reward is None else r.reward for r in results], dtype=np.float64)
    return BatchResult(grader, rewards, dict(enumerate(results)))
