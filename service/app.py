"""The HTTP application."""

import asyncio
import gc
import importlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from graders import Registry
from graders.metrics import METRIC_NAMES, load_metric
from runtime import Evaluator, Settings
from runtime.causes import OTHER
from runtime.json_reader import JsonReader
from runtime.variables import CONFIG_VARIABLE
from service import descriptors, errors, http_protocol, openapi
from service.compression import Compression
from service.connections import Connections
from service.direct import Direct, Handler
from service.draining import Intake
from service.evals.engine import Engine
from service.idempotency import KEPT_BYTES, Repeats
from service.keys import Keyring
from service.metrics import Metrics
from service.middleware import Gate, Watch
from service.named import NamedInUse
from service.queues import Queues
from service.routes import evals, files, grade, graders, health, metrics, models, named, pages, schema
from service.same_origin import SameOrigin
from service.stats import Statistics
from service.store import Answers, Evals, Files, GraderSums, NamedGraders, Store
from service.store.health import StorageHealth
from service.store.keys import Keys
from service.tracing import Traced, Tracing

PLUGINS_ARE_READ = (
    "a running service knows the plugins that were installed when it started: restart it after installing one"
)
"""What a client is told that asks for an unknown grader type."""
PREFIXES = ("/v1", "/openai/v1")
"""Where the published API answers."""
_NO_PAGES: Mapping[str, None] = dict.fromkeys(("docs_url", "redoc_url", "openapi_url"))
"""FastAPI's own pages, which load scripts from elsewhere; `service.routes.pages` has others."""


class Service(FastAPI):
    """An application with something before it that sees every request, before anything of FastAPI's does."""

    front: ASGIApp
    """What answers HTTP, before anything of FastAPI's does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # a plain object: Starlette's looks everything up in a dictionary of its own, some ten times for each request
        self.state = SimpleNamespace()  # type: ignore[assignment]

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What FastAPI does by itself."""
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """What FastAPI does, but that it leaves failures to what stands before it, which gives them their shape."""
        outermost = super().build_middleware_stack()
        return outermost.app if isinstance(outermost, ServerErrorMiddleware) else outermost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through the lifespan."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        scope.setdefault("state", {})
        await self.front(scope, receive, send)


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Service:
    """The service as an ASGI application.

    Args:
        settings: Defaults to the environment's.
        registry: Grader types; defaults to the installed ones.
    """
    settings = settings or Settings.of_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Connections]]:
        tracing.open()
        app.state.storage = health_of_storage = StorageHealth()
        async with (
            aclosing(tracing),
            Evaluator(_registry(registry), settings, tracer=tracing.tracer) as evaluator,
            aclosing(JsonReader()) as app.state.json_reader,
            Store(
                settings.database,
                wait_s=settings.database_wait_s,
                statement_s=settings.database_statement_s,
                health=health_of_storage,
            ) as store,
        ):
            app.state.evaluator, app.state.store = evaluator, store
            app.state.files = stored_files = Files(store, settings.files_dir, health_of_storage)
            await stored_files.open()
            health_of_storage.open({"database": store.check, "files": stored_files.check})
            keyring.open(Keys(store))
            await asyncio.gather(asyncio.to_thread(_warm, settings), evaluator.sandbox.warm())
            following = asyncio.create_task(
                counted.follow(
                    lambda: evaluator.judge_statistics, lambda: evaluator.sandbox.kills, lambda: queues.depths
                )
            )
            app.state.named = NamedInUse(NamedGraders(store), evaluator)
            app.state.statistics = summed = Statistics(GraderSums(store))
            app.state.repeats = repeats = Repeats(Answers(store, KEPT_BYTES))
            summed.open()
            repeats.open()
            app.state.evals = Evals(store)
            app.state.eval_engine = Engine(evaluator, store, stored_files, settings, counted)
            app.state.eval_engine.open()
            # what was loaded lives as long as the process: looking through it for garbage stops everything for 0.1 s
            gc.collect()
            gc.freeze()
            app.state.ready = True
            with (
                intake.drained_on_sigterm(settings.drain_timeout_s),
                descriptors.accept_errors_logged_once_a_minute(),
            ):
                yield {http_protocol.STATE: connections}
            app.state.ready = False
            await app.state.eval_engine.close()
            await summed.close()
            await repeats.close()
            following.cancel()
            await keyring.close()
            await health_of_storage.close()
            watch.tell()

    app = Service(title="rft-graders", version=version("rft-graders"), lifespan=lifespan, **_NO_PAGES)
    app.state.settings, app.state.ready = settings, False
    app.state.warnings = descriptors.warnings(settings, allowed := descriptors.limit())
    app.state.metrics = counted = Metrics()
    app.state.queues = queues = Queues.of(settings)
    app.state.grader_schema, app.state.pages = b"", {}
    errors.install(app)
    openapi.install(app)
    _add_routes(app)
    tracing = Tracing()
    keyring, intake = Keyring([key.get_secret_value() for key in settings.api_keys]), Intake()
    gate = Gate(
        Compression(Direct(app.routed, _direct())),
        body_limit=settings.body_limit,
        body_limits={grade.BATCH_PATH: settings.batch_body_limit, **files.body_limits(settings)},
        body_timeout_s=settings.body_timeout_s,
        keyring=keyring,
        intake=intake,
        same_origin=SameOrigin(settings.host_names),
    )
    watch = Watch(gate, metrics=counted)
    limit = descriptors.connections(settings, allowed)
    connections = Connections(
        limit,
        settings.connections_per_address or max(1, limit // 2),
        head_timeout_s=settings.head_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        on_refusal=lambda status: counted.answered(OTHER, OTHER, status, 0.0),
    )
    app.front = Traced(watch, tracing=tracing)
    return app


def _registry(given: Registry | None) -> Registry:
    return Registry.installed(note=PLUGINS_ARE_READ) if given is None else given


def _add_routes(app: FastAPI) -> None:
    for prefix in PREFIXES:
        listed = prefix == "/v1"  # the document says once that both answer
        app.include_router(graders.router, prefix=prefix, include_in_schema=listed)
        app.include_router(files.router, prefix=prefix, include_in_schema=listed)
        app.include_router(evals.router, prefix=prefix, include_in_schema=listed)
        app.include_router(models.router, prefix=prefix, include_in_schema=listed)
    app.include_router(grade.router)
    app.include_router(schema.router)  # before the named graders, whose route also matches it
    app.include_router(named.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(pages.router)


def _direct() -> Mapping[str, Handler]:
    """The routes that FastAPI is not asked for."""
    published = {
        f"{prefix}{graders.router.prefix}/{name}": handler
        for prefix in PREFIXES
        for name, handler in (("run", graders.run), ("validate", graders.validate))
    }
    return {**published, grade.GRADE_PATH: grade.grade, grade.BATCH_PATH: grade.grade_batch}


def app_from_environment() -> Service:
    """The application of one of several processes, which `graders serve` configures through the environment."""
    config = os.environ.get(CONFIG_VARIABLE)
    return create_app(Settings.load(Path(config) if config else None))


def _warm(settings: Settings) -> None:
    """Load the libraries and tables of metrics and judges before the first request, which would wait for them."""
    # the client of judges takes a second to import: services that have none start without it
    if settings.judges or os.environ.get("OPENAI_API_KEY"):
        importlib.import_module("runtime.judge.judges")
    for name in METRIC_NAMES:
        load_metric(name).score("warm", "up")
