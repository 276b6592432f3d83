"""The HTTP application."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from graders import Registry
from graders.metrics import METRIC_NAMES, load_metric
from runtime import Evaluator, Settings
from service import errors
from service.middleware import Gate
from service.routes import graders, health

CONFIG_VARIABLE = "GRADERS_CONFIG_FILE"
"""Where `graders serve` tells its processes which TOML file to read."""


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: Defaults to the environment's.
        registry: Grader types; defaults to the installed ones.
    """
    settings = settings or Settings.load()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Evaluator(registry, settings) as evaluator:
            app.state.evaluator = evaluator
            await asyncio.gather(asyncio.to_thread(_warm), evaluator.sandbox.warm())
            app.state.ready = True
            yield
            app.state.ready = False

    app = FastAPI(title="rft-graders", version=version("rft-graders"), lifespan=lifespan)
    app.state.settings, app.state.ready = settings, False
    errors.install(app)
    for prefix in ("/v1", "/openai/v1"):
        app.include_router(graders.router, prefix=prefix)
    app.include_router(health.router)
    keys = [key.get_secret_value() for key in settings.api_keys]
    app.add_middleware(Gate, body_limit=settings.body_limit, api_keys=keys)
    return app


def app_from_environment() -> FastAPI:
    """The application of one of several processes, which `graders serve` configures through the environment."""
    config = os.environ.get(CONFIG_VARIABLE)
    return create_app(Settings.load(Path(config) if config else None))


def _warm() -> None:
    """Load the libraries and tables of metrics and judges before the first request, which would wait for them."""
    importlib.import_module("runtime.judge.judges")
    for name in METRIC_NAMES:
        load_metric(name).score("warm", "up")
