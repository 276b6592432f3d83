"""Calls under way: who waits for a result, in a thread or on an event loop, and how they get it."""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graders_client.errors import ClientError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

GRACE_S = 2.0
"""Seconds after a deadline that a caller still waits: what keeps the deadline itself also says what the trouble was."""


class Call(Generic[T]):
    """A value that another thread will give.

    Attributes:
        deadline: Until when, by `time.monotonic`.
        abandoned: Whether nobody waits any more.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.abandoned = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[None] | None = None
        self._guard = threading.Lock()
        self._lock = threading.Lock()
        self._lock.acquire()
        self._value: T | None = None
        self._error: BaseException | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the value is there."""
        return self._done

    def wait(self, when_late: Callable[[], T]) -> T:
        """The value, waited for in this thread.

        Args:
            when_late: Gives another value if there is none at the deadline.
        """
        try:
            came = self._lock.acquire(timeout=self._patience())
        except BaseException:
            self.abandoned = True
            raise
        return self._taken() if came else self._late(when_late)

    async def on_loop(self, start: Callable[[], None], when_late: Callable[[], T]) -> T:
        """The value, waited for on the running event loop.

        Args:
            start: Has the value made.
            when_late: Gives another value if there is none at the deadline.
        """
        import asyncio  # noqa: PLC0415  # it takes as long to import as all the rest, and threads do without it

        self.loop = asyncio.get_running_loop()
        self._future = self.loop.create_future()
        timer = self.loop.call_later(self._patience(), self._wake)
        try:
            start()
            await self._future
        except BaseException:
            self.abandoned = True
            raise
        finally:
            timer.cancel()
        return self._taken() if self._done else self._late(when_late)

    def _patience(self) -> float:
        return min(max(0.0, self.deadline - time.monotonic()) + GRACE_S, threading.TIMEOUT_MAX)

    def _late(self, when_late: Callable[[], T]) -> T:
        self.abandoned = True
        return when_late()

    def _taken(self) -> T:
        if self._error is not None:  # others wait for the same error, and a traceback belongs to one of them
            raise copy.copy(self._error) if isinstance(self._error, ClientError) else self._error
        return self._value  # type: ignore[return-value]  # it is there when there is no error

    def _set(self, value: T | None, error: BaseException | None) -> None:
        with self._guard:
            if self._done:
                return
            self._value, self._error = value, error
            self._done = True
        if self.loop is None:
            self._lock.release()

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


def deliver(calls: Iterable[tuple[Call[Any], Any]], error: BaseException | None = None) -> None:
    """Give calls their values, or all of them an error; each event loop is woken once.

    Args:
        calls: With the value of each.
        error: Raised to those who wait, in place of the value.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[Call[Any]]] = {}
    for call, value in calls:
        call._set(value, error)  # noqa: SLF001  # it belongs to the same file
        if call.loop is not None:
            by_loop.setdefault(call.loop, []).append(call)
    for loop, waiting in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits on it
            loop.call_soon_threadsafe(_wake_all, waiting)


def _wake_all(calls: list[Call[Any]]) -> None:
    for call in calls:
        call._wake()  # noqa: SLF001
