"""The threads that send requests, each with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from graders_client.connection import Connection

IDLE_S = 60.0
"""Seconds without work after which a thread ends."""
JOIN_S = 5.0
"""Seconds that closing waits for threads that are at work."""

Job = Callable[[Connection], None]
"""Something to do with a connection; it raises nothing."""


class Workers:
    """A bounded number of threads, started when there is work.

    Args:
        most: Threads, and with them requests at the same time.
        connect: Makes a connection, which connects when it is used.
    """

    def __init__(self, most: int, connect: Callable[[], Connection]) -> None:
        self._most, self._connect = most, connect
        self._condition = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._threads: set[threading.Thread] = set()
        self._connections: set[Connection] = set()
        self._idle = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        """Have a job done by the next thread that is free.

        Raises:
            RuntimeError: When no thread can be started.
        """
        with self._condition:
            self._jobs.append(job)
            if len(self._jobs) <= self._idle or len(self._threads) >= self._most:
                self._condition.notify()
                return
            # a daemon: a program that forgets to close its client must still end
            thread = threading.Thread(target=self._work, name="graders-client", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads can be started: the running ones do it
                if not self._threads:
                    self._jobs.pop()
                    raise
            else:
                self._threads.add(thread)

    def close(self) -> None:
        """Have the threads end when the jobs are done that are waiting."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            threads = list(self._threads)
        until = time.monotonic() + JOIN_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def abandon(self) -> None:
        """Close this process's copies of the connections, after a fork: the threads are in the other process."""
        for connection in self._connections:
            connection.abandon()

    def _work(self) -> None:
        connection = self._connect()
        self._connections.add(connection)
        try:
            while (job := self._next()) is not None:
                job(connection)
                del job  # or it would be kept until the next one comes
        finally:
            connection.close()
            self._connections.discard(connection)

    def _next(self) -> Job | None:
        """The next job; None when the thread is to end."""
        with self._condition:
            while not self._jobs:
                self._idle += 1
                waited = not self._closed and self._condition.wait(IDLE_S)
                self._idle -= 1
                if not waited and not self._jobs:
                    self._threads.discard(threading.current_thread())
                    return None
            return self._jobs.popleft()
