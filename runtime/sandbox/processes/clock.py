"""The time that a sandboxed process has had: what its time limit is compared with.

A limit by the wall clock fails a right answer when the machine is busy or when the supervisor itself is late. So a process is
charged for the time in which it was waited for, less

* the time before it was locked and ready,
* the time that it waited for a processor while it could have run (the kernel's `run_delay`, of its thread that waited longest),
* the time by which the supervisor's event loop was late, or its thread waited for a processor, whichever is more.

It is charged at least the processor time that it used, so that threads which wait for each other earn nothing. All of this is read
from outside, by the process id that the kernel attaches to the first byte of the process; nothing that the process says counts.
Where the kernel does not tell, the wall clock counts. The ceiling is by the wall clock, again less the supervisor's own lateness:
`CEILING` times the limit and `GRACE_SECONDS`.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

CEILING = 10.0
"""A process is waited for so many times its limit at most, however little of that it had: eight busy neighbours on two processors
leave it a fifth of one."""
GRACE_SECONDS = 1.0
"""Added to the ceiling, for short limits."""
TICK_SECONDS = 0.05
"""How often the event loop's lateness is measured while somebody waits."""
MEASURED_SECONDS = 0.05
"""Waits are charged as they are until they add up to this: to read what the kernel knows costs some 50 microseconds."""
SHORT_SECONDS = 0.001
"""In a wait that is shorter the supervisor's thread did not wait for a processor for long."""
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 0.1, 2.0, 0.01
"""Seconds between two looks at a process that has not answered."""

Answer = TypeVar("Answer")
Moment: TypeAlias = tuple[float, float, float]
"""The loop's time, its lateness in all, and the time that its thread has waited for a processor in all; in seconds."""


class OutOfTime(Exception):
    """A process has not answered.

    Attributes:
        is_certain: Whether it had all of its time; otherwise the ceiling was reached before, and nothing is known about it.
    """

    def __init__(self, *, is_certain: bool) -> None:
        super().__init__(is_certain)
        self.is_certain = is_certain


class Lateness:
    """By how much an event loop is late in all, measured while somebody waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watchers = 0
        self._late = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def total(self) -> float:
        """Seconds in all; only the difference between two values means something."""
        overdue = self._loop.time() - self._due if self._watchers else 0.0
        return self._late + max(0.0, overdue)

    def watch(self) -> None:
        """Measure from now on; `unwatch` ends it."""
        self._watchers += 1
        if self._watchers == 1:
            self._arm()

    def unwatch(self) -> None:
        """End what `watch` began."""
        self._late = self.total()
        self._watchers -= 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watchers:
            self._arm()

    def _arm(self) -> None:
        self._due = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._late = self.total()
        self._arm()


class ProcessClock:
    """Counts the time of one process while it is waited for."""

    def __init__(self, lateness: Lateness) -> None:
        self._lateness = lateness
        self._loop = asyncio.get_running_loop()
        self._pid: int | None = None
        self._waited = 0.0
        self._started: Moment | None = None
        self._counts_from: Moment | None = None
        self._delay = self._used = self._unmeasured = 0.0

    @property
    def charged(self) -> float:
        """Seconds that it is charged in all, by what was read last."""
        waited = self._waited
        if self._counts_from is not None:
            waited += self._since(self._counts_from)
        return min(waited, max(waited - self._delay, self._used))

    def begin(self, pid: int) -> None:
        """Note that the process is ready: from now on its time counts.

        Args:
            pid: Its process id as this process sees it; 0 where that is not known.
        """
        self._pid = pid
        if self._started is not None:
            self._counts_from = self._now()

    def measure(self) -> float:
        """Read what the kernel knows; gives `charged`."""
        if self._pid:
            with suppress(OSError, ValueError, IndexError):  # it has ended, or this kernel does not count
                self._delay = max(self._delay, longest_delay(self._pid))
                self._used = max(self._used, processor_time(self._pid))
        return self.charged

    def has_exited(self) -> bool:
        """Whether the kernel says that the process is gone, or only has to be reaped; False where it is not known."""
        if not self._pid:
            return False
        try:
            return _read(f"/proc/{self._pid}/stat").rpartition(b")")[2].split()[0] in (b"Z", b"X")
        except (FileNotFoundError, ProcessLookupError):
            return True
        except OSError:
            return False

    async def within(
        self,
        seconds: float,
        attempt: Callable[[], Awaitable[Answer]],
        *,
        pause: float | None = None,
        look: Callable[[], None] | None = None,
    ) -> Answer:
        """Wait for an answer until the process has had its time.

        An answer that has come before its lateness was noticed is in time.

        Args:
            seconds: That it may have.
            attempt: Waits for the answer; it is cancelled and begun again, and must lose nothing by that.
            pause: Seconds after which `look` is called for the first time, and each time again.
            look: Called while there is no answer; what it raises ends the wait.

        Raises:
            OutOfTime: When the process has had its time, or the ceiling is reached.
        """
        self._lateness.watch()
        self._started = start = self._now()
        self._counts_from = None if self._pid is None else start
        before = self.charged
        try:
            return await self._wait(seconds, attempt, before=before, start=start, pause=pause, look=look)
        finally:
            self._unmeasured += self._since(start)
            if self._unmeasured > MEASURED_SECONDS:
                self.measure()
                self._unmeasured = 0.0
            if self._counts_from is not None:
                self._waited += self._since(self._counts_from)
            self._started = self._counts_from = None
            self._lateness.unwatch()

    async def _wait(
        self,
        seconds: float,
        attempt: Callable[[], Awaitable[Answer]],
        *,
        before: float,
        start: Moment,
        pause: float | None,
        look: Callable[[], None] | None,
    ) -> Answer:
        ceiling = CEILING * seconds + GRACE_SECONDS
        steps = pause or FIRST_PAUSE
        while True:
            left = min(seconds - (self.charged - before), ceiling - self._since(start))
            with suppress(TimeoutError):
                async with asyncio.timeout(min(steps, max(left, SHORTEST_PAUSE))):
                    return await attempt()
            is_certain = self.measure() - before >= seconds
            if is_certain or self._since(start) >= ceiling:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0):  # what is there is in time
                        return await attempt()
                raise OutOfTime(is_certain=is_certain)
            if look is not None:
                look()
            if pause is None:
                steps = min(2 * steps, LONGEST_PAUSE)

    def _now(self) -> Moment:
        return self._loop.time(), self._lateness.total(), own_delay()

    def _since(self, moment: Moment) -> float:
        """Seconds since a moment, less those by which the event loop was late."""
        time, late, delay = moment
        passed = self._loop.time() - time
        if passed < SHORT_SECONDS:
            return passed
        return max(0.0, passed - max(self._lateness.total() - late, own_delay() - delay))


def own_delay() -> float:
    """Seconds that the calling thread has waited for a processor while it could have run; 0 where the kernel does not count."""
    try:
        return int(_read(f"/proc/self/task/{threading.get_native_id()}/schedstat").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def longest_delay(pid: int) -> float:
    """Seconds that a process has waited for a processor while it could have run: of the thread that did so longest.

    Raises:
        OSError: When there is no such process, or this kernel does not count.
    """
    longest = 0
    for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  # names are enough
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            longest = max(longest, int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[1]))
    return longest / 1e9


def processor_time(pid: int) -> float:
    """Seconds of processor time that all threads of a process have used, in steps of some 10 ms.

    Raises:
        OSError: When there is no such process.
    """
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
