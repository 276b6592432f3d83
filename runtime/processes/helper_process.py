"""Processes that do what would stop the event loop: long work of compiled code, which holds Python's lock and cannot be stopped.

In a process of its own it can be ended. Each request is worked on within a limit of processor time, by a timer of the kernel's
that ends the process, so that a busy machine fails no request.
"""

import asyncio
import os
import resource
import signal
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from runtime.processes.child_process import start_interpreter
from runtime.processes.frame_stream import FrameStream, FrameTooLong, StreamEnded
from runtime.sandbox.inside.rpc.channel import HEADER

Found = TypeVar("Found")

WALL_SECONDS = 120.0
"""After which a process is given up, whatever processor time it had."""
PROCESSES = 2
"""Of one pool."""
ATTEMPTS = 2
"""A process may be killed by somebody else."""
IDLE_SECONDS = 60.0
READY = b"ready"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a process does, and what it may use.

    Attributes:
        module: Its `main` is called with the number of a socket.
        cpu_seconds: Processor time of one request.
        memory_bytes: Address space.
    """

    module: str
    cpu_seconds: float
    memory_bytes: int


class HelperFailed(Exception):
    """A process did not answer.

    Attributes:
        by_request: Whether the request took too much time or memory; otherwise somebody killed the process, or the machine is
            short of something.
    """

    def __init__(self, message: str, *, by_request: bool) -> None:
        super().__init__(message)
        self.by_request = by_request


class HelperProcess:
    """One process, seen from the service; one task at a time uses it."""

    def __init__(self, kind: Kind, process: asyncio.subprocess.Process, stream: FrameStream) -> None:
        self._kind, self._process, self._stream = kind, process, stream

    @classmethod
    async def start(cls, kind: Kind) -> "HelperProcess":
        """Start a process.

        Raises:
            HelperFailed: When the machine is short of something.
        """
        code = f"import sys; from {kind.module} import main; main(int(sys.argv[1]))"
        try:
            process, ours = await start_interpreter(code, environment={})
        except OSError as error:
            raise _not_started(error) from error
        started = cls(kind, process, FrameStream(ours))
        try:
            await started.receive(len(READY))
        except HelperFailed as failed:
            await started.kill()
            raise _not_started(failed) from None
        except BaseException:
            await started.kill()
            raise
        return started

    async def ask(self, request: bytes, most: int) -> bytes:
        """Send a request and wait for the first frame of the reply.

        Args:
            request: It.
            most: Bytes of the longest frame that is read.

        Raises:
            HelperFailed: When there is no reply; the process is of no use then.
        """
        self._stream.send_whole(request)
        return await self.receive(most)

    async def receive(self, most: int) -> bytes:
        """The next frame of a reply.

        Raises:
            HelperFailed: If no frame arrives.
        """
        try:
            async with asyncio.timeout(WALL_SECONDS):
                return await self._stream.receive(most)
        except TimeoutError:
            raise HelperFailed(f"no answer within {WALL_SECONDS:g} s", by_request=False) from None
        except FrameTooLong as error:
            raise HelperFailed(f"its answer is {error.length:,} bytes long", by_request=True) from None
        except StreamEnded:
            raise self._death(await self._process.wait()) from None

    async def kill(self) -> None:
        """End the process."""
        self._stream.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(asyncio.ensure_future(self._process.wait()))

    def _death(self, status: int) -> HelperFailed:
        if status == -signal.SIGPROF:
            seconds = self._kind.cpu_seconds
            return HelperFailed(f"it takes more than {seconds:g} s of processor time", by_request=True)
        if status == -signal.SIGKILL:
            return HelperFailed("the process that does it was killed", by_request=False)
        mebibytes = self._kind.memory_bytes >> 20
        return HelperFailed(
            f"it takes more than {mebibytes:,} MiB of memory, or is nested too deeply", by_request=True
        )


class HelperPool:
    """Processes of one kind; belongs to one event loop, and starts none before it is asked.

    Each client has one of them at a time, so that none is kept waiting by another's long work alone.
    """

    def __init__(self, kind: Kind, *, processes: int = PROCESSES) -> None:
        self._kind = kind
        self._slots = asyncio.Semaphore(processes)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._idle: list[HelperProcess] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, client: str, work: Callable[[HelperProcess], Awaitable[Found]]) -> Found:
        """Have a process do some work; once more where somebody else has ended the process.

        Args:
            client: Who asks; each is served in turn.
            work: Asks a process, and reads its whole reply.

        Raises:
            HelperFailed: When it cannot be done.
        """
        failed: HelperFailed | None = None
        for _ in range(ATTEMPTS):
            async with self._turn(client):
                process: HelperProcess | None = None
                try:
                    is_kept = bool(self._idle) and failed is None
                    process = self._idle.pop() if is_kept else await HelperProcess.start(self._kind)
                    found = await work(process)
                except BaseException as error:
                    if process is not None:
                        await process.kill()
                    if not isinstance(error, HelperFailed) or error.by_request:
                        raise
                    failed = error
                else:
                    self._keep(process)
                    return found
        raise failed or HelperFailed("it was not tried", by_request=False)

    async def aclose(self) -> None:
        """End the processes."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweep()
        await asyncio.gather(*self._ending)

    @asynccontextmanager
    async def _turn(self, client: str) -> AsyncGenerator[None, None]:
        """Wait until a client may use a process."""
        self._waiting[client] += 1
        try:
            async with self._turns[client], self._slots:
                yield
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client], self._turns[client]

    def _keep(self, process: HelperProcess) -> None:
        """Keep a process for the next request, and end idle processes after a long time without requests."""
        self._idle.append(process)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        while self._idle:
            task = asyncio.ensure_future(self._idle.pop().kill())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def serve(descriptor: int, kind: Kind, answer: Callable[[bytes], Iterable[bytes]]) -> None:
    """Answer requests, in the process, until the service closes the socket.

    Args:
        descriptor: The socket's number.
        kind: What this process may use.
        answer: Gives the frames of the reply to a request.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    resource.setrlimit(resource.RLIMIT_AS, (kind.memory_bytes, kind.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(5)
    with socket.socket(fileno=descriptor) as channel:
        _send(channel, READY)
        while (request := _frame(channel)) is not None:
            signal.setitimer(signal.ITIMER_PROF, kind.cpu_seconds)
            for body in answer(request):
                _send(channel, body)
            signal.setitimer(signal.ITIMER_PROF, 0.0)


def _not_started(error: Exception) -> HelperFailed:
    return HelperFailed(f"no process can be started: {error}", by_request=False)


def _send(channel: socket.socket, body: bytes) -> None:
    channel.sendall(len(body).to_bytes(HEADER, "big") + body)


def _frame(channel: socket.socket) -> bytes | None:
    header = _exactly(channel, HEADER)
    return None if header is None else _exactly(channel, int.from_bytes(header, "big"))


def _exactly(channel: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        part = channel.recv(min(1 << 20, length - len(data)))
        if not part:
            return None
        data += part
    return bytes(data)
