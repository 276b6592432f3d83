"""The HTTP application."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from re import fullmatch

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from graders import Registry
from runtime import Settings
from runtime.settings.variables import CONFIG_VARIABLE
from runtime.telemetry.outcomes import OTHER
from service import errors
from service.auth import path_keys
from service.auth.admission import Admission
from service.auth.keys import Keyring
from service.http import descriptors, openapi, protocol
from service.http.compression import Compression
from service.http.connections import Connections
from service.http.fast_routes import FastRoutes, Handler
from service.http.middleware import AccessControl, AccessLog
from service.http.paths import PREFIXES
from service.http.same_origin import SameOrigin
from service.http.shutdown import GracefulShutdown
from service.lifespan import Process, opened
from service.routes import (
    data,
    eval_runs,
    evals,
    files,
    google_dry_run,
    grade,
    graders,
    health,
    metrics,
    models,
    named,
    named_batches,
    pages,
    schema,
)
from service.routes.trainers import endpoint, google, nemo_gym, openrlhf, sandbox_fusion, slime
from service.state import State
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, TracingMiddleware

_LONG_BODIES = r"/v1/graders/[^/]+/(grade/batch|for/.+)"


class Service(FastAPI):
    """An application with middleware before it that sees every request, before anything of FastAPI's does.

    Attributes:
        front: What answers HTTP; passes on to `routed`.
        running: The parts of the service; None before it has started and from the moment that it ends.
    """

    front: ASGIApp
    running: State | None = None

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
        path_keys.take(scope)
        await self.front(scope, receive, send)


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Service:
    """The service as an ASGI application.

    Args:
        settings: Defaults to the environment's.
        registry: Grader types; defaults to the installed ones.
    """
    process = _process(settings or Settings.of_environment(), registry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Connections]]:
        async with opened(process) as state:
            app.running = state
            with (
                process.graceful_shutdown.drained_on_sigterm(process.settings.drain_timeout_s),
                descriptors.accept_errors_logged_once_a_minute(),
            ):
                yield {protocol.STATE: process.connections}
            app.running = None
            watch.tell()

    # FastAPI's own pages load scripts from elsewhere; `service.routes.pages` has others
    app = Service(
        title="rft-graders",
        version=version("rft-graders"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    errors.install(app)
    openapi.install(app)
    _add_routes(app)
    watch = AccessLog(_gate(app.routed, process), metrics=process.metrics)
    app.front = TracingMiddleware(watch, tracing=process.tracing)
    return app


def app_from_environment() -> Service:
    """The application of one of several processes, which `graders serve` configures through the environment."""
    config = os.environ.get(CONFIG_VARIABLE)
    return create_app(Settings.load(Path(config) if config else None))


def _process(settings: Settings, registry: Registry | None) -> Process:
    metrics, allowed = Metrics(), descriptors.limit()
    limit = descriptors.connections(settings, allowed)
    connections = Connections(
        limit,
        settings.connections_per_address or max(1, limit // 2),
        head_timeout_s=settings.head_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        on_refusal=lambda status: metrics.answered(OTHER, OTHER, status, 0.0),
    )
    return Process(
        settings=settings,
        registry=registry,
        warnings=descriptors.warnings(settings, allowed),
        metrics=metrics,
        queues=Admission.of(settings),
        keyring=Keyring([key.get_secret_value() for key in settings.api_keys]),
        graceful_shutdown=GracefulShutdown(),
        tracing=Tracing(),
        connections=connections,
    )


def _gate(app: ASGIApp, process: Process) -> AccessControl:
    settings = process.settings
    return AccessControl(
        Compression(FastRoutes(app, _direct())),
        body_limit=partial(_body_limit, settings, files.body_limits(settings)),
        body_timeout_s=settings.body_timeout_s,
        keyring=process.keyring,
        graceful_shutdown=process.graceful_shutdown,
        same_origin=SameOrigin(settings.host_names),
    )


def _body_limit(settings: Settings, files: Mapping[str, int], path: str) -> int:
    """Bytes of a request's body: what carries many samples, or a whole rollout, may be as long as a batch."""
    if path in files:
        return files[path]
    is_long = path == grade.BATCH_PATH or fullmatch(_LONG_BODIES, path) is not None
    return settings.batch_body_limit if is_long else settings.body_limit


def _add_routes(app: FastAPI) -> None:
    for prefix in PREFIXES:
        listed = prefix == "/v1"  # the document says once that both answer
        app.include_router(graders.router, prefix=prefix, include_in_schema=listed)
        app.include_router(files.router, prefix=prefix, include_in_schema=listed)
        app.include_router(evals.router, prefix=prefix, include_in_schema=listed)
        app.include_router(eval_runs.router, prefix=prefix, include_in_schema=listed)
        app.include_router(models.router, prefix=prefix, include_in_schema=listed)
    app.include_router(grade.router)
    app.include_router(data.router)
    app.include_router(schema.router)  # before the named graders, whose route also matches it
    app.include_router(named.router)
    app.include_router(named_batches.router)
    for trainer in (openrlhf, slime, nemo_gym, endpoint, google, sandbox_fusion):
        app.include_router(trainer.router)
    app.include_router(google_dry_run.router)
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
