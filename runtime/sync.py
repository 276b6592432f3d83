"""The evaluator without `async`: the same object, run on an event loop in a thread of its own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from graders import Grader, GraderResult, Item, Registry
from runtime.batches import Rows
from runtime.evaluator import Evaluator
from runtime.gradings import Gradings
from runtime.settings import Settings

AHEAD = 1024
"""Results that wait for the other thread."""

T = TypeVar("T")


class SyncEvaluator:
    """Grades samples; use it as `with SyncEvaluator() as evaluator`. See `Evaluator` for every argument."""

    def __init__(self, registry: Registry | None = None, settings: Settings | None = None) -> None:
        self._evaluator = Evaluator(registry, settings)
        self._thread = start_blocking_portal()
        self._portal = self._thread.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the worker processes and the thread."""
        self._portal.call(self._evaluator.aclose)
        self._thread.__exit__(None, None, None)

    def load(self, config: Grader | Mapping[str, Any]) -> Grader:
        """A grader out of its JSON."""
        return self._evaluator.load(config)

    def prepare(self, config: Grader | Mapping[str, Any]) -> Grader:
        """Load a grader and see that every plugin in it starts in a worker."""
        return self._portal.call(partial(self._evaluator.prepare, config))

    def grade(
        self,
        grader: Grader | Mapping[str, Any],
        sample: object,
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
    ) -> GraderResult:
        """Grade one sample."""
        return self._portal.call(partial(self._evaluator.grade, grader, sample, item, deadline_s=deadline_s))

    def grade_group(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Sequence[object],
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
    ) -> list[GraderResult]:
        """Grade the samples of one prompt."""
        return self._portal.call(
            partial(self._evaluator.grade_group, grader, samples, item, deadline_s=deadline_s)
        )

    def grade_many(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Sequence[object],
        items: Sequence[Item],
        *,
        deadline_s: float | None = None,
    ) -> Gradings:
        """Grade many rows."""
        return self._portal.call(
            partial(self._evaluator.grade_many, grader, samples, items, deadline_s=deadline_s)
        )

    def stream(
        self,
        grader: Grader | Mapping[str, Any],
        rows: Rows,
        *,
        deadline_s: float | None = None,
        ordered: bool = True,
    ) -> Iterator[tuple[int, GraderResult]]:
        """Grade rows as they come: pairs of a row's position and its result."""
        results = self._evaluator.stream(grader, rows, deadline_s=deadline_s, ordered=ordered)
        with self._portal.wrap_async_context_manager(_pumped(results)) as take:
            while ready := self._portal.call(take):
                yield from ready


@asynccontextmanager
async def _pumped(results: AsyncGenerator[T, None]) -> AsyncIterator[Callable[[], Awaitable[list[T]]]]:
    """Give results to another thread as many at once as there are: a change of threads costs more than most gradings.

    Gives a function that waits for at least one result and takes all that are there; an empty list is the end.
    """
    queue: asyncio.Queue[T] = asyncio.Queue(AHEAD)

    async def fill() -> None:
        async for result in results:
            await queue.put(result)

    async def take() -> list[T]:
        first = asyncio.ensure_future(queue.get())
        await asyncio.wait({first, filling}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done() and queue.empty():
            first.cancel()
            filling.result()  # the end, or what ended it
            return []
        ready = [await first]
        while not queue.empty():
            ready.append(queue.get_nowait())
        return ready

    filling = asyncio.ensure_future(fill())
    try:
        yield take
    finally:
        filling.cancel()
        await asyncio.wait({filling})
        await results.aclose()
