"""One zygote, seen from the supervisor: it starts it, has it fork sessions, and hears how they end."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from graders.kinds.code_testing import comparison
from runtime.processes.child_process import start_interpreter
from runtime.processes.frame_stream import FrameStream, StreamEnded
from runtime.processes.shortage import SHORTAGES, is_shortage
from runtime.sandbox.inside.rpc.records import ENDED, FORK, KILL, RECORD
from runtime.sandbox.processes.cgroups import Cgroup
from runtime.sandbox.processes.clock import Lateness
from runtime.sandbox.processes.session import Allowed, Session, Streams, Used

HOME = str(Path(__file__).parents[1])
SHARED = {"comparison": comparison.__file__}
"""Modules of ours that sandboxed processes use too; they need nothing but the standard library."""
START_SECONDS = 60.0
OUTSIDE = 65_534
"""The host's user whom sandboxed code runs as when root starts it: nobody."""
SCRATCH_FILES = 10_000

_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from inside.launch import main; main(int(sys.argv[2]))"
)


class ZygoteFailed(Exception):
    """A zygote cannot be made.

    Attributes:
        layer: The layer that does not hold, where it is one.
        is_shortage: Whether the machine is short of descriptors, memory or processes: it says nothing about what holds here.
    """

    def __init__(self, why: str, layer: str = "", *, is_shortage: bool = False) -> None:
        super().__init__(why)
        self.layer, self.is_shortage = layer, is_shortage


@dataclass(frozen=True, slots=True)
class ZygoteSpec:
    """What tells zygotes apart: sessions of equal shapes may come from the same one.

    Attributes:
        python: The interpreter.
        layers: The layers that must hold.
        modules: Loaded before any session.
        visible: Paths that are shown besides the interpreter's own.
        hidden: Paths among those that are shown, which are not to be.
        absent: Modules that are not to be found.
        memory_mb: Address space of one process, in MiB.
        disk_mb: Size of its scratch, and of one file.
        cpu_seconds: Processor time of one session; None for no limit.
    """

    python: str
    layers: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    memory_mb: int = 2048
    disk_mb: int = 1024
    cpu_seconds: int | None = None

    def to_setup(self) -> bytes:
        """The first frame of a zygote of this shape."""
        return json.dumps(
            {
                "parent": os.getpid(),
                "home": HOME,
                "shared": SHARED,
                "layers": sorted(self.layers),
                "modules": self.modules,
                "visible": self.visible,
                "hidden": self.hidden,
                "absent": self.absent,
                "outside": OUTSIDE,
                "memory_bytes": self.memory_mb << 20,
                "disk_bytes": self.disk_mb << 20,
                "disk_files": SCRATCH_FILES,
                "cpu_seconds": self.cpu_seconds,
            }
        ).encode()


class Zygote:
    """A running zygote.

    Attributes:
        shape: What it was asked to be.
        layers: The layers that hold.
        unloaded: Modules that it could not load, and why.
        sessions: Those that have not ended, by number.
    """

    def __init__(
        self,
        shape: ZygoteSpec,
        process: asyncio.subprocess.Process,
        control: socket.socket,
        group: Cgroup | None = None,
    ) -> None:
        self.shape, self._group = shape, group
        self.layers: frozenset[str] = frozenset()
        self.unloaded: Mapping[str, str] = {}
        self.sessions: dict[int, Session] = {}
        self._process, self._control = process, control
        self._stream = FrameStream(control)
        self._lateness = Lateness()
        self._allowed = Allowed(shape.cpu_seconds, shape.memory_mb << 20)
        self._next = 0
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, shape: ZygoteSpec, group: Cgroup | None = None) -> "Zygote":
        """Start one, and wait until it is locked.

        Args:
            shape: What it must be like.
            group: Its control group, which goes with it.

        Raises:
            ZygoteFailed: When it cannot be made as it should be.
        """
        process, ours = await _spawn(shape)
        zygote = cls(shape, process, ours, group)
        try:
            if group is not None:
                group.add(process.pid)  # it waits for its first frame
            async with asyncio.timeout(START_SECONDS):
                await zygote._greet()
        except TimeoutError:
            await zygote.aclose()
            raise ZygoteFailed(f"it was not ready within {START_SECONDS:g} s") from None
        except StreamEnded:
            await zygote.aclose()
            raise ZygoteFailed("it ended before it was ready") from None
        except OSError as error:
            await zygote.aclose()
            raise ZygoteFailed(
                f"it ended before it was ready: {error}", is_shortage=is_shortage(error)
            ) from error
        except BaseException:
            await zygote.aclose()
            raise
        return zygote

    async def _greet(self) -> None:
        self._stream.send(self.shape.to_setup())
        told = json.loads(await self._stream.receive())
        if "failed" in told:
            raise ZygoteFailed(told["why"], told["failed"], is_shortage=told.get("errno") in SHORTAGES)
        self.layers, self.unloaded = frozenset(told["layers"]), told["unloaded"]
        self._listening = asyncio.create_task(self._listen())

    @property
    def alive(self) -> bool:
        """Whether it takes sessions."""
        return self._listening is not None and not self._listening.done()

    def fork(self, output_bytes: int) -> Session:
        """Have it fork a session, which is locked and ready when it answers.

        Args:
            output_bytes: How much it may write to its standard output, and to its standard error.

        Raises:
            ZygoteFailed: When the zygote is gone, or the machine is short of what it takes.
        """
        with ExitStack() as opened:
            try:
                ours, theirs = map(opened.enter_context, socket.socketpair())
                streams = Streams(output_bytes)
                opened.callback(streams.close)
                descriptors = [theirs.fileno(), streams.stdin, streams.stdout, streams.stderr]
                self._next += 1
                socket.send_fds(self._control, [RECORD.pack(FORK, self._next, 0, 0, 0)], descriptors)
            except OSError as error:
                raise ZygoteFailed(
                    f"the zygote takes no sessions: {error}", is_shortage=is_shortage(error)
                ) from error
            opened.pop_all()
        theirs.close()
        kill = partial(self._kill, self._next)
        session = self.sessions[self._next] = Session(ours, streams, kill, self._lateness, self._allowed)
        return session

    def _kill(self, number: int) -> None:
        """Have a session killed; a zygote that does not even take the order is killed itself, with all its children."""
        try:
            self._control.send(RECORD.pack(KILL, number, 0, 0, 0))
        except OSError:
            self.kill()

    def kill(self) -> None:
        """Kill the zygote, and with it every session."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """End it and all its sessions, and wait until they are gone."""
        self.kill()
        reaped = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.shield(reaped)
        except asyncio.CancelledError:  # it dies at once, and nobody else will reap it
            await reaped
            raise
        finally:
            if self._listening is not None:
                await asyncio.wait({self._listening})
            self._stream.close()
            if self._group is not None:
                self._group.remove()

    async def _listen(self) -> None:
        """Hear which sessions ended, until the zygote itself does: then all of them have."""
        try:
            while True:
                letter, number, status, milliseconds, kibibytes = RECORD.unpack(
                    await self._stream.exactly(RECORD.size)
                )
                if letter == ENDED:
                    self._end(number, status, Used(milliseconds / 1000, kibibytes << 10))
        except StreamEnded:
            pass
        finally:
            self.kill()
            for number in list(self.sessions):
                self._end(number, None, Used())

    def _end(self, number: int, status: int | None, used: Used) -> None:
        session = self.sessions.pop(number, None)
        if session is not None and not session.ended.done():
            session.used = used
            session.ended.set_result(status)


async def _spawn(shape: ZygoteSpec) -> tuple[asyncio.subprocess.Process, socket.socket]:
    """Start the process of a zygote, which waits for its first frame; gives it and the socket to it.

    Raises:
        ZygoteFailed: When it cannot be started.
    """
    seen = environment() if "environment" in shape.layers else os.environ
    try:
        return await start_interpreter(_LAUNCH, HOME, environment=seen, python=shape.python)
    except Exception as error:
        if is_shortage(error):
            raise _short(error) from error
        if isinstance(error, OSError):
            raise ZygoteFailed(f"{shape.python} does not start: {error}") from error
        raise


def _short(error: BaseException) -> ZygoteFailed:
    """The failure of a zygote for which the machine has no descriptors, memory or processes."""
    return ZygoteFailed(f"no process can be started: {error}", is_shortage=True)


def environment() -> dict[str, str]:
    """The environment of sandboxed processes: nothing of the operator's."""
    # one thread each: the address space is limited, and the pool is the parallelism
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # what the dynamic linker would look up when it is first needed, each fork would look up again
    linker = {"LD_BIND_NOW": "1"}
    return {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **threads, **linker}  # noqa: S108
