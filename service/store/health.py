"""Whether what the service stores to works: what failed of late, what the log says of it, and when it works again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from service.store.failures import Part, StorageFailed

logger = logging.getLogger(__name__)

LINE_S = 60.0
"""Seconds between two lines in the log about the same kind of failure."""
CHECK_S = 1.0
"""Seconds between two attempts to write while something fails."""
FRESH_S = 2.0
"""Seconds for which the result of the last attempt is used for health checks."""
PATIENCE_S = 1.0
"""Seconds that a health check waits for an attempt; a longer attempt decides the answer to the next check."""

Check = Callable[[], Awaitable[None]]


class StorageHealth:
    """What is known of the database and of the directory of uploaded files.

    Failures are noted where they happen. A failure counts until an attempt to write has succeeded.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checks: dict[Part, Check] = {}
        self._failing: dict[Part, StorageFailed] = {}
        self._since: dict[Part, float] = {}
        self._lines: dict[tuple[str, ...], tuple[float, int]] = {}
        self._checked = -FRESH_S
        self._checking: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    def open(self, checks: dict[Part, Check]) -> None:
        """Begin to look after what fails.

        Args:
            checks: Attempts to write, which raise `StorageFailed`.
        """
        self._checks = checks
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Look no more."""
        for task in (self._following, self._checking):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def failure(self) -> StorageFailed | None:
        """What fails now; None where nothing does."""
        return next(iter(self._failing.values()), None)

    def note(self, failed: StorageFailed, error: Exception | None = None) -> StorageFailed:
        """Note a failure, with a line in the log unless there was one of its kind of late; gives it back.

        Args:
            failed: The failure.
            error: What it was made of; logged where it is unclear.
        """
        now = self._clock()
        self._since.setdefault(failed.part, now)
        known = self._failing.get(failed.part)
        if known is None or not known.is_permanent:
            self._failing[failed.part] = failed
        last, left_out = self._lines.get(failed.kind, (now - LINE_S, 0))
        if now - last < LINE_S:
            self._lines[failed.kind] = last, left_out + 1
            return failed
        self._lines[failed.kind] = now, 0
        fields = {
            "part": failed.part,
            "code": failed.code,
            "errno": failed.errno,
            "database_code": failed.database_code,
            "left_out": left_out,
        }
        shown = error if failed.is_unclear else None
        logger.error("storage: %s", failed.message, extra={"fields": fields}, exc_info=shown)
        return failed

    async def look(self) -> StorageFailed | None:
        """What fails now, after an attempt to write that is not older than two seconds, if it does not take long."""
        if self._clock() - self._checked >= FRESH_S and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check())
        if self._checking is not None and not self._checking.done():
            await asyncio.wait({self._checking}, timeout=PATIENCE_S)
        return self.failure

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            if self._failing:
                await self._check()

    async def _check(self) -> None:
        for part, check in self._checks.items():
            try:
                await check()
            except StorageFailed:
                continue  # it was noted where it happened
            self._works(part)
        self._checked = self._clock()

    def _works(self, part: Part) -> None:
        failed = self._failing.get(part)
        if failed is None or failed.is_permanent:
            return
        del self._failing[part]
        seconds = self._clock() - self._since.pop(part)
        # one that comes and goes is not told of more often than one that stays
        kind = ("works", part)
        last, _ = self._lines.get(kind, (self._clock() - LINE_S, 0))
        if self._clock() - last >= LINE_S:
            self._lines[kind] = self._clock(), 0
            fields = {"part": part, "seconds": round(seconds, 1)}
            logger.warning("storage: the %s works again", part, extra={"fields": fields})
