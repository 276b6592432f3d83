"""What no case of a file reached: parts of a `multi` that always came out the same, criteria that were never met."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graders import GraderResult
from runtime.cases.run import CaseOutcome


@dataclass(slots=True)
class _PartRewards:
    """What one part came to, over all cases."""

    rewards: set[float] = field(default_factory=set)
    passed: set[bool] = field(default_factory=set)


def unreached(outcomes: Iterable[CaseOutcome]) -> list[str]:
    """A line for each part of a `multi`, and each criterion of a `rubric`, that the cases leave untested.

    Args:
        outcomes: Of all cases of one file.
    """
    parts: dict[tuple[str, str], _PartRewards] = {}
    criteria: dict[tuple[str, str], set[float]] = {}
    graders: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.result is not None and outcome.case is not None and not outcome.errors:
            graders[outcome.case.grader] = None
            _look(outcome.case.grader, (), outcome.result, parts, criteria)
    many = len(graders) > 1
    lines = [
        f"{_called(name, key, many=many)}: {words}"
        for (name, key), seen in parts.items()
        for words in _words(seen)
    ]
    for (name, key), degrees in criteria.items():
        called = _called(name, key, many=many)
        if not any(degrees):
            lines.append(f"criterion {called}: no case meets it")
        elif degrees == {1.0}:
            lines.append(f"criterion {called}: every case meets it")
    return lines


def _look(
    grader: str,
    path: tuple[str, ...],
    result: GraderResult,
    parts: dict[tuple[str, str], _PartRewards],
    criteria: dict[tuple[str, str], set[float]],
) -> None:
    for key, part in result.parts.items():
        seen = parts.setdefault((grader, ".".join((*path, key))), _PartRewards())
        if part.reward is not None:
            seen.rewards.add(part.reward)
        if part.passed is not None:
            seen.passed.add(part.passed)
        _look(grader, (*path, key), part, parts, criteria)
    if result.grader is not None and result.grader.type == "rubric":
        for key, degree in _degrees(result.sub_rewards):
            criteria.setdefault((grader, ".".join((*path, key))), set()).add(degree)


def _degrees(sub_rewards: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
    return ((key, degree) for key, degree in sub_rewards.items() if degree is not None)


def _words(seen: _PartRewards) -> Iterator[str]:
    if not seen.rewards:
        yield "it is ungraded in every case"
    elif len(seen.rewards) == 1:
        yield f"every case gets {next(iter(seen.rewards)):.10g} from it"
    elif seen.passed == {True}:
        yield "it passes every case"
    elif seen.passed == {False}:
        yield "it passes no case"


def _called(grader: str, key: str, *, many: bool) -> str:
    return f"{grader}, {key}" if many else key
