"""What tests of the sandbox share: whether this machine has one, and what a process holds."""

import os
import sys
from pathlib import Path

import pytest

from runtime.sandbox.inside import landlock, seccomp

ISOLATES = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.detect() is not None or landlock.detect() is not None,
    reason="this system cannot isolate code of others",
)


def descendants() -> set[int]:
    """The processes that this one has started, and those that they have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def descriptors() -> int:
    """How many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def mounts() -> int:
    """How many mounts this process sees."""
    return len(Path("/proc/self/mountinfo").read_text().splitlines())
