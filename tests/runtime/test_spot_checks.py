"""One grading in a hundred is kept for its repetition, wherever in the hundred it stands."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Failure, FailureKind, Grader, GraderResult, Registry
from runtime.workers.spot_checks import ONE_IN, SpotChecks, differ

EXACT = {"type": "string_check", "input": "a", "reference": "a", "operation": "eq"}
GRADER: Grader = Registry.installed().load(EXACT)


@dataclass
class Grading:
    """A grading."""

    client: str
    position: int
    grader: Grader = GRADER
    row: bytes = b"[]"


@given(st.integers(min_value=0, max_value=2_000))
def test_one_of_each_hundred_is_kept(count: int) -> None:
    checks: SpotChecks[Grading] = SpotChecks()
    for position in range(count):
        checks.note(Grading("one", position), [GraderResult(1.0)])
    kept = [job.position // ONE_IN for job, _ in checks.all_of_one()]
    assert kept[: count // ONE_IN] == [*range(count // ONE_IN)]
    assert len(kept) <= count // ONE_IN + 1


def test_clients_are_counted_apart_and_given_one_after_the_other() -> None:
    checks: SpotChecks[Grading] = SpotChecks()
    for position in range(10 * ONE_IN):
        checks.note(Grading(f"{position % 2}", position), [GraderResult(1.0)])
    assert checks.due(forkable=True) == []  # five each
    found = [checks.all_of_one() for _ in range(3)]
    assert [len(each) for each in found] == [5, 5, 0]
    assert [{job.client for job, _ in each} for each in found[:2]] == [{"0"}, {"1"}]


def test_slow_gradings_are_due_at_once_and_many_where_a_process_is_dear() -> None:
    checks: SpotChecks[Grading] = SpotChecks()
    for position in range(ONE_IN):
        checks.note(Grading("one", position), [GraderResult(1.0, execution_time=1.0)])
    assert checks.due(forkable=False) == []
    assert len(checks.due(forkable=True)) == 1


def _failed(caused_by: Any) -> GraderResult:
    return GraderResult(None, failure=Failure(kind=FailureKind.OTHER, message="why", caused_by=caused_by))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (GraderResult(0.5), GraderResult(0.5), False),
        (GraderResult(0.5), GraderResult(0.5 + 1e-12), False),
        (GraderResult(0.0), GraderResult(1.0), True),
        (GraderResult(1.0), _failed("grader"), True),
        (_failed("grader"), _failed("grader"), False),
        (GraderResult(1.0), _failed("infrastructure"), False),
    ],
)
def test_rewards_that_differ_are_told_from_those_that_do_not(
    one: GraderResult, other: GraderResult, expected: bool
) -> None:
    assert differ([one], [other]) is expected
    assert differ([other], [one]) is expected
