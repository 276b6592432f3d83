"""Giving up what nobody waits for any more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

PATIENCE_S = 1.0
"""Seconds after which it is watched whether the client is still there; most requests are answered before."""


@asynccontextmanager
async def as_long_as_wanted(request: Request, *, patience_s: float = PATIENCE_S) -> AsyncGenerator[None]:
    """Cancel what is done inside when the client of a request leaves.

    Args:
        request: A request whose body has been read.
        patience_s: Seconds until its client is watched.

    Raises:
        ClientDisconnect: When it has left.
    """
    loop, watching = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def watch(limit: asyncio.Timeout) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        limit.reschedule(loop.time())

    try:
        async with asyncio.timeout(None) as limit:
            begin = loop.call_later(patience_s, lambda: watching.add(loop.create_task(watch(limit))))
            try:
                yield
            finally:
                begin.cancel()
                for task in watching:
                    task.cancel()
    except TimeoutError:
        if limit.expired():
            raise ClientDisconnect from None
        raise
