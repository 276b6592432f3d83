"""What a service opens when it starts, and closes when it ends."""

import asyncio
import gc
import importlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from graders import Registry
from graders.kinds.metrics import METRIC_NAMES, load_metric
from runtime import Evaluator, Settings
from runtime.data.json_reader import JsonReader
from runtime.engines.choice import engine_of
from service.auth.admission import Admission
from service.auth.keys import Keyring
from service.evals.engine import Engine
from service.http.connections import Connections
from service.http.idempotency import KEPT_BYTES, Repeats
from service.http.shutdown import GracefulShutdown
from service.named_graders import GraderResolver
from service.state import State
from service.store import Answers, Evals, Files, GraderSums, NamedGraders, Store
from service.store.health import StorageHealth
from service.store.keys import Keys
from service.telemetry.grader_statistics import Statistics
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, opened_tracing

PLUGINS_ARE_READ = (
    "a running service knows the plugins that were installed when it started: restart it after installing one"
)
"""What a client is told that asks for an unknown grader type."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a service has before it starts: nothing that is open.

    Attributes:
        settings: Its settings.
        registry: Grader types; None: the installed ones.
        warnings: What an operator should change.
        metrics: Counts gradings and requests.
        queues: Admits gradings.
        keyring: Checks API keys.
        graceful_shutdown: Counts the requests that are being answered.
        tracing: Writes spans.
        connections: Limits connections.
    """

    settings: Settings
    registry: Registry | None
    warnings: Sequence[str]
    metrics: Metrics
    queues: Admission
    keyring: Keyring
    graceful_shutdown: GracefulShutdown
    tracing: Tracing
    connections: Connections


@asynccontextmanager
async def opened(process: Process) -> AsyncIterator[State]:
    """The parts of a service, ready to answer requests."""
    settings, storage = process.settings, StorageHealth()
    registry = Registry.installed(note=PLUGINS_ARE_READ) if process.registry is None else process.registry
    process.tracing.open()
    async with (
        aclosing(process.tracing),
        Evaluator(
            registry,
            settings,
            tracer=process.tracing.tracer,
            engine=engine_of(settings, tracing=opened_tracing),
        ) as evaluator,
        aclosing(JsonReader()) as json_reader,
        Store(
            settings.database,
            wait_s=settings.database_wait_s,
            statement_s=settings.database_statement_s,
            health=storage,
        ) as store,
    ):
        state = _state(process, evaluator, json_reader, store, storage)
        await state.files.open()
        storage.open({"database": store.check, "files": state.files.check})
        process.keyring.open(Keys(store))
        await asyncio.gather(
            asyncio.to_thread(_warm, settings), evaluator.sandbox.warm(), evaluator.engine.warm()
        )
        async with _background(state):
            # what was loaded lives as long as the process: looking through it for garbage stops everything for 0.1 s
            gc.collect()
            gc.freeze()
            yield state
        await process.keyring.close()
        await storage.close()


def _state(
    process: Process, evaluator: Evaluator, json_reader: JsonReader, store: Store, storage: StorageHealth
) -> State:
    settings, files = process.settings, Files(store, process.settings.files_dir, storage)
    return State(
        settings=settings,
        warnings=process.warnings,
        metrics=process.metrics,
        queues=process.queues,
        evaluator=evaluator,
        json_reader=json_reader,
        storage=storage,
        files=files,
        evals=Evals(store),
        eval_engine=Engine(evaluator, store, files, settings, process.metrics),
        named=GraderResolver(NamedGraders(store), evaluator),
        statistics=Statistics(GraderSums(store)),
        repeats=Repeats(Answers(store, KEPT_BYTES)),
    )


@asynccontextmanager
async def _background(state: State) -> AsyncIterator[None]:
    """Run the tasks that do not belong to a request."""
    evaluator, queues = state.evaluator, state.queues
    following = asyncio.create_task(
        state.metrics.follow(
            lambda: evaluator.judge_statistics, lambda: evaluator.sandbox_kills, lambda: queues.depths
        )
    )
    state.statistics.open()
    state.repeats.open()
    state.eval_engine.open()
    yield
    await state.eval_engine.close()
    await state.statistics.close()
    await state.repeats.close()
    following.cancel()


def _warm(settings: Settings) -> None:
    """Load the libraries and tables of metrics and judges before the first request, which would wait for them."""
    # the client of judges takes a second to import: services that have none start without it
    if settings.judges or os.environ.get("OPENAI_API_KEY"):
        importlib.import_module("runtime.judge.client")
    for name in METRIC_NAMES:
        load_metric(name).score("warm", "up")
