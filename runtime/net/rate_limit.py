"""Requests of this process, evenly spaced."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

REMEMBERED = 1_000
"""Names beyond which those are forgotten that may go at once anyway."""
LONGEST_S = 86_400.0
"""Between two requests, whatever the rate."""


@dataclass(slots=True)
class _WaitingRequests:
    """The requests that wait for one name.

    Attributes:
        turn: Held by the first in the queue. A request that is cancelled while it waits leaves no gap.
        free_at: When the next request may be sent.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0


class RateLimiter:
    """Lets requests of one name go at a rate, without bursts (a generic cell rate algorithm that tolerates none)."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._sleep, self._clock = sleep, clock
        self._queues: dict[str, _WaitingRequests] = {}

    async def wait(self, name: str, rate: float | None) -> None:
        """Wait until the next request of a name may go.

        Args:
            name: What is asked.
            rate: Requests in a second; None for any number.
        """
        if rate is None:
            return
        queue = self._queues.get(name) or self._queue(name)
        async with queue.turn:
            now = self._clock()
            if queue.free_at > now:
                await self._sleep(queue.free_at - now)
            queue.free_at = max(queue.free_at, now) + min(1 / rate, LONGEST_S)

    def _queue(self, name: str) -> _WaitingRequests:
        if len(self._queues) >= REMEMBERED:
            now = self._clock()
            waited_for = {n: q for n, q in self._queues.items() if q.turn.locked() or q.free_at > now}
            self._queues = waited_for
        return self._queues.setdefault(name, _WaitingRequests(free_at=self._clock()))
