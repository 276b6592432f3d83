"""Work that many callers want at the same time is done once, and all of them get its result."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[Key]):
    """Work in progress, by key. It belongs to no caller: when the first one is cancelled, the others still get the result."""

    def __init__(self) -> None:
        self._running: dict[Key, asyncio.Task[Any]] = {}

    async def do(self, key: Key, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the work for a key, which is begun unless it is already in progress.

        Raises:
            Exception: What the work raised.
        """
        return await asyncio.shield(self.start(key, work))

    def start(self, key: Key, work: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """The task that does the work for a key, started unless there is one; to await it, shield it."""
        running = self._running.get(key)
        if running is None:
            # with an empty context: what the first caller has set there concerns no other
            running = self._running[key] = asyncio.create_task(work(), context=Context())
            running.add_done_callback(lambda done: self._finished(key, done))
        return running

    def is_current(self, key: Key) -> bool:
        """Whether the task that asks is the one that does the work for a key, and was not forgotten meanwhile."""
        return self._running.get(key) is asyncio.current_task()

    def forget(self, wanted: Callable[[Key], bool]) -> None:
        """Let the next caller begin the work of some keys anew; what is in progress goes on for those who wait for it."""
        for key in [key for key in self._running if wanted(key)]:
            del self._running[key]

    async def settle(self) -> None:
        """Wait until nothing is in progress."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """Cancel what is in progress, and wait until it has ended."""
        running = [*self._running.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _finished(self, key: Key, done: "asyncio.Task[Any]") -> None:
        if self._running.get(key) is done:
            del self._running[key]
        if not done.cancelled():
            done.exception()  # those who wait get it; where nobody does, it must not be logged as never retrieved
