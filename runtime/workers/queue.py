"""What waits for a worker: the gradings of one plugin type, and the processes that wait for gradings."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from graders import Context, Grader, GraderResult, GradingError
from runtime.concurrency.fair_queue import FairQueue
from runtime.workers.process import WorkerProcess
from runtime.workers.session import WorkerSession
from runtime.workers.spot_checks import SpotChecks

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.05
"""A worker gets no more gradings at once than it is likely to finish in this time."""
BATCH_LIMIT = 64
SPARES = 8
"""Processes of one type that are kept while they have nothing to do, at most."""
ISOLATED = 1024
"""Clients' graders that are remembered for having given a sample two rewards."""
ROWS = 1_000
"""Gradings after which the process of a session is replaced."""
ROWS_UNFORKABLE = 10_000
"""The same, where a new one is not a fork and takes as long as the first one."""


@dataclass(eq=False)
class WorkerJob:
    """One grading that waits for a worker, or is with one.

    Attributes:
        grader: What grades.
        size: Number of samples.
        row: The samples and their item, encoded.
        deadline: When it must be done, on the event loop's clock; None for no deadline but the worker's own.
        context: What the grader in the worker asks.
        client: Who asks: a digest of an API key; empty where there are no keys.
        done: Where its results are awaited.
        depth: How many workers wait for it.
        attempts: How often a worker died with it.
        calls: How often it has called its context.
        goes_first: Whether it is the first grading of its process.
    """

    grader: Grader
    size: int
    row: bytes
    deadline: float | None
    context: Context
    client: str
    done: "asyncio.Future[list[GraderResult]]"
    depth: int = 0
    attempts: int = 0
    calls: int = 0
    goes_first: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether grading it again changes nothing outside its process."""
        return not (self.grader.built_in or self.grader.type.needs or self.calls)

    def is_of(self, client: str, grader: Grader) -> bool:
        """Whether it may have the process of this client and grader."""
        return self.client == client and self.grader is grader

    def finish(self, results: list[GraderResult]) -> None:
        """Pass the results to the caller, if it still waits."""
        if not self.done.done():
            self.done.set_result(results)

    def fail(self, message: str, **failure: Any) -> None:
        """Finish as a failure of this grader's type."""
        self.fail_with(GradingError(f"{self.grader.info.type}: {message}", **failure))

    def fail_with(self, error: GradingError) -> None:
        """Finish as a failure."""
        self.finish([self.grader.failed(error)] * self.size)


@dataclass
class PluginQueue:
    """The gradings that wait for one plugin type, the tasks that work on them, and the processes that are free.

    Attributes:
        isolates: Whether each grading of the type has a process of its own.
        workers: Tasks that take gradings.
        leaving: Tasks that take no more, and have a process to end.
        spares: Processes that no task has, the last used one last.
        checks: Gradings that will be repeated.
        started: Graders that a process was started for.
    """

    isolates: bool
    waiting: FairQueue[WorkerJob] = field(default_factory=FairQueue)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    workers: set["asyncio.Task[None]"] = field(default_factory=set)
    leaving: set["asyncio.Task[None]"] = field(default_factory=set)
    spares: deque[WorkerProcess] = field(default_factory=deque)
    checks: SpotChecks[WorkerJob] = field(default_factory=SpotChecks)
    started: "WeakSet[Grader]" = field(default_factory=WeakSet)
    idle: int = 0
    seconds: float = BATCH_SECONDS
    """Running mean of one grading's time."""
    _isolated: "OrderedDict[tuple[str, Grader], None]" = field(default_factory=OrderedDict)

    def leave(self) -> None:
        """Note that the current task takes no more gradings: one that comes now is for another."""
        if (task := asyncio.current_task()) in self.workers:
            self.workers.discard(task)
            self.leaving.add(task)

    def forget(self, task: "asyncio.Task[None]") -> None:
        """Note that a task has ended."""
        self.workers.discard(task)
        self.leaving.discard(task)

    def put(self, job: WorkerJob) -> None:
        """Let a grading wait; each client is served in turn."""
        self.waiting.put(job.client, job)
        self.wake.set()

    def put_back(self, jobs: Sequence[WorkerJob]) -> None:
        """Let gradings that were taken be the next ones again."""
        for job in reversed(jobs):
            self.waiting.put_back(job.client, job)
        self.wake.set()

    def take(self, workers: int) -> list[WorkerJob]:
        """The next gradings for one worker, of one client and grader: what it is likely to do quickly, of its own share."""
        fair = -(-len(self.waiting) // workers)
        size = max(1, min(BATCH_LIMIT, fair, int(BATCH_SECONDS / max(self.seconds, 1e-6))))
        while (first := self.waiting.take()) is not None and first.done.done():
            pass
        if first is None:
            return []
        jobs = [first]
        if first.goes_first or self.is_isolated(first.client, first.grader):
            return jobs
        while len(jobs) < size and (job := self._next_like(first)) is not None:
            if not job.done.done():
                jobs.append(job)
        return jobs

    def note_start(self, process: WorkerProcess, grader: Grader) -> None:
        """Note what a new process says of its plugin: one that may execute text is isolated, which is logged once."""
        self.started.add(grader)
        if process.unlisted is None or self.isolates:
            return
        self.isolates = True
        cost = (
            ""
            if process.is_forkable
            else f"; it takes as long as importing the plugin, as {process.unforkable}"
        )
        logger.warning(
            "each grading of type %s has a process of its own because its source uses what is not known to be harmless (%s)%s; "
            "if no sample is executed, declare @grader(..., isolation='worker')",
            grader.type.name,
            process.unlisted,
            cost,
        )

    def take_all_like(self, job: WorkerJob) -> list[WorkerJob]:
        """What waits next of the same client and grader."""
        jobs = []
        while (
            other := self.waiting.take_next(job.client, lambda each: each.grader is job.grader)
        ) is not None:
            jobs.append(other)
        return jobs

    def _next_like(self, job: WorkerJob) -> WorkerJob | None:
        return self.waiting.take_next(
            job.client, lambda other: other.grader is job.grader and not other.goes_first
        )

    def keep(self, process: WorkerProcess) -> None:
        """Keep a process that nobody needs now, and end the one that was not needed for longest beyond the limit."""
        self.spares.append(process)
        while len(self.spares) > SPARES:
            task = asyncio.create_task(self.spares.popleft().stop())
            self.leaving.add(task)
            task.add_done_callback(self.forget)

    async def close_spares(self) -> None:
        """Let the processes end that nobody has."""
        while self.spares:
            await self.spares.popleft().stop()

    def spare(self, job: WorkerJob) -> WorkerProcess | None:
        """A process for a grading, of those that were kept: one that has seen no other client's samples."""
        found = [process for process in self.spares if self._continues(process, job)]
        found += [process for process in self.spares if process.suits(job.grader)]
        if not found:
            return None
        self.spares.remove(found[0])
        return found[0]

    def _continues(self, process: WorkerProcess, job: WorkerJob) -> bool:
        session = process.session
        return session is not None and self.continues(process, session, job)

    def continues(self, process: WorkerProcess, session: WorkerSession, job: WorkerJob) -> bool:
        """Whether a session may go on with a grading."""
        if job.goes_first and session.rows:
            return False
        return job.is_of(session.client, session.grader) and self.room(process, session) > 0

    def room(self, process: WorkerProcess, session: WorkerSession) -> int:
        """How many more gradings a session may be sent."""
        if self.is_isolated(session.client, session.grader):
            limit = 1
        else:
            limit = ROWS if process.is_forkable else ROWS_UNFORKABLE
        return limit - session.rows

    def is_isolated(self, client: str, grader: Grader) -> bool:
        """Whether each grading of a client with a grader has a process of its own."""
        return self.isolates or (client, grader) in self._isolated

    def isolate(self, client: str, grader: Grader) -> None:
        """Give each further grading of a client with a grader a process of its own."""
        self._isolated[client, grader] = None
        if len(self._isolated) > ISOLATED:
            self._isolated.popitem(last=False)
