"""The processes of this machine, to see that none is left."""

import os
import time
from pathlib import Path


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
