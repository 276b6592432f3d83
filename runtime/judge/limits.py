"""How fast a model may be asked: requests and tokens a minute, over all processes, spread evenly."""

import asyncio

from runtime.judge.meeting import Meeting


class Rate:
    """So many units a minute, which all processes that meet share.

    In one process they wait in a queue, and only the first of it has a place at the meeting point: whoever is cancelled
    while waiting takes nothing from the others.
    """

    def __init__(self, meeting: Meeting, name: str, per_minute: float) -> None:
        self._meeting, self._name = meeting, name
        self._seconds = 60.0 / per_minute
        self._queue = asyncio.Lock()

    async def wait(self, units: float) -> None:
        """Wait until one may go that takes so many units."""
        async with self._queue:
            pause = await self._meeting.reserve(self._name, units * self._seconds)
            if pause > 0:
                await asyncio.sleep(pause)

    async def correct(self, estimated: float, really: float) -> None:
        """Say what one has really taken."""
        if estimated != really:
            await self._meeting.shift(self._name, (really - estimated) * self._seconds)
