"""Rate limits of a model: requests and tokens per minute, over all processes, evenly spaced."""

import asyncio

from runtime.judge.shared_limits import SharedLimits


class Rate:
    """A number of units per minute, which all processes with the same store share.

    The requests of one process wait in a queue, and only the first of them holds a reservation in the store:
    a request that is cancelled while it waits takes nothing from the others.
    """

    def __init__(self, limits: SharedLimits, name: str, per_minute: float) -> None:
        self._shared_limits, self._name = limits, name
        self._seconds = 60.0 / per_minute
        self._queue = asyncio.Lock()

    async def wait(self, units: float) -> None:
        """Wait until a request of this many units may be sent."""
        async with self._queue:
            pause = await self._shared_limits.reserve(self._name, units * self._seconds)
            if pause > 0:
                await asyncio.sleep(pause)

    async def correct(self, estimated: float, really: float) -> None:
        """Say what one has really taken."""
        if estimated != really:
            await self._shared_limits.shift(self._name, (really - estimated) * self._seconds)
