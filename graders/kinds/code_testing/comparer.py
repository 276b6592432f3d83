"""Answers that are long, or slow to compare, are compared in a process of their own, which has the time of a test."""

from typing import Any

from graders.context import READ_BYTES, Unread
from graders.contract import FailureType
from graders.errors import CodeFailure
from graders.kinds.code_testing.comparison import (
    Rule,
    TooManySteps,
    Unordered,
    same_for_livecodebench,
    same_output,
    same_output_for_livecodebench,
    same_value,
    shown,
)
from graders.kinds.code_testing.outcomes import Failed, died
from graders.kinds.code_testing.plan import Plan
from graders.kinds.code_testing.processes import ProcessSlot, Start, TimeBudget

STEPS = 20_000
"""Values that are looked at in a comparison where other gradings wait meanwhile: some ten milliseconds."""


class Comparer:
    """Says whether an answer is the expected one, and shows its beginning.

    What takes little is done here. An answer that is long was not read, and one that is slow to compare would keep other
    gradings waiting: those go to a process. If it runs out of time or memory, the answer was too much: the model's doing.
    """

    def __init__(self, start: Start, plan: Plan) -> None:
        self._budget = TimeBudget(plan.timeout_s, plan.total_timeout_s)
        self._process_slot = ProcessSlot(start, self._budget)

    async def leave(self) -> None:
        """End its process."""
        await self._process_slot.leave()

    async def value(
        self, accepted: list[Any], actual: Any, tolerance: float, unordered: Unordered, rule: Rule = "default"
    ) -> tuple[bool, str]:
        """Whether a function's result equals one of the accepted values, and how a message shows it.

        Args:
            accepted: Plain data.
            actual: Plain data, or `Unread`.
            tolerance: How far floats may differ.
            unordered: In which lists the order does not matter.
            rule: How it is compared; that of LiveCodeBench has neither a tolerance nor another order.

        Raises:
            Failed: When it cannot be compared in time.
        """
        message = {"accepted": accepted, "tolerance": tolerance, "unordered": unordered, "rule": rule}
        if isinstance(actual, Unread):
            return await self._ask({**message, "body": actual})
        if rule == "livecodebench":
            return any(same_for_livecodebench(expected, actual) for expected in accepted), shown(actual)
        try:
            same = any(
                same_value(expected, actual, tolerance, unordered=unordered, steps=STEPS)
                for expected in accepted
            )
        except TooManySteps:
            return await self._ask({**message, "actual": actual})
        return same, shown(actual)

    async def output(
        self, expected: str, printed: str | Unread, tolerance: float | None, rule: Rule = "default"
    ) -> tuple[bool, str]:
        """Whether a program printed what was expected, and how a message shows it; see `value` for the arguments.

        Raises:
            Failed: When it cannot be compared in time.
        """
        if isinstance(printed, str) and len(expected) <= READ_BYTES:
            if rule == "livecodebench":
                return same_output_for_livecodebench(expected, printed), shown(printed)
            return same_output(expected, printed, tolerance), shown(printed)
        body = printed if isinstance(printed, Unread) else Unread(printed.encode(errors="replace"))
        return await self._ask({"output": expected, "tolerance": tolerance, "rule": rule, "body": body})

    async def _ask(self, message: dict[str, Any]) -> tuple[bool, str]:
        self._budget.begin()
        try:
            reply = await self._process_slot.ask(message)
        except CodeFailure as error:
            if error.failure.caused_by == "infrastructure":
                raise
            why = (
                "took too long to compare"
                if error.reason == FailureType.TIMEOUT
                else "is too much to compare"
            )
            raise Failed(f"its answer {why}", crash=error.reason) from error
        if "unreadable" in reply:
            raise died(FailureType.PROTOCOL)
        return bool(reply["same"]), str(reply["shown"])
