"""One answer's code against its tests: who is asked what, and who is to blame.

The *subject* runs the model's code and gets inputs, one at a time. Expected values stay here, test source is run by the
*judge*, and what the subject says is data, of which only a little is read here. Whatever goes wrong in the subject is the
model's doing: the test fails. So does whatever goes wrong in the judge after it has used an answer of the subject's: code
must not escape by what it answers. Anything else that goes wrong there is the tests' own doing, and ungraded, as is what
the machine did.
"""

from functools import partial

from graders.context import Sandbox
from graders.kinds.code_testing.comparer import Comparer
from graders.kinds.code_testing.forms import CallTest, ProgramTest, Test
from graders.kinds.code_testing.outcomes import CodeTestOutcome, Failed
from graders.kinds.code_testing.plan import Plan
from graders.kinds.code_testing.subject import SubjectSide
from graders.kinds.code_testing.test_runner import TestRunnerSide


class Run:
    """The tests of one grading; `close` ends its processes."""

    def __init__(self, sandbox: Sandbox, plan: Plan) -> None:
        start = partial(sandbox.process, image=plan.image, memory_mb=plan.memory_mb)
        self._comparer = Comparer(partial(start, "compare"), plan)
        self._subject = SubjectSide(partial(start, "subject"), plan, self._comparer)
        self._judge = TestRunnerSide(partial(start, "judge"), plan, self._subject)

    async def close(self) -> None:
        """End the processes."""
        await self._subject.leave()
        await self._judge.leave()
        await self._comparer.leave()

    async def test(self, test: Test) -> list[CodeTestOutcome]:
        """Run one test: one outcome, or one for each case of a test source.

        Raises:
            GradingError: When the tests themselves are to blame, or the sandbox failed.
        """
        try:
            if isinstance(test, ProgramTest):
                await self._subject.run_program(test)
            elif isinstance(test, CallTest):
                await self._subject.call(test)
            else:
                return await self._judge.run(test)
        except Failed as failed:
            return [failed.outcome(test, test.name, test.weight)]
        return [CodeTestOutcome(test.name, passed=True, weight=test.weight)]
