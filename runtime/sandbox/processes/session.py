"""One locked process and the frames that go to and fro, seen from the supervisor."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from runtime.processes.frame_stream import FrameStream, FrameTooLong, StreamEnded
from runtime.sandbox.inside.layers.kernel import sealable_memfd, sealed_memfd
from runtime.sandbox.inside.rpc.channel import MAX_FRAME
from runtime.sandbox.processes.clock import Lateness, ProcessClock

Answer = TypeVar("Answer")

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

    Making them raises `OSError` when the machine has no memory or descriptors for them.

    A process that writes more than fits gets an error from its own write, and neither blocks nor fills anything.

    Attributes:
        limit: Bytes of each.
        kills: Where it is counted, by cause, that the process ended before its work was done.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kills: Counter[str] = Counter()
        self._is_lost = False
        with ExitStack() as opened:  # one that cannot be made takes the others with it
            self.stdin = sealable_memfd("stdin")  # sealed inside, before anything foreign runs
            opened.callback(os.close, self.stdin)
            self.stdout = sealed_memfd("stdout", limit, writable=True)
            opened.callback(os.close, self.stdout)
            self.stderr = sealed_memfd("stderr", limit, writable=True)
            opened.pop_all()

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

    def whole(self, descriptor: int) -> bytes:
        """Everything that was written."""
        return os.pread(descriptor, self._written(descriptor), 0)

    def close(self) -> None:
        """Let go of them."""
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)

    def _written(self, descriptor: int) -> int:
        # the process shares the position, and may have moved it: what it then shows is its own affair
        return min(os.lseek(descriptor, 0, os.SEEK_CUR), self.limit)


@dataclass(frozen=True, slots=True)
class Used:
    """What a process had used when it ended, by its zygote's word.

    Attributes:
        cpu_seconds: Processor time.
        memory_bytes: The most memory that it held.
    """

    cpu_seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a process may use.

    Attributes:
        cpu_seconds: Processor time; None for no limit.
        memory_bytes: Address space; None for no limit.
    """

    cpu_seconds: int | None = None
    memory_bytes: int | None = None


class Session:
    """One child of a zygote.

    Attributes:
        clock: The time that it has had.
        allowed: Its limits.
        used: What it had used when it ended.
        ended: Resolved with its exit status when it has been reaped; with None when its zygote ended.
        is_ready: Whether it was seen to be locked: before that, nothing foreign has run in it.
        broken: What it did with its channel that it should not have; empty when nothing.
        unreadable: The error with which its socket failed here, through no doing of its own.
    """

    def __init__(
        self,
        ours: socket.socket,
        streams: Streams,
        kill: Callable[[], None],
        lateness: Lateness,
        allowed: Allowed = Allowed(),  # it never changes
    ) -> None:
        self.streams, self.allowed = streams, allowed
        self._kill = kill
        if hasattr(socket, "SO_PASSCRED"):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._stream = FrameStream(ours)
        self.clock = ProcessClock(lateness)
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.used = Used()
        self.is_ready = False
        self.broken = ""
        self.unreadable: OSError | None = None
        self._broken_since: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it has neither ended nor closed its channel, as far as the kernel says; its zygote may say so later."""
        return not self.ended.done() and not self._stream.is_closed

    def send(self, *bodies: bytes) -> None:
        """Send frames, as far as the socket takes them now: the rest goes while somebody waits for an answer."""
        self._stream.send(*bodies)

    def send_whole(self, *parts: bytes) -> None:
        """Send one frame that is given in parts; otherwise like `send`."""
        self._stream.send_whole(*parts)

    async def receive(self, limit: int = MAX_FRAME) -> bytes:
        """The body of the next frame; a wait that is given up loses nothing.

        Args:
            limit: The longest frame that is accepted; a longer one is refused unread.

        Raises:
            SessionEnded: When the process has ended, or sent what is no frame; it is killed then.
        """
        try:
            await self._greet()
            return await self._stream.receive(limit)
        except FrameTooLong:
            self.broken = "it announced an answer that is too long"
            self.kill()
            raise SessionEnded(await asyncio.shield(self.ended)) from None
        except StreamEnded as end:
            return await self._break("it closed its channel", end.error)

    async def finish(self) -> int | None:
        """Wait until the process ends by itself; gives `ended`."""
        try:
            await self._greet()
            await self._stream.flush()
        except StreamEnded as end:
            self.unreadable = end.error
        return await asyncio.shield(self.ended)

    async def within(
        self,
        seconds: float,
        attempt: Callable[[], Awaitable[Answer]],
        *,
        pause: float | None = None,
        look: Callable[[], None] | None = None,
    ) -> Answer:
        """Wait for an answer until the process has had so much time; see `ProcessClock.within`.

        Raises:
            OutOfTime: When it has not answered; it is killed then.
        """
        try:
            return await self.clock.within(seconds, attempt, pause=pause, look=look)
        except BaseException:
            self.kill()
            raise

    async def _greet(self) -> None:
        """Wait until it is locked and ready: its clock starts then."""
        if not self.is_ready:
            self.clock.begin(await self._stream.hello())
            self.is_ready = True

    async def _break(self, why: str, error: OSError | None) -> NoReturn:
        """End a process that gives no more frames.

        Raises:
            SessionEnded: With how it ended by itself, if it did.
        """
        loop = asyncio.get_running_loop()
        if self._broken_since is None:
            self._broken_since = loop.time()
        try:
            async with asyncio.timeout_at(self._broken_since + END_SECONDS):
                await asyncio.shield(self.ended)
        except TimeoutError:
            if not self.clock.has_exited():  # otherwise its zygote has not come round to say so
                self.broken, self.unreadable = why, error
                self.kill()
        raise SessionEnded(await asyncio.shield(self.ended))

    def kill(self) -> None:
        """End the process; `ended` tells when it is gone."""
        if not self.ended.done():
            self._kill()

    def release(self) -> None:
        """End the process, and let go of its descriptors when it is gone."""
        if self.ended.done():
            self._discard()
            return
        self.kill()
        self.ended.add_done_callback(self._discard)

    def _discard(self, _: object = None) -> None:
        self._stream.close()
        self.streams.close()
