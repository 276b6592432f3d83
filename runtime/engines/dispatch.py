"""The chunks of one batch: sent to actors, sent again when an actor ends, and cut until the row that ends actors is found.

An actor that ends takes the chunks that it grades with it, and cannot say which of them ended it. Such a chunk is graded
again alone on an actor; when that one ends too, the halves of the chunk are, each alone, down to the row. What an actor had
finished of a chunk before it ended is lost with it, so no row has two results.
"""

import asyncio
import logging
import pickle
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graders import FailureKind, FailureType, Grader, GraderResult, GradingError
from runtime.engines.actors import ActorLost, ActorPool, Seat, Unusable
from runtime.engines.chunks import CHUNKINGS, Chunk, ChunkReader
from runtime.engines.messages import Answer, Task
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.cost_class import cost_of
from runtime.evaluation.execute import deadline_passed

logger = logging.getLogger(__name__)

LOSSES = 2
"""Actors that may end over one chunk before it is cut."""
MAX_BYTES = 32 << 20
"""Of a chunk that can be cut."""
LONGEST_CAUSE = 500
"""Characters."""
GRACE_S = 5.0
"""Seconds after its deadline in which the results of a batch that were there in time may arrive."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the chunks of a batch have in common.

    Attributes:
        grader: What grades them.
        config: Its JSON, as actors are sent it: `packed_config`.
        deadline: On the event loop's clock; None for never.
        trace_id: The caller's own name for the batch.
        client: Who pays for judges.
        traceparent: Which span the actors' spans belong to; empty where nobody traces.
    """

    grader: Grader
    config: bytes
    deadline: float | None
    trace_id: str | None
    client: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class Graded:
    """The results of a chunk.

    Attributes:
        rewards: float64, one for each row; NaN where the row is ungraded.
        known: The results that say more than their reward, by offset.
        seconds: Mean seconds of the other gradings.
    """

    rewards: NDArray[np.float64]
    known: Mapping[int, GraderResult]
    seconds: float = 0.0

    def results(self, grader: Grader) -> BatchResult:
        """All of them, in the order of the rows."""
        return BatchResult(grader, self.rewards, self.known, self.seconds)

    def followed_by(self, other: "Graded") -> "Graded":
        """These, and those of the next rows."""
        size = len(self.rewards)
        seconds = (self.seconds * size + other.seconds * len(other.rewards)) / (size + len(other.rewards))
        known = {**self.known, **{size + offset: result for offset, result in other.known.items()}}
        return Graded(np.concatenate([self.rewards, other.rewards]), known, seconds)


class Dispatcher:
    """Sends the chunks of one batch.

    Args:
        pool: The actors.
        batch: What the chunks have in common.
    """

    def __init__(self, pool: ActorPool, batch: Batch) -> None:
        self._pool, self._batch = pool, batch
        self._at_once = CHUNKINGS[cost_of(batch.grader)].at_once
        self._loop = asyncio.get_running_loop()

    async def graded(self, reader: ChunkReader) -> AsyncGenerator[tuple[Chunk, Graded] | None, None]:
        """Every chunk with its results, as they come; None when only `reader.ready` has something.

        As many chunks are under way as the actors may be given, and rows are read only for those.
        """
        running: dict[asyncio.Task[Graded], Chunk] = {}
        try:
            while True:
                while not reader.is_at_end and len(running) < self._at_once * max(1, self._pool.capacity):
                    chunk = reader.next()
                    if chunk is not None:
                        running[asyncio.create_task(self._grade(chunk))] = chunk
                    await asyncio.sleep(0)
                    if reader.ready:
                        yield None
                if not running:
                    return
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield running.pop(task), task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _grade(self, chunk: Chunk) -> Graded:
        """The results of a chunk, by the deadline; what is in time may take a little longer to arrive."""
        deadline = self._batch.deadline
        if deadline is not None and self._loop.time() >= deadline:
            return self._ungraded(chunk, deadline_passed())
        limit = None if deadline is None else deadline + GRACE_S
        try:
            async with asyncio.timeout_at(limit):
                return await self._sent(chunk)
        except TimeoutError:
            return self._ungraded(chunk, deadline_passed())

    async def _sent(self, chunk: Chunk) -> Graded:
        """Send a chunk until there is an answer, or nothing left to cut."""
        while chunk.losses < LOSSES:
            try:
                rows = chunk.packed()
            except (pickle.PicklingError, TypeError, ValueError, AttributeError, RecursionError) as error:
                chunk.losses, chunk.cause = LOSSES, f"it cannot be sent: {type(error).__name__}"
                break
            if len(rows) > MAX_BYTES and chunk.groups > 1:
                return await self._in_halves(chunk)
            try:
                answer = await self._answered(chunk, rows)
            except Unusable as error:
                return self._ungraded(chunk, _unusable(error))
            if answer is not None:
                return answer
        if chunk.groups > 1:
            return await self._in_halves(chunk)
        return self._ungraded(chunk, _lost(chunk))

    async def _in_halves(self, chunk: Chunk) -> Graded:
        """Grade the halves one after the other: where both were sent at once, they would end two actors at once."""
        # a half of what has ended actors is alone from the start, and cut when it ends another
        first, second = (replace(half, losses=min(chunk.losses, 1)) for half in chunk.halves())
        return (await self._grade(first)).followed_by(await self._grade(second))

    async def _answered(self, chunk: Chunk, rows: bytes) -> Graded | None:
        """What an actor answers; None where it has ended, or cannot answer, which is noted."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(self._batch.deadline):
                waiting = self._pool.seat(self._at_once, alone=chunk.losses > 0)
                seat = await stack.enter_async_context(waiting)
            try:
                if not await self._is_prepared(seat):
                    return None
                answer = Answer.unpack(await seat.actor.grade(self._task(), rows), len(chunk.rows))
            except ActorLost as error:
                self._count(chunk, str(error))
                logger.warning("an actor on %s has ended, and is replaced: %s", seat.hello.node, chunk.cause)
                await self._pool.lose(seat)
                return None
            except Exception as error:  # noqa: BLE001  # whatever is wrong with an actor, its rows have a result
                self._count(chunk, f"{type(error).__name__}: {error}")
                logger.warning("an actor on %s failed: %s", seat.hello.node, chunk.cause)
                return None
            seat.note(answer.usage, answer.number)
        return Graded(answer.rewards, answer.known, answer.seconds)

    @staticmethod
    def _count(chunk: Chunk, cause: str) -> None:
        chunk.losses += 1
        chunk.cause = cause.partition("\n")[0][:LONGEST_CAUSE]

    async def _is_prepared(self, seat: Seat) -> bool:
        """Whether an actor can grade; one that has come later, on a machine that lacks something, is done without."""
        grader = self._batch.grader
        if grader in seat.prepared:
            return True
        problem = await prepare(seat, grader)
        if problem:
            logger.warning("%s is not used: %s", seat.hello.node, problem)
            await self._pool.lose(seat, restart=False)
        return not problem

    def _task(self) -> Task:
        """What is said of a chunk at the moment at which it is sent."""
        batch = self._batch
        left = None if batch.deadline is None else max(0.0, batch.deadline - self._loop.time())
        return Task(batch.config, left, batch.trace_id, batch.client, batch.traceparent)

    def _ungraded(self, chunk: Chunk, error: GradingError) -> Graded:
        failed = self._batch.grader.failed(error)
        known = {offset: self._of(source, failed) for offset, (source, _) in enumerate(chunk.rows)}
        rewards = [np.nan if result.reward is None else result.reward for result in known.values()]
        return Graded(np.array(rewards, dtype=np.float64), known)

    def _of(self, source: object, failed: GraderResult) -> GraderResult:
        """The result of a row that no actor has graded; one that cannot be read fails for its own reason."""
        return self._batch.grader.failed(source) if isinstance(source, GradingError) else failed


def packed_config(grader: Grader) -> bytes:
    """A grader's JSON, as it is sent."""
    return pickle.dumps(dict(grader.config), pickle.HIGHEST_PROTOCOL)


async def prepare(seat: Seat, grader: Grader) -> str:
    """Let an actor load a grader; gives what is wrong, nothing where it can grade.

    Raises:
        ActorLost: When it has ended.
    """
    said = await seat.actor.prepare(packed_config(grader))
    if said.info is None:
        return said.problem
    if said.info != grader.info:
        return f"its rewards may differ: {said.info.signature} there, {grader.info.signature} here; install the same versions"
    seat.prepared.add(grader)
    return ""


def _lost(chunk: Chunk) -> GradingError:
    """The failure of a row, or of a group, that has ended actors, or that they cannot grade."""
    what = "the row" if len(chunk.rows) == 1 else f"the group of {len(chunk.rows):,} rows"
    return GradingError(
        f"{what} was graded alone, and the actor ended or failed each time: {chunk.cause}",
        kind=FailureKind.OTHER,
        caused_by="infrastructure",
        details={"type": FailureType.WORKER_EXITED},
    )


def _unusable(error: Unusable) -> GradingError:
    return GradingError(
        f"no actor is left to grade: {error}",
        kind=FailureKind.OTHER,
        caused_by="infrastructure",
        details={"type": FailureType.WORKER_START},
        retryable=True,
    )


def positions_and_results(chunk: Chunk, graded: Graded, grader: Grader) -> Sequence[tuple[int, GraderResult]]:
    """Each row's position and its result."""
    return list(zip(chunk.positions, graded.results(grader), strict=True))
