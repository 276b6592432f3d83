"""What belongs to one event loop and one process says so where it is used from another: it would hang otherwise."""

import asyncio
import os
import threading

_forks = 0
"""Times that this process, or one of its parents, was forked; a system call for each grading would take a third of its time."""


def _count_fork() -> None:
    global _forks  # noqa: PLW0603  # the one thing that a fork can tell
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class OwnProcess:
    """The process that an object was made in.

    Args:
        what: What the object is called in messages.
    """

    def __init__(self, what: str) -> None:
        self._what, self._born = what, _forks

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of it, which has none of its threads and shares its sockets."""
        return _forks != self._born

    def check(self) -> None:
        """See that this is the process.

        Raises:
            RuntimeError: When it is a fork of it.
        """
        if self.is_forked:
            raise RuntimeError(
                f"this {self._what} was made before this process was forked, and works in the process that made it alone; make "
                "one in each process, after the fork (in the first call of a worker), or use the start method 'spawn'"
            )


class OwnLoop:
    """The event loop that an object belongs to: the first one that it is used on.

    Args:
        what: What the object is called in messages.
    """

    def __init__(self, what: str) -> None:
        self._what, self._process = what, OwnProcess(what)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def get(self) -> asyncio.AbstractEventLoop:
        """The loop.

        Raises:
            RuntimeError: When another one runs, or this process is a fork of the one in which it was first used.
        """
        self._process.check()
        loop = self._loop
        if loop is not None and loop.is_running() and self._thread == threading.get_ident():
            return loop  # two loops cannot run in one thread
        running = asyncio.get_running_loop()
        if loop is not None and loop is not running:
            state = "is closed" if loop.is_closed() else "is another"
            raise RuntimeError(
                f"this {self._what} belongs to the event loop that it was first used on, which {state}; make one on each event "
                "loop (inside the function that asyncio.run is given), or use a SyncEvaluator, which any thread may call"
            )
        self._loop, self._thread = running, threading.get_ident()
        return running
