"""The zygotes of one shape, and the processes that they have forked ahead."""

import asyncio
from collections import deque
from collections.abc import Callable

from runtime.sandbox.processes.cgroups import Cgroup
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.zygote import Zygote, ZygoteFailed, ZygoteSpec

AHEAD = 1
"""Processes of each zygote that are locked and wait, so that a grading does not wait for its fork."""


class ZygoteGroup:
    """Gives sessions of one shape.

    Attributes:
        used: When a session was last asked for, on the event loop's clock.
    """

    def __init__(
        self,
        shape: ZygoteSpec,
        zygotes: int,
        output_bytes: int,
        make_group: Callable[[ZygoteSpec], Cgroup | None],
    ) -> None:
        """Start nothing yet.

        Args:
            shape: Of its zygotes.
            zygotes: How many there may be.
            output_bytes: What a session may write to its standard output, and to its standard error.
            make_group: Gives a control group for one more zygote, or none.
        """
        self._shape, self._most, self._output_bytes = shape, zygotes, output_bytes
        self._make_group = make_group
        self._zygotes: list[Zygote] = []
        self._ready: deque[Session] = deque()
        self._busy = 0
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._first = asyncio.Lock()
        self.used = 0.0

    @property
    def idle(self) -> bool:
        """Whether none of its sessions is in use."""
        return self._busy == 0 and not self._first.locked()

    async def take(self) -> Session:
        """A locked process that nobody has used.

        Raises:
            ZygoteFailed: When no zygote of this shape can be made.
        """
        self.used = asyncio.get_running_loop().time()
        while self._ready:
            session = self._ready.popleft()
            if session.is_alive:
                break
            session.release()
        else:
            session = await self._fork()
        self._busy += 1
        session.ended.add_done_callback(self._free)
        if self._busy > 1 and len(self._zygotes) + len(self._starting) < self._most:
            self._begin()
        self._fork_ahead()
        return session

    async def shrink(self) -> None:
        """End all zygotes but one."""
        surplus = self._living()[1:]
        del self._zygotes[1:]
        await asyncio.gather(*map(self._end, surplus))

    async def aclose(self) -> None:
        """End every zygote, and with it every session."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*map(self._end, self._zygotes), *self._ending)
        while self._ready:
            self._ready.popleft().release()
        self._zygotes.clear()

    def _free(self, _: object) -> None:
        self._busy -= 1

    async def _fork(self) -> Session:
        async with self._first:  # many may ask at once, and one zygote answers them all
            if not self._living():
                await self._add()
        failed = ZygoteFailed("its zygotes end as soon as they are started")
        for zygote in [*self._living()]:
            try:
                return zygote.fork(self._output_bytes)
            except ZygoteFailed as error:
                failed = error
                if not error.is_shortage:  # of which its other sessions know nothing
                    # it seems alive until its end was read, and the next attempt must not meet it again
                    self._zygotes.remove(zygote)
                    self._end(zygote)
        raise failed

    def _living(self) -> list[Zygote]:
        """The zygotes that take sessions, those with the fewest first; the dead are cleared away."""
        for zygote in self._zygotes:
            if not zygote.alive:
                self._end(zygote)
        self._zygotes = sorted((z for z in self._zygotes if z.alive), key=lambda zygote: len(zygote.sessions))
        return self._zygotes

    def _end(self, zygote: Zygote) -> asyncio.Task[None]:
        task = asyncio.create_task(zygote.aclose())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _fork_ahead(self) -> None:
        """Have processes ready for the next who ask."""
        living = self._living()
        for zygote in living[: max(0, AHEAD * len(living) - len(self._ready))]:
            try:
                self._ready.append(zygote.fork(self._output_bytes))
            except ZygoteFailed as error:
                if not error.is_shortage:
                    zygote.kill()

    def _begin(self) -> None:
        """Start one more zygote, without waiting for it."""
        task = asyncio.create_task(self._add())
        self._starting.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        if not task.cancelled():
            task.exception()  # the running zygotes go on; a request that finds none starts one and gets its error

    async def _add(self) -> None:
        try:
            group = self._make_group(self._shape)
        except OSError as error:
            raise ZygoteFailed(f"it gets no control group: {error}", is_shortage=True) from error
        zygote = await Zygote.start(self._shape, group)
        self._zygotes.append(zygote)
