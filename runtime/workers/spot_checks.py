"""Which gradings are repeated in a new process, to find a sample that has changed how others are graded."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from graders import Grader, GraderResult

ONE_IN = 100
"""One grading of so many in a row is repeated; which one of them cannot be predicted."""
AT_ONCE = 10
"""So many are repeated together, in reverse order: what came before a sample then comes after it."""
AT_ONCE_SECONDS = 0.05
"""Those that took longer are not collected."""
AT_ONCE_UNFORKABLE = 100
"""The same number where a new process takes long to start."""
ROW_BYTES = 256 << 10
"""Longer rows are not kept."""
KEPT = 100
"""Gradings of one client and grader that are kept."""
OWNERS = 256
"""Clients' graders of one type that are kept count of."""
TOLERANCE = 1e-9
"""Relative difference of two rewards that says nothing: sums of floats may come in another order."""


class Repeatable(Protocol):
    """A grading that can be repeated."""

    client: str
    grader: Grader
    row: bytes


T = TypeVar("T", bound=Repeatable)


@dataclass
class _Kept(Generic[T]):
    """The gradings of one client and grader that wait for their repetition.

    Attributes:
        left: Gradings until the one that is kept.
        rest: Gradings after it until the next hundred begins.
    """

    left: int = 0
    rest: int = 0
    seconds: float = 0.0
    checks: list[tuple[T, list[GraderResult]]] = field(default_factory=list)


class SpotChecks(Generic[T]):
    """The gradings of one type that will be repeated."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Grader], _Kept[T]] = OrderedDict()

    def note(self, job: T, results: list[GraderResult]) -> None:
        """Count a grading that can be repeated, and keep it where it is one of those that will be."""
        owner = (job.client, job.grader)
        kept = self._kept.get(owner)
        if kept is None:
            kept = self._kept[owner] = _Kept()
            if len(self._kept) > OWNERS:
                self._kept.popitem(last=False)
        if kept.left == 0:
            kept.left = kept.rest + 1 + secrets.randbelow(ONE_IN)
            kept.rest += ONE_IN - kept.left
        kept.left -= 1
        if kept.left == 0 and len(job.row) <= ROW_BYTES and len(kept.checks) < KEPT:
            kept.checks.append((job, results))
            kept.seconds += results[0].execution_time

    def due(self, *, forkable: bool) -> list[tuple[T, list[GraderResult]]]:
        """Gradings of one client and grader that are to be repeated now, in the order in which they were done."""
        for owner, kept in self._kept.items():
            enough = AT_ONCE if forkable else AT_ONCE_UNFORKABLE
            if len(kept.checks) >= enough or (forkable and kept.checks and kept.seconds >= AT_ONCE_SECONDS):
                return self._taken(owner)
        return []

    def all_of_one(self) -> list[tuple[T, list[GraderResult]]]:
        """The gradings of one client and grader, however few."""
        for owner, kept in self._kept.items():
            if kept.checks:
                return self._taken(owner)
        return []

    def _taken(self, owner: tuple[str, Grader]) -> list[tuple[T, list[GraderResult]]]:
        kept = self._kept[owner]
        checks, kept.checks, kept.seconds = kept.checks, [], 0.0
        return checks


def differ(first: list[GraderResult], again: list[GraderResult]) -> bool:
    """Whether two gradings of the same samples gave different rewards; one that failed by chance says nothing."""
    return any(_differs(one, other) for one, other in zip(first, again, strict=True))


def _differs(one: GraderResult, other: GraderResult) -> bool:
    if any(each.failure is not None and each.failure.caused_by == "infrastructure" for each in (one, other)):
        return False
    if one.reward is None or other.reward is None:
        return one.reward is not other.reward
    return abs(one.reward - other.reward) > TOLERANCE * max(1.0, abs(one.reward))
