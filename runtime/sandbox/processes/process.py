"""A process of the sandbox that one grading has for itself: plain data to and fro."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from graders import FailureType, GradingError
from graders.context import READ_BYTES, Ended, Unread
from runtime.sandbox.inside.rpc import messages
from runtime.sandbox.inside.rpc.codec import MAX_BYTES, NotPlain, decode, encode
from runtime.sandbox.processes.clock import OutOfTime
from runtime.sandbox.processes.outcomes import ended, failure, out_of_time
from runtime.sandbox.processes.session import Session, SessionEnded

MAX_FRAME = MAX_BYTES + messages.SHORT + messages.LENGTH
"""Bytes of the longest answer: a short head, and a body as long as plain data may be."""


class SandboxProcess:
    """Implements `graders.context.Process` with a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def seconds(self) -> float:
        """The time that it had while it was waited for, in all; see `runtime.sandbox.processes.clock`."""
        return self._session.clock.charged

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """Send plain data and wait for the answer, of which no more than a short head is read here."""
        frame = await self._within(timeout_s, message, lambda: self._session.receive(MAX_FRAME))
        try:
            return _read(frame)
        except NotPlain as error:
            self._session.kill()
            raise failure(
                FailureType.PROTOCOL, f"it answered what is no plain data: {error}", self._session.streams
            ) from None

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """Send plain data and wait until the process ends by itself."""
        status = await self._within(timeout_s, message, self._session.finish)
        streams = self._session.streams
        if not self._session.is_ready or status is None or not os.WIFEXITED(status) or streams.full:
            raise ended(self._session, SessionEnded(status))
        printed = streams.whole(streams.stdout)
        stdout = Unread(printed) if len(printed) > READ_BYTES else printed.decode(errors="replace")
        return Ended(os.WEXITSTATUS(status), stdout, streams.tail(streams.stderr))

    async def _within(self, timeout_s: float, message: object, answer: Callable[[], Awaitable[Any]]) -> Any:
        try:
            head, body = _parts(message)
        except NotPlain as error:
            raise GradingError(f"this cannot be sent to the sandbox: {error}") from None
        self._session.send_whole(len(head).to_bytes(messages.LENGTH, "big"), head, body)
        try:
            return await self._session.within(timeout_s, answer)
        except OutOfTime as end:
            raise out_of_time(timeout_s, end, self._session.streams) from None
        except SessionEnded as end:
            raise ended(self._session, end) from None


def _parts(message: object) -> tuple[bytes, bytes]:
    """The head and the body of a message, as they travel."""
    if isinstance(message, dict) and isinstance(body := message.get("body"), Unread):
        return encode({key: value for key, value in message.items() if key != "body"}), body.data
    return encode(message), b""


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
