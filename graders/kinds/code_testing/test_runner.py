"""The side of the tests: the judge runs their source, and asks for what it uses of the code."""

from typing import Any

from graders.context import Unread
from graders.contract import FailureType
from graders.errors import CodeFailure, GradingError
from graders.kinds.code_testing.forms import AssertTest, SourceTest
from graders.kinds.code_testing.outcomes import WHAT_HAPPENED, CodeTestOutcome, Failed, broken, died
from graders.kinds.code_testing.plan import Plan
from graders.kinds.code_testing.processes import ProcessSlot, Start, TimeBudget
from graders.kinds.code_testing.subject import SubjectSide

SourceTests = AssertTest | SourceTest


class TestRunnerSide:
    """Runs test source, and takes its questions to the subject."""

    def __init__(self, start: Start, plan: Plan, subject: SubjectSide) -> None:
        self._plan, self._subject = plan, subject
        self._budget = TimeBudget(plan.timeout_s, plan.total_timeout_s)
        self._process_slot = ProcessSlot(start, self._budget)
        self._loaded: SourceTests | None = None
        self._used = self._used_to_load = False

    async def leave(self) -> None:
        """End its process."""
        await self._process_slot.leave()

    async def run(self, test: SourceTests) -> list[CodeTestOutcome]:
        """Run test source: one outcome, or one for each case in it.

        A case that ends the subject ends the judge as well, and the next one begins anew.

        Raises:
            GradingError: When the tests are to blame.
        """
        outcomes: list[CodeTestOutcome] = []
        cases: list[str] = []
        while not outcomes or len(outcomes) < len(cases):
            try:
                await self._subject.load()
                if not (self._process_slot.taken and self._loaded is test):
                    cases = await self._load(test)
                self._used = self._used_to_load
                await self._converse(test, {"run": len(outcomes)})
            except Failed as failed:
                name, weight = _share(test, cases, len(outcomes))
                outcomes.append(failed.outcome(test, name, weight))
            else:
                name, weight = _share(test, cases, len(outcomes))
                outcomes.append(CodeTestOutcome(name, passed=True, weight=weight))
        return outcomes

    async def _load(self, test: SourceTests) -> list[str]:
        plan = self._plan
        self._loaded = None
        self._used = False
        message = {
            "tests": f"{plan.setup}{test.source}",
            "prelude": plan.prelude,
            "entry_point": plan.entry_point,
            "module": plan.module,
            "in_place": plan.in_place,
        }
        reply = await self._converse(test, message)
        body = reply.get("body")
        cases = (
            body.data.decode(errors="replace").split("\n") if isinstance(body, Unread) else reply.get("cases")
        )
        if not isinstance(cases, list) or not cases:
            raise broken(test, "there is no test in it")
        self._loaded, self._used_to_load = test, self._used
        return [str(case) for case in cases]

    async def _converse(self, test: SourceTests, message: dict[str, Any]) -> dict[str, Any]:
        """Ask the judge, and the subject whenever the judge asks it.

        Raises:
            Failed: When the test has failed.
            GradingError: When it is broken.
        """
        self._subject.budget.begin()
        self._budget.begin()
        reply = await self._ask(test, message)
        while "call" in reply:
            question = reply.get("body")
            try:
                did = await self._subject.do(question if isinstance(question, Unread) else Unread(b""))
            except (Failed, GradingError):
                await self._process_slot.leave()  # it waits for an answer
                raise
            self._used = self._used or reply.get("uses") is not False
            reply = await self._ask(test, {"number": reply["call"], "body": did})
        if reply.get("verdict") == "failed":
            raise Failed(
                "failed", told=str(reply["message"]), crash=FailureType.RAISED if reply["crashed"] else ""
            )
        if reply.get("verdict") == "broken":
            raise broken(test, "" if test.hidden else str(reply["message"]))
        return reply

    async def _ask(self, test: SourceTests, message: object) -> dict[str, Any]:
        try:
            reply = await self._process_slot.ask(message)
        except CodeFailure as error:
            if error.failure.caused_by == "infrastructure":
                raise
            why = self._budget.text() if error.reason == FailureType.TIMEOUT else WHAT_HAPPENED[error.reason]
            if self._used and error.reason != FailureType.PROTOCOL:
                raise died(error.reason, f"the tests, with what the code answered: {why}") from error
            raise broken(test, why) from error
        if not isinstance(reply, dict):
            raise broken(test, WHAT_HAPPENED[FailureType.PROTOCOL])
        return reply


def _share(test: SourceTests, cases: list[str], number: int) -> tuple[str, float]:
    """The name and the weight of one case."""
    if number >= len(cases) or not cases[number]:
        return test.name, test.weight
    return f"{test.name}::{cases[number]}", test.weight / len(cases)
