"""Zygotes by shape: started when they are wanted, replaced when they die, ended when nobody asks for them any more."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from runtime.sandbox.inside.layers.limits import THREADS
from runtime.sandbox.processes.cgroups import Cgroup, Cgroups
from runtime.sandbox.processes.scheduler import GUESTS, Slots
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.zygote import ZygoteSpec
from runtime.sandbox.processes.zygote_group import AHEAD, ZygoteGroup

KEPT_SHAPES = 8
"""Shapes whose zygotes are kept; each zygote holds some 20 MB, and more with the modules that it has loaded."""
IDLE_SECONDS = 300.0
ZYGOTE_BYTES = 512 << 20
"""What a zygote and its loaded modules may hold themselves."""
ZYGOTE_PROCESSES = 8

_has_room: ContextVar[bool] = ContextVar("has_room", default=False)


class ZygotePool:
    """Gives sessions of any shape; belongs to one event loop."""

    def __init__(self, *, processes: int, output_bytes: int, idle_seconds: float = IDLE_SECONDS) -> None:
        """Start nothing yet.

        Args:
            processes: Gradings that may work at once, and zygotes of one shape.
            output_bytes: What a session may write to its standard output, and to its standard error.
            idle_seconds: How long zygotes are kept that nobody asks for.
        """
        self._processes, self._output_bytes, self._idle_seconds = processes, output_bytes, idle_seconds
        self._tidying: asyncio.TimerHandle | None = None
        self._cgroups: Cgroups | None
        try:
            self._cgroups = Cgroups.here()
        except OSError:
            self._cgroups = None  # `graders doctor` says why
        self._zygote_groups: OrderedDict[ZygoteSpec, ZygoteGroup] = OrderedDict()
        self._room = Slots(processes)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def room(self, client: str = "", *, preempted: int = 0) -> AsyncGenerator[bool]:
        """Wait until a processor is free for one more grading; the processes inside a grading need no more room.

        Args:
            client: Who asks; each is served in turn.
            preempted: How often the grading was preempted, before.

        Yields:
            Whether it is a place of its own, which somebody else gets when it is left.
        """
        if _has_room.get():
            yield False
            return
        async with self._room.place(client, preempted=preempted):
            token = _has_room.set(True)
            try:
                yield True
            finally:
                _has_room.reset(token)

    def is_wanted(self, preempted: int) -> bool:
        """Whether somebody waits for room who has been preempted no more often than a grading."""
        return self._room.is_wanted(preempted)

    async def session(self, shape: ZygoteSpec) -> Session:
        """A locked process that nobody has used.

        Raises:
            ZygoteFailed: When no zygote of this shape can be made.
        """
        if self._closed:
            raise RuntimeError("the evaluator is closed; grade inside its `async with`")
        if shape not in self._zygote_groups:
            self._make_place()
            self._zygote_groups[shape] = ZygoteGroup(
                shape, self._processes, self._output_bytes, self._make_group
            )
        self._zygote_groups.move_to_end(shape)
        self._tidy_later()
        return await self._zygote_groups[shape].take()

    async def aclose(self) -> None:
        """End every zygote and every session."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        for shape in list(self._zygote_groups):
            self._let_go(shape)
        await asyncio.gather(*self._closing)

    def _make_place(self) -> None:
        """When there are zygotes of many shapes, end the oldest that nobody uses."""
        for shape in [shape for shape, group in self._zygote_groups.items() if group.idle]:
            if len(self._zygote_groups) >= KEPT_SHAPES:
                self._let_go(shape)

    def _tidy_later(self) -> None:
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(self._idle_seconds, self._tidy)

    def _tidy(self) -> None:
        """End the zygotes that nobody has asked for for long; one, of the shape that was asked for last, stays."""
        self._tidying = None
        until = asyncio.get_running_loop().time() - self._idle_seconds
        old = [shape for shape, group in self._zygote_groups.items() if group.idle and group.used <= until]
        for shape in old:
            if shape == next(reversed(self._zygote_groups)):
                self._close(self._zygote_groups[shape].shrink())
            else:
                self._let_go(shape)
        if len(self._zygote_groups) > 1 or not old:
            self._tidy_later()

    def _let_go(self, shape: ZygoteSpec) -> None:
        self._close(self._zygote_groups.pop(shape).aclose())

    def _close(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _make_group(self, shape: ZygoteSpec) -> Cgroup | None:
        """A control group for a zygote of a shape, where this service may make one."""
        if self._cgroups is None:
            return None
        each = ((shape.memory_mb + shape.disk_mb) << 20) + 2 * self._output_bytes
        return self._cgroups.make(
            memory_bytes=ZYGOTE_BYTES + (self._processes + GUESTS + AHEAD) * each,
            processes=ZYGOTE_PROCESSES + (self._processes + GUESTS + AHEAD) * THREADS,
            processors=self._processes,
        )
