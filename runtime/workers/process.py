"""One worker process, seen from the evaluator."""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from itertools import count
from typing import Any

from graders import Grader, PluginError, Registry
from runtime.frame_stream import FrameStream, FrameTooLong, StreamEnded
from runtime.settings import Settings
from runtime.shortage import SHORTAGES, is_shortage
from runtime.workers.frames import MAX_ANSWER, FrameError, Message, encode, unpack_weighed

OUTPUT_KEPT = 8_192
"""Bytes of a worker's last output that are kept, to say why it died."""
STOP_SECONDS = 2.0
LOADED = 256
"""Graders that a worker keeps loaded."""
LOADED_BYTES = 2 << 20
"""Of their JSON, in all."""


_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from inside.worker import lock; channel = lock(int(sys.argv[2])); "
    "from runtime.workers.child import main; main(channel)"
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


class WorkerDied(Exception):  # it says what happened
    """The worker's process ended; the message says how.

    Attributes:
        from_outside: Whether it was killed by SIGKILL, which a locked plugin cannot send: somebody, or the kernel when memory
            ran out, sent it.
    """

    def __init__(self, how: str, *, from_outside: bool = False) -> None:
        super().__init__(how)
        self.from_outside = from_outside


class WorkerProcess:
    """A started worker that has passed its self-test: its plugin imports and its grader loads.

    Attributes:
        received_bytes: Length of the last message that it sent.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stream: FrameStream,
    ) -> None:
        self._process, self._stream = process, stream
        self._kept = False  # whether the process is the keeper of one in a pid namespace
        self._output: deque[bytes] = deque()
        self._drain = asyncio.create_task(self._read_output())
        self._loaded: dict[Grader, int] = {}
        self._loaded_bytes = 0
        self._numbers = count()
        self._received: bytes | None = None
        self.received_bytes = 0

    @classmethod
    async def start(
        cls, grader: Grader, registry: Registry, settings: Settings, lock: dict[str, Any]
    ) -> "WorkerProcess":
        """Start a worker for a grader's type and wait for its self-test.

        Args:
            grader: What it will grade with first.
            registry: The types that it may be asked for.
            settings: Its limits and environment.
            lock: How it is to lock itself.

        Raises:
            LockRefused: When it cannot be locked like this.
            PluginError: When the worker cannot import the plugin or load the grader, or is not ready in time.
        """
        process, stream = await _spawn(settings, lock)
        # nothing is awaited between the process and the one who will kill it
        worker = cls(process, stream)
        entries = [[e.name, e.reference, e.distribution, e.version] for e in registry.values()]
        try:
            async with asyncio.timeout(settings.worker_start_timeout_s):
                worker.send(lock)
                worker.send({"entries": entries, "config": grader.config})
                locked = await worker.receive()
                worker._kept = "pid" in locked.get("layers", ())
                hello = locked if "layers" not in locked else await worker.receive()
        except WorkerDied as death:
            await worker.kill()
            if death.from_outside:
                raise WorkerUnavailable(f"it was killed before it was ready: {death}") from None
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
        return worker

    def grade(self, grader: Grader, row: bytes) -> int:
        """Send one grading.

        Args:
            grader: What grades.
            row: Stored samples and item, encoded.

        Returns:
            The number that its answer will bear, `{"done": number, …}`; no other grading of this worker has it.
        """
        if grader not in self._loaded:
            self._load(grader)
        number = next(self._numbers)
        self._write(b'{"number":%d,"grader":%d,"row":%b}' % (number, self._loaded[grader], row))
        return number

    def _load(self, grader: Grader) -> None:
        """Have the worker load a grader, and forget all others where they are too many, or too large with it."""
        body = encode({"load": len(self._loaded), "config": grader.config})
        if len(self._loaded) >= LOADED or self._loaded_bytes + len(body) > LOADED_BYTES:
            self.send({"forget": True})
            self._loaded.clear()
            self._loaded_bytes = 0
            body = encode({"load": 0, "config": grader.config})
        self._loaded[grader] = len(self._loaded)
        self._loaded_bytes += len(body)
        self._write(body)

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            FrameError: When it is not plain data, or too long.
        """
        self._write(encode(message))

    def _write(self, body: bytes) -> None:
        """Hand a message to the socket; what it does not take now goes while the worker is listened to.

        A worker that waits for us to read its answers would make us wait for ever. To one that is dead nothing is sent:
        `receive` says so.
        """
        self._stream.send(body)

    async def receive(self, *, samples: int = 1) -> Message:
        """The next message; a wait that is given up loses nothing.

        Args:
            samples: How many samples the worker grades at the moment.

        Raises:
            FrameError: When it is no message; the worker cannot be trusted any more.
            WorkerDied: When the process has ended.
        """
        if self._received is None:
            try:
                self._received = await self._stream.receive(MAX_ANSWER)
            except FrameTooLong as error:
                why = f"{error.length} bytes are more than the {MAX_ANSWER} that an answer may have"
                raise FrameError(why) from None
            except StreamEnded:
                raise await self._death() from None
        self.received_bytes = len(self._received)
        message = await unpack_weighed(self._received, samples=samples)
        self._received = None
        return message

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
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        output = b"".join(self._output)[-OUTPUT_KEPT:].decode(errors="replace").strip()
        return f"the worker process {how}" + (f"; its last output: {output[-500:]}" if output else "")

    async def stop(self) -> None:
        """Let an idle worker end by itself, which runs its plugin's exit handlers; kill one that does not."""
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
        self._drain.cancel()
        self._stream.close()
        reaped = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.shield(reaped)
        except asyncio.CancelledError:  # it dies at once, and nobody else will reap it
            await reaped
            raise

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
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise _short(error) from error
    with theirs:
        stream = FrameStream(ours)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _LAUNCH, lock["home"], str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=worker_environment(settings),
                start_new_session=True,
            )
        except BaseException as error:
            stream.close()
            if is_shortage(error):
                raise _short(error) from error
            raise
    return process, stream


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
