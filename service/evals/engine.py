"""Grades runs in the background, in the service's own process.

A process claims a run by a lease that it keeps renewing. When it dies, the lease ends, and another process (or the same
service, started again) goes on with the rows that are not written yet. Finished rows are written in one small transaction
with the run's counts, which succeeds only as long as the run is still its own: nothing is written twice, and nothing after a
cancellation.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graders import ConfigurationError, GraderResult, GradingError, PluginError
from graders.pattern import encodable
from runtime import Evaluator, Settings
from runtime.tracing import spanning
from service.evals.criteria import Criterion, load, verdict
from service.evals.sampling import Sampler, SamplingSource
from service.evals.sources import Row, SourceError, checker_of, chunks, sampling
from service.metrics import Metrics
from service.results import written
from service.store import Files
from service.store.evals import EvalRun, Evals, OutputItem, Tally, item_id
from service.store.failures import StorageFailed

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a process looks for runs of others, and whether its own were cancelled elsewhere."""
TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")


@dataclass(frozen=True, slots=True)
class Graded:
    """A row, and what each criterion said of it."""

    row: Row
    results: Sequence[tuple[Criterion, GraderResult]]
    usage: Mapping[str, Mapping[str, int]]
    """What sampling took, by model."""

    @property
    def status(self) -> str:
        """`error` when something is ungraded, `pass` when everything passed, otherwise `fail`."""
        if any(result.passed is None for _, result in self.results):
            return "error"
        return "pass" if all(result.passed for _, result in self.results) else "fail"


class Engine:
    """What grades runs, as long as it is open.

    Args:
        evaluator: Grades.
        evals: Has the runs.
        files: Has what they read.
        settings: `eval_runs`, `eval_concurrency` and `eval_lease_s`.
        metrics: Counts the gradings.
    """

    def __init__(
        self, evaluator: Evaluator, evals: Evals, files: Files, settings: Settings, metrics: Metrics
    ) -> None:
        self._evaluator, self._evals, self._files, self._settings = evaluator, evals, files, settings
        self._metrics = metrics
        self._owner = uuid.uuid4().hex
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look for runs."""
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop, and leave what is not finished to whoever comes next."""
        tasks = [*self._running.values(), *([] if self._watcher is None else [self._watcher])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # also what was claimed in the moment of the end; where this fails, others wait for the end of the lease
        with suppress(StorageFailed):
            await self._evals.release_all(self._owner)

    def wake(self) -> None:
        """Say that there is a new run."""
        self._woken.set()

    def stop(self, run_id: str) -> None:
        """Stop a run that was cancelled or deleted, if it is graded here; elsewhere they notice by themselves."""
        if (task := self._running.get(run_id)) is not None:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            self._woken.clear()
            try:
                with suppress(StorageFailed):
                    await self._take()
            except Exception:
                logger.exception("cannot look for runs of evals")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()

    async def _take(self) -> None:
        while len(self._running) < self._settings.eval_runs:
            run = await self._evals.claim(self._owner, self._settings.eval_lease_s)
            if run is None:
                return
            task = self._running[run.id] = asyncio.create_task(self._keep(run))
            task.add_done_callback(partial(self._ended, run.id))

    def _ended(self, run_id: str, _: asyncio.Task[None]) -> None:
        del self._running[run_id]
        self.wake()

    async def _keep(self, run: EvalRun) -> None:
        """Grade a run, and renew its lease meanwhile."""
        grading = asyncio.create_task(self._traced(run))
        try:
            while not grading.done():
                await asyncio.wait({grading}, timeout=min(LOOK_S, self._settings.eval_lease_s / 3))
                if not grading.done() and not await self._renewed(run):
                    return
        finally:
            grading.cancel()
            await asyncio.gather(grading, return_exceptions=True)
            # of a run that has ended, or is another's, this changes nothing
            with suppress(Exception):
                await self._evals.release(run.id, self._owner)

    async def _renewed(self, run: EvalRun) -> bool:
        try:
            return await self._evals.renew(run.id, self._owner, self._settings.eval_lease_s)
        except StorageFailed:
            # what is written next finds out whether the run is still ours
            return True

    async def _traced(self, run: EvalRun) -> None:
        """Grade a run to its end, in a span where somebody traces."""
        tracer = self._evaluator.tracer
        if tracer is None:
            await self._finish(run)
            return
        with spanning(tracer, "eval run", attributes={"graders.run": run.id}):
            await self._finish(run)

    async def _finish(self, run: EvalRun) -> None:
        """Grade a run to its end, whatever that is."""
        error: dict[str, str] | None = None
        try:
            if not await self._grade(run):
                return
        except SourceError as reason:
            error = {"code": reason.code, "message": str(reason)}
        except ConfigurationError as reason:
            error = {"code": "invalid_grader", "message": encodable(str(reason))}
        except PluginError as reason:
            error = {"code": "plugin_unavailable", "message": encodable(str(reason))}
        except StorageFailed:
            # it says nothing of the run: the process that claims it next goes on
            await asyncio.sleep(LOOK_S)
            return
        except Exception:
            logger.exception("the run %s failed", run.id)
            error = {
                "code": "internal_error",
                "message": f"the service failed; its log says why under {run.id}",
            }
        await _until_stored(lambda: self._evals.finish(run.id, self._owner, error))

    async def _grade(self, run: EvalRun) -> bool:
        """Grade the rows that are not written yet; False when the run is not ours any more."""
        criteria, source = await load(self._evaluator, run.criteria), sampling(run.data_source)
        if not await self._evals.begin(run.id, self._owner, await self._count(run)):
            return False
        done, tally = await self._evals.finished(run.id), Tally(**run.tally)
        running: set[asyncio.Task[Sequence[Graded]]] = set()
        compares = any(criterion.compares for criterion in criteria)
        groups = self._groups(run) if compares else self._single(run)
        left = _left(groups, done)
        try:
            async with aclosing(groups), aclosing(left):
                exhausted = False
                while running or not exhausted:
                    while not exhausted and len(running) < self._settings.eval_concurrency:
                        rows = await anext(left, None)
                        exhausted = rows is None
                        if rows is not None:
                            running.add(asyncio.create_task(self._graded(run, criteria, source, rows)))
                    if not running:
                        break
                    finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    # all rows of a group at once: whoever goes on after a kill finds it whole or not at all
                    items = [_counted(run, graded, tally) for task in finished for graded in task.result()]
                    # held until they are written: judges may have been paid for them
                    if not await _until_stored(
                        partial(self._evals.record, run.id, self._owner, items, tally)
                    ):
                        return False
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return True

    async def _graded(
        self, run: EvalRun, criteria: Sequence[Criterion], source: SamplingSource | None, rows: Sequence[Row]
    ) -> Sequence[Graded]:
        """Grade one row, or several with equal items."""
        usages: Sequence[Mapping[str, Mapping[str, int]]] = [{} for _ in rows]
        if source is not None:
            sampled = await asyncio.gather(*(self._sampled(source, row, run.client) for row in rows))
            rows, usages = [row for row, _ in sampled], [usage for _, usage in sampled]
        by_criterion = await asyncio.gather(
            *(each.grade(self._evaluator, rows, run.client) for each in criteria)
        )
        graded = []
        for row, usage, *results in zip(rows, usages, *by_criterion, strict=True):
            if row.failure is None:
                self._metrics.observe(results)
            graded.append(Graded(row, list(zip(criteria, results, strict=True)), usage))
        return graded

    async def _sampled(
        self, source: SamplingSource, row: Row, client: str
    ) -> tuple[Row, Mapping[str, Mapping[str, int]]]:
        """A row with its sample, or with why there is none; and what that took."""
        if row.failure is not None:
            return row, {}
        try:
            answer = await Sampler(self._evaluator.judges).sampled(source, row.item, client=client)
        except GradingError as failure:
            return replace(row, sample=None, failure=failure), failure.usage
        return replace(row, sample=answer.sample), {answer.model: answer.usage}

    async def _count(self, run: EvalRun) -> int:
        """Look at every row before the first is graded; gives how many there are.

        Raises:
            SourceError: When one is wrong, or there is none.
        """
        found = await self._evals.find(run.eval_id)
        checker = None
        if found is not None:
            config, source = found.data_source_config, run.data_source
            checker = await checker_of(config, source, self._evaluator.schemas, run.client)
        total = 0
        async for chunk in chunks(run.data_source, self._files, self._evals):
            if checker is not None:
                await checker.check(chunk)
            total += len(chunk)
        if not total:
            raise SourceError("no_rows", "there is no row to grade")
        return total

    async def _single(self, run: EvalRun) -> AsyncGenerator[Sequence[Row], None]:
        """Each row."""
        async for chunk in chunks(run.data_source, self._files, self._evals):
            for row in chunk:
                yield [row]

    async def _groups(self, run: EvalRun) -> AsyncGenerator[Sequence[Row], None]:
        """Consecutive rows with equal items, which a criterion compares.

        Raises:
            SourceError: When a group is larger than a batch may be.
        """
        group: list[Row] = []
        async for (row,) in self._single(run):
            if row.failure is not None and not row.item:
                yield [row]  # its item cannot be read, so that it ends no group
                continue
            if group and group[-1].item != row.item:
                yield group
                group = []
            group.append(row)
            if len(group) > self._settings.batch_rows:
                raise SourceError(
                    "group_too_large",
                    f"{row.place}: more than {self._settings.batch_rows:,} consecutive rows (batch_rows) have equal "
                    "items, and a criterion compares them all; give each prompt an item of its own",
                )
        if group:
            yield group


async def _until_stored(write: Callable[[], Awaitable[bool]]) -> bool:
    """Write, and again for as long as the storage fails; gives what the writing gives, False where the run is lost."""
    while True:
        try:
            return await write()
        except StorageFailed:
            await asyncio.sleep(LOOK_S)


async def _left(
    groups: AsyncGenerator[Sequence[Row], None], done: set[int]
) -> AsyncGenerator[Sequence[Row], None]:
    """The rows that are not written yet."""
    async for group in groups:
        if rows := [row for row in group if row.position not in done]:
            yield rows


def _counted(run: EvalRun, graded: Graded, tally: Tally) -> OutputItem:
    """An output item, added to the counts."""
    status = graded.status
    tally.items[status] = tally.items.get(status, 0) + 1
    for criterion, result in graded.results:
        counts = tally.criteria.setdefault(criterion.id, [0, 0])
        if result.passed is not None:
            counts[0 if result.passed else 1] += 1
        _add_usage(tally, result.usage)
    _add_usage(tally, graded.usage)
    row = graded.row
    kept: dict[str, Any] = json.loads(
        written(
            {
                "item": row.item,
                "sample": _stored(row),
                "results": [verdict(criterion, result) for criterion, result in graded.results],
            }
        )
    )
    return OutputItem(
        id=item_id(run.id, row.position),
        run_id=run.id,
        position=row.position,
        status=status,
        created_at=int(time.time()),
        **kept,
    )


def _stored(row: Row) -> object:
    if row.failure is not None:
        failure = row.failure.failure
        error = {"code": failure.kind.value, "message": str(row.failure)}
        return {"error": error | ({"caused_by": "model"} if failure.caused_by == "model" else {})}
    return None if row.sample is None else row.sample.to_stored()


def _add_usage(tally: Tally, usage: Mapping[str, Mapping[str, int]]) -> None:
    for model, tokens in usage.items():
        used = tally.usage.setdefault(encodable(model), dict.fromkeys((*TOKENS, "invocation_count"), 0))
        used["invocation_count"] += 1
        for name in TOKENS:
            used[name] += tokens.get(name, 0)
