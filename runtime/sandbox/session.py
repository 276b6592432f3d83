"""One locked process and the frames that go to and fro, seen from the supervisor."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from runtime.sandbox.inside.channel import HEADER, MAX_FRAME
from runtime.sandbox.inside.kernel import sealable_memfd, sealed_memfd

END_SECONDS = 1.0
"""How long a process that has closed its channel has to end by itself."""
OUTPUT_KEPT = 8_192
"""Bytes of the end of a process's output that are shown."""


class SessionEnded(Exception):
    """The process has ended, or broken its channel.

    Attributes:
        status: How it ended, as `os.waitpid` gives it; None when only its zygote is known to be gone.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


class Streams:
    """The supervisor's view of a process's standard streams: files in memory of a size that cannot grow.

    A process that writes more than fits gets an error from its own write, and neither blocks nor fills anything.

    Attributes:
        limit: Bytes of each.
        kills: Where it is counted, by cause, that the process ended before its work was done.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kills: Counter[str] = Counter()
        self._is_lost = False
        self.stdin = sealable_memfd("stdin")  # sealed inside, before anything foreign runs
        self.stdout = sealed_memfd("stdout", limit, writable=True)
        self.stderr = sealed_memfd("stderr", limit, writable=True)

    @property
    def full(self) -> bool:
        """Whether the process has tried to write more than fits."""
        return max(self._written(self.stdout), self._written(self.stderr)) >= self.limit

    def lost(self, cause: str) -> None:
        """Count that the process ended before its work was done; once, however many gradings it takes along."""
        if not self._is_lost:
            self._is_lost = True
            self.kills[cause] += 1

    def tail(self, descriptor: int) -> str:
        """The end of what was written."""
        end = self._written(descriptor)
        start = max(0, end - OUTPUT_KEPT)
        return os.pread(descriptor, end - start, start).decode(errors="replace")

    def whole(self, descriptor: int) -> str:
        """Everything that was written."""
        return os.pread(descriptor, self._written(descriptor), 0).decode(errors="replace")

    def close(self) -> None:
        """Let go of them."""
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)

    def _written(self, descriptor: int) -> int:
        # the process shares the position, and may have moved it: what it then shows is its own affair
        return min(os.lseek(descriptor, 0, os.SEEK_CUR), self.limit)


class Session:
    """One child of a zygote.

    Attributes:
        number: Its number in its zygote.
        ended: Resolved with its exit status when it has been reaped; with None when its zygote ended.
        broken: What it did with its channel that it should not have; empty when nothing.
    """

    def __init__(
        self, number: int, ours: socket.socket, streams: Streams, kill: Callable[[int], None]
    ) -> None:
        self.number, self.streams = number, streams
        self._socket, self._kill = ours, kill
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        self._received = bytearray()
        self.broken = ""

    async def send(self, *bodies: bytes) -> None:
        """Send frames; to a process that is gone nothing is sent: `receive` says so."""
        data = b"".join(part for body in bodies for part in (len(body).to_bytes(HEADER, "big"), body))
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data):
            try:
                await self._loop.sock_sendall(self._socket, memoryview(data)[sent:])
            except OSError:
                return

    async def receive(self, limit: int = MAX_FRAME) -> bytes:
        """The body of the next frame.

        Args:
            limit: The longest frame that is accepted; a longer one is refused unread.

        Raises:
            SessionEnded: When the process has ended, or sent what is no frame; it is killed then.
        """
        received = self._received
        while len(received) < HEADER or len(received) < HEADER + int.from_bytes(received[:HEADER], "big"):
            if len(received) >= HEADER and int.from_bytes(received[:HEADER], "big") > limit:
                self.broken = "it announced an answer that is too long"
                self.kill()
                raise SessionEnded(await asyncio.shield(self.ended))
            try:
                data = await self._loop.sock_recv(self._socket, 65_536)
            except OSError:
                data = b""
            if not data:
                return await self._break("it closed its channel")
            received += data
        length = int.from_bytes(received[:HEADER], "big")
        body = bytes(received[HEADER : HEADER + length])
        del received[: HEADER + length]
        return body

    async def _break(self, why: str) -> NoReturn:
        """End a process that gives no more frames.

        Raises:
            SessionEnded: With how it ended by itself, if it did.
        """
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self.broken = why
            self.kill()
        raise SessionEnded(await asyncio.shield(self.ended))

    def kill(self) -> None:
        """End the process; `ended` tells when it is gone."""
        if not self.ended.done():
            self._kill(self.number)

    def release(self) -> None:
        """End the process, and let go of its descriptors when it is gone."""
        if self.ended.done():
            self._discard()
            return
        self.kill()
        self.ended.add_done_callback(self._discard)

    def _discard(self, _: object = None) -> None:
        self._socket.close()
        self.streams.close()
