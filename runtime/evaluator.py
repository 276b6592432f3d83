"""The `Evaluator`: runs graders over samples. Built-in types run inline, plugins in worker processes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from graders import (
    ConfigurationError,
    Embedder,
    Grader,
    GraderResult,
    GradingError,
    HttpClient,
    Item,
    Judge,
    Registry,
    Sample,
)
from runtime.batches import (
    Rows,
    goes_in_bulk,
    goes_in_rows,
    grade_each,
    grade_in_bulk,
    grade_in_chunks,
    grade_in_rows,
)
from runtime.compiled import CompiledGraders
from runtime.execute import deadline_passed, execute, failed_group
from runtime.gradings import Gradings, gradings_of
from runtime.sandbox.box import LocalSandbox
from runtime.settings import Settings
from runtime.workers.pool import WorkerPool
from runtime.world import World, may_run_here

if TYPE_CHECKING:
    from runtime.embeddings import Embeddings
    from runtime.http import GuardedHttp
    from runtime.judge.judges import Judges
    from runtime.judge.statistics import ModelStatistics

REMEMBERED = 8192
"""Gradings of a stream that are remembered, in order to do identical ones once."""


class Evaluator:
    """Grades samples; use it as `async with Evaluator() as evaluator`.

    A failed grading is a result, never an exception: only a grader that cannot be used at all raises, before anything was
    graded. One evaluator belongs to one event loop; `runtime.SyncEvaluator` is the same without `async`.
    """

    def __init__(self, registry: Registry | None = None, settings: Settings | None = None) -> None:
        self.registry = Registry.installed() if registry is None else registry
        self.settings = settings or Settings.load()
        self.sandbox = LocalSandbox(self.settings)
        self._judges: Judges | None = None
        self._embedder: Embeddings | None = None
        self._http: GuardedHttp | None = None
        self._pool = WorkerPool(self.registry, self.settings)
        self._compiled = CompiledGraders(self.registry)
        self._prepared: WeakSet[Grader] = WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the worker processes and the sandbox, and take leave of the judges."""
        await self._pool.aclose()
        await self.sandbox.aclose()
        for service in (self._embedder, self._http, self._judges):
            if service is not None:
                await service.aclose()

    @property
    def judges(self) -> "Judges":
        """The models that grade."""
        if self._judges is None:
            from runtime.judge.judges import Judges  # noqa: PLC0415  # its client takes long to import, and many need none

            self._judges = Judges(self.settings)
        return self._judges

    @property
    def judge_statistics(self) -> "Mapping[str, ModelStatistics]":
        """What each model that grades did, by the name that graders use; nothing where none was asked."""
        return {} if self._judges is None else self._judges.statistics

    def judge(self, *, vote: int, client: str) -> Judge:
        """The models that grade, as one vote and one client see them."""
        return self.judges.seen_by(vote=vote, client=client)

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        if self._embedder is None:
            from runtime.embeddings import Embeddings  # noqa: PLC0415  # the same

            self._embedder = Embeddings(self.judges.embedder_of, default=self.settings.embedding_model)
        return self._embedder

    @property
    def http(self) -> HttpClient:
        """The network, as far as graders may use it."""
        if self._http is None:
            from runtime.http import GuardedHttp  # noqa: PLC0415  # the same

            self._http = GuardedHttp(self.settings.endpoint_hosts)
        return self._http

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
        """
        grader = await self._compiled.load_aside(config)
        if grader not in self._prepared:
            if not grader.built_in:
                await self._pool.prepare(grader)
            for _, inner in grader.inner():
                await self.prepare(inner)
            if await self._is_prepared(grader):
                self._prepared.add(grader)
        return grader

    async def _is_prepared(self, grader: Grader) -> bool:
        """Let a built-in type look at the world before it grades; False when the world was not there to be looked at.

        Raises:
            ConfigurationError: When the type finds that its options do not do here.
        """
        prepare = getattr(grader.function, "prepare", None) if grader.built_in else None
        try:
            if prepare is not None:
                await prepare(World(self, None))
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
            sample: Anything that `Sample.load` takes.
            item: The dataset row.
            deadline_s: Seconds after which the sample is ungraded.
            trace_id: The caller's own name for this grading.
            client: Who pays for judges: a digest of an API key; empty where there are no keys.
        """
        (result,) = await self.grade_group(
            grader, [sample], item, deadline_s=deadline_s, trace_id=trace_id, client=client
        )
        return result

    async def grade_group(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Sequence[object],
        item: Item | None = None,
        *,
        deadline_s: float | None = None,
        trace_id: str | None = None,
        client: str = "",
    ) -> list[GraderResult]:
        """Grade the samples of one prompt: together by a group grader, otherwise side by side."""
        world = World(self, self._deadline(deadline_s), trace_id=trace_id, client=client)
        loaded = await self.prepare(grader)
        parsed = [Sample.load(sample) for sample in samples]
        return await self.run(loaded, parsed, item or {}, world)

    async def grade_many(
        self,
        grader: Grader | Mapping[str, Any],
        samples: Sequence[object],
        items: Sequence[Item],
        *,
        deadline_s: float | None = None,
        client: str = "",
    ) -> Gradings:
        """Grade many rows; results in their order, identical rows graded once.

        A group grader scores each run of consecutive rows with equal items together.

        Args:
            grader: A grader or its JSON.
            samples: One for each row, in any form that `Sample.load` takes.
            items: One for each row.
            deadline_s: Seconds for the whole batch; rows that are not done by then are ungraded.
            client: Who pays for judges: a digest of an API key; empty where there are no keys.

        Raises:
            ConfigurationError: When the two sequences differ in length, or a sample is none.
        """
        if len(samples) != len(items):
            raise ConfigurationError(
                f"{len(samples)} samples and {len(items)} items: a batch has one item for each sample"
            )
        loaded = await self.prepare(grader)
        world = World(self, self._deadline(deadline_s), client=client)
        if goes_in_bulk(loaded):
            return await grade_in_bulk(self, loaded, samples, items, world)
        if goes_in_rows(loaded) and deadline_s is None:  # a deadline must keep what is done, row by row
            return await grade_in_rows(loaded, samples, items, world)
        each = self._each(loaded, zip(samples, items, strict=True), world, remembered=None)
        results = {position: result async for position, result in each}
        return gradings_of(loaded, [results[position] for position in range(len(items))])

    async def stream(
        self,
        grader: Grader | Mapping[str, Any],
        rows: Rows,
        *,
        deadline_s: float | None = None,
        ordered: bool = True,
        client: str = "",
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        """Grade rows as they come, without holding them all.

        Args:
            grader: A grader or its JSON.
            rows: Pairs of sample and item; read only as fast as they are graded.
            deadline_s: Seconds for the whole stream.
            ordered: Give results in the order of the rows, otherwise as soon as each is there.
            client: Who pays for judges, as in `grade`.

        Yields:
            The row's position and its result.
        """
        loaded = await self.prepare(grader)
        world = World(self, self._deadline(deadline_s), client=client)
        if goes_in_bulk(loaded):
            results = grade_in_chunks(self, loaded, rows, world)
        else:
            results = self._each(loaded, rows, world, remembered=REMEMBERED)
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
        self, grader: Grader, samples: Sequence[Sample], item: Item, world: World
    ) -> list[GraderResult]:
        """Grade where the grader's type may run, as often as the grader votes."""
        if not samples:
            return []
        if grader.votes is not None:
            count = grader.votes.count
            votes = await asyncio.gather(
                *(self._run_once(grader, samples, item, world.voting(n, count)) for n in range(count))
            )
            return [grader.votes.combined(grader, of_one) for of_one in zip(*votes, strict=True)]
        return await self._run_once(grader, samples, item, world)

    async def _run_once(
        self, grader: Grader, samples: Sequence[Sample], item: Item, world: World
    ) -> list[GraderResult]:
        if grader.type.form == "single" and len(samples) != 1:
            each = await asyncio.gather(
                *(self._run_once(grader, [sample], item, world) for sample in samples)
            )
            return [result for one in each for result in one]
        if not may_run_here(grader, samples[0], item):
            return await self._pool.grade(
                grader,
                list(samples),
                item,
                deadline=world.deadline,
                context=world.deeper(),
                depth=world.depth,
            )
        if not grader.is_async:
            return await execute(grader, samples, item, world)
        try:
            async with asyncio.timeout_at(world.deadline):
                return await execute(grader, samples, item, world)
        except TimeoutError:
            return failed_group(grader, deadline_passed(), len(samples))

    def _deadline(self, seconds: float | None) -> float | None:
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    def _each(
        self, grader: Grader, rows: Rows, world: World, *, remembered: int | None
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        return grade_each(
            self, grader, rows, world, concurrency=self.settings.concurrency, remembered=remembered
        )
