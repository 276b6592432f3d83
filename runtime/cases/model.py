"""What a case file says: cases, each with a sample, an item and what is expected of its grading."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from graders import Failure, GraderResult, Sample
from runtime.telemetry.outcomes import blamed

PATTERNS = ("*.cases.yaml", "*.cases.yml", "*.cases.jsonl")
"""How case files are named: what is looked for in a directory."""

GRADINGS = 3
"""How often a case that is to be deterministic is graded."""

Steps: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of a case file to something in it."""


class GraderText(Protocol):
    """A grader's JSON in a file."""

    @property
    def config(self) -> Any:
        """Its content."""
        ...

    def where(self, path: Steps) -> str:
        """Where a field is to be mended: file and line."""
        ...


ReadGrader: TypeAlias = Callable[[Path], GraderText]
"""Reads a grader file; raises `ConfigurationError` when it cannot."""


@dataclass(frozen=True, slots=True)
class GraderSource:
    """Where a case file has a grader from.

    Attributes:
        config: Its JSON.
        path: The file that it stands in.
        where: Where a field of the grader is to be mended: file and line.
    """

    config: Any
    path: Path
    where: Callable[[Steps], str]


@dataclass(frozen=True, slots=True)
class WantedNumber:
    """A number that is expected: one, one with a tolerance, or bounds; or none, since the grading is ungraded.

    Attributes:
        value: The number; None where there are only bounds.
        within: How far from `value` it may be; None for no further than floats round (1e-9 of it).
        at_least: The lowest that will do.
        at_most: The highest that will do.
        ungraded: There is to be no number.
    """

    value: float | None = None
    within: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    ungraded: bool = False

    def holds(self, number: float | None) -> bool:
        """Whether a reward is what was expected."""
        if number is None or self.ungraded:
            return number is None and self.ungraded
        if self.value is not None and not self._is_near(number, self.value):
            return False
        return (self.at_least is None or number >= self.at_least) and (
            self.at_most is None or number <= self.at_most
        )

    def _is_near(self, number: float, value: float) -> bool:
        if self.within is None:
            return same_number(number, value)
        return abs(number - value) <= self.within or same_number(abs(number - value), self.within)

    def for_number(self, number: float | None) -> Any:
        """The plain data that expects a number in the same way: what `--update` writes."""
        if number is None:
            return None
        if self.within is not None:
            return {"about": number, "within": self.within}
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            return number
        bounds = {
            "at_least": None if low is None else min(low, number),
            "at_most": None if high is None else max(high, number),
        }
        return {name: bound for name, bound in bounds.items() if bound is not None}

    def __str__(self) -> str:
        if self.ungraded:
            return "ungraded"
        if self.value is not None:
            return f"{self.value:.10g}" + ("" if self.within is None else f" ± {self.within:.10g}")
        words = {"at least": self.at_least, "at most": self.at_most}
        return " and ".join(f"{word} {bound:.10g}" for word, bound in words.items() if bound is not None)


@dataclass(frozen=True, slots=True)
class WantedFailure:
    """A failure that is expected; without anything, none is.

    Attributes:
        kind: Its kind, one of the published error flags; None for any.
        caused_by: `model`, `grader` or `infrastructure`; None for any.
        message: A part of its message, letter case aside; None for any.
    """

    kind: str | None = None
    caused_by: str | None = None
    message: str | None = None

    def holds(self, failure: Failure | None) -> bool:
        """Whether a failure, or None, is what was expected."""
        if self == WantedFailure() or failure is None:
            return self == WantedFailure() and failure is None
        return (
            self.kind in (None, failure.kind.value)
            and self.caused_by in (None, failure.caused_by)
            and (self.message is None or self.message.casefold() in failure.message.casefold())
        )

    def for_failure(self, failure: Failure | None) -> Any:
        """The plain data that expects a failure: what `--update` writes."""
        if failure is None:
            return "none"
        return {"kind": failure.kind.value, "caused_by": failure.caused_by}

    def __str__(self) -> str:
        words = [
            self.kind or "",
            blamed(self.caused_by) if self.caused_by else "",
            f"saying {self.message!r}" if self.message else "",
        ]
        return " ".join(filter(None, words)) or "none"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a grading; what is None, or empty, is not looked at.

    Attributes:
        reward: Its reward.
        passed: Whether it passes.
        failure: Its failure.
        substituted: Whether its reward is the grader's `invalid_grade`.
        sub_rewards: Parts of its reward, by key.
        deterministic: Its result is the same when it is repeated.
        unchanged_by: Changes of the answer's text, by name, under which it gives the same.
    """

    reward: WantedNumber | None = None
    passed: bool | None = None
    failure: WantedFailure | None = None
    substituted: bool | None = None
    sub_rewards: Mapping[str, WantedNumber] = field(default_factory=dict)
    deterministic: bool = False
    unchanged_by: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is expected."""
        return self == Expectation()


Answers: TypeAlias = Sequence[Any] | Mapping[str, Sequence[Any]]
"""Scripted answers of judges, in the order in which they are asked for; or, by the name of the model, of each judge."""


@dataclass(frozen=True, slots=True)
class Case:
    """One grading and what is expected of it.

    Attributes:
        name: What it is called; no other case of the file is called the same.
        line: Where it begins in its file, from 1.
        number: Its place in the file, from 0.
        grader: The name of its grader in the file.
        sample: What is graded.
        item: The dataset item.
        expect: What is expected.
        answers: What judges answer; None where nothing is scripted.
        is_short: The file says `expect: 5` rather than `expect: {reward: 5}`.
    """

    name: str
    line: int
    number: int
    grader: str
    sample: Sample
    item: Mapping[str, Any]
    expect: Expectation
    answers: Answers | None = None
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class RewardOrder:
    """An order that is expected between the rewards of cases.

    Attributes:
        text: As the file says it, `good > partial > wrong`.
        line: Where it stands, from 1.
        names: The cases, the highest reward first.
        strict: For each pair of neighbours whether the first is to be higher, or may be equal.
    """

    text: str
    line: int
    names: Sequence[str]
    strict: Sequence[bool]

    def pairs(self) -> Iterator[tuple[str, str, bool]]:
        """Each pair of neighbours, and whether the first is to be higher."""
        return zip(self.names, self.names[1:], self.strict, strict=False)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case file.

    Attributes:
        path: Where it is.
        text: What stands in it.
        graders: Its graders by name; one that has no name is called `grader`.
        cases: Its cases in their order.
        orders: The orders between them.
    """

    path: Path
    text: str
    graders: Mapping[str, GraderSource]
    cases: Sequence[Case]
    orders: Sequence[RewardOrder]

    @property
    def recorded_path(self) -> Path:
        """Where the recorded answers of judges are: `NAME.recorded.json` beside `NAME.cases.yaml`."""
        return self.path.with_name(f"{stem_of(self.path)}.recorded.json")


def stem_of(path: Path) -> str:
    """The name of a case file without its endings."""
    return path.name.removesuffix(path.suffix).removesuffix(".cases")


def same_number(one: float | None, other: float | None) -> bool:
    """Whether two rewards are equal but for the rounding of floats; two that are missing are."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def same_result(one: GraderResult, other: GraderResult) -> bool:
    """Whether two gradings came to the same: equal rewards, failures of one kind, and both substituted or neither."""
    kinds = [(result.failure and result.failure.kind, result.substituted) for result in (one, other)]
    return same_number(one.reward, other.reward) and kinds[0] == kinds[1]
