"""The pool of worker processes, with one queue for each plugin type."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from graders import (
    CausedBy,
    Context,
    Failure,
    FailureKind,
    FailureType,
    Grader,
    GraderResult,
    GradingError,
    Item,
    Registry,
    Sample,
)
from runtime.data.json_weight import is_small
from runtime.evaluation.execute import deadline_passed
from runtime.sandbox.layers import Level
from runtime.settings.settings import Settings
from runtime.workers.frames import FrameError, MessageTooLong, encode
from runtime.workers.process import WorkerUnavailable
from runtime.workers.queue import PluginQueue, WorkerJob
from runtime.workers.rpc import is_watched
from runtime.workers.slot import Slot
from runtime.workers.spawn import HIGHEST, Spawner

logger = logging.getLogger(__name__)

IDLE_SECONDS = 120.0
CHECK_SECONDS = 1.0
"""A worker without work for so long repeats the gradings that are to be repeated."""

ROW_VALUES = 2_000
"""JSON values and keys of a row that is encoded on the event loop."""
ROW_CHARACTERS = 50_000
"""Characters of all texts of a row that is encoded on the event loop."""
_TOO_MUCH = frozenset({FailureType.TIMEOUT, FailureType.MEMORY_LIMIT, FailureType.WORKER_EXITED})
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
        self._starter = Spawner(registry, settings, highest=highest)
        self._plugin_queues: dict[tuple[str, int], PluginQueue] = {}
        self._encoding = asyncio.Lock()
        self._closed = False

    async def prepare(self, grader: Grader) -> bool:
        """Start a first worker for a grader, unless there was one: for a function, one of its type will do.

        Returns:
            Whether there was one; False when the machine is short of what it takes, which each grading will say.

        Raises:
            ConfigurationError: When the type needs what the operator does not allow.
            PluginError: When a worker cannot import the plugin or load the grader.
        """
        plugin_queue = self._plugin_queue(grader, 0)
        async with plugin_queue.first:  # many may ask at once, and one worker answers them all
            if grader not in plugin_queue.started and (
                grader.type.prepares or plugin_queue.isolates or not plugin_queue.started
            ):
                try:
                    process = await self._starter.start(grader)
                except WorkerUnavailable:
                    return False
                if self._closed:
                    await process.kill()
                    self._refuse_when_closed()
                plugin_queue.note_start(process, grader)
                plugin_queue.keep(process)
                if not plugin_queue.workers:
                    self._employ(plugin_queue)
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
            context: What the grader in the worker asks; one that records is also given what the grader prints.
            client: Who asks; each is served in turn.
            depth: How many workers wait for this grading: each depth has queues of its own, or a grader inside a grader
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
            row = await self._encoded(
                [
                    [sample.to_stored() for sample in samples],
                    dict(item),
                    context.trace_id,
                    is_watched(context),
                ]
            )
        except FrameError as error:
            return [grader.failed(_not_sent(error, item))] * len(samples)
        job = WorkerJob(grader, len(samples), row, deadline, context, client, loop.create_future(), depth)
        plugin_queue = self._plugin_queue(grader, depth)
        plugin_queue.put(job)
        self._hire(plugin_queue)
        if deadline is not None:
            timer = loop.call_at(deadline, job.fail_with, deadline_passed())
            job.done.add_done_callback(lambda _: timer.cancel())
        return await job.done

    async def _encoded(self, row: list[Any]) -> bytes:
        """A row as it is sent; a long one is encoded in a thread, one at a time: a `multi` may send one sample many times."""
        if is_small(row, ROW_VALUES, ROW_CHARACTERS):
            return encode(row)
        async with self._encoding:
            return await asyncio.to_thread(encode, row)

    async def aclose(self) -> None:
        """Kill every worker; what is unfinished is cancelled, and nothing new is begun."""
        self._closed = True
        tasks = [
            task
            for plugin_queue in self._plugin_queues.values()
            for task in (*plugin_queue.workers, *plugin_queue.leaving)
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for plugin_queue in self._plugin_queues.values():
            await asyncio.gather(*(process.kill() for process in plugin_queue.spares))
            for job in plugin_queue.waiting:
                job.done.cancel()
        self._plugin_queues.clear()

    def _plugin_queue(self, grader: Grader, depth: int) -> PluginQueue:
        self._refuse_when_closed()
        key = grader.type.reference, depth
        if key not in self._plugin_queues:
            self._plugin_queues[key] = PluginQueue(isolates=grader.type.isolation == "grading")
        return self._plugin_queues[key]

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the evaluator is closed; grade inside its `async with`")

    def _hire(self, plugin_queue: PluginQueue) -> None:
        """Add a worker where gradings wait and nobody is free."""
        if (
            plugin_queue.waiting
            and not plugin_queue.idle
            and len(plugin_queue.workers) < self._settings.plugin_workers
        ):
            self._employ(plugin_queue)

    def _employ(self, plugin_queue: PluginQueue) -> None:
        self._refuse_when_closed()
        task = asyncio.create_task(self._work(plugin_queue))
        plugin_queue.workers.add(task)
        task.add_done_callback(plugin_queue.forget)

    async def _work(self, plugin_queue: PluginQueue) -> None:
        """Take gradings of a queue, until there have been none for a long time."""
        slot = Slot(plugin_queue, self._starter, self._registry, self._settings)
        try:
            while await self._something_to_do(plugin_queue, slot):
                jobs = plugin_queue.take(self._settings.plugin_workers)
                if jobs:
                    self._hire(plugin_queue)
                    await self._grade_in(slot, plugin_queue, jobs)
        finally:
            plugin_queue.leave()
            await slot.close()

    @staticmethod
    async def _grade_in(slot: Slot, plugin_queue: PluginQueue, jobs: list[WorkerJob]) -> None:
        """Grade, and repeat what is to be repeated; what no worker starts for is ungraded."""
        try:
            await slot.grade(jobs)
            await slot.check(idle=False)
        except Exception as error:
            if isinstance(error, WorkerUnavailable):
                logger.warning("no worker for %s can be started: %s", jobs[0].grader.type.name, error)
            else:
                logger.exception("a worker for %s was given up", jobs[0].grader.type.name)
            _refuse([*jobs, *plugin_queue.take_all_like(jobs[0])], error)

    @staticmethod
    async def _something_to_do(plugin_queue: PluginQueue, slot: Slot) -> bool:
        """Wait for work; False after a long time without any."""
        if await _work_within(plugin_queue, CHECK_SECONDS):
            return True
        await slot.check(idle=True)
        if await _work_within(plugin_queue, IDLE_SECONDS):
            return True
        await plugin_queue.close_spares()
        return False


async def _work_within(plugin_queue: PluginQueue, seconds: float) -> bool:
    """Whether something waits in a queue within so many seconds."""
    plugin_queue.idle += 1
    try:
        async with asyncio.timeout(seconds):
            while not plugin_queue.waiting:
                plugin_queue.wake.clear()
                await plugin_queue.wake.wait()
    except TimeoutError:
        return False
    finally:
        plugin_queue.idle -= 1
    return True


def _not_sent(error: FrameError, item: Item) -> GradingError:
    """The failure of a row that cannot be sent: the model's, when the row is too long and its item alone is not."""
    caused_by: CausedBy = "grader"
    if isinstance(error, MessageTooLong):
        with suppress(FrameError):
            encode(dict(item))
            caused_by = "model"
    return GradingError(f"the row cannot be sent to a worker: {error}", caused_by=caused_by)


def _takes_too_much(failure: Failure) -> bool:
    return failure.caused_by == "grader" and failure.details.get("type") in _TOO_MUCH


def _refuse(jobs: Sequence[WorkerJob], error: Exception) -> None:
    """What cannot be graded because no worker starts is ungraded, and says why."""
    for job in jobs:
        job.fail(
            str(error),
            kind=FailureKind.PYTHON_GRADER_SERVER,
            caused_by="infrastructure",
            details={"type": FailureType.WORKER_START},
            retryable=True,
        )
