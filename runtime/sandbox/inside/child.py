"""A child of the zygote: it locks itself before it reads a foreign byte, then serves one session and ends."""

import contextlib
import fcntl
import importlib
import json
import os
import types
from typing import NoReturn

from . import compiling, grade, judge, kernel, landlock, limits, privileges, root, seccomp, subject
from .channel import Channel

CHANNEL = 3
"""The descriptor of a child's channel; 0, 1 and 2 are its standard input, output and error."""
RULESET = 4
FIRST_FREE = 16
"""Descriptors below are put in place by a child."""
ROLES: dict[str, types.ModuleType] = {
    "compiling": compiling,
    "grade": grade,
    "judge": judge,
    "subject": subject,
}
"""What a session can be: modules with a function `serve`, loaded before the lock. A supervisor may also name a module that
its zygote can import."""


class Lock:
    """What a process does to itself; made once by the zygote, so that forking is all that is left to do."""

    def __init__(
        self,
        *,
        layers: frozenset[str],
        filter: bytes,  # noqa: A002  # what the kernel calls it
        ruleset: int | None,
        scratch_bytes: int,
        scratch_files: int,
        threads: int | None,
        cpu_seconds: int | None,
        parent: int,
    ) -> None:
        """Take what there is to do.

        Args:
            layers: The layers that are to hold.
            filter: The seccomp program; empty when that layer is off.
            ruleset: Landlock's ruleset as a descriptor; None when that layer is off.
            scratch_bytes: Size of the private scratch.
            scratch_files: Files that fit into it.
            threads: How many threads a child may have; None where they cannot be limited.
            cpu_seconds: Processor time of one child; None for no limit.
            parent: The process id of the parent as this process sees it: the zygote's, for its children.
        """
        self.layers, self.filter, self.ruleset = layers, filter, ruleset
        self.scratch_bytes, self.scratch_files = scratch_bytes, scratch_files
        self.threads, self.cpu_seconds, self.parent = threads, cpu_seconds, parent

    def apply(self) -> None:
        """Lock this process for good.

        Raises:
            OSError: When a layer does not hold: nothing foreign may run then.
        """
        if self.ruleset is not None:
            os.dup2(self.ruleset, RULESET)
        if "descriptors" in self.layers:
            first = RULESET if self.ruleset is None else RULESET + 1
            kernel.close_range(first) if kernel.machine() else os.closerange(first, os.sysconf("SC_OPEN_MAX"))
        privileges.end_with(self.parent)
        if "mount" in self.layers:
            root.mount_scratch(self.scratch_bytes, self.scratch_files)
            if "capabilities" in self.layers:
                privileges.drop_last()
        if "rlimits" in self.layers:
            limits.apply_own(self.threads, self.cpu_seconds)
        if self.ruleset is not None:
            landlock.apply(RULESET)
            os.close(RULESET)
        if self.filter:
            seccomp.apply(self.filter)


def run(lock: Lock, *descriptors: int) -> NoReturn:
    """Be the child: take the session's descriptors, lock, serve, end.

    Args:
        lock: How to lock.
        descriptors: The session's socket, and its standard input, output and error.
    """
    status = 1
    try:
        # copies first: a descriptor to put in place may stand where another one belongs
        session, stdin, stdout, stderr = (fcntl.fcntl(d, fcntl.F_DUPFD, FIRST_FREE) for d in descriptors)
        for target, source in enumerate((stdin, stdout, stderr, session)):
            os.dup2(source, target)
        lock.apply()
        serve(Channel(CHANNEL))
        status = 0
    except BaseException as error:  # noqa: BLE001  # whatever happened: this process must not become a second zygote
        _say(error)
    finally:
        os._exit(status)


def serve(channel: Channel) -> None:
    """Do what the session's first frame asks for."""
    first = channel.receive()
    if first is None:
        return
    setup = json.loads(first)
    role = ROLES.get(setup["role"])
    (role or importlib.import_module(setup["role"])).serve(channel, setup)


def _say(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
