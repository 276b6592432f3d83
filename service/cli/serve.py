"""`graders serve`: the HTTP service."""

import ipaddress
import logging
import logging.config
import math
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Literal

import uvicorn

from graders import ConfigurationError
from runtime import Settings
from runtime.settings.variables import CONFIG_VARIABLE
from service.app import create_app
from service.cli.keys import any_in_store
from service.cli.listening import check_port
from service.http import descriptors
from service.telemetry import logs
from service.telemetry.exposition import DIRECTORY_VARIABLE

logger = logging.getLogger(__name__)

LOOP: Literal["asyncio"] = "asyncio"
"""What uvicorn runs on. uvloop answers some 5 % more requests a second, but accepts one connection in each of its rounds: while a
trainer opens 256 at once, the last of them wait for seconds."""

HTTP_PROTOCOL = "service.http.protocol:HttpProtocol"
"""By its name: several processes are given it before they import anything, and have to answer their parent soon."""
WORKER_PATIENCE_S = 60
"""Seconds in which a process of several has to answer the one that started it; while it imports, it cannot."""

SHORTEST_PUBLIC_KEY = 16
"""Characters that each of `api_keys` has at least where the service binds an address that is not loopback."""


def serve(settings: Settings, config: Path | None) -> None:
    """Serve until a signal ends it.

    Raises:
        ConfigurationError: If it would be open to everyone on a public address, or protected by a key of
            fewer than 16 characters there; if its port cannot be bound; if it has no database; or if several processes
            were to use Ray without an address.
    """
    log_config = logs.configuration(settings)
    _refuse_weak_keys(settings)
    _refuse_many_clusters(settings)
    check_port(settings.host, settings.port)
    if not settings.api_keys and not any_in_store(settings):
        if not _is_loopback(settings.host):
            raise ConfigurationError(
                f"refusing to serve on {settings.host} without API keys; make one with `graders keys create`, "
                "set GRADERS_API_KEYS='[\"…\"]' or bind 127.0.0.1"
            )
        logging.config.dictConfig(log_config)
        logger.info("there are no API keys: every client that reaches %s may do everything", settings.host)
    # for SIGINT, at which the application does not drain; after SIGTERM nothing is left to wait for
    patience_s = math.ceil(settings.drain_timeout_s)
    allowed = descriptors.raise_limit()
    for warning in descriptors.warnings(settings, allowed):
        logging.config.dictConfig(log_config)
        logger.warning("%s", warning)
    run = partial(
        uvicorn.run,
        host=settings.host,
        port=settings.port,
        loop=LOOP,
        http=HTTP_PROTOCOL,
        ws="none",
        backlog=descriptors.backlog(settings, allowed),
        access_log=False,
        log_config=log_config,
        timeout_graceful_shutdown=patience_s,
    )
    if settings.workers == 1:
        run(create_app(settings))
        return
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    # what was said on the command line; each process reads the rest by itself
    os.environ["GRADERS_WORKERS"] = str(settings.workers)
    os.environ["GRADERS_JUDGE_CACHE_MB"] = str(settings.judge_cache_mb)
    os.environ["GRADERS_ENGINE"] = settings.engine
    with tempfile.TemporaryDirectory(prefix="graders-metrics-") as figures:
        os.environ[DIRECTORY_VARIABLE] = figures
        run(
            "service.app:app_from_environment",
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=WORKER_PATIENCE_S,
        )


def _refuse_weak_keys(settings: Settings) -> None:
    """Raise an error for keys that could be guessed by anyone who reaches a public address.

    Keys of `graders keys` are never that short: they are made of 256 random bits.
    """
    if _is_loopback(settings.host):
        return
    short = [
        str(place)
        for place, key in enumerate(settings.api_keys)
        if len(key.get_secret_value()) < SHORTEST_PUBLIC_KEY
    ]
    if short:
        raise ConfigurationError(
            f"refusing to serve on {settings.host}: api_keys[{', '.join(short)}] has fewer than {SHORTEST_PUBLIC_KEY} characters; "
            "make a key with `graders keys create`, take a random one such as that of `openssl rand -hex 32`, or bind 127.0.0.1"
        )


def _refuse_many_clusters(settings: Settings) -> None:
    """Raise an error where each of several processes would start a Ray cluster of its own."""
    has_address = settings.ray_address is not None or bool(os.environ.get("RAY_ADDRESS"))
    if settings.engine == "ray" and settings.workers > 1 and not has_address:
        raise ConfigurationError(
            "engine ray with several workers needs a cluster that runs already: start one with `ray start --head`, and set "
            "ray_address (GRADERS_RAY_ADDRESS), for example to auto"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
