"""Trials of what worker processes promise: each does, in a throw-away child, what must not succeed."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from runtime.settings import Settings
from runtime.workers.process import worker_environment

TRIAL_SECONDS = 60
CANARY = "GRADERS_DOCTOR_CANARY"

NOT_COVERED = (
    "a plugin may read the files that its user may read, and use the network",
    "a plugin may keep state between gradings of one worker",
    "a plugin's module is imported in the service too, to read its options: what it does at import, it does there",
    "Python that came over HTTP, or that a model wrote, is not run at all: there is no sandbox for it in this version",
)
"""What worker processes do not protect from; they are there for accidents, not for enemies."""


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


def probe_workers(settings: Settings) -> list[Probe]:
    """Try everything that this machine's workers promise."""
    return [_memory(), _environment(settings), _orphan()]


def _memory() -> Probe:
    done = _run("limit(1 << 30, os.getppid()); bytearray(2 << 30)", {})
    refused = b"MemoryError" in done.stderr
    return Probe(
        "memory limit",
        refused,
        f"a worker of 1 GiB asked for 2 GiB and {'did not get' if refused else 'got'} them",
    )


def _environment(settings: Settings) -> Probe:
    os.environ[CANARY] = "canary"
    try:
        done = _run(f"print(os.environ.get({CANARY!r}))", worker_environment(settings))
    finally:
        del os.environ[CANARY]
    hidden = done.stdout.strip() == b"None"
    return Probe(
        "clean environment",
        hidden,
        f"a worker {'did not see' if hidden else 'saw'} a variable of this process",
    )


def _orphan() -> Probe:
    """A process starts a worker that spins, and is killed: the worker must end with it."""
    worker = f"{_PRELUDE}; limit(1 << 30, os.getppid()); print(os.getpid(), flush=True)\nwhile True: pass"
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-I', '-c', {worker!r}], stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", parent], stdout=subprocess.PIPE) as process:  # noqa: S603
        line = process.stdout.readline() if process.stdout else b""
        process.kill()
    gone = _ends(int(line)) if line.strip().isdigit() else False
    return Probe(
        "no orphans", gone, f"a spinning worker {'ended with' if gone else 'outlived'} its killed parent"
    )


def _ends(pid: int) -> bool:
    """Whether a process ends within a few seconds; it is ended in any case."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.kill(pid, 9)
    return False


_PRELUDE = "import os; from runtime.workers.child import limit"


def _run(code: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(  # noqa: S603  # our own interpreter, our own text
        [sys.executable, "-I", "-c", f"{_PRELUDE}; {code}"],
        capture_output=True,
        check=False,
        timeout=TRIAL_SECONDS,
        env=environment,
    )
