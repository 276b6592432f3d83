"""The actors of an engine: started, given chunks, and replaced when they end.

A `Cluster` starts actors; Ray's is in `runtime.engines.ray`, and one in this process, for tests, in
`runtime.engines.in_process`. Where an actor runs is the cluster's business.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from graders import Grader, GraderError
from runtime.engines.engine import EngineUsage
from runtime.engines.messages import Hello, Opening, Prepared, Task
from runtime.judge.statistics import added

logger = logging.getLogger(__name__)

STARTS = 5
"""How often an actor that has ended is started again, in a row without success, before its place is given up."""
PAUSE_S = 1.0
"""Before an actor that did not start is started again; each time longer."""


class ActorLost(Exception):
    """An actor has ended, or its machine has, or cannot be reached."""


class Unusable(Exception):
    """No actor is left, and none can be started."""


class Actor(Protocol):
    """A process somewhere that grades chunks; see `runtime.engines.node.NodeGrader` for what each method is given."""

    async def open(self, opening: Opening) -> Hello:
        """Start.

        Raises:
            ActorLost: When it has ended; so with every method.
        """
        ...

    async def prepare(self, config: bytes) -> Prepared:
        """See whether it can grade with a grader."""
        ...

    async def grade(self, task: Task, rows: bytes) -> bytes:
        """Grade a chunk; given up there when this is cancelled."""
        ...

    async def aclose(self) -> None:
        """End it; never raises."""
        ...


class Cluster(Protocol):
    """Machines on which actors can be started."""

    async def open(self) -> None:
        """Connect to it.

        Raises:
            ConfigurationError: When that is not possible.
        """
        ...

    def size(self) -> int:
        """How many actors it has room for; at least 1."""
        ...

    def is_here(self, hello: Hello) -> bool:
        """Whether an actor is on the machine of this process."""
        ...

    def start(self) -> Actor:
        """Begin an actor, wherever there is room."""
        ...

    async def aclose(self) -> None:
        """Leave it."""
        ...


@dataclass(eq=False, slots=True)
class Seat:
    """An actor that runs, and what it does.

    Attributes:
        actor: The actor.
        hello: What it says of itself.
        load: Chunks that it grades.
        is_claimed: Whether somebody wants it alone.
        is_lost: Whether it has ended.
        prepared: The graders that it has loaded.
        usage: What it has done, as far as it has said so.
        answers: The number of the last chunk that it has answered.
    """

    actor: Actor
    hello: Hello
    load: int = 0
    is_claimed: bool = False
    is_lost: bool = False
    prepared: "WeakSet[Grader]" = field(default_factory=WeakSet)
    usage: EngineUsage = field(default_factory=EngineUsage)
    answers: int = 0

    def note(self, usage: EngineUsage, number: int) -> None:
        """Hear what it has done; answers may overtake each other."""
        if number > self.answers:
            self.usage, self.answers = usage, number


class ActorPool:
    """Actors of one engine; belongs to one event loop.

    Args:
        cluster: Starts them.
        count: How many; None for as many as there is room for.
        start_timeout_s: Seconds in which one has to start.
    """

    def __init__(self, cluster: Cluster, count: int | None, *, start_timeout_s: float) -> None:
        self._cluster, self._wanted, self._start_timeout_s = cluster, count, start_timeout_s
        self._opening: Opening | None = None
        self._seats: list[Seat] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._first = asyncio.Lock()
        self._problem = ""
        self._retired = EngineUsage()
        self._closed = False

    @property
    def seats(self) -> list[Seat]:
        """The actors that run."""
        return list(self._seats)

    @property
    def capacity(self) -> int:
        """Actors that run or are being started."""
        return len(self._seats) + len(self._starting)

    async def open(self, opening: Callable[[int], Opening], *, among: int = 1) -> None:
        """Start the actors, unless they are there, and wait for them.

        Args:
            opening: Gives what each is started with, when it is known how many there are.
            among: Processes that share the cluster's room.

        Raises:
            ConfigurationError: When the cluster cannot be reached.
            Unusable: When not one could be started.
            RuntimeError: When it is closed.
        """
        if self._closed:
            raise RuntimeError("the evaluator is closed; grade inside its `async with`")
        async with self._first:
            if not self.capacity:
                await self._cluster.open()
                count = self._wanted or max(1, self._cluster.size() // among)
                self._opening, self._problem = opening(count), ""
                for _ in range(count):
                    self._begin()
            while self._starting and not self._seats:
                await self._change()
            if not self._seats:
                raise Unusable(self._problem)
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the actors that are on their way, as long as one may take."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._start_timeout_s):
                while self._starting:
                    await self._change()

    @asynccontextmanager
    async def seat(self, at_once: int, *, alone: bool = False) -> AsyncIterator[Seat]:
        """An actor that has room, the one that does least.

        Args:
            at_once: How many chunks it may be given.
            alone: Give it nothing else meanwhile.

        Raises:
            Unusable: When there is none, and none will be.
        """
        seat = await (self._claimed() if alone else self._free(at_once))
        seat.load += 1
        try:
            yield seat
        finally:
            seat.load -= 1
            seat.is_claimed = seat.is_claimed and not alone
            self._tell()

    async def _free(self, at_once: int) -> Seat:
        while True:
            free = [seat for seat in self._seats if not seat.is_claimed and seat.load < at_once]
            if free:
                return min(free, key=lambda seat: seat.load)
            await self._change()

    async def _claimed(self) -> Seat:
        """An actor that does nothing else, and is given nothing else."""
        while not (unclaimed := [seat for seat in self._seats if not seat.is_claimed]):
            await self._change()
        seat = min(unclaimed, key=lambda seat: seat.load)
        seat.is_claimed = True
        try:
            while seat.load and not seat.is_lost:
                await self._change()
        except BaseException:
            seat.is_claimed = False
            self._tell()
            raise
        if seat.is_lost:  # while it was waited for
            return await self._claimed()
        return seat

    async def lose(self, seat: Seat, *, restart: bool = True) -> None:
        """Put another actor in the place of one that has ended, or is of no use.

        Args:
            seat: The actor.
            restart: Whether to start another.
        """
        if seat.is_lost:
            return
        seat.is_lost = True
        self._seats.remove(seat)
        self._retired = _sum([self._retired, seat.usage])
        if restart and not self._closed:
            self._begin()
        self._tell()
        await seat.actor.aclose()

    @property
    def usage(self) -> EngineUsage:
        """What the actors have done, those that have ended included as far as they had said so."""
        return _sum([self._retired, *(seat.usage for seat in self._seats)])

    async def aclose(self) -> None:
        """End every actor, and leave the cluster."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(self.lose(seat) for seat in self.seats))
        await self._cluster.aclose()

    def _begin(self) -> None:
        task = asyncio.create_task(self._start())
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: "asyncio.Task[None]") -> None:
        self._starting.discard(task)
        if not task.cancelled() and task.exception() is not None:  # what the cluster raised
            self._problem = str(task.exception())
        self._tell()

    async def _start(self) -> None:
        """Start an actor, and again if it does not."""
        for attempt in range(1, STARTS + 1):
            actor = self._cluster.start()
            try:
                async with asyncio.timeout(self._start_timeout_s):
                    hello = await actor.open(self._known_opening)
            except TimeoutError:
                self._problem = f"an actor did not start within {self._start_timeout_s:g} s: the cluster may have no room for it"
                await actor.aclose()
                return  # another would wait as long
            except (ActorLost, GraderError) as error:
                self._problem = f"an actor could not be started: {error}"
            except BaseException:
                await actor.aclose()
                raise
            else:
                self._seats.append(Seat(actor, hello))
                return
            await actor.aclose()
            logger.warning("%s", self._problem)
            await asyncio.sleep(PAUSE_S * attempt)

    @property
    def _known_opening(self) -> Opening:
        if self._opening is None:
            raise RuntimeError("the pool is not open")
        return self._opening

    async def _change(self) -> None:
        """Wait until an actor is free, is there, or is gone.

        Raises:
            Unusable: When none is left.
        """
        if not self.capacity:
            raise Unusable(self._problem or "every actor has ended")
        await self._changed.wait()

    def _tell(self) -> None:
        """Wake all who wait; each looks for itself, in the order in which they came."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _sum(usages: Iterable[EngineUsage]) -> EngineUsage:
    several = list(usages)
    kills: Counter[str] = Counter()
    for usage in several:
        kills.update(usage.sandbox_kills)
    return EngineUsage(added(usage.judges for usage in several), kills)
