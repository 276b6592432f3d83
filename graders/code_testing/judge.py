"""The side of the tests: the judge runs their source, and asks for what it uses of the code."""

from typing import Any

from graders.code_testing.forms import AssertTest, SourceTest
from graders.code_testing.outcomes import WHAT_HAPPENED, Failed, Outcome, broken, died
from graders.code_testing.plan import Plan
from graders.code_testing.seats import Budget, Seat, Start
from graders.code_testing.subject import SubjectSide
from graders.errors import CodeFailure

MANY_QUESTIONS = 1_000
"""Tests that are out of time after more questions than these were kept busy by the code's answers: an endless iterator."""

SourceTests = AssertTest | SourceTest


class JudgeSide:
    """Runs test source, and takes its questions to the subject."""

    def __init__(self, start: Start, plan: Plan, subject: SubjectSide) -> None:
        self._plan, self._subject = plan, subject
        self._budget = Budget(plan.timeout_s, plan.total_timeout_s)
        self._seat = Seat(start, self._budget)
        self._loaded: SourceTests | None = None

    async def leave(self) -> None:
        """End its process."""
        await self._seat.leave()

    async def run(self, test: SourceTests) -> list[Outcome]:
        """Run test source: one outcome, or one for each case in it.

        A case that ends the subject ends the judge as well, and the next one begins anew.

        Raises:
            GradingError: When the tests are to blame.
        """
        outcomes: list[Outcome] = []
        cases: list[str] = []
        while not outcomes or len(outcomes) < len(cases):
            try:
                await self._subject.load()
                if not (self._seat.taken and self._loaded is test):
                    cases = await self._load(test)
                await self._converse(test, {"run": len(outcomes)})
            except Failed as failed:
                name, weight = _share(test, cases, len(outcomes))
                outcomes.append(failed.outcome(test, name, weight))
            else:
                name, weight = _share(test, cases, len(outcomes))
                outcomes.append(Outcome(name, passed=True, weight=weight))
        return outcomes

    async def _load(self, test: SourceTests) -> list[str]:
        plan = self._plan
        self._loaded = None
        message = {
            "tests": f"{plan.setup}{test.source}",
            "prelude": plan.prelude,
            "entry_point": plan.entry_point,
            "module": plan.module,
            "in_place": plan.in_place,
        }
        cases = (await self._converse(test, message)).get("cases")
        if not cases:
            raise broken(test, "there is no test in it")
        self._loaded = test
        return [str(case) for case in cases]

    async def _converse(self, test: SourceTests, message: dict[str, Any]) -> dict[str, Any]:
        """Ask the judge, and the subject whenever the judge asks it.

        Raises:
            Failed: When the test has failed.
            GradingError: When it is broken.
        """
        self._subject.budget.begin()
        self._budget.begin()
        questions = 0
        reply = await self._ask(test, message, questions)
        while "call" in reply:
            questions += 1
            try:
                did = await self._subject.do(reply["do"])
            except Failed:
                await self._seat.leave()  # it waits for an answer
                raise
            reply = await self._ask(test, {"number": reply["call"], "did": did}, questions)
        if reply.get("verdict") == "failed":
            raise Failed("failed", told=str(reply["message"]), crash="raised" if reply["crashed"] else "")
        if reply.get("verdict") == "broken":
            raise broken(test, "" if test.hidden else str(reply["message"]))
        return reply

    async def _ask(self, test: SourceTests, message: object, questions: int) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = await self._seat.ask(message)
        except CodeFailure as error:
            is_late = error.reason == "timeout"
            why = self._budget.text() if is_late else WHAT_HAPPENED[error.reason]
            if is_late and questions > MANY_QUESTIONS:
                raise died("timeout", why) from error
            raise broken(test, why) from error
        return reply


def _share(test: SourceTests, cases: list[str], number: int) -> tuple[str, float]:
    """The name and the weight of one case."""
    if number >= len(cases) or not cases[number]:
        return test.name, test.weight
    return f"{test.name}::{cases[number]}", test.weight / len(cases)
