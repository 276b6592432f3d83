"""`InProcessCluster`: a cluster whose actors are objects of this process, for tests of what is built on engines.

An actor grades with a real evaluator of its own and is sent the same bytes as one of Ray's. It ends when `Outage` says so,
which takes the place of a killed process or of a machine that is gone.
"""

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runtime.engines.actors import ActorLost
from runtime.engines.messages import Hello, Opening, Prepared, Task
from runtime.engines.node import NodeGrader

Outage = Callable[[list[Any]], bool]
"""Whether an actor ends before it answers, given the rows of a chunk that it was sent: pairs of sample and item."""


@dataclass
class InProcessCluster:
    """Actors in this process.

    Attributes:
        room: How many there may be.
        outage: Ends actors; None ends none.
        remote: Whether they claim to be on another machine.
        delay_s: Seconds for which a chunk is on its way, there and back.
        started: How many actors were begun.
        sent: How many rows each chunk had that was sent, in the order in which they were.
        most: The most chunks that were under way at once.
    """

    room: int = 2
    outage: Outage | None = None
    remote: bool = False
    delay_s: float = 0.0
    started: int = 0
    sent: list[int] = field(default_factory=list)
    most: int = 0
    under_way: int = 0

    async def open(self) -> None:
        """There is nothing to connect to."""

    def size(self) -> int:
        """How many actors there may be."""
        return self.room

    def is_here(self, hello: Hello) -> bool:  # they are all in one place
        """Whether they are on this machine."""
        return not self.remote

    def start(self) -> "InProcessActor":
        """Begin an actor."""
        self.started += 1
        return InProcessActor(self)

    async def aclose(self) -> None:
        """There is nothing to leave."""


class InProcessActor:
    """Implements `runtime.engines.actors.Actor`."""

    def __init__(self, cluster: InProcessCluster) -> None:
        self._cluster, self._grader, self._has_ended = cluster, NodeGrader(), asyncio.Event()

    async def open(self, opening: Opening) -> Hello:
        """Start."""
        return await self._grader.open(opening)

    async def prepare(self, config: bytes) -> Prepared:
        """See whether it can grade with a grader."""
        return await self._grader.prepare(config)

    async def grade(self, task: Task, rows: bytes) -> bytes:
        """Grade a chunk, unless the actor ends."""
        cluster = self._cluster
        read = pickle.loads(rows)  # noqa: S301  # the dispatcher has made it
        cluster.sent.append(len(read))
        cluster.under_way += 1
        cluster.most = max(cluster.most, cluster.under_way)
        try:
            await asyncio.sleep(cluster.delay_s)
            if self._has_ended.is_set() or (cluster.outage is not None and cluster.outage(read)):
                self._has_ended.set()
                raise ActorLost("the actor was ended by its outage")
            return await self._until_end(task, rows)
        finally:
            cluster.under_way -= 1

    async def _until_end(self, task: Task, rows: bytes) -> bytes:
        """The answer, where the actor does not end before it is there."""
        grading, ending = (
            asyncio.ensure_future(self._grader.grade(task, rows)),
            asyncio.ensure_future(self._has_ended.wait()),
        )
        try:
            await asyncio.wait({grading, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise ActorLost("the actor was ended by its outage")
            return grading.result()
        finally:
            grading.cancel()
            ending.cancel()

    async def aclose(self) -> None:
        """End it."""
        self._has_ended.set()
        await self._grader.aclose()
