"""Graceful shutdown: a process that receives SIGTERM finishes its running requests and refuses new ones.

uvicorn closes its port as soon as it receives SIGTERM, so that later requests cannot connect. Here the signal
reaches uvicorn only when the running requests are done. Until then new requests get an answer that asks to
retry, and `/readyz` reports that this process takes no requests.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from service.errors import Refusal

Task: TypeAlias = "asyncio.Task[Any]"

AGAIN_S = 2
"""Seconds after which a refused client reaches another process, or this one after a restart."""


def ending() -> Refusal:
    """The answer to a request that a process does not take, or does not finish, because it ends."""
    return Refusal(503, "this process is ending; ask again", code="draining", after_s=AGAIN_S)


class GracefulShutdown:
    """The requests that run in this process, and whether it takes more.

    Attributes:
        draining: Whether it takes none any more.
    """

    def __init__(self) -> None:
        self.draining = False
        self._running: set[Task] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self) -> None:
        """Raise the answer to a new request, a 503, where it takes none any more."""
        if self.draining:
            raise ending()

    def enter(self, task: Task) -> None:
        """Wait for a task, which answers a request, until it has left.

        Raises:
            Refusal: When no request is taken any more.
        """
        self.check()
        self._running.add(task)
        self._idle.clear()

    def leave(self, task: Task) -> None:
        """A task has answered its request, or given it up."""
        self._running.discard(task)
        if not self._running:
            self._idle.set()

    def cuts_off(self) -> bool:
        """Whether the running task, which was cancelled, was cancelled because the process ends.

        If so its cancellation is over: it may still answer its request.
        """
        task = asyncio.current_task()
        if task is None or not self.draining:
            return False
        while task.uncancel():
            pass
        return True

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, and wait for what runs; what takes longer is cancelled, and answered with a 503 if it still can be."""
        self.draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            for task in self._running:
                task.cancel("the service ends")

    @contextmanager
    def drained_on_sigterm(self, timeout_s: float) -> Iterator[None]:
        """Inside, SIGTERM drains, and only then reaches the server's own handler.

        A second one changes nothing: who stops a whole group of processes tells each of them, and so does their parent.
        SIGINT reaches it at once: it closes its port, and itself waits for what runs.

        Nothing happens outside the main thread, which alone hears signals, and where the server has no handler of its
        own kind: it must be one that was set with `signal.signal`, as uvicorn does.
        """
        server, interrupted = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(server):
            yield
            return
        loop, draining = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def drain(frame: FrameType | None) -> None:
            await self.drain(timeout_s)
            server(signal.SIGTERM, frame)

        def told(_: int, frame: FrameType | None) -> None:
            if not self.draining:
                self.draining = True
                loop.call_soon_threadsafe(lambda: draining.add(loop.create_task(drain(frame))))

        def told_by_keyboard(number: int, frame: FrameType | None) -> None:
            self.draining = True
            if callable(interrupted):
                interrupted(number, frame)

        signal.signal(signal.SIGTERM, told)
        signal.signal(signal.SIGINT, told_by_keyboard)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, server)
            signal.signal(signal.SIGINT, interrupted)
            for task in draining:
                task.cancel()
