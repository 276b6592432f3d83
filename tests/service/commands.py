"""The command `graders` in processes that are forked from one that has imported it: a start takes a fortieth of the time.

Such a process differs from one that a shell starts in nothing but its imports, which are there already. Where imports, or
the start itself, are what is tested, and where coverage is measured, the command is started anew.
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PATIENCE_S = 120.0
PARENT = Path(__file__).with_name("command_parent.py")
PROGRAM = Path(sys.executable).with_name("graders")


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
    if any(name.startswith("COVERAGE_") for name in env):
        done = subprocess.run(
            command, cwd=cwd, env=env, input=stdin or b"", capture_output=True, timeout=timeout_s, check=False
        )
        return subprocess.CompletedProcess(
            command, done.returncode, done.stdout.decode(), done.stderr.decode()
        )
    return parent().run(command, env, cwd, stdin or b"", timeout_s)


class Parent:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # with the locale of an environment that names none, as those of the commands
            self._process = subprocess.Popen(
                [sys.executable, str(PARENT), str(theirs.fileno())],
                env={"PATH": os.environ["PATH"]},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._answers = self._socket.makefile("rb")

    def run(
        self, command: list[str], env: Mapping[str, str], cwd: Path | None, stdin: bytes, timeout_s: float
    ) -> "subprocess.CompletedProcess[str]":
        """Fork a process, and wait until it has ended and nobody has its output open."""
        request = {"argv": command, "env": dict(env), "cwd": str(cwd or Path.cwd())}
        with contextlib.ExitStack() as ours, ThreadPoolExecutor(3) as threads:
            (read_in, write_in), (read_out, write_out), (read_err, write_err) = (os.pipe() for _ in range(3))
            out, err = (ours.enter_context(open(each, "rb")) for each in (read_out, read_err))  # noqa: PTH123
            written = threads.submit(_write, write_in, stdin)
            theirs = [read_in, write_out, write_err]
            socket.send_fds(self._socket, [json.dumps(request).encode()], theirs)
            pid = int(self._answers.readline())
            for each in theirs:
                os.close(each)
            outputs = [threads.submit(stream.read) for stream in (out, err)]
            status = threads.submit(self._answers.readline)
            try:
                code = int(status.result(timeout_s))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout_s) from None
            written.result()
            shown = [output.result().decode() for output in outputs]
        return subprocess.CompletedProcess(command, code, *shown)

    def close(self) -> None:
        """End it."""
        self._answers.close()
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
