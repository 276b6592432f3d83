"""Graders that send many rows at once to where they are graded: sources in the sandbox."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice

import numpy as np

from graders import Grader, GraderResult, GradingError, Item, Sample
from runtime.data.rows import sample_or_failure
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.batches import Rows
from runtime.evaluation.context import GradingContext
from runtime.evaluation.execute import deadline_passed

ROWS = 256
"""Rows that are sent at once."""
AT_ONCE = 4
"""How often that is done before the first of them are graded."""

Done = tuple[int, float | GraderResult, float]
"""A row's position, its reward or its result, and the seconds that it took."""


def goes_in_rows(grader: Grader) -> bool:
    """Whether a grader is given many rows at once: a built-in type with a `grade_rows`."""
    return grader.built_in and grader.votes is None and hasattr(grader.function, "grade_rows")


async def grade_in_rows(
    grader: Grader, rows: Rows, count: int, grading_context: GradingContext
) -> BatchResult:
    """Rewards straight into an array; rows that are not done by the deadline are ungraded, the others keep their rewards."""
    rewards = np.full(count, np.nan)
    known: dict[int, GraderResult] = {}
    seconds = 0.0
    async with aclosing(_done(grader, rows, grading_context)) as done:
        async for some in done:
            for position, answer, took in some:
                seconds += took
                if isinstance(answer, float):
                    rewards[position] = answer
                else:
                    known[position] = answer
                    rewards[position] = np.nan if answer.reward is None else answer.reward
    return BatchResult(grader, rewards, known, seconds / max(1, count))


async def stream_in_rows(
    grader: Grader, rows: Rows, grading_context: GradingContext
) -> AsyncGenerator[tuple[int, GraderResult], None]:
    """Each row's position and result as soon as it is there; rows are read as fast as results are taken."""
    async with aclosing(_done(grader, rows, grading_context)) as done:
        async for some in done:
            for position, answer, took in some:
                if isinstance(answer, float):
                    yield position, grader.complete(answer, execution_time=took)
                else:
                    yield position, answer


async def _done(
    grader: Grader, rows: Rows, grading_context: GradingContext
) -> AsyncGenerator[list[Done], None]:
    """What is done, as it comes. To close it gives up what is not."""
    sending = _Sending(grader, rows, grading_context)
    tasks = [asyncio.create_task(sending.work()) for _ in range(AT_ONCE)]
    try:
        async for some in sending.done(tasks):
            yield some
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Sending:
    """Rows on their way to where they are graded, and answers on their way back."""

    def __init__(self, grader: Grader, rows: Rows, grading_context: GradingContext) -> None:
        self._grader, self._context = grader, grading_context
        self._rows: Iterator[tuple[int, tuple[object, Item | None]]] = enumerate(rows)
        self._loop = asyncio.get_running_loop()
        self._ready: list[Done] = []
        self._some = asyncio.Event()
        self._taken = asyncio.Event()

    async def work(self) -> None:
        """Send rows until no rows are left."""
        while True:
            while len(self._ready) >= ROWS * AT_ONCE:  # the reader of the results is slower
                self._taken.clear()
                await self._taken.wait()
            chunk = list(islice(self._rows, ROWS))
            if not chunk:
                return
            await self._send(chunk)

    async def done(self, tasks: list[asyncio.Task[None]]) -> AsyncGenerator[list[Done], None]:
        """What is done, until the tasks are.

        Raises:
            Exception: What a task raised.
        """
        for task in tasks:
            task.add_done_callback(lambda _: self._some.set())
        while True:
            await self._some.wait()
            self._some.clear()
            finished = [task for task in tasks if task.done()]
            for task in finished:
                task.result()
            if self._ready:
                some, self._ready = self._ready, []
                self._taken.set()
                yield some
            elif len(finished) == len(tasks):
                return
            if len(finished) == len(tasks):
                self._some.set()

    async def _send(self, chunk: list[tuple[int, tuple[object, Item | None]]]) -> None:
        started = self._loop.time()
        read: list[tuple[int, Sample, Item]] = []
        for position, (source, item) in chunk:
            sample = sample_or_failure(source)
            if isinstance(sample, GradingError):
                self._give(position, sample, 0.0)
            else:
                read.append((position, sample, item or {}))
        missing = set(range(len(read)))

        def give(offset: int, answer: float | GradingError) -> None:
            missing.discard(offset)
            self._give(read[offset][0], answer, (self._loop.time() - started) / (len(read) - len(missing)))

        answers: list[float | GradingError] = [deadline_passed()] * len(read)
        if self._context.deadline is None or started < self._context.deadline:
            try:
                async with asyncio.timeout_at(self._context.deadline):
                    samples, items = [sample for _, sample, _ in read], [item for *_, item in read]
                    answers = await self._grader.function.grade_rows(samples, items, self._context, give)
            except TimeoutError:
                pass
        for offset in sorted(missing):
            give(offset, answers[offset])

    def _give(self, position: int, answer: float | GradingError, seconds: float) -> None:
        result = self._grader.failed(answer) if isinstance(answer, GradingError) else answer
        self._ready.append((position, result, seconds))
        self._some.set()
