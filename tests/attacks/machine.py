"""What this machine can isolate, found out without the sandbox itself, so that one that is broken fails its tests."""

import os
import sys

from runtime.sandbox.inside.layers import kernel, landlock, seccomp


def isolates() -> bool:
    """Whether code of others can be isolated here at all: level 2."""
    return sys.platform == "linux" and seccomp.detect() is None and landlock.detect() is None


def has_namespaces() -> bool:
    """Whether namespaces can be made and used here: level 3."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
            kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
