"""What waits for a worker: the gradings of one plugin type."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graders import Context, Grader, GraderResult, GradingError
from runtime.rota import Rota

BATCH_SECONDS = 0.05
"""A worker gets no more gradings at once than it is likely to finish in this time."""
BATCH_LIMIT = 64


@dataclass(eq=False)
class Job:
    """One grading that waits for a worker, or is with one.

    Attributes:
        grader: What grades.
        size: Number of samples.
        row: The samples and their item, encoded.
        deadline: When it must be done, on the event loop's clock; None for no deadline but the worker's own.
        context: The world, which the grader in the worker asks.
        client: Who asks: a digest of an API key; empty where there are no keys.
        done: Where its results are awaited.
        depth: How many workers wait for it.
        attempts: How often a worker died with it.
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

    def finish(self, results: list[GraderResult]) -> None:
        """Give the results to whoever still waits."""
        if not self.done.done():
            self.done.set_result(results)

    def fail(self, message: str, **failure: Any) -> None:
        """Finish as a failure of this grader's type."""
        self.fail_with(GradingError(f"{self.grader.info.type}: {message}", **failure))

    def fail_with(self, error: GradingError) -> None:
        """Finish as a failure."""
        self.finish([self.grader.failed(error)] * self.size)


@dataclass
class Lane:
    """The gradings that wait for one plugin type, and the tasks that work on them.

    Attributes:
        workers: Tasks that take gradings.
        leaving: Tasks that take no more, and have a process to end.
    """

    waiting: Rota[Job] = field(default_factory=Rota)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    workers: set["asyncio.Task[None]"] = field(default_factory=set)
    leaving: set["asyncio.Task[None]"] = field(default_factory=set)
    idle: int = 0
    seconds: float = BATCH_SECONDS
    """Running mean of one grading's time."""

    def leave(self) -> None:
        """Note that the current task takes no more gradings: one that comes now is for another."""
        if (task := asyncio.current_task()) in self.workers:
            self.workers.discard(task)
            self.leaving.add(task)

    def forget(self, task: "asyncio.Task[None]") -> None:
        """Note that a task has ended."""
        self.workers.discard(task)
        self.leaving.discard(task)

    def put(self, job: Job) -> None:
        """Let a grading wait; each client is served in turn."""
        self.waiting.put(job.client, job)
        self.wake.set()

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let gradings that were taken be the next ones again."""
        for job in reversed(jobs):
            self.waiting.put_back(job.client, job)
        self.wake.set()

    def take(self, workers: int) -> list[Job]:
        """The next gradings for one worker: as many as it is likely to do quickly, and never another's share."""
        fair = -(-len(self.waiting) // workers)
        size = max(1, min(BATCH_LIMIT, fair, int(BATCH_SECONDS / max(self.seconds, 1e-6))))
        jobs: list[Job] = []
        while len(jobs) < size and (job := self.waiting.take()) is not None:
            if not job.done.done():
                jobs.append(job)
        return jobs
