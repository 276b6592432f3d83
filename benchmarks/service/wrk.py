"""wrk, a load generator in C: a process of its own that takes little time away from the server."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from benchmarks.service.serving import Server

MISSING = "wrk is not installed, so this is not measured: apt-get install wrk"
SCRIPT = Path(__file__).with_name("wrk.lua")


class Load(BaseModel):
    """What came of a load.

    Attributes:
        answers: Answers that arrived, refused ones included.
        refused: Those with a status of 400 or more.
        lost: Connections that failed.
        seconds: How long it took.
        median_ms, p99_ms: Median and 99th percentile of a request's milliseconds.
    """

    answers: int
    refused: int
    lost: int
    seconds: float
    median_ms: float
    p99_ms: float


def installed() -> bool:
    """Whether there is a wrk on the path."""
    return shutil.which("wrk") is not None


def version() -> str:
    """What wrk calls itself, such as `wrk 4.2.0`."""
    said = subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True)  # noqa: S607
    found = re.match(r"wrk (?:debian/)?([\w.]+)", said.stdout + said.stderr)
    return f"wrk {found[1]}" if found else "wrk"


def load(
    server: Server,
    path: str,
    bodies: Iterable[bytes],
    *,
    connections: int,
    seconds: int,
    key: str | None = None,
) -> "subprocess.Popen[str]":
    """Send bodies in turn, each connection one at a time; `ended` waits for what came of it."""
    file = server.home / "bodies"
    file.write_bytes(b"".join(body + b"\n" for body in bodies))
    headers = [] if key is None else ["--header", f"Authorization: Bearer {key}"]
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "60s", *headers, "--script", str(SCRIPT), server.url + path, "--", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own command


def ended(process: "subprocess.Popen[str]") -> Load:
    """Wait for a load to end.

    Raises:
        RuntimeError: When wrk failed.
    """
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"wrk ended with status {process.returncode}: {said[-500:]}")
    return Load.model_validate_json(said.splitlines()[-1])
