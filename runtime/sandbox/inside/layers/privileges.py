"""Layers `capabilities`, `no_new_privs` and `not_dumpable`: what is left of a process's rights.

A zygote keeps one capability, in its own user namespace: its children mount their scratch with it, and drop it before
they read a foreign byte.
"""

import os
import signal
import sys
from collections.abc import Callable

from . import kernel

CAP_SYS_ADMIN = 21

Step = Callable[[], object]
"""Something that a process does to itself, made ready beforehand."""


def keep_one() -> None:
    """Give up every capability but the one to mount, which only counts in this process's own user namespace.

    Raises:
        OSError: When it cannot be done.
    """
    kernel.drop_capabilities(keep=1 << CAP_SYS_ADMIN)


def dropping_last() -> Step:
    """Gives up what `keep_one` has left."""
    return kernel.setting_capabilities(0)


def drop_all() -> None:
    """Give up every capability for good."""
    kernel.drop_capabilities()


def forbid_more() -> None:
    """Never again get rights by executing a file; for this process and all that it starts."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def hide_memory() -> None:
    """Let no other process of the user read this one's memory or trace it."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; only Linux can.

    Args:
        parent: The parent's process id as this process sees it: 0 when that is outside its pid namespace.
    """
    ending_with(parent)()


def ending_with(parent: int) -> Step:
    """`end_with`, prepared."""
    arm: Step = dict
    if sys.platform == "linux":
        arm = kernel.prepared("prctl", kernel.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def end() -> None:
        arm()
        if os.getppid() != parent:
            os._exit(0)

    return end
