"""Runs commands of ours in a process of their own, for requests whose work would keep the event loop from others.

The process sees nothing of the service's environment, works in a folder of its own, is nice to gradings, and has limits on
time, processor time and memory. Commands of one service process run one after the other.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CODE = "from service.start import main; main()"
_NICE = 10
_MEMORY = 4 << 30
_OUTPUT = 16 << 20
"""Bytes of its standard output, and of its standard error."""


class CommandFailed(Exception):
    """A command ended without an answer: it was killed, took too long, or printed too much."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended.

    Attributes:
        code: Its exit code.
        output: What it printed.
        error: What it wrote to its standard error, as text.
    """

    code: int
    output: bytes
    error: str


class Commands:
    """The commands of one process of the service."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def run(self, *arguments: str, directory: Path, timeout_s: float) -> Ran:
        """Run `graders ARGUMENTS…`; killed with what it has started when this is cancelled.

        Args:
            arguments: Its arguments.
            directory: The folder that it works in.
            timeout_s: Seconds that it may take, with the time for which it waits for its turn.

        Raises:
            CommandFailed: When it ends without an answer.
        """
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                return await _run(arguments, directory, int(timeout_s) + 1)
        except TimeoutError:
            raise CommandFailed(f"it was not done within {timeout_s:g} s") from None


async def _run(arguments: Sequence[str], directory: Path, processor_s: int) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _CODE, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=directory,
        env={"PATH": os.defpath, "HOME": str(directory), "TMPDIR": str(directory), "COLUMNS": "100"},
        start_new_session=True,
    )
    try:
        _limit(process.pid, processor_s)
        assert process.stdout is not None  # noqa: S101  # for the type checker
        assert process.stderr is not None  # noqa: S101
        output, error = await asyncio.gather(_read(process.stdout), _read(process.stderr))
        code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code < 0:
        raise CommandFailed(f"it was ended by signal {-code}; it may have {_MEMORY >> 30} GiB of memory")
    return Ran(code, output, error.decode(errors="replace").strip())


def _limit(pid: int, processor_s: int) -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    if hasattr(resource, "prlimit"):  # Linux has it
        with suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.prlimit(pid, resource.RLIMIT_CPU, (processor_s, processor_s))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


async def _read(stream: asyncio.StreamReader) -> bytes:
    read = bytearray()
    while chunk := await stream.read(1 << 16):
        read += chunk
        if len(read) > _OUTPUT:
            raise CommandFailed(f"it printed more than {_OUTPUT >> 20} MB")
    return bytes(read)
