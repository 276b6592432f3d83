"""A process of the sandbox that one grading has for itself: plain data to and fro."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from graders import FailureKind, GradingError
from graders.context import READ_BYTES, Ended, Unread
from runtime.sandbox.inside import messages
from runtime.sandbox.inside.plain import MAX_BYTES, NotPlain, decode
from runtime.sandbox.session import Session, SessionEnded
from runtime.sandbox.verdicts import ZygoteDied, ended, failure, timed_out

MAX_FRAME = MAX_BYTES + messages.SHORT + messages.LENGTH
"""Bytes of the longest answer: a short head, and a body as long as plain data may be."""


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
        """Send plain data and wait for the answer, of which no more than a short head is read here."""
        frame = await self._within(timeout_s, message, lambda: self._session.receive(MAX_FRAME))
        try:
            return _read(frame)
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
            raise self._end(SessionEnded(status))
        printed = streams.whole(streams.stdout)
        stdout = Unread(printed) if len(printed) > READ_BYTES else printed.decode(errors="replace")
        return Ended(status >> 8, stdout, streams.tail(streams.stderr))

    async def _within(self, timeout_s: float, message: object, answer: Callable[[], Awaitable[Any]]) -> Any:
        started = self._loop.time()
        try:
            frame = _frame(message)
        except NotPlain as error:
            raise GradingError(f"this cannot be sent to the sandbox: {error}") from None
        try:
            async with asyncio.timeout(timeout_s):
                await self._session.send(frame)
                return await answer()
        except TimeoutError:
            self._session.kill()
            raise timed_out(timeout_s, self._session.streams) from None
        except SessionEnded as end:
            raise self._end(end) from None
        finally:
            self.seconds += self._loop.time() - started

    def _end(self, end: SessionEnded) -> GradingError:
        """The failure of a process that has ended by itself, or with the zygote that it was made from."""
        try:
            return ended(self._session, end)
        except ZygoteDied:
            return GradingError(
                "the process that others are made of has ended",
                kind=FailureKind.PYTHON_GRADER_SERVER,
                caused_by="infrastructure",
                details={"type": "sandbox_died"},
                retryable=True,
            )


def _frame(message: object) -> bytes:
    """A message as it travels, its body beside it."""
    if isinstance(message, dict) and isinstance(body := message.get("body"), Unread):
        return messages.write({key: value for key, value in message.items() if key != "body"}, body.data)
    return messages.write(message)


def _read(frame: bytes) -> Any:
    """The message of a frame, its body unread.

    Raises:
        NotPlain: When its head is not plain data, or is too long to be read here.
    """
    head, body = messages.unpack(frame)
    if len(head) > READ_BYTES:
        raise NotPlain(f"{len(head):,} bytes before the body; at most {READ_BYTES:,} are read")
    answer = decode(head)
    if not body:
        return answer
    if not isinstance(answer, dict):
        raise NotPlain("a body beside what is no message")
    return {**answer, "body": Unread(body)}
