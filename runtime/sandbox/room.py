"""Places to work at: who waits for one is served client by client, and whoever takes long is overtaken.

Gradings differ in length by orders of magnitude, and nobody knows beforehand which will hang. So one that takes many times
as long as its like, while others wait, is stopped and begun again when nobody else waits; a hundred that hang then delay the
others by hundredths of a second each. The rule is Harchol-Balter's "task assignment by guessing size" (TAGS, 2002). A
grading that is begun again has all of its time, and gives what it would have given.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from runtime.rota import Rota

STALE_SECONDS = 10.0
"""After so long those who are to be served last have half of the places, whoever else waits."""
LONG = 8.0
"""A grading takes long that takes so many times the mean."""
SHORTEST_SECONDS = 0.05
"""No grading takes long that takes less."""
UNKNOWN_SECONDS = 0.5
"""A grading takes long that takes more, as long as none has finished."""
NEWEST = 0.1
"""Weight of the last grading in the mean."""


class Pace:
    """How long gradings of one kind take.

    Attributes:
        mean: Seconds, of late; None when none has finished.
    """

    def __init__(self) -> None:
        self.mean: float | None = None

    @property
    def patience(self) -> float:
        """Seconds after which a grading takes long."""
        return UNKNOWN_SECONDS if self.mean is None else max(SHORTEST_SECONDS, LONG * self.mean)

    def note(self, seconds: float) -> None:
        """Note how long one took, or how long it was let work."""
        self.mean = seconds if self.mean is None else self.mean + NEWEST * (seconds - self.mean)


class _Line:
    """Who waits, and since when."""

    def __init__(self) -> None:
        self._rota: Rota[asyncio.Future[None]] = Rota()
        self._since: dict[asyncio.Future[None], float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def join(self, client: str) -> "asyncio.Future[None]":
        """Wait; what is given is resolved when it is one's turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._rota.put(client, turn)
        self._since[turn] = loop.time()
        return turn

    def leave(self, turn: "asyncio.Future[None]") -> None:
        """Wait no longer."""
        self._since.pop(turn, None)

    def oldest(self) -> float | None:
        """Since when somebody has been waiting; None when nobody is."""
        return next(iter(self._since.values()), None)

    def next(self) -> "asyncio.Future[None] | None":
        """Whose turn it is."""
        while (turn := self._rota.take()) is not None:
            self.leave(turn)
            if not turn.done():  # otherwise it was cancelled
                return turn
        return None


class Room:
    """A number of places; belongs to one event loop.

    Args:
        places: How many there are.
        stale_seconds: After which those who are to be served last may have half of them.
    """

    def __init__(self, places: int, stale_seconds: float = STALE_SECONDS) -> None:
        self._places = self._free = places
        self._stale_seconds = stale_seconds
        self._first, self._last = _Line(), _Line()
        self._last_at_work = 0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits who is to be served first."""
        return len(self._first) > 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._first) + len(self._last)

    @asynccontextmanager
    async def place(self, client: str, *, last: bool = False) -> AsyncGenerator[None]:
        """A place, as long as this lasts.

        Args:
            client: Who wants it; each is served in turn.
            last: Whether all others are served first, for a time.
        """
        await self._take(client, last=last)
        try:
            yield
        finally:
            self._give_back(last=last)

    async def _take(self, client: str, *, last: bool) -> None:
        if self._free and not self.waiting:
            self._free -= 1
            self._last_at_work += last
            return
        line = self._last if last else self._first
        turn = line.join(client)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(last=last)
            else:
                line.leave(turn)
            raise

    def _give_back(self, *, last: bool) -> None:
        self._free += 1
        self._last_at_work -= last
        while self._free and (turn := self._next()):
            self._free -= 1
            turn.set_result(None)

    def _next(self) -> "asyncio.Future[None] | None":
        since = self._last.oldest()
        is_stale = since is not None and asyncio.get_running_loop().time() - since > self._stale_seconds
        may_half = self._last_at_work < max(1, self._places // 2)
        if (is_stale and may_half) or not self._first:
            turn = self._last.next()
            if turn is not None:
                self._last_at_work += 1
                return turn
        return self._first.next()
