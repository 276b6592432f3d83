"""A child of the zygote: it locks itself before it reads a foreign byte, then serves one session and ends."""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from .layers import kernel, landlock, limits, privileges, root, seccomp
from .roles import compare, compiling, grade, subject, test_runner
from .rpc.channel import Channel

CHANNEL = 3
"""The descriptor of a child's channel; 0, 1 and 2 are its standard input, output and error."""
RULESET = 4
THREADS = 5
"""The descriptor of the list of its threads, in a process that keeps one."""
READY = b"R"
"""The first byte that a session sends, when it is locked and before it has read anything; the kernel adds its process id."""
ROLES: dict[bytes, Callable[[Channel], None]] = {
    b"compare": compare.serve,
    b"compiling": compiling.serve,
    b"grade": grade.serve,
    b"judge": test_runner.serve,
    b"subject": subject.serve,
}
"""What a session can be."""
TESTING = frozenset({b"compare", b"judge", b"subject"})
"""The roles of `code_tests`, whose answers may be integers of any number of digits."""


_THREAD_LIST = "/proc/self/task"


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
        counts_alone: bool,
        lists_threads: bool = False,
    ) -> None:
        """Make everything ready.

        Args:
            layers: The layers that are to hold.
            filter: The seccomp program; empty when that layer is off.
            ruleset: Landlock's ruleset as a descriptor; None when that layer is off.
            scratch_bytes: Size of the private scratch.
            scratch_files: Files that fit into it.
            threads: How many threads a child may have; None where they cannot be limited.
            cpu_seconds: Processor time of one child; None for no limit.
            parent: The process id of the parent as this process sees it: the zygote's, for its children.
            counts_alone: Whether its threads are counted apart from those of other children.
            lists_threads: Whether to keep the directory that lists its threads open, as `THREADS`.
        """
        self.layers = layers
        steps: list[Callable[[], object]] = []
        if ruleset is not None:
            steps.append(partial(os.dup2, ruleset, RULESET))
        if "descriptors" in layers:
            steps.append(_closing(RULESET if ruleset is None else RULESET + 1))
        steps += [_open_thread_list] if lists_threads else []
        if "mount" in layers:
            steps += root.scratch(scratch_bytes, scratch_files)
        if counts_alone:
            # the kernel counts the threads of a user in a user namespace: in one that others share, a process that
            # starts as many as it may would leave the others none
            steps.append(kernel.prepared("unshare", kernel.CLONE_NEWUSER))
            if "not_dumpable" in layers:
                steps.append(privileges.hide_memory)  # the kernel undoes it when rights change
        steps.append(privileges.ending_with(parent))  # likewise
        if "capabilities" in layers and ("mount" in layers or counts_alone):
            steps.append(privileges.dropping_last())
        if "rlimits" in layers:
            steps.append(partial(limits.apply_own, threads, cpu_seconds))
        if ruleset is not None:
            steps += [landlock.applying(RULESET), partial(os.close, RULESET)]
        if filter:
            steps.append(seccomp.applying(filter))
        self._steps = steps

    def apply(self) -> None:
        """Lock this process for good.

        Raises:
            OSError: When a layer does not hold: nothing foreign may run then.
        """
        for step in self._steps:
            step()


def _open_thread_list() -> None:
    """Open the directory that lists the threads of this process, where the system has one."""
    if not os.path.isdir(_THREAD_LIST):
        return
    opened = os.open(_THREAD_LIST, os.O_RDONLY | os.O_DIRECTORY)
    if opened != THREADS:
        os.dup2(opened, THREADS, inheritable=False)
        os.close(opened)


def _closing(first: int) -> Callable[[], object]:
    """Closes every descriptor from one on."""
    if kernel.machine():
        return kernel.prepared("close_range", first, 0xFFFFFFFF, 0)
    return partial(os.closerange, first, os.sysconf("SC_OPEN_MAX"))


def occupy() -> None:
    """See that no descriptor below those that a child puts in place is free: none that it is given will stand there."""
    while (descriptor := os.open("/dev/null", os.O_RDWR)) <= RULESET:
        pass
    os.close(descriptor)


def run(lock: Lock, session: int, *streams: int) -> NoReturn:
    """Be the child: take the session's descriptors, lock, serve, end.

    Args:
        lock: How to lock.
        session: The descriptor of the session's socket.
        streams: Those of its standard input, output and error.
    """
    status = 1
    try:
        for target, source in enumerate(streams):
            os.dup2(source, target)
        os.dup2(session, CHANNEL)
        os.setsid()  # a scheduling group of its own, where the kernel groups sessions: its threads share its share
        lock.apply()
        os.write(CHANNEL, READY)
        serve(Channel(CHANNEL))
        status = 0
    except BaseException as error:  # noqa: BLE001  # whatever happened: this process must not become a second zygote
        _say(error)
    finally:
        os._exit(status)


def serve(channel: Channel) -> None:
    """Play the role that the session's first frame names."""
    role = channel.receive()
    if role is not None:
        if role in TESTING:  # time and memory are limited: long numbers need no bound of their own
            sys.set_int_max_str_digits(0)
        if role != b"subject":  # it may be sent a standard input, and seals it then
            kernel.seal_whole(0)
        ROLES[role](channel)


def _say(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
