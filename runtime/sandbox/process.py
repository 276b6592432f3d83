"""A process of the sandbox that one grading has for itself: plain data to and fro."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from graders import GradingError
from graders.context import Ended
from runtime.sandbox.inside.plain import NotPlain, decode, encode
from runtime.sandbox.session import Session, SessionEnded
from runtime.sandbox.verdicts import ended, failure, timed_out


class SandboxProcess:
    """Implements `graders.context.Process` with a session.

    Attributes:
        seconds: How long, in all, it was waited for.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self.seconds = 0.0

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """Send plain data and wait for the answer."""
        body = await self._within(timeout_s, message, self._session.receive)
        try:
            return decode(body)
        except NotPlain as error:
            self._session.kill()
            raise failure(
                "protocol", f"it answered what is no plain data: {error}", self._session.streams
            ) from None

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """Send plain data and wait until the process ends by itself."""
        status = await self._within(timeout_s, message, lambda: asyncio.shield(self._session.ended))
        streams = self._session.streams
        if status is None or status & 0x7F or streams.full:
            raise ended(self._session, SessionEnded(status))
        return Ended(status >> 8, streams.whole(streams.stdout), streams.tail(streams.stderr))

    async def _within(self, timeout_s: float, message: object, answer: "Callable[[], Awaitable[Any]]") -> Any:
        started = self._loop.time()
        try:
            body = encode(message)
        except NotPlain as error:
            raise GradingError(f"this cannot be sent to the sandbox: {error}") from None
        try:
            async with asyncio.timeout(timeout_s):
                await self._session.send(body)
                return await answer()
        except TimeoutError:
            self._session.kill()
            raise timed_out(timeout_s, self._session.streams) from None
        except SessionEnded as end:
            raise ended(self._session, end) from None
        finally:
            self.seconds += self._loop.time() - started
