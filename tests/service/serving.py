"""`graders serve` in a process of its own, with what it says on standard error.

The process is forked from one that has imported the service already, except where another program is named.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.service import commands

PATIENCE_S = 240.0
"""Seconds after which a service that does not answer is taken for broken: a busy machine takes long."""
RUN = "/v1/fine_tuning/alpha/graders/run"
CHECK = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}


class Served:
    """A running service.

    Attributes:
        url: Where it answers.
        process: The process, or the parent of all its workers.
        lines: What it said on standard error until now; everything, once it has ended.
    """

    def __init__(
        self, settings: Mapping[str, str], *options: str, program: Path = commands.PROGRAM, port: int = 0
    ) -> None:
        command = [str(program), "serve", "--port", str(port), *options]
        read, write = os.pipe()
        self._said = open(read)  # noqa: PTH123, SIM115  # the thread that reads closes it
        self.process: commands.Process = _started(command, {**os.environ, **settings}, program, write)
        self.lines: list[str] = []
        self.url = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait(self) -> None:
        """Until it answers."""
        assert self._ready.wait(PATIENCE_S), self.lines
        assert self.url, self.lines

    def end(self) -> None:
        """Tell it to stop, and read the rest."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        with self._said as stream:
            for line in stream:
                self.lines.append(line)
                if found := re.search(r"running on (http://[\d.:]+\d)", line):
                    self.url = found[1]
                if self.url and any("startup complete" in said for said in self.lines):
                    self._ready.set()
        self._ready.set()


def _started(command: list[str], env: Mapping[str, str], program: Path, stderr: int) -> commands.Process:
    """A process whose standard error is this descriptor, which is closed here."""
    if program == commands.PROGRAM and not commands.measured(env):
        nothing = (os.open(os.devnull, mode) for mode in (os.O_RDONLY, os.O_WRONLY))
        return commands.parent().start(command, env, None, [*nothing, stderr])
    process = subprocess.Popen(command, env=env, stderr=stderr)
    os.close(stderr)
    return process


@contextlib.contextmanager
def serving(
    settings: Mapping[str, str], *options: str, program: Path = commands.PROGRAM, port: int = 0
) -> Iterator[Served]:
    """Serve on a port, 0 for a free one; afterwards `lines` is everything that was said."""
    served = Served(settings, *options, program=program, port=port)
    try:
        served.wait()
        yield served
    finally:
        served.end()
