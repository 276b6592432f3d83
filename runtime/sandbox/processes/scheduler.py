"""Slots for gradings: waiting gradings are served client by client, and long-running ones are preempted.

Gradings differ in length by orders of magnitude, and which of them will hang is not known in advance. So a
grading that takes many times as long as similar ones, while others wait, is stopped and restarted when the
others are done. If it takes long again, it is restarted with many times the time, until it has the whole time
limit. A hundred gradings that hang then delay the others by hundredths of a second each, and a grading that
was merely slow once finishes before them. The rule is Harchol-Balter's "task assignment by guessing size"
(TAGS, 2002), on one machine. A restarted grading gives the same result.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.concurrency.fair_queue import FairQueue

STALE_SECONDS = 10.0
"""After this time preempted gradings get half of the slots, even if others wait."""
GUESTS = 1
"""Additional slots for clients with no running grading: they do not wait for the many gradings of another."""
LONG = 8.0
"""A grading is long-running if it takes this many times the mean, or this many times its previous time."""
SHORTEST_SECONDS = 0.05
"""A grading that takes less is never long-running."""
UNKNOWN_SECONDS = 0.5
"""A grading that takes more is long-running while no grading has finished."""
NEWEST = 0.1
"""Weight of the last grading in the mean."""


class RuntimeEstimate:
    """How long gradings of one kind take.

    Attributes:
        mean: Seconds, of late; None when none has finished.
    """

    def __init__(self) -> None:
        self.mean: float | None = None

    def patience(self, preempted: int) -> float:
        """Seconds after which a grading takes long.

        Args:
            preempted: How often it was, before.
        """
        first = UNKNOWN_SECONDS if self.mean is None else max(SHORTEST_SECONDS, LONG * self.mean)
        return float(first * LONG**preempted)

    def note(self, seconds: float) -> None:
        """Note how long one took; one that takes long counts as one that nearly does, however long it takes."""
        seconds = min(seconds, self.patience(0))
        self.mean = seconds if self.mean is None else self.mean + NEWEST * (seconds - self.mean)


@dataclass(eq=False, slots=True)
class _Turn:
    """Somebody who waits.

    Attributes:
        preempted: How often he was, before.
        since: When he began to wait.
        come: Resolved when it is his turn.
    """

    preempted: int
    since: float
    come: "asyncio.Future[None]"


class Slots:
    """A number of places; belongs to one event loop.

    Args:
        places: How many there are.
        stale_seconds: After which those who have been preempted may have half of them.
    """

    def __init__(self, places: int, stale_seconds: float = STALE_SECONDS) -> None:
        self._places = self._free = places
        self._guests = GUESTS
        self._stale_seconds = stale_seconds
        self._fair_queue: FairQueue[_Turn] = FairQueue()
        self._waiting: dict[int, dict[_Turn, None]] = {}
        self._at_work: Counter[str] = Counter()
        self._preempted_at_work = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def is_wanted(self, preempted: int) -> bool:
        """Whether somebody waits who has been preempted no more often than somebody at work."""
        return any(turns and level <= preempted for level, turns in self._waiting.items())

    @asynccontextmanager
    async def place(self, client: str, *, preempted: int = 0) -> AsyncGenerator[None]:
        """A place, as long as this lasts.

        Args:
            client: Who wants it; each is served in turn.
            preempted: How often it was preempted; those of the same client who were so less often are served before.
        """
        is_guest = await self._take(client, preempted)
        self._at_work[client] += 1
        try:
            yield
        finally:
            self._at_work[client] -= 1
            if not self._at_work[client]:
                del self._at_work[client]
            self._give_back(preempted, is_guest=is_guest)

    async def _take(self, client: str, preempted: int) -> bool:
        """Wait for a place; True for one of a guest."""
        if self._free and not self.waiting:
            self._free -= 1
            self._preempted_at_work += preempted > 0
            return False
        if self._guests and not preempted and client not in self._at_work:
            self._guests -= 1
            return True
        loop = asyncio.get_running_loop()
        turn = _Turn(preempted, loop.time(), loop.create_future())
        self._fair_queue.put(client, turn, rank=preempted)
        self._waiting.setdefault(preempted, {})[turn] = None
        try:
            await turn.come
        except asyncio.CancelledError:
            if turn.come.done() and not turn.come.cancelled():
                self._give_back(preempted, is_guest=False)
            else:
                self._waiting[preempted].pop(turn, None)
            raise
        return False

    def _give_back(self, preempted: int, *, is_guest: bool) -> None:
        if is_guest:
            self._guests += 1
            return
        self._free += 1
        self._preempted_at_work -= preempted > 0
        while self._free and (turn := self._stale() or self._fair_queue.take()):
            self._waiting[turn.preempted].pop(turn, None)
            if not turn.come.done():  # otherwise he gave up, or was served as a stale one
                self._free -= 1
                self._preempted_at_work += turn.preempted > 0
                turn.come.set_result(None)

    def _stale(self) -> _Turn | None:
        """Who was preempted and has been waiting for longest, when that is too long."""
        if self._preempted_at_work >= max(1, self._places // 2):
            return None
        first = [next(iter(turns)) for level, turns in self._waiting.items() if level and turns]
        oldest = min(first, key=lambda turn: turn.since, default=None)
        if oldest is None or asyncio.get_running_loop().time() - oldest.since <= self._stale_seconds:
            return None
        return oldest
