"""One worker process, seen from the evaluator."""

import asyncio
import os
import signal
import socket
from collections import deque
from contextlib import suppress
from typing import Any

from graders import Grader, PluginError, Registry
from runtime.processes.child_process import start_interpreter
from runtime.processes.frame_stream import FrameStream, StreamEnded
from runtime.processes.shortage import SHORTAGES, is_shortage
from runtime.settings.settings import Settings
from runtime.workers.frames import FrameError, Message, encode
from runtime.workers.session import Reader, WorkerDied, WorkerSession

OUTPUT_KEPT = 8_192
"""Bytes of a worker's last output that are kept, to say why it died."""
STOP_SECONDS = 2.0


_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from inside.worker import lock; locked = lock(int(sys.argv[2])); "
    "from runtime.workers.child import main; main(locked)"
)
"""Nothing but the standard library is loaded before the lock: what a library does at import, it does inside."""


class LockRefused(PluginError):
    """A worker cannot be locked as it was asked to be.

    Attributes:
        why: What does not hold.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"no worker can be locked on this machine: {why}")
        self.why = why


class WorkerUnavailable(Exception):  # it says what is missing
    """No worker can be started now: the machine is short of descriptors, memory or processes."""


class WorkerKilled(WorkerUnavailable):
    """Somebody, or the kernel when memory ran out, killed a worker before it was ready."""


class WorkerProcess:
    """A started worker that has passed its self-test: its plugin imports, and a grader that takes long to load is loaded.

    It sees no sample itself; each session is a fork of it where that is possible, and one session at a time.

    Attributes:
        unlisted: What its plugin uses that is not known to be harmless; None without such a thing, or when nobody looked for it.
        unforkable: Why its sessions cannot be forks of it; None when they are.
        session: The session that it has; None when another one can begin.
    """

    unlisted: str | None = None
    unforkable: str | None = None
    session: WorkerSession | None = None

    def __init__(
        self, process: asyncio.subprocess.Process, stream: FrameStream, start_timeout_s: float
    ) -> None:
        self._process, self._stream, self._start_timeout_s = process, stream, start_timeout_s
        self._reader = Reader(stream)
        self._prepared: Grader | None = None
        self._kept = False  # whether the process is the keeper of one in a pid namespace
        self._output: deque[bytes] = deque()
        self._drain = asyncio.create_task(self._read_output())

    @classmethod
    async def start(
        cls, grader: Grader, registry: Registry, settings: Settings, lock: dict[str, Any]
    ) -> "WorkerProcess":
        """Start a worker for a grader's type and wait for its self-test.

        Args:
            grader: What it will grade with. A plugin that is a class, or has a process for each grading, is prepared once,
                and its worker grades with nothing else; any other worker grades with every grader of the type.
            registry: The types that it may be asked for.
            settings: Its limits and environment.
            lock: How it is to lock itself.

        Raises:
            LockRefused: When it cannot be locked like this.
            PluginError: When the worker cannot import the plugin or load the grader, or is not ready in time.
        """
        process, stream = await _spawn(settings, lock)
        # nothing is awaited between the process and the one who will kill it
        worker = cls(process, stream, settings.worker_start_timeout_s)
        entries = [[e.name, e.reference, e.distribution, e.version] for e in registry.values()]
        setup = {
            "entries": entries,
            "config": grader.config,
            "needs": sorted(grader.type.needs),
            "prepare": not grader.built_in and (grader.type.prepares or grader.type.isolation == "grading"),
            "examine": grader.type.isolation is None and not grader.built_in,
        }
        try:
            async with asyncio.timeout(settings.worker_start_timeout_s):
                worker.send(lock)
                worker.send(setup)
                locked = await worker.receive()
                worker._kept = "pid" in locked.get("layers", ())
                hello = locked if "layers" not in locked else await worker.receive()
        except WorkerDied as death:
            await worker.kill()
            if death.from_outside:
                raise WorkerKilled(f"it was killed before it was ready: {death}") from None
            raise PluginError(
                f"grader type {grader.type.name!r} does not start in a worker: {death}"
            ) from None
        except TimeoutError as error:
            why = str(error) or f"it was not ready within {settings.worker_start_timeout_s:g} s"
            await worker.kill()
            raise PluginError(f"grader type {grader.type.name!r} does not start in a worker: {why}") from None
        except BaseException:
            await worker.kill()
            raise
        if "failed" in hello:
            await worker.kill()
            if hello is locked:
                if locked.get("errno") in SHORTAGES:
                    raise WorkerUnavailable(f"the machine is short of something: {locked['why']}")
                raise LockRefused(f"{locked['failed']}: {locked['why']}")
            raise PluginError(
                f"grader type {grader.type.name!r} does not load in a worker: {hello['failed']}"
            )
        worker._prepared = grader if hello["prepared"] else None
        worker.unlisted, worker.unforkable = hello["unlisted"], hello["unforkable"]
        return worker

    @property
    def is_forkable(self) -> bool:
        """Whether each session is a fork of it; otherwise it serves one, and ends."""
        return self.unforkable is None

    def suits(self, grader: Grader) -> bool:
        """Whether a session for a grader can begin in it."""
        return self.session is None and (self._prepared is None or self._prepared is grader)

    async def begin(self, client: str, grader: Grader) -> WorkerSession:
        """Begin a session: a process that has seen no sample, for one client and one grader.

        Raises:
            PluginError: When the grader does not load in it.
            WorkerDied: When this process has ended.
            WorkerUnavailable: When the machine is short of what it takes.
        """
        stream = self._handed_over()
        session = self.session = WorkerSession(client, grader, stream, self._death_of_session)
        try:
            session.send({"config": grader.config if self._prepared is None else None})
            async with asyncio.timeout(self._start_timeout_s):
                hello = await session.receive()
        except TimeoutError:
            hello = {"failed": f"it was not ready within {self._start_timeout_s:g} s"}
        if "failed" in hello:
            raise PluginError(
                f"grader type {grader.type.name!r} does not load in a worker: {hello['failed']}"
            )
        return session

    def _handed_over(self) -> FrameStream:
        """A new socket, whose other end the process has."""
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise _short(error) from error
        stream = FrameStream(ours)
        with theirs:
            try:
                self._stream.send_descriptor(theirs.fileno())
            except StreamEnded:
                stream.close()
                raise WorkerDied("the worker process has ended") from None
        return stream

    async def end_session(self) -> bool:
        """Let the process of the session end, which runs its plugin's exit handlers.

        Returns:
            Whether another session can begin in this process; False when the last one left something behind.
        """
        session, self.session = self.session, None
        if session is not None:
            session.close()
            if not self.is_forkable:
                return False
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    ended = await self.receive()
            except (TimeoutError, WorkerDied, FrameError):
                return False
            return ended.get("used") is False
        return True

    async def _death_of_session(self) -> WorkerDied:
        """How the process of the session ended.

        Raises:
            WorkerUnavailable: When there has been none.
        """
        if not self.is_forkable:
            return await self._death()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                ended = await self.receive()
        except TimeoutError:
            return WorkerDied("the worker closed its socket")
        except WorkerDied as death:
            return death
        if "refused" in ended:
            raise WorkerUnavailable(f"no process can be forked: {ended['refused']}")
        await asyncio.sleep(0)  # what it printed last has come
        code = ended.get("ended", 0)
        return WorkerDied(self._how(code), from_outside=code == -signal.SIGKILL)

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            FrameError: When it is not plain data, or too long.
        """
        self._stream.send(encode(message))

    async def receive(self) -> Message:
        """The next message; a wait that is given up loses nothing.

        Raises:
            FrameError: When it is no message; the worker cannot be trusted any more.
            WorkerDied: When the process has ended.
        """
        try:
            return await self._reader.next()
        except StreamEnded:
            raise await self._death() from None

    async def _death(self) -> WorkerDied:
        how = await self.epitaph()
        return WorkerDied(how, from_outside=self._process.returncode == -signal.SIGKILL)

    async def epitaph(self) -> str:
        """How the process ended, with the end of what it printed."""
        try:
            async with asyncio.timeout(5):
                code = await self._process.wait()
        except TimeoutError:
            return "the worker closed its socket"
        return self._how(code)

    def _how(self, code: int) -> str:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        output = b"".join(self._output)[-OUTPUT_KEPT:].decode(errors="replace").strip()
        return f"the worker process {how}" + (f"; its last output: {output[-500:]}" if output else "")

    async def stop(self) -> None:
        """Let an idle worker end by itself, which runs its plugin's exit handlers; kill one that does not."""
        await self.end_session()
        self._stream.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End the process and everything it started in its session."""
        with suppress(ProcessLookupError):
            if (
                self._kept
            ):  # it kills and reaps the worker itself, which would otherwise be left to the system's init
                os.kill(self._process.pid, signal.SIGTERM)
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        if self.session is not None:
            self.session.close()
        self._stream.close()
        reaped = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.shield(reaped)
            with suppress(TimeoutError):  # somebody else may hold the pipe
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.shield(self._drain)
        except asyncio.CancelledError:  # it dies at once, and nobody else will reap it
            await reaped
            raise
        finally:
            self._drain.cancel()

    async def _read_output(self) -> None:
        """Keep the end of what the plugin prints, and never let its pipe fill."""
        stream = self._process.stdout
        while stream is not None and (data := await stream.read(65_536)):
            self._output.append(data[-OUTPUT_KEPT:])
            while len(self._output) > 2:
                self._output.popleft()


async def _spawn(settings: Settings, lock: dict[str, Any]) -> tuple[asyncio.subprocess.Process, FrameStream]:
    """Start the process of a worker, which waits for its first frame; gives it and the stream to it.

    Raises:
        WorkerUnavailable: When the machine is short of what it takes.
    """
    try:
        process, ours = await start_interpreter(
            _LAUNCH, lock["home"], environment=worker_environment(settings), keeps_output=True
        )
    except Exception as error:
        if is_shortage(error):
            raise _short(error) from error
        raise
    return process, FrameStream(ours)


def _short(error: BaseException) -> WorkerUnavailable:
    return WorkerUnavailable(f"no process can be started: {error}")


def worker_environment(settings: Settings) -> dict[str, str]:
    """What a worker sees of the environment: no secret of the operator's."""
    kept = {
        name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ
    }
    # one thread each: the address space is limited, and the pool is the parallelism
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, **settings.worker_environment}
