"""A slot: one worker process at a time, and the gradings that it is given.

A session gets several gradings in one message and answers them one by one, so the first that is unanswered is the one
that runs: when it exceeds its time or kills its process, it alone pays. The others go back to the head of the queue.

A plugin may execute what it grades. So a session is one client's with one grader, it is replaced after `queue.ROWS` gradings,
and what fails after other gradings of the same process is graded once more as the first of a new one: it may have failed
because of them.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence

from graders import FailureKind, FailureType, GraderResult, Registry
from runtime.evaluation.execute import deadline_passed
from runtime.settings.settings import Settings
from runtime.workers.frames import MAX_RESULT, FrameError, Message, results_from_plain
from runtime.workers.process import WorkerProcess, WorkerUnavailable
from runtime.workers.queue import PluginQueue, WorkerJob
from runtime.workers.rpc import CallingGrader, answer_call, note_printed
from runtime.workers.session import WorkerDied, WorkerSession
from runtime.workers.spawn import Spawner
from runtime.workers.spot_checks import differ

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""A worker may die of something else than the grading it was at; a grading that two workers died of is to blame."""
STARTS = 3
"""A process that was killed while it had nothing to do is replaced."""


class Slot:
    """One process at a time of a queue's type."""

    def __init__(
        self, plugin_queue: PluginQueue, starter: Spawner, registry: Registry, settings: Settings
    ) -> None:
        self._plugin_queue, self._starter, self._registry, self._settings = (
            plugin_queue,
            starter,
            registry,
            settings,
        )
        self._process: WorkerProcess | None = None

    async def grade(self, jobs: list[WorkerJob]) -> None:
        """Grade jobs of one client and grader; those that the process cannot take any more go back to the queue.

        Raises:
            ConfigurationError: When the type needs what the operator does not allow.
            PluginError: When a worker cannot import the plugin or load the grader.
            WorkerUnavailable: When the machine is short of what a process takes.
        """
        try:
            process, session = await self._session_for(jobs[0])
        except asyncio.CancelledError:
            self._plugin_queue.put_back(jobs)
            raise
        room = max(1, self._plugin_queue.room(process, session))
        self._plugin_queue.put_back(jobs[room:])
        is_well = False
        try:
            is_well = await self._grade_batch(session, jobs[:room])
        finally:
            if not is_well:
                await self._kill()
        if is_well and self._plugin_queue.room(process, session) <= 0:
            await self._end_session()

    async def check(self, *, idle: bool) -> None:
        """Repeat gradings in a process of their own where it is time to, and see that their rewards are the same.

        Args:
            idle: Whether nothing waits: then those are repeated that were to wait for more.
        """
        forkable = self._process is not None and self._process.is_forkable
        if idle and not forkable:
            return
        checks = self._plugin_queue.checks
        while found := checks.all_of_one() if idle else checks.due(forkable=forkable):
            await self._check(found)

    async def close(self) -> None:
        """Let the process end."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def _session_for(self, job: WorkerJob) -> tuple[WorkerProcess, WorkerSession]:
        """A session that may do a grading, in a process that is started where none is there."""
        process = self._process
        if process is not None and process.session is not None:
            if self._plugin_queue.continues(process, process.session, job):
                return process, process.session
            if process.is_forkable or job.is_of(process.session.client, process.session.grader):
                await self._end_session()
        if self._process is not None and not self._process.suits(job.grader):
            self._plugin_queue.keep(self._process)
            self._process = None
        for _ in range(STARTS):
            process = self._process
            if process is None:
                process = self._plugin_queue.spare(job) or await self._started(job)
                self._process = process
            try:
                return process, process.session or await process.begin(job.client, job.grader)
            except WorkerDied:
                await self._kill()
            except BaseException:
                await self._kill()
                raise
        raise WorkerUnavailable(f"{STARTS} processes in a row were killed before they graded")

    async def _started(self, job: WorkerJob) -> WorkerProcess:
        process = await self._starter.start(job.grader)
        self._plugin_queue.note_start(process, job.grader)
        return process

    async def _end_session(self) -> None:
        if self._process is not None and not await self._process.end_session():
            process, self._process = self._process, None
            await process.stop()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.kill()

    async def _grade_batch(self, session: WorkerSession, jobs: list[WorkerJob]) -> bool:
        """Have a session do some gradings; False when its process must be replaced."""
        first_row = session.rows + 1
        numbers = [session.grade(job.row) for job in jobs]
        rest = deque(jobs)
        try:
            for row, number in enumerate(numbers, first_row):
                if not await self._first_of(session, rest, number, is_first=row == 1):
                    return False
        except (WorkerDied, FrameError) as death:
            job = rest[0]
            job.attempts += 1
            job.goes_first = True
            if job.attempts >= ATTEMPTS:
                rest.popleft()
                _blame(job, death)
            return False
        finally:
            self._plugin_queue.put_back(rest)
        return True

    async def _first_of(
        self, session: WorkerSession, rest: deque[WorkerJob], number: int, *, is_first: bool
    ) -> bool:
        """Wait for the answer to the first of `rest`, and take it off; False when the process must be replaced.

        What fails after other gradings of the process goes back to be the first of another one.
        """
        job = rest[0]
        loop = asyncio.get_running_loop()
        started = loop.time()
        limit = self._settings.grading_timeout_s
        try:
            message = await self._answer_of(session, job, number, started + limit)
        except TimeoutError:
            if job.deadline is not None and loop.time() >= job.deadline:
                job.fail_with(deadline_passed())
            elif not is_first and job.is_repeatable:
                job.goes_first = True
                return False
            else:
                why = f"no reward within {limit:g} s"
                job.fail(why, kind=FailureKind.UNRESPONSIVE_REWARD, details={"type": FailureType.TIMEOUT})
            rest.popleft()
            return False
        results = _results(job, number, message, session.received_bytes)
        note_printed(message, job.context)
        rest.popleft()
        self._plugin_queue.seconds += 0.2 * (loop.time() - started - self._plugin_queue.seconds)
        is_well = not any(_out_of_memory(result) for result in results)
        if not is_first and self._is_doubtful(job, results):
            job.goes_first = True
            self._plugin_queue.put_back([job])
            return is_well
        if job.is_repeatable and not self._plugin_queue.is_isolated(job.client, job.grader):
            self._plugin_queue.checks.note(job, results)
        job.finish(results)
        return is_well

    async def _answer_of(self, session: WorkerSession, job: WorkerJob, number: int, until: float) -> Message:
        """The answer to a grading; its requests before that are answered, and their time does not count.

        Raises:
            FrameError: If the process sends an unexpected message.
            TimeoutError: If no answer arrives in time.
            WorkerDied: If the process has ended.
        """
        loop = asyncio.get_running_loop()
        while "done" not in (message := await _receive_by(session, job, _earlier(until, job.deadline))):
            if not job.grader.is_async or message.get("number") != number:
                raise FrameError("the worker sent an invalid request: no running grading sends requests")
            job.calls += 1
            called = loop.time()
            # the graders that it calls have limits of their own
            async with asyncio.timeout_at(job.deadline):
                caller = CallingGrader(job.grader, job.context, job.depth + 1)
                session.send({"reply": await answer_call(message, caller, self._registry)})
            until += loop.time() - called
        return message

    def _is_doubtful(self, job: WorkerJob, results: list[GraderResult]) -> bool:
        """Whether a failure may come from what its process graded before, and can be repeated cheaply."""
        if not (job.is_repeatable and self._process is not None and self._process.is_forkable):
            return False
        return any(result.failure is not None and result.failure.caused_by == "grader" for result in results)

    async def _check(self, checks: Sequence[tuple[WorkerJob, list[GraderResult]]]) -> None:
        """Repeat gradings of one client and grader in reverse order, in a process that grades nothing else."""
        (first, _), *_ = checks
        await self._end_session()
        _, session = await self._session_for(first)
        is_well = False
        try:
            for job, results in reversed(checks):
                until = asyncio.get_running_loop().time() + self._settings.grading_timeout_s
                number = session.grade(job.row)
                message = await _receive_by(session, job, until)
                if "done" not in message:
                    return  # it calls its context now
                again = _results(job, number, message, session.received_bytes)
                if differ(results, again):
                    self._isolate(job, results, again)
                    break
            is_well = True
        except (WorkerDied, FrameError, TimeoutError) as error:
            logger.info("a repeated grading of %s did not end: %s", first.grader.type.name, error)
        finally:
            if not is_well:
                await self._kill()
        await self._end_session()

    def _isolate(self, job: WorkerJob, results: list[GraderResult], again: list[GraderResult]) -> None:
        self._plugin_queue.isolate(job.client, job.grader)
        logger.warning(
            "grader %s (type %s) gave the same sample %s and, in a new process, %s: from now on each of its gradings has a "
            "process of its own; either a sample changed how others are graded, or the grader does not repeat its rewards",
            job.grader.info.name,
            job.grader.type.name,
            [result.reward for result in results],
            [result.reward for result in again],
        )


def _blame(job: WorkerJob, death: WorkerDied | FrameError) -> None:
    """Fail a grading that its process died of."""
    from_outside = isinstance(death, WorkerDied) and death.from_outside
    job.fail(
        str(death),
        kind=FailureKind.PYTHON_GRADER_SERVER,
        caused_by="infrastructure" if from_outside else "grader",
        details={"type": FailureType.KILLED if from_outside else FailureType.WORKER_EXITED},
        retryable=from_outside,
    )


async def _receive_by(session: WorkerSession, job: WorkerJob, until: float) -> Message:
    """The next message of a session; a message that arrived before the timer was noticed is in time.

    Raises:
        TimeoutError: If no message arrives by then.
    """
    try:
        async with asyncio.timeout_at(until):
            return await session.receive(samples=job.size)
    except TimeoutError:
        async with asyncio.timeout(0):
            return await session.receive(samples=job.size)


def _earlier(until: float, deadline: float | None) -> float:
    return until if deadline is None else min(until, deadline)


def _results(job: WorkerJob, number: int, message: Message, length: int) -> list[GraderResult]:
    """What a worker answered in so many bytes, checked as if it were a stranger's.

    Raises:
        FrameError: When it is not the answer to this job, or is too long for one.
    """
    if length > MAX_RESULT * job.size:
        raise FrameError(f"{length} bytes are more than the {MAX_RESULT} of a result")
    returned: Sequence[object] = (
        message["rewards"] if "rewards" in message else results_from_plain(message.get("results"))
    )
    if message["done"] != number or not isinstance(returned, list) or len(returned) != job.size:
        raise FrameError("the worker answered what it was not asked")
    seconds = message.get("seconds")
    seconds = seconds if isinstance(seconds, float) and math.isfinite(seconds) else 0.0
    return job.grader.complete_each(returned, execution_time=seconds)


def _out_of_memory(result: GraderResult) -> bool:
    """Whether a worker met its memory limit: what it still holds is unknown, so it is replaced."""
    return result.failure is not None and result.failure.details.get("type") == FailureType.MEMORY_LIMIT
