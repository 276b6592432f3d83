"""Runs the cases of a file: what each came to, where it differs from what is expected, and what no case reached."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from graders import ConfigurationError, FailureType, Grader, GraderResult, Sample
from graders.contract import brief
from graders.testing.changes import change_named
from runtime.cases.judges import (
    CaseEvaluator,
    JudgeOf,
    NoJudge,
    ScriptedJudge,
)
from runtime.cases.model import (
    GRADINGS,
    Case,
    CaseFile,
    GraderSource,
    RewardOrder,
    WantedFailure,
    same_number,
    same_result,
)
from runtime.cases.recordings import RecordedJudge, Recordings
from runtime.explain.explain import explain
from runtime.explain.explanation import Explanation

AT_ONCE = 16
"""Cases that are graded at once."""

Asking: TypeAlias = Literal["recorded", "record", "live"]
"""Who answers where no answers are scripted: the file of recorded answers; real judges for what is missing in it; or real
judges always."""

Change: TypeAlias = tuple[tuple[str, ...], Any]
"""Keys below `expect`, and the plain data that would have been right there."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as it was expected.

    Attributes:
        what: `reward`, `passed`, …
        expected: What was expected, in words.
        got: What came, in words.
        change: What `--update` would write; None for what it leaves alone.
    """

    what: str
    expected: str
    got: str
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of a case, or of an order between cases.

    Attributes:
        name: What it is called.
        line: Where it begins in its file.
        mismatches: Where it is not as expected; none where it is.
        errors: Why it could not be tested.
        explanation: Its grading; None for an order, and for a case that was not graded.
        seconds: How long it took.
        case: The case; None for an order.
    """

    name: str
    line: int
    mismatches: tuple[Mismatch, ...] = ()
    errors: tuple[str, ...] = ()
    explanation: Explanation | None = None
    seconds: float = 0.0
    case: Case | None = None

    @property
    def status(self) -> Literal["passed", "failed", "error"]:
        """How it ended, in a word."""
        if self.errors:
            return "error"
        return "failed" if self.mismatches else "passed"

    @property
    def result(self) -> GraderResult | None:
        """The result of its grading."""
        return None if self.explanation is None else self.explanation.result


@dataclass(slots=True)
class _Told:
    """What a case's gradings must not do, each said once."""

    problems: dict[str, None] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether there was nothing to say."""
        return not self.problems

    def __call__(self, problem: str) -> None:
        self.problems[problem] = None


class FileRun:
    """Runs the cases of one file, each once, in any order."""

    def __init__(self, evaluator: CaseEvaluator, file: CaseFile, *, asking: Asking = "recorded") -> None:
        """Grade nothing yet.

        Args:
            evaluator: Grades; belongs to one event loop.
            file: The cases.
            asking: What answers if no answers are scripted.

        Raises:
            ConfigurationError: If the file of recorded answers is not valid.
        """
        self.file = file
        self.recordings = Recordings(file.recorded_path)
        self._evaluator, self._asking = evaluator, asking
        self._graders: dict[str, Grader] = {}
        self._outcomes: dict[str, CaseOutcome] = {}
        self._process_slots = asyncio.Semaphore(AT_ONCE)

    async def prepare(self) -> Mapping[str, Grader]:
        """Load the graders of the file.

        Raises:
            ConfigurationError: With one line for each mistake in a grader, each with file and line.
            PluginError: When a plugin cannot be used.
        """
        for name, source in self.file.graders.items():
            if name not in self._graders:
                self._graders[name] = await self._load(source)
        return self._graders

    async def _load(self, source: GraderSource) -> Grader:
        try:
            return await self._evaluator.prepare(source.config)
        except ConfigurationError as error:
            lines = [f"{source.where(problem.path)}: {problem}" for problem in error.problems]
            raise ConfigurationError("\n".join(lines)) from None

    async def case(self, case: Case) -> CaseOutcome:
        """What became of a case; it is graded once, however often this is asked."""
        if case.name not in self._outcomes:
            graders = await self.prepare()
            async with self._process_slots:
                self._outcomes[case.name] = await self._test(case, graders[case.grader])
        return self._outcomes[case.name]

    async def order(self, order: RewardOrder) -> CaseOutcome:
        """What became of an order; its cases are graded, where they were not yet."""
        cases = {case.name: case for case in self.file.cases}
        outcomes = [await self.case(cases[name]) for name in order.names]
        errors = [f"the case {o.name!r} could not be tested" for o in outcomes if o.status == "error"]
        rewards = {o.name: o.result.reward if o.result else None for o in outcomes}
        mismatches = [
            Mismatch("order", f"{higher} {'>' if strict else '>='} {lower}", _pair(rewards, higher, lower))
            for higher, lower, strict in order.pairs()
            if not _in_order(rewards[higher], rewards[lower], strict=strict)
        ]
        return CaseOutcome(
            f"order: {order.text}", order.line, () if errors else tuple(mismatches), tuple(errors)
        )

    async def _test(self, case: Case, grader: Grader) -> CaseOutcome:
        started = time.perf_counter()
        told = _Told()
        explanation = await self._explained(case, grader, told)
        result = explanation.result
        mismatches: list[Mismatch] = []
        if told.is_silent:
            mismatches += differences(case, result)
            mismatches += await self._again(case, grader, told, result)
            mismatches += await self._changed(case, grader, told, result)
        seconds = time.perf_counter() - started
        return CaseOutcome(
            case.name, case.line, tuple(mismatches), tuple(told.problems), explanation, seconds, case
        )

    async def _again(self, case: Case, grader: Grader, told: _Told, first: GraderResult) -> list[Mismatch]:
        """Where the same grading gives another result when it is repeated."""
        for _ in range(GRADINGS - 1 if case.expect.deterministic else 0):
            again = await self._grade(case, grader, told, case.sample)
            if not same_result(first, again):
                return [Mismatch("deterministic", came(first), f"{came(again)} for the same answer")]
        return []

    async def _changed(self, case: Case, grader: Grader, told: _Told, first: GraderResult) -> list[Mismatch]:
        """Where a change of the answer's text changes what it gets; the first text of each change."""
        found = []
        for name in case.expect.unchanged_by:
            for text in change_named(name)(case.sample.output_text):
                changed = await self._grade(case, grader, told, with_text(case.sample, text))
                if not same_result(first, changed):
                    found.append(
                        Mismatch(
                            f"unchanged_by {name}", came(first), f"{came(changed)} for {brief(text, 200)}"
                        )
                    )
                    break
        return found

    async def _grade(self, case: Case, grader: Grader, told: _Told, sample: Sample) -> GraderResult:
        judge_of, scripted = self._judge_of(case, told)
        with self._evaluator.asking(judge_of, told) as client:
            result = await self._evaluator.grade(grader, sample, case.item, client=client)
        _tell_refused(result, told)
        if scripted is not None and told.is_silent:
            scripted.finish()
        return result

    async def _explained(self, case: Case, grader: Grader, told: _Told) -> Explanation:
        judge_of, scripted = self._judge_of(case, told)
        with self._evaluator.asking(judge_of, told) as client:
            explanation = await explain(self._evaluator, grader, case.sample, case.item, client=client)
        _tell_refused(explanation.result, told)
        if scripted is not None and told.is_silent:
            scripted.finish()
        return explanation

    def _judge_of(self, case: Case, told: _Told) -> tuple[JudgeOf, ScriptedJudge | None]:
        """Gives the judges of one grading of a case."""
        if case.answers is not None:
            scripted = ScriptedJudge(case.answers, told)
            return lambda vote: scripted, scripted
        if self._asking == "live":
            return self._evaluator.real_judge, None
        if self._asking == "record":
            real = self._evaluator.real_judge
            return lambda vote: RecordedJudge(
                self.recordings, vote=vote, case=case.name, then=real(vote)
            ), None
        refusing = NoJudge(told, recorded=self.recordings.path if self.recordings else None)
        return lambda vote: RecordedJudge(self.recordings, vote=vote, case=case.name, then=refusing), None


def _tell_refused(result: GraderResult, told: _Told) -> None:
    """Hear of services, besides judges, that were not to be asked."""
    for part in result.parts.values():
        _tell_refused(part, told)
    failure = result.failure
    if failure is not None and failure.details.get("type") == FailureType.NOT_ASKED and not result.parts:
        told(failure.message)


def differences(case: Case, result: GraderResult) -> list[Mismatch]:
    """Where a result is not what a case expects."""
    expect = case.expect
    found: list[Mismatch] = []
    if expect.reward is not None and not expect.reward.holds(result.reward):
        change: Change = ("reward",), expect.reward.for_number(result.reward)
        found.append(Mismatch("reward", str(expect.reward), came(result), change))
    if expect.passed is not None and expect.passed != result.passed:
        words = {True: "passed", False: "not passed", None: "neither, it is ungraded or has no threshold"}
        passed: Change | None = None if result.passed is None else (("passed",), result.passed)
        found.append(Mismatch("passed", words[expect.passed], words[result.passed], passed))
    if expect.failure is not None and not expect.failure.holds(result.failure):
        got = "none"
        if result.failure is not None:
            made = WantedFailure(result.failure.kind.value, result.failure.caused_by)
            got = f"{made}: {result.failure.message}"
        change = ("failure",), expect.failure.for_failure(result.failure)
        found.append(Mismatch("failure", str(expect.failure), got, change))
    if expect.substituted is not None and expect.substituted != result.substituted:
        words = {True: "the reward is the invalid_grade", False: "the reward is not the invalid_grade"}
        change = ("substituted",), result.substituted
        found.append(Mismatch("substituted", words[expect.substituted], words[result.substituted], change))
    for key, wanted in expect.sub_rewards.items():
        if key not in result.sub_rewards:
            known = ", ".join(result.sub_rewards) or "none"
            found.append(Mismatch(f"sub_rewards.{key}", str(wanted), f"no such part; its parts are {known}"))
            continue
        part = result.sub_rewards[key]
        if not wanted.holds(part):
            got = "ungraded" if part is None else f"{part:.10g}"
            change = ("sub_rewards", key), wanted.for_number(part)
            found.append(Mismatch(f"sub_rewards.{key}", str(wanted), got, change))
    return found


def came(result: GraderResult) -> str:
    """What a grading came to, in words."""
    if result.reward is not None:
        return f"{result.reward:.10g}"
    assert result.failure is not None  # noqa: S101  # GraderResult sees to it
    return f"ungraded: {result.failure.message}"


def with_text(sample: Sample, text: str) -> Sample:
    """The same sample with another text; its choices are made from the text again."""
    return Sample(
        text,
        output_tools=sample.output_tools,
        model=sample.model,
        output_audio=sample.output_audio,
        output_reasoning_summary=sample.output_reasoning_summary,
        input_tools=sample.input_tools,
    )


def _in_order(higher: float | None, lower: float | None, *, strict: bool) -> bool:
    if higher is None or lower is None:
        return False
    if same_number(higher, lower):
        return not strict
    return higher > lower


def _pair(rewards: Mapping[str, float | None], *names: str) -> str:
    shown = {name: rewards[name] for name in names}
    return " and ".join(
        f"{name} is ungraded" if reward is None else f"{name} gets {reward:.10g}"
        for name, reward in shown.items()
    )
