"""The pool: lanes of worker processes, one lane for each plugin type.

A worker gets several gradings in one message and answers them one by one, so the first that is unanswered is the one
that runs: when it exceeds its time or kills its worker, it alone pays. The others go back to the head of the lane.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from graders import (
    CausedBy,
    Context,
    Failure,
    FailureKind,
    Grader,
    GraderResult,
    GradingError,
    Item,
    Registry,
    Sample,
)
from runtime.execute import deadline_passed
from runtime.sandbox.layers import Level
from runtime.settings import Settings
from runtime.workers.calls import Caller, answer_call
from runtime.workers.frames import (
    MAX_RESULT,
    FrameError,
    FrameTooLong,
    Message,
    encode,
    results_from_plain,
)
from runtime.workers.lane import Job, Lane
from runtime.workers.process import WorkerDied, WorkerProcess, WorkerUnavailable
from runtime.workers.starter import HIGHEST, Starter

logger = logging.getLogger(__name__)

IDLE_SECONDS = 120.0
ATTEMPTS = 2
"""A worker may die of something else than the grading it was at; a grading that two workers died of is to blame."""


_TOO_MUCH = frozenset({"timeout", "memory_limit", "worker_exited"})
"""Failures of a worker that a long or hostile text brings about in a built-in type."""
_CONTROL = Sample("{}")
"""What no built-in type takes long over."""
_CONTROL_SECONDS = 1.0
"""A control that takes longer says that the item, or the machine, is slow."""


class WorkerPool:
    """Worker processes for plugin graders; belongs to one event loop."""

    def __init__(self, registry: Registry, settings: Settings, *, highest: Level = HIGHEST) -> None:
        """Start nothing yet.

        Args:
            registry: The types that workers may be asked for.
            settings: Limits, and what plugins may reach.
            highest: The level of isolation that is tried first.
        """
        self._registry, self._settings = registry, settings
        self._starter = Starter(registry, settings, highest=highest)
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._closed = False

    async def prepare(self, grader: Grader) -> bool:
        """Start a first worker for a grader's type, unless there is one.

        Returns:
            Whether there is one; False when the machine is short of what it takes, which each grading will say.

        Raises:
            ConfigurationError: When the type needs what the operator does not allow.
            PluginError: When a worker cannot import the plugin or load the grader.
        """
        lane = self._lane(grader, 0)
        async with lane.first:  # many may ask at once, and one worker answers them all
            if not lane.workers:
                try:
                    worker = await self._starter.start(grader)
                except WorkerUnavailable:
                    return False
                if self._closed:
                    await worker.kill()
                self._employ(lane, grader, worker)
                # a task that is cancelled before it has begun never ends its worker
                await asyncio.sleep(0)
        return True

    async def grade(
        self,
        grader: Grader,
        samples: list[Sample],
        item: Item,
        *,
        deadline: float | None,
        context: Context,
        client: str = "",
        depth: int = 0,
    ) -> list[GraderResult]:
        """Grade in a worker; every failure is in the results.

        A built-in type that takes too much time or memory is tried again on a harmless sample: when that can be graded,
        the text was at fault, and the failure is the model's.

        Args:
            grader: What grades.
            samples: One sample, or those of a group.
            item: Their item.
            deadline: On the event loop's clock.
            context: The world, which the grader in the worker asks.
            client: Who asks; each is served in turn.
            depth: How many workers wait for this grading: each depth has lanes of its own, or a grader inside a grader
                could wait for ever for the worker that waits for it.
        """
        submit = partial(
            self._submit, grader, item=item, deadline=deadline, context=context, client=client, depth=depth
        )
        results = await submit(samples)
        failure = results[0].failure
        if not grader.built_in or failure is None or not _takes_too_much(failure):
            return results
        (control,) = await submit([_CONTROL])
        failed_too = control.failure is not None and control.failure.caused_by != "model"
        if failed_too or control.execution_time > _CONTROL_SECONDS:
            return results
        blamed = GradingError(failure.message, caused_by="model", details=failure.details)
        return [grader.failed(blamed, execution_time=results[0].execution_time)]

    async def _submit(
        self,
        grader: Grader,
        samples: list[Sample],
        *,
        item: Item,
        deadline: float | None,
        context: Context,
        client: str,
        depth: int,
    ) -> list[GraderResult]:
        loop = asyncio.get_running_loop()
        try:
            row = encode([[sample.to_stored() for sample in samples], dict(item), context.trace_id])
        except FrameError as error:
            return [grader.failed(_not_sent(error, item))] * len(samples)
        job = Job(grader, len(samples), row, deadline, context, client, loop.create_future(), depth)
        lane = self._lane(grader, depth)
        lane.put(job)
        self._hire(lane, grader)
        if deadline is not None:
            timer = loop.call_at(deadline, job.fail_with, deadline_passed())
            job.done.add_done_callback(lambda _: timer.cancel())
        return await job.done

    async def aclose(self) -> None:
        """Kill every worker; what is unfinished is cancelled, and nothing new is begun."""
        self._closed = True
        tasks = [task for lane in self._lanes.values() for task in (*lane.workers, *lane.leaving)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes.values():
            for job in lane.waiting:
                job.done.cancel()
        self._lanes.clear()

    def _lane(self, grader: Grader, depth: int) -> Lane:
        self._refuse_when_closed()
        return self._lanes.setdefault((grader.type.reference, depth), Lane())

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the evaluator is closed; grade inside its `async with`")

    def _hire(self, lane: Lane, grader: Grader) -> None:
        """Add a worker where gradings wait and nobody is free."""
        if lane.waiting and not lane.idle and len(lane.workers) < self._settings.plugin_workers:
            self._employ(lane, grader, None)

    def _employ(self, lane: Lane, grader: Grader, worker: WorkerProcess | None) -> None:
        self._refuse_when_closed()
        task = asyncio.create_task(self._work(lane, grader, worker))
        lane.workers.add(task)
        task.add_done_callback(lane.forget)

    async def _work(self, lane: Lane, grader: Grader, worker: WorkerProcess | None) -> None:
        """One member of a lane: takes gradings, and replaces its process when that was killed or died."""
        try:
            while await self._something_to_do(lane):
                if worker is None:
                    worker = await self._starter.start(grader)
                jobs = lane.take(self._settings.plugin_workers)
                self._hire(lane, grader)
                busy, worker = worker, None
                try:
                    if await self._grade_batch(lane, busy, jobs):
                        worker = busy
                finally:
                    if worker is None:
                        await busy.kill()
        except Exception as error:
            if isinstance(error, WorkerUnavailable):
                logger.warning("no worker for %s can be started: %s", grader.type.name, error)
            else:
                logger.exception("a worker for %s was given up", grader.type.name)
            lane.leave()
            if not lane.workers:  # otherwise the others do what waits
                _refuse_all(lane, error)
        finally:
            lane.leave()
            if worker is not None:
                await worker.stop()

    @staticmethod
    async def _something_to_do(lane: Lane) -> bool:
        """Wait for work; False after a long time without any."""
        lane.idle += 1
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                while not lane.waiting:
                    lane.wake.clear()
                    await lane.wake.wait()
        except TimeoutError:
            return False
        finally:
            lane.idle -= 1
        return True

    async def _grade_batch(self, lane: Lane, worker: WorkerProcess, jobs: list[Job]) -> bool:
        """Have a worker do some gradings; False when the worker must be replaced."""
        numbers = [worker.grade(job.grader, job.row) for job in jobs]
        rest = deque(jobs)
        try:
            for number in numbers:
                if not await self._first_of(lane, worker, rest, number):
                    return False
        except (WorkerDied, FrameError) as death:
            job = rest.popleft()
            job.attempts += 1
            if job.attempts < ATTEMPTS:
                rest.appendleft(job)
            else:
                from_outside = isinstance(death, WorkerDied) and death.from_outside
                job.fail(
                    str(death),
                    kind=FailureKind.PYTHON_GRADER_SERVER,
                    caused_by="infrastructure" if from_outside else "grader",
                    details={"type": "killed" if from_outside else "worker_exited"},
                    retryable=from_outside,
                )
            return False
        finally:
            lane.put_back(rest)
        return True

    async def _first_of(self, lane: Lane, worker: WorkerProcess, rest: deque[Job], number: int) -> bool:
        """Wait for the answer to the first of `rest`, and take it off; False when the worker must be replaced."""
        job = rest[0]
        loop = asyncio.get_running_loop()
        started = loop.time()
        limit = self._settings.grading_timeout_s
        until = started + limit
        try:
            while "done" not in (message := await _receive_by(worker, job, _earlier(until, job.deadline))):
                called = loop.time()
                async with asyncio.timeout_at(
                    job.deadline
                ):  # the graders that it calls have limits of their own
                    await self._answer_call(worker, job, message)
                until += loop.time() - called
        except TimeoutError:
            rest.popleft()
            if job.deadline is not None and loop.time() >= job.deadline:
                job.fail_with(deadline_passed())
            else:
                why = f"no reward within {limit:g} s"
                job.fail(why, kind=FailureKind.UNRESPONSIVE_REWARD, details={"type": "timeout"})
            return False
        if worker.received_bytes > MAX_RESULT * job.size:
            raise FrameError(f"{worker.received_bytes} bytes are more than the {MAX_RESULT} of a result")
        results = _results(job, number, message)
        rest.popleft()
        lane.seconds += 0.2 * (loop.time() - started - lane.seconds)
        job.finish(results)
        return not any(_out_of_memory(result) for result in results)

    async def _answer_call(self, worker: WorkerProcess, job: Job, message: Message) -> None:
        """Ask the world what a grader in a worker asks of it.

        Raises:
            FrameError: When the worker asks for something else.
        """
        caller = Caller(job.grader, job.context, job.depth + 1)
        worker.send({"reply": await answer_call(message, caller, self._registry)})


async def _receive_by(worker: WorkerProcess, job: Job, until: float) -> Message:
    """The next message of a worker; one that had come before the timer was noticed is in time.

    Raises:
        TimeoutError: When there is none by then.
    """
    try:
        async with asyncio.timeout_at(until):
            return await worker.receive(samples=job.size)
    except TimeoutError:
        async with asyncio.timeout(0):
            return await worker.receive(samples=job.size)


def _not_sent(error: FrameError, item: Item) -> GradingError:
    """The failure of a row that cannot be sent: the model's, when the row is too long and its item alone is not."""
    caused_by: CausedBy = "grader"
    if isinstance(error, FrameTooLong):
        with suppress(FrameError):
            encode(dict(item))
            caused_by = "model"
    return GradingError(f"the row cannot be sent to a worker: {error}", caused_by=caused_by)


def _takes_too_much(failure: Failure) -> bool:
    return failure.caused_by == "grader" and failure.details.get("type") in _TOO_MUCH


def _earlier(until: float, deadline: float | None) -> float:
    return until if deadline is None else min(until, deadline)


def _results(job: Job, number: int, message: Message) -> list[GraderResult]:
    """What a worker answered, checked as if it were a stranger's.

    Raises:
        FrameError: When it is not the answer to this job.
    """
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
    return result.failure is not None and result.failure.details.get("type") == "memory_limit"


def _refuse_all(lane: Lane, error: Exception) -> None:
    """A type that no longer starts: what waits for it is ungraded, and says why."""
    while (job := lane.waiting.take()) is not None:
        job.fail(
            str(error),
            kind=FailureKind.PYTHON_GRADER_SERVER,
            caused_by="infrastructure",
            details={"type": "worker_start"},
            retryable=True,
        )
