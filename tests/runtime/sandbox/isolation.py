"""What tests of the sandbox share: whether this machine has one, and what a process holds."""

import sys
from pathlib import Path

import pytest

from runtime.sandbox.inside.layers import landlock, seccomp

ISOLATES = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.detect() is not None or landlock.detect() is not None,
    reason="this system cannot isolate code of others",
)


def descriptors() -> int:
    """How many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def mounts() -> int:
    """How many mounts this process sees."""
    return len(Path("/proc/self/mountinfo").read_text().splitlines())
