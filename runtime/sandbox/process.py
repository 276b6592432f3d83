"""A process of the sandbox that one grading has for itself: plain data to and fro."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from graders import GradingError
from graders.context import Ended
from runtime.sandbox.clock import OutOfTime
from runtime.sandbox.inside.plain import NotPlain, decode, encode
from runtime.sandbox.session import Session, SessionEnded
from runtime.sandbox.verdicts import ended, failure, out_of_time


class SandboxProcess:
    """Implements `graders.context.Process` with a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def seconds(self) -> float:
        """The time that it had while it was waited for, in all; see `runtime.sandbox.clock`."""
        return self._session.clock.charged

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
        status = await self._within(timeout_s, message, self._session.finish)
        streams = self._session.streams
        if not self._session.is_ready or status is None or not os.WIFEXITED(status) or streams.full:
            raise ended(self._session, SessionEnded(status))
        return Ended(os.WEXITSTATUS(status), streams.whole(streams.stdout), streams.tail(streams.stderr))

    async def _within(self, timeout_s: float, message: object, answer: Callable[[], Awaitable[Any]]) -> Any:
        try:
            body = encode(message)
        except NotPlain as error:
            raise GradingError(f"this cannot be sent to the sandbox: {error}") from None
        self._session.send(body)
        try:
            return await self._session.within(timeout_s, answer)
        except OutOfTime as end:
            raise out_of_time(timeout_s, end, self._session.streams) from None
        except SessionEnded as end:
            raise ended(self._session, end) from None
