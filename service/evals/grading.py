"""Grades the rows of one run that are not written yet, in the process that has claimed it."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graders import ConfigurationError, GraderResult, GradingError, PluginError
from graders.pattern import encodable
from graders.usage import TOKENS, Usage, summed
from runtime import Evaluator, Settings
from runtime.sampling.completions import stored_error
from runtime.schemas.json_schema import CheckFailed
from runtime.telemetry.tracing import spanning
from service.evals.criteria import TestingCriterion, load, verdict
from service.evals.sampling import Sampler, SamplingSource
from service.evals.sources import TURN, EvalRow, SourceError, checker_of, chunks, sampling
from service.http.responses import written
from service.store import Claims, Evals, Files
from service.store.claims import Tally
from service.store.evals import EvalRun, OutputItem, item_id
from service.store.failures import StorageFailed
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Seconds after which what could not be stored is tried again."""


@dataclass(frozen=True, slots=True)
class GradedRow:
    """A row, and what each criterion said of it."""

    row: EvalRow
    results: Sequence[tuple[TestingCriterion, GraderResult]]
    usage: Mapping[str, Mapping[str, int]]
    """What sampling took, by model."""

    @property
    def status(self) -> str:
        """`error` when something is ungraded, `pass` when everything passed, otherwise `fail`."""
        if any(result.passed is None for _, result in self.results):
            return "error"
        return "pass" if all(result.passed for _, result in self.results) else "fail"


@dataclass(frozen=True, slots=True)
class Services:
    """What runs are graded with.

    Attributes:
        evaluator: Grades.
        evals: Has the evals, and the samples of runs.
        claims: The runs of this process.
        files: Has what runs read.
        settings: `eval_runs`, `eval_concurrency`, `eval_lease_s` and `batch_rows`.
        metrics: Counts the gradings.
    """

    evaluator: Evaluator
    evals: Evals
    claims: Claims
    files: Files
    settings: Settings
    metrics: Metrics


class RunGrading:
    """The grading of one run that this process has claimed.

    Args:
        run: The run.
        services: What it is graded with.

    Attributes:
        run: The run.
        gives_way: Whether it begins no more rows, since another client has its turn.
        began_at: When its first row was begun, in seconds of `time.monotonic`; None: none was.
        has_written: Whether a row was written since it was claimed.
        is_lost: Whether it is not this process's any more: it was cancelled or deleted, or another process has taken it over.
    """

    def __init__(self, run: EvalRun, services: Services) -> None:
        self.run, self._services = run, services
        self._evaluator, self._claims = services.evaluator, services.claims
        self.gives_way, self.has_written, self.is_lost = False, False, False
        self.began_at: float | None = None

    async def finish(self) -> None:
        """Grade the run to its end, whatever that is, in a span where somebody traces; not where it gives way or is lost."""
        tracer = self._evaluator.tracer
        if tracer is None:
            await self._finish()
            return
        with spanning(tracer, "eval run", attributes={"graders.run": self.run.id}):
            await self._finish()

    async def _finish(self) -> None:
        error: dict[str, str] | None = None
        try:
            if not await self._grade():
                return
        except SourceError as reason:
            error = {"code": reason.code, "message": str(reason)}
        except ConfigurationError as reason:
            error = {"code": "invalid_grader", "message": encodable(str(reason))}
        except CheckFailed as reason:
            error = {"code": "schema_not_checked", "message": f"item_schema could not be loaded: {reason}"}
        except PluginError as reason:
            error = {"code": "plugin_unavailable", "message": encodable(str(reason))}
        except StorageFailed:
            # it says nothing of the run: the process that claims it next goes on
            await asyncio.sleep(AGAIN_S)
            return
        except Exception:
            logger.exception("the run %s failed", self.run.id)
            error = {
                "code": "internal_error",
                "message": f"the service failed; its log says why under {self.run.id}",
            }
        await _until_stored(lambda: self._claims.finish(self.run.id, error))

    async def _grade(self) -> bool:
        """Grade the rows that are not written yet; False when the run gives way before its end, or is not ours any more."""
        run = self.run
        criteria, source = await load(self._evaluator, run.criteria), sampling(run.data_source)
        # counted once: a source that has fewer rows later has lost them
        if not run.total and not await self._claims.begin(run.id, await self._count()):
            self.is_lost = True
            return False
        done, tally = await self._claims.finished(run.id), Tally(**run.tally)
        rows = self._single(reads_sample=any(criterion.reads_sample for criterion in criteria))
        groups = self._groups(rows) if any(criterion.compares for criterion in criteria) else rows
        left = _left(groups, done)
        async with aclosing(groups), aclosing(left):
            return await self._written(left, partial(self._graded, criteria, source), tally)

    async def _written(
        self,
        left: AsyncGenerator[Sequence[EvalRow], None],
        grade: Callable[[Sequence[EvalRow]], Coroutine[Any, Any, Sequence[GradedRow]]],
        tally: Tally,
    ) -> bool:
        """Grade so many groups of rows at once as are set, and write them; False when some are left."""
        running: set[asyncio.Task[Sequence[GradedRow]]] = set()
        exhausted = False
        try:
            while True:
                while self._begins(running) and not exhausted:
                    rows = await anext(left, None)
                    exhausted = rows is None
                    if rows is not None:
                        self.began_at = self.began_at or time.monotonic()
                        running.add(asyncio.create_task(grade(rows)))
                if not running:
                    return exhausted
                finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                # all rows of a group at once: after a kill, the next process finds all of them or none
                items = [_counted(self.run, graded, tally) for task in finished for graded in task.result()]
                # held until they are written: judges may have been paid for them
                if not await _until_stored(partial(self._claims.record, self.run.id, items, tally)):
                    self.is_lost = True
                    return False
                self.has_written = True
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _begins(self, running: Collection[object]) -> bool:
        """Whether another group of rows may begin."""
        return not self.gives_way and len(running) < self._services.settings.eval_concurrency

    async def _graded(
        self, criteria: Sequence[TestingCriterion], source: SamplingSource | None, rows: Sequence[EvalRow]
    ) -> Sequence[GradedRow]:
        """Grade one row, or several with equal items."""
        usages: Sequence[Mapping[str, Mapping[str, int]]] = [{} for _ in rows]
        if source is not None:
            sampled = await asyncio.gather(*(self._sampled(source, row) for row in rows))
            rows, usages = [row for row, _ in sampled], [usage for _, usage in sampled]
        by_criterion = await asyncio.gather(
            *(each.grade(self._evaluator, rows, self.run.client) for each in criteria)
        )
        graded = []
        for row, usage, *results in zip(rows, usages, *by_criterion, strict=True):
            if row.failure is None:
                self._services.metrics.observe(results)
            graded.append(GradedRow(row, list(zip(criteria, results, strict=True)), usage))
        return graded

    async def _sampled(
        self, source: SamplingSource, row: EvalRow
    ) -> tuple[EvalRow, Mapping[str, Mapping[str, int]]]:
        """A row with its sample, or with the failure to draw one; and the usage."""
        if row.failure is not None:
            return row, {}
        try:
            answer = await Sampler(self._evaluator.judges).sampled(source, row.item, client=self.run.client)
        except GradingError as failure:
            return replace(row, sample=None, failure=failure), failure.usage
        return replace(row, sample=answer.sample), {answer.model: answer.usage}

    async def _count(self) -> int:
        """The number of rows.

        Raises:
            SourceError: If they cannot be read, or there are no rows.
        """
        total = 0
        async for chunk in self._chunks():
            total += len(chunk)
        if not total:
            raise SourceError("no_rows", "there is no row to grade")
        return total

    def _chunks(self) -> AsyncGenerator[Sequence[EvalRow], None]:
        return chunks(self.run.data_source, self._services.files, self._services.evals)

    async def _single(self, *, reads_sample: bool) -> AsyncGenerator[Sequence[EvalRow], None]:
        """Each row; one that is not what the eval says has a failure."""
        of = await self._services.evals.find(self.run.eval_id)
        if of is None:
            return  # it was deleted with this run
        schemas, source = self._evaluator.schemas, self.run.data_source
        checker = await checker_of(
            of.data_source_config, source, schemas, self.run.client, reads_sample=reads_sample
        )
        async for chunk in self._chunks():
            for row in chunk:
                if row.position % TURN == 0:
                    await asyncio.sleep(0)
                yield [await checker.checked(row)]

    async def _groups(
        self, rows: AsyncGenerator[Sequence[EvalRow], None]
    ) -> AsyncGenerator[Sequence[EvalRow], None]:
        """Consecutive rows with equal items, which a criterion compares.

        Raises:
            SourceError: When a group is larger than a batch may be.
        """
        group: list[EvalRow] = []
        async for (row,) in rows:
            if row.failure is not None and not row.item:
                yield [row]  # its item cannot be read, so that it ends no group
                continue
            if group and group[-1].item != row.item:
                yield group
                group = []
            group.append(row)
            if len(group) > self._services.settings.batch_rows:
                raise SourceError(
                    "group_too_large",
                    f"{row.place}: more than {self._services.settings.batch_rows:,} consecutive rows (batch_rows) have equal "
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
            await asyncio.sleep(AGAIN_S)


async def _left(
    groups: AsyncGenerator[Sequence[EvalRow], None], done: set[int]
) -> AsyncGenerator[Sequence[EvalRow], None]:
    """The rows that are not written yet."""
    async for group in groups:
        if rows := [row for row in group if row.position not in done]:
            yield rows


def _counted(run: EvalRun, graded: GradedRow, tally: Tally) -> OutputItem:
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


def _stored(row: EvalRow) -> object:
    if row.failure is not None:
        return stored_error(row.failure)
    return None if row.sample is None else row.sample.to_stored()


def _add_usage(tally: Tally, usage: Usage) -> None:
    for model, tokens in usage.items():
        counts = {**{name: tokens.get(name, 0) for name in TOKENS}, "invocation_count": 1}
        tally.usage = summed([tally.usage, {encodable(model): counts}])
