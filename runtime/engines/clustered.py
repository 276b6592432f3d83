"""`ClusterEngine`: an engine over a cluster, whatever that is made of."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from importlib.metadata import version
from typing import Any

import numpy as np

from graders import ConfigurationError, Grader, GraderResult, Item, PluginError, Registry
from runtime.concurrency.own_loop import OwnLoop
from runtime.engines.actors import ActorLost, ActorPool, Cluster, Seat, Unusable
from runtime.engines.chunks import ChunkReader
from runtime.engines.dispatch import Batch, Dispatcher, packed_config, positions_and_results, prepare
from runtime.engines.engine import EngineUsage
from runtime.engines.local import REMEMBERED
from runtime.engines.messages import Opening, OpenTracing
from runtime.engines.node import NAME
from runtime.evaluation.batch_result import BatchResult
from runtime.evaluation.batches import Rows
from runtime.evaluation.context import GradingContext, Runner
from runtime.evaluation.cost_class import asks_others
from runtime.settings.settings import Settings

SHARED_STORES = ("postgresql://", "postgres://", "postgresql+")
SHOWN = 8
"""Machines that a message names."""


class ClusterEngine:
    """Grades rows with the actors of a cluster; see `runtime.engines.engine.Engine`.

    Its actors start when the first batch comes, and end with it.

    Attributes:
        run: The name of the run, whose budget all actors share.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        actors: int | None = None,
        registry: Callable[[], Registry] = Registry.installed,
        tracing: Callable[[], OpenTracing] | None = None,
        processes: int | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        """Start nothing yet.

        Args:
            cluster: Where actors are started.
            actors: How many; None for as many as there is room for.
            registry: Gives an actor its grader types; a function that its machine can import.
            tracing: Opens where an actor's spans go; a function that its machine can import. None for nowhere.
            processes: Sandbox processes of an actor, and workers of each of its plugins, where the settings do not say; None for
                as many as its machine has processors.
            start_timeout_s: Seconds in which an actor has to start.
        """
        self._run = uuid.uuid4().hex
        self.run: str | None = self._run
        self._cluster, self._processes = cluster, processes
        self._registry, self._tracing = registry, tracing
        self._pool = ActorPool(cluster, actors, start_timeout_s=start_timeout_s)
        self._settings: Settings | None = None
        self._loop = OwnLoop(type(self).__name__)

    def open(self, settings: Settings) -> None:
        """Hear the evaluator's settings.

        Raises:
            ConfigurationError: When it has an evaluator already.
        """
        if self._settings is not None:
            raise ConfigurationError("an engine belongs to one evaluator; make another for each")
        self._settings = settings

    async def prepare(self, grader: Grader) -> None:
        """Start the actors, and see that every machine has what a grader needs, before the first row.

        Raises:
            ConfigurationError: When the cluster cannot be used as it is.
            PluginError: When a machine lacks what the grader needs.
        """
        await self.warm()
        await self._prepare(grader, self._known_settings)

    async def warm(self) -> None:
        """Connect to the cluster and start the actors, unless they are there.

        Raises:
            ConfigurationError: When the cluster cannot be used, or no actor starts.
        """
        self._loop.get()
        settings = self._known_settings
        try:
            await self._pool.open(lambda count: self._opening(settings, count), among=settings.workers)
        except Unusable as error:
            raise ConfigurationError(f"no actor can be started: {error}") from None

    async def grade_rows(
        self,
        runner: Runner,  # the rows are graded elsewhere
        grader: Grader,
        rows: Sequence[tuple[object, Item | None]],
        grading_context: GradingContext,
    ) -> BatchResult:
        """Grade the rows of a batch; results in their order."""
        rewards, known, seconds = np.full(len(rows), np.nan), dict[int, GraderResult](), 0.0
        if not rows:
            return BatchResult(grader, rewards, known)
        dispatcher = self._dispatcher(grader, grading_context)
        reader = ChunkReader(grader, rows, remembered=None, among=self._pool.capacity, total=len(rows))
        async with aclosing(dispatcher.graded(reader)) as chunks:
            async for done in chunks:
                if done is not None:
                    chunk, graded = done
                    rewards[np.asarray(chunk.positions)] = graded.rewards
                    known.update({chunk.positions[offset]: result for offset, result in graded.known.items()})
                    seconds += graded.seconds * len(chunk.rows)
                    if reader.has_twins:
                        reader.note(chunk, graded.results(grader))
                for position, result in _taken(reader):
                    known[position] = result
                    rewards[position] = np.nan if result.reward is None else result.reward
        return BatchResult(grader, rewards, known, seconds / len(rows))

    async def stream_rows(
        self,
        runner: Runner,  # the rows are graded elsewhere
        grader: Grader,
        rows: Rows,
        grading_context: GradingContext,
    ) -> AsyncGenerator[tuple[int, GraderResult], None]:
        """Grade rows as they come."""
        dispatcher = self._dispatcher(grader, grading_context)
        reader = ChunkReader(grader, rows, remembered=REMEMBERED)
        async with aclosing(dispatcher.graded(reader)) as chunks:
            async for done in chunks:
                if done is not None:
                    chunk, graded = done
                    if reader.has_twins:
                        reader.note(chunk, graded.results(grader))
                    for each in positions_and_results(chunk, graded, grader):
                        yield each
                for each in _taken(reader):
                    yield each

    @property
    def usage(self) -> EngineUsage:
        """What the actors have done."""
        return self._pool.usage

    async def aclose(self) -> None:
        """End the actors, and leave the cluster."""
        await self._pool.aclose()

    def _dispatcher(self, grader: Grader, grading_context: GradingContext) -> Dispatcher:
        return Dispatcher(
            self._pool,
            Batch(
                grader=grader,
                config=packed_config(grader),
                deadline=grading_context.deadline,
                trace_id=grading_context.trace_id,
                client=grading_context.client,
                traceparent=_traceparent(grading_context),
            ),
        )

    async def _prepare(self, grader: Grader, settings: Settings) -> None:
        """See that every machine has what a grader needs, before the first row."""
        new = [seat for seat in self._pool.seats if grader not in seat.prepared]
        problems = await asyncio.gather(*(self._problem_of(seat, grader, settings) for seat in new))
        found = sorted(
            {f"{seat.hello.node}: {problem}" for seat, problem in zip(new, problems, strict=True) if problem}
        )
        if found:
            more = f"; and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
            raise PluginError(
                f"not every machine can grade with this grader: {'; '.join(found[:SHOWN])}{more}"
            )

    async def _problem_of(self, seat: Seat, grader: Grader, settings: Settings) -> str:
        if seat.hello.version != version(NAME):
            return f"it has rft-graders {seat.hello.version}, this process {version(NAME)}"
        if not self._cluster.is_here(seat.hello) and _needs_shared_store(grader, settings):
            return (
                "judge_store is a file of the machine of this process, and limits or budgets are to be kept over all of them; "
                'set judge_store = "postgresql://…"'
            )
        try:
            return await prepare(seat, grader)
        except ActorLost as error:
            # it is replaced; the one that comes is prepared before its first chunk
            await self._pool.lose(seat)
            return "" if self._pool.capacity else str(error)

    @property
    def _known_settings(self) -> Settings:
        if self._settings is None:
            raise RuntimeError("an engine is used through an Evaluator: Evaluator(engine=…)")
        return self._settings

    def _opening(self, settings: Settings, count: int) -> Opening:
        """What each of so many actors is started with: nothing of the service's, and its share of what all processes share."""
        changes: dict[str, Any] = {
            "api_keys": (),
            "database": "",
            "workers": settings.workers * count,  # among which the judges' concurrency is divided
        }
        for name in ("sandbox_processes", "plugin_workers"):
            if self._processes is not None and name not in settings.model_fields_set:
                changes[name] = self._processes
        return Opening(settings.model_copy(update=changes), self._registry, self._tracing, self._run)


def _needs_shared_store(grader: Grader, settings: Settings) -> bool:
    """Whether a grader asks models whose limits or budgets all machines keep together, and only this one has the store."""
    rates = any(model.requests_per_minute or model.tokens_per_minute for model in settings.judges.values())
    is_limited = rates or bool(settings.judge_budgets)
    return is_limited and not settings.judge_store.startswith(SHARED_STORES) and asks_others(grader)


def _traceparent(grading_context: GradingContext) -> str:
    trace = grading_context.trace
    if trace is None or trace.span is None:
        return ""
    with trace.span.current():
        return trace.tracer.traceparent()


def _taken(reader: ChunkReader) -> list[tuple[int, GraderResult]]:
    ready, reader.ready = reader.ready, []
    return [pair for positions, results in ready for pair in zip(positions, results, strict=True)]
