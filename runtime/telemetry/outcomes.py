"""How a grading came out, in a closed set of words: for figures and traces, which must not quote what was graded."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from graders import CausedBy, Failure, FailureKind, FailureType, GraderResult

Got: TypeAlias = Literal["flagged", "substituted", "ungraded"]
"""What a sample whose grading failed got: a reward that its grader gave it all the same, the `invalid_grade`, or nothing."""

OTHER = "other"
"""What everything is called that has no word of its own."""

CAUSES = frozenset([*FailureType, *FailureKind])
"""The causes that are told apart; a plugin's own are `other`."""


def blamed(caused_by: str, *, is_unreadable: bool = False) -> str:
    """Who or what made a grading fail, in words: `caused by the model`, `caused by infrastructure`, `the row cannot be read`."""
    if caused_by != "infrastructure":
        return f"caused by the {caused_by}"
    return "the row cannot be read" if is_unreadable else "caused by infrastructure"


def is_unreadable(details: Mapping[str, Any]) -> bool:
    """Whether the details of a failure say that its row cannot be read, in which case nothing was graded."""
    return bool(details.get("type") == FailureType.UNREADABLE_ROW)


def cause_of(failure: Failure) -> str:
    """Why a grading failed, as one of `CAUSES`."""
    return known_cause(failure.details.get("type", failure.kind.value))


def known_cause(said: object) -> str:
    """A cause that somebody named, where it is one of `CAUSES`."""
    return said if isinstance(said, str) and said in CAUSES else OTHER


def failed_by(result: GraderResult) -> tuple[CausedBy, Got] | None:
    """Who made a grading fail, and what the sample got; None where nothing failed.

    The failure is the result's own, or, where a formula has made a reward all the same, that of the first part that failed.
    """
    failed = next(_failed(result), None)
    if failed is None or failed.failure is None:
        return None
    if result.reward is None:
        return failed.failure.caused_by, "ungraded"
    return failed.failure.caused_by, "substituted" if failed.substituted else "flagged"


def _failed(result: GraderResult) -> Iterator[GraderResult]:
    if result.failure is not None:
        yield result
    for part in result.parts.values():
        yield from _failed(part)


def outcome_of(result: GraderResult) -> tuple[str, str]:
    """How a grading came out.

    Returns:
        `graded`, `flagged` (a reward in spite of a failure, its own or that of a part) or `ungraded`; and the cause, empty
        where nothing failed.
    """
    failure = result.failure
    if failure is None and result.parts:
        failure = next(result.failures(), None)
    if failure is None:
        return "graded", ""
    return ("ungraded" if result.reward is None else "flagged"), cause_of(failure)
