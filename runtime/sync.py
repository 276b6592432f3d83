"""The evaluator without `async`: the same object, run on an event loop in a thread of its own."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Mapping
from typing import Any, Generic, NoReturn, Self, TypeVar

from graders import Grader, GraderResult, Item, Registry
from runtime.concurrency.own_loop import OwnProcess
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.batches import Rows
from runtime.evaluator import Evaluator
from runtime.explain.explain import explain
from runtime.explain.explanation import Explanation
from runtime.settings.settings import Settings

AHEAD = 1024
"""Results of a stream that wait for the other thread."""

T = TypeVar("T")


class SyncEvaluator:
    """Grades samples; use it as `with SyncEvaluator() as evaluator`, or let the program's end close it.

    See `Evaluator` for every argument. It may be used from several threads. In a fork of the process that made it, where its
    thread is not, every method raises a `RuntimeError`; it does not pickle.
    """

    def __init__(
        self,
        registry: Registry | None = None,
        settings: Settings | None = None,
        *,
        evaluator: Evaluator | None = None,
    ) -> None:
        """Start its thread.

        Args:
            registry: Grader types; defaults to the installed ones.
            settings: Defaults to the environment's.
            evaluator: What it runs, in place of one that is made of the other two; it is closed with this.
        """
        self._evaluator = Evaluator(registry, settings) if evaluator is None else evaluator
        self._process = OwnProcess("SyncEvaluator")
        self._loop = asyncio.new_event_loop()
        # a daemon: a program that forgets to close its evaluator must still end
        thread = threading.Thread(target=self._loop.run_forever, name="graders-evaluator", daemon=True)
        thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._evaluator, self._loop, thread, self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a SyncEvaluator does not pickle: it has a thread and processes; make one in each process, and send it the grader's JSON"
        )

    def close(self) -> None:
        """Stop the worker processes and the thread."""
        self._finalizer()

    def load(self, config: Grader | Mapping[str, Any]) -> Grader:
        """A grader out of its JSON."""
        self._process.check()
        return self._evaluator.load(config)

    def prepare(self, config: Grader | Mapping[str, Any]) -> Grader:
        """Load a grader and see that every plugin in it starts in a worker."""
        return self._wait(self._evaluator.prepare(config))

    def grade(
        self,
        grader: Grader | Mapping[str, Any],
        sample: object,
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
    ) -> GraderResult:
        """Grade one sample."""
        return self._wait(self._evaluator.grade(grader, sample, item, deadline_s=deadline_s))

    def explain(
        self,
        grader: Grader | Mapping[str, Any],
        sample: object,
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
        full: bool = False,
    ) -> Explanation:
        """Grade one sample and lay open how that went; see `runtime.explain.explain.explain`."""
        return self._wait(explain(self._evaluator, grader, sample, item, deadline_s=deadline_s, full=full))

    def grade_group(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Iterable[object],
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
    ) -> list[GraderResult]:
        """Grade the samples of one prompt."""
        return self._wait(self._evaluator.grade_group(grader, samples, item, deadline_s=deadline_s))

    def grade_many(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Iterable[object],
        items: Iterable[Item | None],
        *,
        deadline_s: float | None = None,
    ) -> BatchResult:
        """Grade many rows."""
        return self._wait(self._evaluator.grade_many(grader, samples, items, deadline_s=deadline_s))

    def stream(
        self,
        grader: Grader | Mapping[str, Any],
        rows: Rows,
        *,
        deadline_s: float | None = None,
        ordered: bool = True,
    ) -> Generator[tuple[int, GraderResult]]:
        """Grade rows as they come: pairs of a row's position and its result."""
        results = self._evaluator.stream(grader, rows, deadline_s=deadline_s, ordered=ordered)
        pump = self._wait(_Pump.begin(results))
        try:
            while ready := self._wait(pump.take()):
                yield from ready
        finally:
            self._wait(pump.stop())

    def _wait(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Run something on the other thread; an interrupt here cancels it there.

        Raises:
            RuntimeError: When this process is a fork of the one that has the thread.
        """
        try:
            self._process.check()
        except RuntimeError:
            awaited.close()
            raise
        future = asyncio.run_coroutine_threadsafe(awaited, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class _Pump(Generic[T]):
    """Hands results to another thread, as many at once as there are: changing threads costs more than most gradings."""

    def __init__(self, results: AsyncGenerator[T, None]) -> None:
        self._results = results
        self._queue: asyncio.Queue[T] = asyncio.Queue(AHEAD)
        self._filling = asyncio.create_task(self._fill())

    @classmethod
    async def begin(cls, results: AsyncGenerator[T, None]) -> Self:
        """Begin to fill; on the loop that the results come from."""
        return cls(results)

    async def _fill(self) -> None:
        async for result in self._results:
            await self._queue.put(result)

    async def take(self) -> list[T]:
        """All results that are there, at least one; none at the end. Raises what ended them otherwise."""
        first = asyncio.ensure_future(self._queue.get())
        try:
            await asyncio.wait({first, self._filling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not first.done():  # also where an interrupt has cancelled the waiting
                first.cancel()
        if first.cancelled() or not first.done():
            self._filling.result()
            return []
        ready = [await first]
        while not self._queue.empty():
            ready.append(self._queue.get_nowait())
        return ready

    async def stop(self) -> None:
        """End it, wherever it is."""
        self._filling.cancel()
        await asyncio.wait({self._filling})
        await self._results.aclose()


def _stop(
    evaluator: Evaluator, loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: OwnProcess
) -> None:
    if process.is_forked:  # what is to be stopped is in the other process, which still needs it
        return
    asyncio.run_coroutine_threadsafe(evaluator.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
