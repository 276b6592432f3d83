"""File descriptors: how many this process may have open, and how many of them connections may take.

Each connection of a client takes one. The sandbox, plugin workers, the store, judges and endpoints need some as well, and fail
without, so that connections leave a part alone.
"""

import asyncio
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import Settings
from service.telemetry.rate_limited_log import RateLimitedLog

logger = logging.getLogger(__name__)

LOW = 4_096
"""Free descriptors below which the service reports a shortage."""
MOST = 1 << 20
"""Descriptors to which the soft limit is raised at most: what Linux allows by itself."""
RESERVED = 256
"""Descriptors that connections leave alone at the least, besides those of processes."""
PER_PROCESS = 16
"""Descriptors for each process of the sandbox and each worker: pipes, sockets, and what is open while one starts."""
MOST_CONNECTIONS = 16_384
"""Connections that there may be at once where no setting says how many."""
LEAST_CONNECTIONS = 16
BACKLOG = 256
"""Connections that the system keeps until they are accepted, at most: asyncio accepts all of them in one go, some 50 ms."""
OUT_OF_RESOURCES = "socket.accept() out of system resource"
"""What asyncio says when no connection can be accepted; it does so for each one that waits, each second."""


def raise_limit() -> int:
    """Raise the soft limit of descriptors to the hard one; gives the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def reserved(settings: Settings, descriptors: int) -> int:
    """How many descriptors connections leave alone."""
    processes = settings.sandbox_processes + settings.plugin_workers
    return max(RESERVED + PER_PROCESS * processes, descriptors // 4)


def connections(settings: Settings, descriptors: int) -> int:
    """How many connections there may be at once: what the settings say, or what the descriptors leave."""
    if settings.connections is not None:
        return settings.connections
    return max(LEAST_CONNECTIONS, min(MOST_CONNECTIONS, descriptors - reserved(settings, descriptors)))


def backlog(settings: Settings, descriptors: int) -> int:
    """How many connections the system keeps until they are accepted.

    asyncio accepts all of them before anything else, so that they must not need more than a part of what is reserved.
    """
    return min(BACKLOG, reserved(settings, descriptors) // 4)


def warnings(settings: Settings, descriptors: int) -> list[str]:
    """What an operator should know about the limit, one sentence each."""
    found = []
    if descriptors < LOW:
        found.append(
            f"only {descriptors:,} file descriptors are allowed (ulimit -Hn; LimitNOFILE= in systemd), which leaves "
            f"{connections(settings, descriptors):,} connections; {LOW:,} or more are better"
        )
    if settings.connections is not None and settings.connections > descriptors - reserved(
        settings, descriptors
    ):
        found.append(
            f"the setting connections is {settings.connections:,}, but {descriptors:,} file descriptors leave "
            f"{max(0, descriptors - reserved(settings, descriptors)):,}; the sandbox and the store may run out of them"
        )
    return found


@contextmanager
def accept_errors_logged_once_a_minute() -> Iterator[None]:
    """Inside, the running loop logs that connections cannot be accepted once a minute, and in one line."""
    loop, limited = asyncio.get_running_loop(), RateLimitedLog(logger)
    before = loop.get_exception_handler()

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == OUT_OF_RESOURCES:
            limited.warning("accept", f"connections cannot be accepted: {context.get('exception')}")
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)
