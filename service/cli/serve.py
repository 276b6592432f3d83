"""`graders serve`: the HTTP service."""

import ipaddress
import logging
import logging.config
import math
import os
import tempfile
from pathlib import Path
from typing import Literal

import uvicorn

from graders import ConfigurationError
from runtime import Settings
from service import logs
from service.app import CONFIG_VARIABLE, create_app
from service.cli.keys import any_in_store
from service.metrics import DIRECTORY_VARIABLE

logger = logging.getLogger(__name__)

LOOP: Literal["asyncio"] = "asyncio"
"""What uvicorn runs on. uvloop answers some 5 % more requests a second, but accepts one connection in each of its rounds: while a
trainer opens 256 at once, the last of them wait for seconds."""


def serve(settings: Settings, config: Path | None) -> None:
    """Serve until a signal ends it.

    Raises:
        ConfigurationError: When it would be open to everyone on a public address, or has no database.
    """
    log_config = logs.configuration(settings)
    if not settings.api_keys and not any_in_store(settings):
        if not _is_loopback(settings.host):
            raise ConfigurationError(
                f"refusing to serve on {settings.host} without API keys; make one with `graders keys create`, "
                "set GRADERS_API_KEYS='[\"…\"]' or bind 127.0.0.1"
            )
        logging.config.dictConfig(log_config)
        logger.info("there are no API keys: whoever reaches %s may do everything", settings.host)
    # for SIGINT, at which the application does not drain; after SIGTERM nothing is left to wait for
    patience_s = math.ceil(settings.drain_timeout_s)
    if settings.workers == 1:
        uvicorn.run(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            loop=LOOP,
            access_log=False,
            log_config=log_config,
            timeout_graceful_shutdown=patience_s,
        )
        return
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    # what was said on the command line; each process reads the rest by itself
    os.environ["GRADERS_WORKERS"] = str(settings.workers)
    os.environ["GRADERS_JUDGE_CACHE_MB"] = str(settings.judge_cache_mb)
    with tempfile.TemporaryDirectory(prefix="graders-metrics-") as figures:
        os.environ[DIRECTORY_VARIABLE] = figures
        uvicorn.run(
            "service.app:app_from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop=LOOP,
            access_log=False,
            log_config=log_config,
            timeout_graceful_shutdown=patience_s,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
