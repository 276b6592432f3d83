"""The command `graders` in processes that are forked from one that has imported it: a start takes a fortieth of the time.

Such a process differs from one that a shell starts in nothing but its imports, which are there already. Where imports, or
the start itself, are what is tested, and where coverage is measured, the command is started anew.
"""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

PATIENCE_S = 240.0
PARENT = Path(__file__).with_name("command_parent.py")
PROGRAM = Path(sys.executable).with_name("graders")


class Process(Protocol):
    """What tests use of a process that they have started, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its id."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal; raises `subprocess.TimeoutExpired` if it runs longer."""


def run(
    *arguments: object,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout_s: float = PATIENCE_S,
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; what it prints is captured.

    Args:
        arguments: What follows `graders`.
        env: Its whole environment.
        cwd: Its working directory; None: this process's.
        stdin: What it reads; None: nothing.
        timeout_s: Seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: When it takes longer.
    """
    command = [str(PROGRAM), *map(str, arguments)]
    if measured(env):
        done = subprocess.run(
            command, cwd=cwd, env=env, input=stdin or b"", capture_output=True, timeout=timeout_s, check=False
        )
        return subprocess.CompletedProcess(
            command, done.returncode, done.stdout.decode(), done.stderr.decode()
        )
    with contextlib.ExitStack() as ours, ThreadPoolExecutor(3) as threads:
        (read_in, write_in), (read_out, write_out), (read_err, write_err) = (os.pipe() for _ in range(3))
        out, err = (ours.enter_context(open(each, "rb")) for each in (read_out, read_err))  # noqa: PTH123
        written = threads.submit(_write, write_in, stdin or b"")
        process = parent().start(command, env, cwd, [read_in, write_out, write_err])
        outputs = [threads.submit(stream.read) for stream in (out, err)]
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        written.result()
        shown = [output.result().decode() for output in outputs]
    return subprocess.CompletedProcess(command, code, *shown)


def measured(env: Mapping[str, str]) -> bool:
    """Whether the coverage of a process with this environment is measured."""
    return any(name.startswith("COVERAGE_") for name in env)


class Forked:
    """A process that was forked.

    Attributes:
        pid: Its id.
        returncode: Its exit code, negative for a signal; None: not known to have ended.
    """

    def __init__(self, command: Sequence[str], report: int) -> None:
        self._command, self._report = command, open(report, "rb", buffering=0)  # noqa: SIM115  # until it ends
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = int(self._report.readline())

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: If it runs longer than so many seconds.
        """
        with self._lock:
            if self.returncode is None:
                if not select.select([self._report], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self._command, timeout or 0.0)
                self.returncode = int(self._report.readline())
                self._report.close()
            return self.returncode


class Parent:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # with the locale of an environment that names none, as those of the commands
            self._process = subprocess.Popen(
                [sys.executable, str(PARENT), str(theirs.fileno())],
                env={"PATH": os.environ["PATH"]},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def start(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path | None, streams: Sequence[int]
    ) -> Forked:
        """Fork a process that has these descriptors as its standard streams, which are closed here."""
        request = {"argv": list(command), "env": dict(env), "cwd": str(cwd or Path.cwd())}
        report, theirs = os.pipe()
        socket.send_fds(self._socket, [json.dumps(request).encode()], [*streams, theirs])
        for each in (*streams, theirs):
            os.close(each)
        return Forked(command, report)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait(PATIENCE_S)


def _write(descriptor: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as stream:
        stream.write(content)


@functools.cache
def parent() -> Parent:
    """The one of this process; it starts with the first command."""
    return Parent()


def close() -> None:
    """End the process that commands are forked from, if there is one."""
    if parent.cache_info().currsize:
        parent().close()
        parent.cache_clear()
