"""The processes that a grading uses, and the time that it gives them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from graders.context import Ended, Process
from graders.contract import FailureType
from graders.errors import CodeFailure

Start = Callable[[], AbstractAsyncContextManager[Process]]


class TimeBudget:
    """Seconds that the processes of one role may take: for one test, and in all.

    Attributes:
        spent: What they have taken.
    """

    def __init__(self, each_s: float, total_s: float) -> None:
        self.each_s, self.total_s = each_s, total_s
        self.spent = self._since = 0.0

    def begin(self) -> None:
        """Begin the next test."""
        self._since = self.spent

    def left(self) -> float:
        """Seconds until the current test has to be done.

        Raises:
            CodeFailure: If no time is left.
        """
        total = self.total_s - self.spent
        left = min(total, self.each_s - (self.spent - self._since))
        if left <= 0:
            raise CodeFailure(self.text(total), reason=FailureType.TIMEOUT)
        return left

    def text(self, total: float | None = None) -> str:
        """What to say of a test that took longer."""
        total = self.total_s - self.spent if total is None else total
        if total <= 0:
            return f"the {self.total_s:g} s for all tests were used up"
        return f"timed out after {self.each_s:g} s"


class ProcessSlot:
    """A place for one process at a time: started when it is first asked, and gone when it has failed."""

    def __init__(self, start: Start, budget: TimeBudget) -> None:
        self._start, self._budget = start, budget
        self._context: AbstractAsyncContextManager[Process] | None = None
        self._process: Process | None = None

    @property
    def taken(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    async def ask(self, message: object) -> Any:
        """Ask the process.

        Raises:
            CodeFailure: When it failed, or there is no time left; it is gone then.
        """
        return await self._use(message, ends=False)

    async def finish(self, message: object) -> Ended:
        """Tell the process its last message and wait for its end.

        Raises:
            CodeFailure: When it did not end by itself.
        """
        ended: Ended = await self._use(message, ends=True)
        return ended

    async def _use(self, message: object, *, ends: bool) -> Any:
        before, process = 0.0, self._process
        try:
            left = self._budget.left()
            if process is None:
                self._context = self._start()
                process = self._process = await self._context.__aenter__()
            before = process.seconds
            if ends:
                return await process.finish(message, timeout_s=left)
            return await process.ask(message, timeout_s=left)
        except CodeFailure:
            await self.leave()
            raise
        finally:
            if process is not None:
                self._budget.spent += process.seconds - before

    async def leave(self) -> None:
        """End the process, if there is one."""
        context, self._context, self._process = self._context, None, None
        if context is not None:
            await context.__aexit__(None, None, None)
