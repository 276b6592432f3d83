"""Length-prefixed frames over a stream socket, where a wait can time out or be cancelled without losing a byte.

`loop.sock_recv` takes bytes out of the socket and returns them later; a task that is cancelled in between
loses them, and the next read waits for an answer that has already arrived. Here bytes move only in
synchronous code, between two awaits: a task waits until the socket is readable or writable, never for a read
or a write. So every wait can be cancelled at any point and started again, and the next reader finds every
byte.

Nothing is read while no task waits: unrequested frames stay in the socket, whose buffer is bounded, and the
sender waits. If a frame is longer than its reader accepts, only its length is read.
"""

import asyncio
import contextlib
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from runtime.sandbox.inside.rpc.channel import HEADER, MAX_FRAME

CHUNK = 1 << 16
CHUNKS = 16
"""Reads of one turn of the event loop: a sender that never pauses must not keep others waiting."""
_CREDENTIALS = struct.Struct("3i")

Found = TypeVar("Found")


class StreamEnded(Exception):
    """The other side has closed the stream, or the stream cannot be read any more.

    Attributes:
        error: The error of the socket; None at an orderly end.
    """

    def __init__(self, error: OSError | None = None) -> None:
        super().__init__(error)
        self.error = error


class FrameTooLong(Exception):
    """A frame was announced that is longer than its reader accepts.

    Attributes:
        length: Bytes, as they were announced.
    """

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


class FrameStream:
    """Both directions of one socket; one task at a time may wait for it. Belongs to one event loop."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected stream socket; `close` closes it."""
        sock.setblocking(False)  # noqa: FBT003
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._incoming = bytearray()
        self._outgoing: deque[memoryview] = deque()
        self._ended: StreamEnded | None = None
        self._waiter: asyncio.Future[None] | None = None

    def send(self, *bodies: bytes) -> None:
        """Send frames, without waiting: what the socket does not take now is sent while somebody waits.

        To a side that is gone nothing is sent: `receive` says that it is gone.
        """
        self.write(b"".join(part for body in bodies for part in (len(body).to_bytes(HEADER, "big"), body)))

    def send_whole(self, *parts: bytes) -> None:
        """Send one frame that is given in parts; long ones are not copied."""
        length = sum(map(len, parts))
        whole = (length.to_bytes(HEADER, "big"), *parts)
        sent = whole if length > CHUNK else (b"".join(whole),)
        self._outgoing.extend(memoryview(part) for part in sent if part)
        self._push()

    def send_descriptor(self, descriptor: int) -> None:
        """Send one byte that carries a descriptor, when all that was sent before has left.

        Raises:
            StreamEnded: When the other side is gone, or takes nothing.
        """
        try:
            socket.send_fds(self._socket, [b"\0"], [descriptor])
        except OSError as error:
            raise StreamEnded(error) from error

    def write(self, data: bytes) -> None:
        """Send bytes as they are; otherwise like `send`."""
        self._outgoing.append(memoryview(data))
        self._push()

    async def flush(self) -> None:
        """Wait until all that was sent has left, or the other side is gone."""
        self._push()
        while self._outgoing:
            await self._activity(reading=False)
            self._push()

    async def receive(self, limit: int = MAX_FRAME) -> bytes:
        """The body of the next frame.

        Args:
            limit: Bytes of the longest frame that is accepted; of a longer one nothing but its length is read.

        Raises:
            FrameTooLong: When a longer one was announced; again at every further call.
            StreamEnded: When the stream has ended before a whole frame.
        """
        return await self._until(lambda: self._frame(limit))

    async def exactly(self, length: int) -> bytes:
        """The next bytes, as many as that.

        Raises:
            StreamEnded: When the stream has ended before.
        """
        return await self._until(lambda: self._bytes(length))

    async def hello(self) -> int:
        """The first byte of a process at the other end, which says who it is.

        Returns:
            Its process id as this process sees it, by the kernel's word; 0 where the kernel does not say.

        Raises:
            StreamEnded: When it has ended before.
        """
        return await self._until(self._greeting)

    @property
    def is_closed(self) -> bool:
        """Whether the other side has closed, though what it has sent may still be there to be read."""
        poll = select.poll()
        poll.register(self._socket, 0)  # a hang-up is always told
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the socket; a task that waits sees the stream end."""
        self._ended = self._ended or StreamEnded()
        self._outgoing.clear()
        if self._waiter is not None:
            self._unwatch()
            _wake(self._waiter)
        self._socket.close()

    async def _until(self, step: Callable[[], Found | None]) -> Found:
        """Repeat a step whenever the socket can be read or written, until it gives something.

        Nothing is awaited between what a step takes and its return.
        """
        while True:
            self._push()
            found = step()
            if found is not None:
                return found
            await self._activity(reading=True)

    async def _activity(self, *, reading: bool) -> None:
        """Wait until the socket can be read, or written where something is left to send."""
        if self._waiter is not None:
            raise RuntimeError("two tasks wait for one stream")
        waiter = self._waiter = self._loop.create_future()
        try:
            if reading:
                self._loop.add_reader(self._socket, _wake, waiter)
            if self._outgoing:
                self._loop.add_writer(self._socket, _wake, waiter)
            await waiter
        finally:
            self._waiter = None
            if self._socket.fileno() >= 0:
                self._unwatch()

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)

    def _push(self) -> None:
        """Write what the socket takes."""
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._outgoing.clear()
                return
            rest = self._outgoing[0][sent:]
            if rest:
                self._outgoing[0] = rest
            else:
                self._outgoing.popleft()

    def _frame(self, limit: int) -> bytes | None:
        self._fill(HEADER)
        if len(self._incoming) < HEADER:
            self._check_open()
            return None
        length = int.from_bytes(self._incoming[:HEADER], "big")
        if length > limit:
            raise FrameTooLong(length)
        self._fill(HEADER + length)
        if len(self._incoming) < HEADER + length:
            self._check_open()
            return None
        body = bytes(memoryview(self._incoming)[HEADER : HEADER + length])
        del self._incoming[: HEADER + length]
        return body

    def _bytes(self, length: int) -> bytes | None:
        self._fill(length)
        if len(self._incoming) < length:
            self._check_open()
            return None
        data = bytes(memoryview(self._incoming)[:length])
        del self._incoming[:length]
        return data

    def _check_open(self) -> None:
        """See that more may come.

        Raises:
            StreamEnded: When not.
        """
        if self._ended is not None:
            raise self._ended

    def _fill(self, length: int) -> None:
        """Read what is there, until the buffer holds so much."""
        for _ in range(CHUNKS):
            if self._ended is not None or len(self._incoming) >= length:
                return
            try:
                data = self._socket.recv(CHUNK)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._ended = StreamEnded(error)
                return
            if not data:
                self._ended = StreamEnded()
            self._incoming += data

    def _greeting(self) -> int | None:
        self._check_open()
        try:
            data, ancillary, *_ = self._socket.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self._ended = StreamEnded(error)
            raise self._ended from None
        if not data:
            self._ended = StreamEnded()
            raise self._ended
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, getattr(socket, "SCM_CREDENTIALS", None)):
                with contextlib.suppress(struct.error):
                    return int(_CREDENTIALS.unpack(value)[0])
        return 0


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
