"""Trials of what worker processes promise: each does, in a throw-away worker, what must not succeed.

A trial is locked as a worker of a plugin is that needs nothing, by the same code, and then runs a few lines in its place.
"""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import IO

from graders import Registry
from runtime.sandbox.layers import FOREIGN, Level
from runtime.sandbox.processes.zygote import HOME
from runtime.settings.settings import Settings
from runtime.workers.frames import encode, frame
from runtime.workers.process import worker_environment
from runtime.workers.spawn import Spawner

TRIAL_SECONDS = 60
END_SECONDS = 5
CANARY = "GRADERS_DOCTOR_CANARY"

NOT_COVERED = (
    "a plugin may use what you allow it: the files and the network that its type says it needs",
    "a plugin may keep state between gradings of one client with one grader, unless each has a process of its own",
    "a plugin's module is imported in the service too, to read its options: what it does at import, it does there",
)
"""What worker processes do not protect from; plugins are code that you have installed yourself."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one trial showed.

    Attributes:
        name: What should hold.
        active: Whether it does.
        how: What was tried, and what came of it.
    """

    name: str
    active: bool
    how: str


def probe_workers(settings: Settings, level: Level) -> list[Probe]:
    """Try what this machine's workers promise.

    Args:
        settings: Their limits and environment.
        level: The level of isolation that this machine reaches.
    """
    trial = _Trial(settings, max(level, Level.WEAK))
    probes = [_memory(trial, settings.worker_memory_mb), _environment(trial), _orphan(trial)]
    # below, nothing keeps a plugin from the files and the network of its user
    return [*probes, _files(trial), _network(trial)] if level >= FOREIGN else probes


_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.worker import lock; lock(int(sys.argv[2])).seal(forked=False)\n"
_TRY = """
try:
    {act}
except (OSError, MemoryError) as error:
    print("refused")
else:
    print("got it")
"""


class _Trial:
    """Starts throw-away workers.

    Attributes:
        lock: How each locks itself.
    """

    def __init__(self, settings: Settings, level: Level) -> None:
        starter = Spawner(Registry([]), settings, highest=level)
        self.lock = starter.lock(level, frozenset())
        self._environment = worker_environment(settings)

    def is_refused(self, act: str) -> bool:
        """Whether a statement fails in a worker as something forbidden does."""
        return self.output(_TRY.format(act=act)) == b"refused"

    def output(self, code: str) -> bytes:
        """What a worker prints that runs this code."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own text
                [*self.command(code), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
            ours.sendall(frame(encode(self.lock)))
            try:
                printed, _ = process.communicate(timeout=TRIAL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                printed, _ = process.communicate()
        return printed.strip()

    @staticmethod
    def command(code: str) -> list[str]:
        """The command line of a worker that runs this code; its last argument is missing, which is its socket."""
        return [sys.executable, "-I", "-c", _START + code, HOME]


def _memory(trial: _Trial, megabytes: int) -> Probe:
    refused = trial.is_refused(f"bytearray({2 * megabytes} << 20)")
    tried = f"a worker of {megabytes} MiB asked for {2 * megabytes}"
    return Probe("memory limit", refused, f"{tried} and {'did not get' if refused else 'got'} them")


def _environment(trial: _Trial) -> Probe:
    os.environ[CANARY] = "canary"
    try:
        hidden = trial.output(f"import os; print(os.environ.get({CANARY!r}))") == b"None"
    finally:
        del os.environ[CANARY]
    return Probe(
        "clean environment",
        hidden,
        f"a worker {'did not see' if hidden else 'saw'} a variable of this process",
    )


def _files(trial: _Trial) -> Probe:
    with tempfile.NamedTemporaryFile() as file:
        refused = trial.is_refused(f"open({file.name!r}, 'rb')")
    return Probe(
        "no files", refused, f"a worker {'could not read' if refused else 'read'} a file made for this"
    )


def _network(trial: _Trial) -> Probe:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = trial.is_refused(f"import socket; socket.create_connection({listener.getsockname()!r}, 5)")
    tried = "could not connect" if refused else "connected"
    return Probe("no network", refused, f"a worker {tried} to a port opened for this")


_PARENT = """
import json, os, socket, subprocess, sys, time
setup, *command = sys.argv[1:]
ours, theirs = socket.socketpair()
frame = json.dumps({**json.loads(setup), "parent": os.getpid()}).encode()
subprocess.Popen([*command, str(theirs.fileno())], pass_fds=[theirs.fileno()])
ours.sendall(len(frame).to_bytes(4, "big") + frame)
time.sleep(60)
"""


def _orphan(trial: _Trial) -> Probe:
    """A process starts a worker that spins, and is killed: the worker must end with it."""
    # should it not end by itself, the kernel ends it after so much of a processor's time
    setup = json.dumps({**trial.lock, "cpu_seconds": 4 * END_SECONDS})
    command = trial.command("print('spinning', flush=True)\nwhile True: pass")
    with subprocess.Popen(  # noqa: S603  # our own interpreter, our own text
        [sys.executable, "-I", "-c", _PARENT, setup, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        output = parent.stdout
        started = output is not None and _within(TRIAL_SECONDS, output) == b"spinning\n"
        parent.kill()
        # the pipe is at its end when nobody has it open any more
        gone = started and output is not None and _within(END_SECONDS, output) == b""
    return Probe(
        "no orphans", gone, f"a spinning worker {'ended with' if gone else 'outlived'} its killed parent"
    )


def _within(seconds: float, output: IO[bytes]) -> bytes | None:
    """The next line of a process, empty at the end of its output; None if no line arrives in time."""
    ready, _, _ = select.select([output], [], [], seconds)
    return output.readline() if ready else None
