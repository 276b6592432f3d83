"""`graders serve` in a process of its own, with what it says on standard error."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

PATIENCE_S = 60.0
PROGRAM = Path(sys.executable).with_name("graders")
RUN = "/v1/fine_tuning/alpha/graders/run"
CHECK = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}


class Served:
    """A running service.

    Attributes:
        url: Where it answers.
        process: The process, or the parent of all its workers.
        lines: What it said on standard error until now; everything, once it has ended.
    """

    def __init__(self, settings: Mapping[str, str], *options: str, program: Path = PROGRAM) -> None:
        self.process = subprocess.Popen(
            [str(program), "serve", "--port", "0", *options],
            env={**os.environ, **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
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
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.lines.append(line)
                if found := re.search(r"running on (http://[\d.:]+\d)", line):
                    self.url = found[1]
                if self.url and any("startup complete" in said for said in self.lines):
                    self._ready.set()
        self._ready.set()


@contextlib.contextmanager
def serving(settings: Mapping[str, str], *options: str, program: Path = PROGRAM) -> Iterator[Served]:
    """Serve on a free port; afterwards `lines` is everything that was said."""
    served = Served(settings, *options, program=program)
    try:
        served.wait()
        yield served
    finally:
        served.end()
