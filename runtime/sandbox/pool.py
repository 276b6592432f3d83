"""Zygotes by shape: started when they are wanted, replaced when they die, ended when nobody asks for them any more."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from runtime.sandbox.breed import Breed
from runtime.sandbox.session import Session
from runtime.sandbox.zygote import Shape

KEPT_SHAPES = 8
"""Shapes whose zygotes are kept; each zygote holds some 20 MB, and more with the modules that it has loaded."""
IDLE_SECONDS = 300.0

_has_room: ContextVar[bool] = ContextVar("has_room", default=False)


class ZygotePool:
    """Gives sessions of any shape; belongs to one event loop."""

    def __init__(self, *, processes: int, output_bytes: int) -> None:
        """Start nothing yet.

        Args:
            processes: Gradings that may work at once, and zygotes of one shape.
            output_bytes: What a session may write to its standard output, and to its standard error.
        """
        self._processes, self._output_bytes = processes, output_bytes
        self._breeds: OrderedDict[Shape, Breed] = OrderedDict()
        self._room = asyncio.Semaphore(processes)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def room(self) -> AsyncGenerator[None]:
        """Wait until a processor is free for one more grading; the processes inside a grading need no more room."""
        if _has_room.get():
            yield
            return
        async with self._room:
            token = _has_room.set(True)
            try:
                yield
            finally:
                _has_room.reset(token)

    async def session(self, shape: Shape) -> Session:
        """A locked process that nobody has used.

        Raises:
            ZygoteFailed: When no zygote of this shape can be made.
        """
        if self._closed:
            raise RuntimeError("the evaluator is closed; grade inside its `async with`")
        if shape not in self._breeds:
            self._make_place()
            self._breeds[shape] = Breed(shape, self._processes, self._output_bytes)
        self._breeds.move_to_end(shape)
        return await self._breeds[shape].take()

    async def aclose(self) -> None:
        """End every zygote and every session."""
        self._closed = True
        for shape in list(self._breeds):
            self._let_go(shape)
        await asyncio.gather(*self._closing)

    def _make_place(self) -> None:
        """End the zygotes that nobody uses: those not asked for for long, and the oldest when there are too many."""
        now = asyncio.get_running_loop().time()
        idle = [(shape, breed) for shape, breed in self._breeds.items() if breed.idle]
        for shape, breed in idle:
            if len(self._breeds) >= KEPT_SHAPES or now - breed.used > IDLE_SECONDS:
                self._let_go(shape)

    def _let_go(self, shape: Shape) -> None:
        task = asyncio.create_task(self._breeds.pop(shape).aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
