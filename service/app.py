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
from service.compression import Compression
from service.draining import Intake
from service.evals.engine import Engine
from service.keys import Keyring
from service.metrics import Metrics
from service.middleware import Gate, Watch
from service.routes import evals, files, grade, graders, health, metrics
from service.store import Evals, Files, Store
from service.store.keys import Keys

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
        async with Evaluator(registry, settings) as evaluator, Store(settings.database) as store:
            app.state.evaluator, app.state.store = evaluator, store
            app.state.files = Files(store, settings.files_dir)
            await app.state.files.open()
            keyring.open(Keys(store))
            await asyncio.gather(asyncio.to_thread(_warm), evaluator.sandbox.warm())
            judges = asyncio.create_task(counted.follow_judges(lambda: evaluator.judge_statistics))
            app.state.evals = Evals(store)
            app.state.eval_engine = Engine(evaluator, app.state.evals, app.state.files, settings)
            app.state.eval_engine.open()
            app.state.ready = True
            with intake.drained_on_sigterm(settings.drain_timeout_s):
                yield
            app.state.ready = False
            await app.state.eval_engine.close()
            judges.cancel()
            await keyring.close()

    app = FastAPI(title="rft-graders", version=version("rft-graders"), lifespan=lifespan)
    app.state.settings, app.state.ready = settings, False
    app.state.metrics = counted = Metrics()
    errors.install(app)
    for prefix in ("/v1", "/openai/v1"):
        app.include_router(graders.router, prefix=prefix)
        app.include_router(files.router, prefix=prefix)
        app.include_router(evals.router, prefix=prefix)
    app.include_router(grade.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    keyring, intake = Keyring([key.get_secret_value() for key in settings.api_keys]), Intake()
    app.add_middleware(Compression)  # what is added first is inside: the gate comes before it
    app.add_middleware(
        Gate,
        body_limit=settings.body_limit,
        body_limits={grade.BATCH_PATH: settings.batch_body_limit, **files.body_limits(settings)},
        keyring=keyring,
        intake=intake,
    )
    app.add_middleware(Watch, metrics=counted)
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
