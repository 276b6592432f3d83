"""The process that checks values against costly schemas: what runs in it, and how the service talks to it.

A check holds Python's lock for as long as it takes, in compiled code that cannot be interrupted: a thread does not help.
Here it can be ended. Each frame is worked on within `CPU_SECONDS` of processor time, by a timer of the kernel's that ends the
process, so that a busy machine fails no check.
"""

import asyncio
import json
import os
import resource
import signal
import socket
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from graders.pattern import encodable
from runtime.frame_stream import FrameStream, FrameTooLong, StreamEnded
from runtime.sandbox.inside.channel import HEADER
from runtime.schema_compiler import CompiledSchema, Mismatch, compile_schema

CPU_SECONDS = 2.0
"""Processor time for compiling a schema, and for each check of a value."""
WALL_SECONDS = 60.0
"""After which the process is given up, whatever processor time it had."""
MEMORY_BYTES = 1 << 30
MAX_REPLY = 1 << 20
"""Bytes of a reply: a place and a message."""
KEPT = 8
"""Compiled schemas that a process keeps."""

FORGOTTEN = "forgotten"
"""The reply to a check against a schema that the process does not keep."""

_LAUNCH = "import sys; from runtime.schema_process import main; main(int(sys.argv[1]))"


class ProcessFailed(Exception):
    """The process did not answer.

    Attributes:
        by_schema: Whether the schema took too much time or memory; otherwise somebody killed the process, or the machine is
            short of something.
    """

    def __init__(self, message: str, *, by_schema: bool) -> None:
        super().__init__(message)
        self.by_schema = by_schema


class SchemaProcess:
    """One process, seen from the service; one task at a time uses it."""

    def __init__(self, process: asyncio.subprocess.Process, stream: FrameStream) -> None:
        self._process, self._stream = process, stream

    @classmethod
    async def start(cls) -> "SchemaProcess":
        """Start a process.

        Raises:
            ProcessFailed: When the machine is short of something.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ProcessFailed(f"no process can be started: {error}", by_schema=False) from error
        with theirs:
            stream = FrameStream(ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-c", _LAUNCH, str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={},
                    start_new_session=True,
                )
            except OSError as error:
                stream.close()
                raise ProcessFailed(f"no process can be started: {error}", by_schema=False) from error
            except BaseException:
                stream.close()
                raise
        started = cls(process, stream)
        try:
            await started._receive()
        except ProcessFailed as failed:
            await started.kill()
            raise ProcessFailed(f"no process can be started: {failed}", by_schema=False) from None
        except BaseException:
            await started.kill()
            raise
        return started

    async def ask(self, request: bytes) -> Any:
        """Send a request and read the reply.

        Raises:
            ProcessFailed: When there is none; the process is of no use then.
        """
        self._stream.send(request)
        return await self._receive()

    async def _receive(self) -> Any:
        try:
            async with asyncio.timeout(WALL_SECONDS):
                return json.loads(await self._stream.receive(MAX_REPLY))
        except TimeoutError:
            raise ProcessFailed(f"no answer within {WALL_SECONDS:g} s", by_schema=False) from None
        except (FrameTooLong, ValueError) as error:
            raise ProcessFailed(f"its answer cannot be read: {error}", by_schema=True) from None
        except StreamEnded:
            raise self._death(await self._process.wait()) from None

    async def kill(self) -> None:
        """End the process."""
        self._stream.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(asyncio.ensure_future(self._process.wait()))

    @staticmethod
    def _death(status: int) -> ProcessFailed:
        if status == -signal.SIGPROF:
            return ProcessFailed(f"it takes more than {CPU_SECONDS:g} s of processor time", by_schema=True)
        if status == -signal.SIGKILL:
            return ProcessFailed("the process that checks it was killed", by_schema=False)
        return ProcessFailed(
            f"it takes more than {MEMORY_BYTES >> 20} MiB of memory, or is nested too deeply", by_schema=True
        )


def main(descriptor: int) -> None:
    """Answer requests until the service closes the socket.

    A request is `{"key", "schema", "draft"}`, answered by null or what is wrong with the schema; or `{"key", "value"}`, answered by
    null, by a path and a message, or by `FORGOTTEN`. It first says that it is ready.
    """
    _limit()
    compiled: OrderedDict[str, CompiledSchema] = OrderedDict()
    with socket.socket(fileno=descriptor) as channel:
        _send(channel, "ready")
        while (request := _frame(channel)) is not None:
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            reply = _answer(json.loads(request), compiled)
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            _send(channel, reply)


def _send(channel: socket.socket, reply: object) -> None:
    body = json.dumps(reply).encode()
    channel.sendall(len(body).to_bytes(HEADER, "big") + body)


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(5)


def _answer(request: dict[str, Any], compiled: OrderedDict[str, CompiledSchema]) -> object:
    key = request["key"]
    if "schema" in request:
        try:
            compiled[key] = compile_schema(request["schema"], request["draft"])
        except ValueError as error:
            return encodable(str(error))
        compiled.move_to_end(key)
        while len(compiled) > KEPT:
            compiled.popitem(last=False)
        return None
    if key not in compiled:
        return FORGOTTEN
    compiled.move_to_end(key)
    found: Mismatch | None = compiled[key].check(request["value"])
    return None if found is None else [list(found.path), found.message]


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
