"""Servers in processes of their own, and the plainest client that asks them."""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

GRADERS = str(Path(sys.executable).with_name("graders"))
PATIENCE_S = 60.0
RUN = "/v1/fine_tuning/alpha/graders/run"
BATCH = "/v1/grade/batch"
CHECK = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        url: Where it answers.
        pid: Its process.
        home: A directory that is removed when it has ended.
        environment: Its environment variables.
    """

    url: str
    pid: int
    home: Path
    environment: Mapping[str, str]

    def resident_mib(self) -> float:
        """Resident memory of its process, MiB (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def make_key(self, name: str, *limits: str) -> str:
        """A new API key that may grade, with limits as options of `graders keys create`."""
        command = [GRADERS, "keys", "create", name, "--scope", "grade", *limits]
        made = subprocess.run(  # noqa: S603  # our own command
            command, cwd=self.home, env=self.environment, check=True, capture_output=True, text=True
        )
        return made.stdout.strip()


class Client:
    """One connection that is kept, one request at a time.

    Args:
        server: What it asks.
        key: The API key that it sends, if any.
    """

    def __init__(self, server: Server, key: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_S)
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"

    def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: When the answer is not 200; nothing was measured then.
        """
        answer = self._send(path, body, {})
        content = answer.read()
        _expect_ok(answer, content)
        return content

    def get(self, path: str) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: When the answer is not 200; nothing was measured then.
        """
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        _expect_ok(answer, content)
        return content

    def lines(self, path: str, body: bytes) -> Iterator[bytes]:
        """The lines of an answer in NDJSON, as they arrive.

        Raises:
            RuntimeError: When the answer is not 200; nothing was measured then.
        """
        answer = self._send(path, body, {"Accept": "application/x-ndjson"})
        if answer.status != 200:
            _expect_ok(answer, answer.read())
        while line := answer.readline():
            yield line

    def close(self) -> None:
        """Leave, whether or not an answer has arrived."""
        self._connection.close()

    def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        self._connection.request("POST", path, body, {**self._headers, **headers})
        return self._connection.getresponse()


@contextmanager
def serving(**settings: object) -> Iterator[Server]:
    """`graders serve` with these settings, and otherwise with the defaults; it logs to a file."""
    with _running([GRADERS, "serve", "--port", "0"], settings) as server:
        yield server


@contextmanager
def echoing() -> Iterator[Server]:
    """`benchmarks.service.echo`."""
    with _running([sys.executable, "-m", "benchmarks.service.echo"], {}) as server:
        yield server


@contextmanager
def _running(command: list[str], settings: Mapping[str, object]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="graders-bench-") as name:
        home = Path(name)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADERS_", "OTEL_"))}
        environment = {
            **kept,
            **{f"GRADERS_{key.upper()}": str(value) for key, value in settings.items()},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "XDG_DATA_HOME": name,
            "XDG_CACHE_HOME": name,
        }
        log = home / "log"
        # a pipe that nobody reads would fill and stop it
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603  # our own command
                command, cwd=home, env=environment, stdout=stream, stderr=subprocess.STDOUT
            )
        try:
            yield Server(_address(process, log), process.pid, home, environment)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"running on (http://[\d.:]+\d)", log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8')[-1_000:]}")


def _expect_ok(answer: http.client.HTTPResponse, content: bytes) -> None:
    if answer.status != 200:
        raise RuntimeError(f"nothing was measured, the answer is {answer.status}: {content[:500]!r}")
