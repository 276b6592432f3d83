"""The side of the code under test: it is given inputs, and what it answers is data that a stranger made."""

from collections.abc import Sequence
from typing import Any

from graders.context import Unread
from graders.contract import FailureType
from graders.errors import CodeFailure
from graders.kinds.code_testing.candidate import Candidate
from graders.kinds.code_testing.comparer import Comparer
from graders.kinds.code_testing.comparison import shown
from graders.kinds.code_testing.forms import CallTest, ProgramTest
from graders.kinds.code_testing.outcomes import Failed, died, exception_name, raised
from graders.kinds.code_testing.plan import Plan
from graders.kinds.code_testing.processes import ProcessSlot, Start, TimeBudget

MAX_ANSWER_BYTES = 4 << 20
"""Of one answer that goes to the judge, which the tests have to read."""
BEST = 3
"""The merit of a reading that compiles, does something, and defines what is tested."""


class SubjectSide:
    """Runs programs, each in a process of its own, and functions, as long as it lasts in one.

    Attributes:
        budget: The time of all its processes.
    """

    def __init__(self, start: Start, plan: Plan, comparer: Comparer) -> None:
        self._start, self._plan, self._comparer = start, plan, comparer
        self.budget = TimeBudget(plan.timeout_s, plan.total_timeout_s)
        self._process_slot = ProcessSlot(start, self.budget)
        self._number = 0
        self._source: str | None = None
        self._unloadable: Failed | None = None

    async def leave(self) -> None:
        """End its process."""
        await self._process_slot.leave()

    async def run_program(self, test: ProgramTest) -> None:
        """Run the code as a program, with a test's input.

        Raises:
            Failed: When it crashes, or prints something else than expected.
        """
        source = await self._code()
        self.budget.begin()
        process_slot = ProcessSlot(self._start, self.budget)
        try:
            ended = await process_slot.finish({"program": source, "stdin": test.input})
        except CodeFailure as error:
            raise self._died(error) from error
        finally:
            await process_slot.leave()
        if ended.status:
            last = (ended.stderr.strip().splitlines() or [""])[-1]
            crash = exception_name(last.partition(":")[0])
            raise Failed(f"exit status {ended.status}", told=last, crash=crash)
        same, printed = await self._comparer.output(test.output, ended.stdout, test.tolerance, test.compare)
        if not same:
            given = f"for {shown(test.input)} expected {shown(test.output)}, got {printed}"
            raise Failed("wrong output", told=given)

    async def call(self, test: CallTest) -> None:
        """Call a function of the code's.

        Raises:
            Failed: When it does not return what is expected.
        """
        await self.load()
        self.budget.begin()
        reply = await self._ask(
            {
                "call": test.function or self._plan.entry_point,
                "args": test.call,
                "kwargs": test.kwargs,
                "in_place": self._plan.in_place,
            }
        )
        if isinstance(told := reply.get("error"), dict):
            raise raised("raised an exception", told)
        actual = reply["value"] if "value" in reply else reply.get("body")
        if "value" not in reply and not isinstance(actual, Unread):
            raise await self._lied()
        tolerance = self._plan.tolerance if test.tolerance is None else test.tolerance
        same, found = await self._comparer.value(
            test.accepted, actual, tolerance, test.unordered, test.compare
        )
        if not same:
            given = ", ".join([*map(shown, test.call), *(f"{k}={shown(v)}" for k, v in test.kwargs.items())])
            expected = f"expected {shown(test.expected)}, got {found}"
            raise Failed("wrong result", told=f"for ({given[:200]}) {expected}")

    async def do(self, question: Unread) -> Unread:
        """Pass one of the judge's questions to the code and return its answer; neither is parsed on the way.

        Raises:
            Failed: If there is no answer, or it is too long.
        """
        did = (await self._ask({"do": True, "body": question})).get("body")
        if not isinstance(did, Unread):
            raise await self._lied()
        if len(did.data) > MAX_ANSWER_BYTES:
            raise died(FailureType.OUTPUT_LIMIT)
        return did

    async def load(self) -> None:
        """See that there is a process that has loaded the code; code that does not load is tried once.

        Raises:
            Failed: When it does not load.
        """
        if self._unloadable is not None:
            raise self._unloadable
        if self._process_slot.taken:
            return
        source = await self._code()
        self.budget.begin()
        try:
            reply = await self._process_slot.ask({"load": source})
        except CodeFailure as error:
            failure = self._died(error)
            self._unloadable = failure if isinstance(failure, Failed) else None
            raise failure from error
        if type(reply) is dict and isinstance(told := reply.get("error"), dict):
            self._unloadable = raised("the code does not load", told)
            raise self._unloadable

    async def _code(self) -> str:
        """The code under test, its prelude before it; chosen once, where there is a choice."""
        if self._source is None:
            candidates = self._plan.candidates
            has_choice = len(candidates) > 1 or len(candidates[0].blocks) > 1
            code = await self._chosen(candidates) if has_choice else candidates[0].code
            self._source = self._plan.prelude + code
        return self._source

    async def _chosen(self, candidates: Sequence[Candidate]) -> str:
        """The first reading that is a program, does something and defines what is tested, else the first with less of these."""
        process_slot = ProcessSlot(self._start, TimeBudget(self._plan.timeout_s, self._plan.timeout_s))
        best, code = 0, candidates[0].code
        try:
            for candidate in candidates:
                try:
                    found = await process_slot.ask({"candidate": self._question(candidate)})
                except CodeFailure as error:
                    if error.failure.caused_by == "infrastructure":
                        raise
                    continue  # it is too much for the compiler
                merit = found["compiles"] + found["acts"] + (found["acts"] and found["defines"])
                if merit > best:
                    best, code = merit, found["code"] or candidate.code
                if best == BEST:
                    break
        finally:
            await process_slot.leave()
        return code

    def _question(self, candidate: Candidate) -> dict[str, Any]:
        purpose = self._plan.purpose
        program = ("reads" if purpose.reads else "silent") if purpose.is_program else ""
        return {
            "prelude": self._plan.prelude,
            "blocks": candidate.blocks,
            "chosen": candidate.chosen,
            "names": purpose.names,
            "program": program,
        }

    async def _ask(self, message: dict[str, Any]) -> dict[Any, Any]:
        self._number += 1
        try:
            reply = await self._process_slot.ask({"number": self._number, **message})
        except CodeFailure as error:
            raise self._died(error) from error
        if type(reply) is not dict or type(reply.get("number")) is not int or reply["number"] != self._number:
            raise await self._lied()
        return reply

    async def _lied(self) -> Failed:
        await self._process_slot.leave()
        return died(FailureType.PROTOCOL)

    def _died(self, error: CodeFailure) -> Exception:
        """What to raise for code whose process is gone: a failed test, unless the machine has ended it."""
        if error.failure.caused_by == "infrastructure":
            return error
        return died(error.reason, self.budget.text() if error.reason == FailureType.TIMEOUT else None)
