"""The `Evaluator`: runs graders over samples. Built-in types run inline, plugins in worker processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Self
from weakref import WeakSet

from graders import (
    ConfigurationError,
    Grader,
    GraderResult,
    GradingError,
    Item,
    Registry,
    Sample,
)
from graders.samples.plain_data import rows as as_rows
from graders.vote_results import combine_votes
from runtime.concurrency.own_loop import OwnLoop
from runtime.data.rows import item_or_failure, readable, readable_rows, sample_or_failure
from runtime.engines.engine import Engine
from runtime.engines.local import LocalEngine
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.batches import Rows
from runtime.evaluation.context import (
    LONG_CHARACTERS,
    GradingContext,
    may_run_here,
    read_reasoning,
    runs_inline,
)
from runtime.evaluation.execute import deadline_passed, execute, failed_group
from runtime.evaluation.grader_cache import GraderCache
from runtime.evaluation.services import GradingServices
from runtime.judge.statistics import ModelStatistics, added
from runtime.settings.settings import Settings
from runtime.telemetry.tracing import Trace, Tracer, batch, grading, tell, tell_counts
from runtime.workers.pool import WorkerPool


class Evaluator(GradingServices):
    """Grades samples; use it as `async with Evaluator() as evaluator`.

    A failed grading is a result, never an exception: only a grader that cannot be used at all raises, before anything was
    graded. One evaluator belongs to the event loop that it is first used on, and raises a `RuntimeError` on another;
    `runtime.SyncEvaluator` is the same without `async`.

    Attributes:
        registry: Its grader types.
        settings: Its settings.
        sandbox: Where foreign Python runs.
        tracer: Takes a span of each grading; None traces nothing.
        engine: Grades the rows of batches and streams.
    """

    def __init__(
        self,
        registry: Registry | None = None,
        settings: Settings | None = None,
        *,
        tracer: Tracer | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            registry: Grader types; defaults to the installed ones.
            settings: Defaults to the environment's.
            tracer: Takes a span of each grading; None traces nothing.
            engine: Grades the rows of `grade_many` and `stream`, and is closed with this; None grades them here. `grade` and
                `grade_group` always grade here.
        """
        self.engine: Engine = LocalEngine() if engine is None else engine
        super().__init__(settings or Settings.of_environment(), tracer, run=self.engine.run)
        self.engine.open(self.settings)
        self.registry = Registry.installed() if registry is None else registry
        self._pool = WorkerPool(self.registry, self.settings)
        self._compiled = GraderCache(self.registry, self.settings.cache_bytes("graders"))
        self._prepared: WeakSet[Grader] = WeakSet()
        self._loop = OwnLoop("Evaluator")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the worker processes and the sandbox, and close connections to judges."""
        await self.engine.aclose()
        await self._pool.aclose()
        await super().aclose()

    @property
    def judge_statistics(self) -> Mapping[str, ModelStatistics]:
        """What each model that grades did, here and where the engine grades, by the name that graders use."""
        return added([super().judge_statistics, self.engine.usage.judges])

    @property
    def sandbox_kills(self) -> Mapping[str, int]:
        """Sandbox processes that ended before their work was done, here and where the engine grades, by cause."""
        return Counter(self.sandbox.kills) + Counter(self.engine.usage.sandbox_kills)

    def load(self, config: Grader | Mapping[str, Any]) -> Grader:
        """A grader out of its JSON, compiled once for equal JSON.

        Raises:
            ConfigurationError: When it is wrong; nothing was graded.
            PluginError: When its plugin cannot be used.
        """
        return self._compiled.load(config)

    async def prepare(self, config: Grader | Mapping[str, Any]) -> Grader:
        """Load a grader and see that every plugin in it starts in a worker.

        Raises:
            ConfigurationError: When the grader is wrong.
            PluginError: When a worker cannot import a plugin or load its grader.
            RuntimeError: When the evaluator belongs to another event loop.
        """
        self._loop.get()
        grader = await self._compiled.load_aside(config)
        if grader not in self._prepared:
            is_ready = grader.built_in or await self._pool.prepare(grader)
            for _, inner in grader.inner():
                await self.prepare(inner)
            if is_ready and await self._is_prepared(grader):
                self._prepared.add(grader)
        return grader

    async def _is_prepared(self, grader: Grader) -> bool:
        """Let a built-in type use its context before it grades; False when it has none.

        Raises:
            ConfigurationError: When the type finds that its options do not do here.
        """
        prepare = getattr(grader.function, "prepare", None) if grader.built_in else None
        try:
            if prepare is not None:
                await prepare(GradingContext(self, None))
        except GradingError:
            return False  # each grading will say the same, and why
        return True

    async def grade(
        self,
        grader: Grader | Mapping[str, Any],
        sample: object,
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
        trace_id: str | None = None,
        client: str = "",
    ) -> GraderResult:
        """Grade one sample.

        Args:
            grader: A grader or its JSON.
            sample: Anything that `Sample.load` takes; anything else is ungraded. A `GradingError` says why a sample
                cannot be read.
            item: The dataset row.
            deadline_s: Seconds after which the sample is ungraded.
            trace_id: The caller's own name for this grading.
            client: Who pays for judges: a digest of an API key; empty where there are no keys.
        """
        grading_context = self._context(deadline_s, trace_id, client)
        if isinstance(grader, Grader) and grader in self._prepared:
            loaded = grader
        else:
            loaded = await self.prepare(grader)
        parsed, item = readable(sample, item)
        if isinstance(parsed, GradingError):
            return self._unread(loaded, parsed, grading_context)
        if grading_context.trace is None and runs_inline(loaded, parsed, item):
            (result,) = await execute(loaded, [parsed], item, grading_context)
        else:
            (result,) = await self.run(loaded, [parsed], item, grading_context)
        return result

    async def grade_group(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Iterable[object],
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
        trace_id: str | None = None,
        client: str = "",
    ) -> list[GraderResult]:
        """Grade the samples of one prompt: together by a group grader, otherwise side by side.

        A sample that cannot be read fails by itself, and the others are graded without it.
        """
        grading_context = self._context(deadline_s, trace_id, client)
        loaded = await self.prepare(grader)
        samples, read = as_rows(samples, "samples"), item_or_failure(item)
        if isinstance(read, GradingError):
            return [self._unread(loaded, read, grading_context) for _ in samples]
        parsed = [sample_or_failure(sample) for sample in samples]
        those_read = [sample for sample in parsed if isinstance(sample, Sample)]
        graded = iter(await self.run(loaded, those_read, read, grading_context))
        return [
            self._unread(loaded, sample, grading_context)
            if isinstance(sample, GradingError)
            else next(graded)
            for sample in parsed
        ]

    async def grade_many(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Iterable[object],
        items: Iterable[Item | None],
        *,
        deadline_s: float | None = None,
        trace_id: str | None = None,
        client: str = "",
    ) -> BatchResult:
        """Grade many rows; results in their order, identical rows graded once.

        A group grader scores each run of consecutive rows with equal items together. A row that cannot be read is
        ungraded, and changes nothing for the others.

        Args:
            grader: A grader or its JSON.
            samples: One for each row, in any form that `Sample.load` takes; a `GradingError` says why a row cannot be read.
                A generator, an array or a column of a frame is read into a list first.
            items: One for each row; None where it is the item that cannot be read. Values of numpy, pandas and the like
                become plain data; a row that has something else is ungraded. A `DataFrame` is read as its rows.
            deadline_s: Seconds for the whole batch; rows that are not done by then are ungraded.
            trace_id: The caller's own name for the batch.
            client: Who pays for judges: a digest of an API key; empty where there are no keys.

        Raises:
            ConfigurationError: When the two sequences differ in length, or are not sequences.
        """
        sources, given = as_rows(samples, "samples"), as_rows(items, "items")
        if len(sources) != len(given):
            raise ConfigurationError(
                f"{len(sources)} samples and {len(given)} items: a batch has one item for each sample"
            )
        rows = list(readable_rows(zip(sources, given, strict=True)))
        loaded = await self.prepare(grader)
        await self.engine.prepare(loaded)
        grading_context = self._context(deadline_s, trace_id, client)
        if grading_context.trace is None:
            return await self.engine.grade_rows(self, loaded, rows, grading_context)
        with batch(grading_context.trace, loaded, trace_id) as span:
            gradings = await self.engine.grade_rows(self, loaded, rows, grading_context.within(span))
            tell_counts(span, len(gradings), gradings.ungraded)
        return gradings

    async def stream(
        self,
        grader: Grader | Mapping[str, Any],
        rows: Rows,
        *,
        deadline_s: float | None = None,
        ordered: bool = True,
        trace_id: str | None = None,
        client: str = "",
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        """Grade rows as they come, without holding them all.

        Args:
            grader: A grader or its JSON.
            rows: Pairs of sample and item, as in `grade_many`; read only as fast as they are graded.
            deadline_s: Seconds for the whole stream.
            ordered: Give results in the order of the rows, otherwise as soon as each is there.
            trace_id: The caller's own name for the stream.
            client: Who pays for judges, as in `grade`.

        Yields:
            The row's position and its result.
        """
        rows = readable_rows(rows)
        loaded = await self.prepare(grader)
        await self.engine.prepare(loaded)
        grading_context = self._context(deadline_s, trace_id, client)
        if grading_context.trace is None:
            results = self.engine.stream_rows(self, loaded, rows, grading_context)
        else:
            results = self._traced_rows(loaded, rows, grading_context, grading_context.trace)
        if not ordered:
            async for position, result in results:
                yield position, result
            return
        early: dict[int, GraderResult] = {}
        following = 0
        async for position, result in results:
            early[position] = result
            while following in early:
                yield following, early.pop(following)
                following += 1

    async def run(
        self, grader: Grader, samples: Sequence[Sample], item: Item, grading_context: GradingContext
    ) -> list[GraderResult]:
        """Grade where the grader's type may run, as often as the grader votes."""
        if not samples:
            return []
        if grading_context.trace is None:
            return await self._vote(grader, samples, item, grading_context)
        with grading(grading_context.trace, grader, grading_context.trace_id) as span:
            results = await self._vote(grader, samples, item, grading_context.within(span))
            tell(span, results)
        return results

    def _unread(self, grader: Grader, failure: GradingError, grading_context: GradingContext) -> GraderResult:
        """The result of a sample that cannot be read."""
        result = grader.failed(failure)
        if grading_context.trace is not None:
            with grading(grading_context.trace, grader, grading_context.trace_id) as span:
                tell(span, [result])
        return result

    async def _vote(
        self, grader: Grader, samples: Sequence[Sample], item: Item, grading_context: GradingContext
    ) -> list[GraderResult]:
        if grader.votes is not None:
            count = grader.votes.count
            votes = await asyncio.gather(
                *(
                    self._run_once(grader, samples, item, grading_context.voting(n, count))
                    for n in range(count)
                )
            )
            grading_context.voted(votes)
            return [combine_votes(grader, grader.votes, of_one) for of_one in zip(*votes, strict=True)]
        return await self._run_once(grader, samples, item, grading_context)

    async def _run_once(
        self, grader: Grader, samples: Sequence[Sample], item: Item, grading_context: GradingContext
    ) -> list[GraderResult]:
        if grader.type.form == "single" and len(samples) != 1:
            each = await asyncio.gather(
                *(self._run_once(grader, [sample], item, grading_context) for sample in samples)
            )
            return [result for one in each for result in one]
        if not may_run_here(grader, samples[0], item):
            return await self._pool.grade(
                grader,
                list(samples),
                item,
                deadline=grading_context.deadline,
                context=grading_context.deeper(),
                client=grading_context.client,
                depth=grading_context.depth,
            )
        if not grader.is_async:
            return await execute(grader, samples, item, grading_context)
        if any(len(sample.output_text) > LONG_CHARACTERS for sample in samples):
            await asyncio.to_thread(read_reasoning, samples)
        try:
            async with asyncio.timeout_at(grading_context.deadline):
                return await execute(grader, samples, item, grading_context)
        except TimeoutError:
            return failed_group(grader, deadline_passed(), len(samples))

    def _context(self, deadline_s: float | None, trace_id: str | None, client: str) -> GradingContext:
        loop = self._loop.get()
        deadline = None if deadline_s is None else loop.time() + deadline_s
        trace = None if self.tracer is None else Trace(self.tracer)
        return GradingContext(self, deadline, trace_id=trace_id, client=client, trace=trace)

    async def _traced_rows(
        self, grader: Grader, rows: Rows, grading_context: GradingContext, trace: Trace
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        done = ungraded = 0
        with batch(trace, grader, grading_context.trace_id) as span:
            try:
                async for position, result in self.engine.stream_rows(
                    self, grader, rows, grading_context.within(span)
                ):
                    done += 1
                    ungraded += result.reward is None
                    yield position, result
            finally:
                tell_counts(span, done, ungraded)
