"""The processes of this machine, to see that none is left; and what a process inherits."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Disposition = Literal["default", "ignored", "blocked"]


def children(parent: int) -> set[int]:
    """The processes that a process has started."""
    return {process for process, its_parent in _running() if its_parent == parent}


def descendants(ancestor: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    parents = dict(_running())
    found: set[int] = set()
    level = {ancestor}
    while level := {process for process, parent in parents.items() if parent in level}:
        found |= level
    return found


def remaining(processes: set[int]) -> set[int]:
    """Those that do not end within some seconds."""
    for _ in range(50):
        if not (left := processes & {process for process, _ in _running()}):
            break
        time.sleep(0.1)
    return left


def _running() -> list[tuple[int, int]]:
    """Each process with its parent."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208  # names are enough
        if entry.isdigit():
            try:
                status = Path(f"/proc/{entry}/stat").read_text(errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            found.append((int(entry), int(status.rpartition(")")[2].split()[1])))
    return found


def inheriting(disposition: Disposition, command: Sequence[str]) -> list[str]:
    """A command line that runs another one, which inherits this disposition of SIGINT and SIGTERM.

    A shell ignores SIGINT in what a script starts in the background; tests that were started so ignore it, too.
    """
    code = (
        "import os, signal, sys\n"
        "both = signal.SIGINT, signal.SIGTERM\n"
        "for number in both:\n"
        "    signal.signal(number, signal.SIG_IGN if sys.argv[1] == 'ignored' else signal.SIG_DFL)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK if sys.argv[1] == 'blocked' else signal.SIG_UNBLOCK, both)\n"
        "os.execvp(sys.argv[2], sys.argv[2:])\n"
    )
    return [sys.executable, "-c", code, disposition, *command]
