"""A worker that locks itself before anything of its plugin's is imported; started by `runtime.workers.process`.

Its evaluator's first frame says how to lock, and is answered with the layers that hold, or with the one that does not: then
the process ends, and another one is asked for less.

The locked process may fork, and nothing else that a plugin may not. Its children see the samples, and `Locked.seal` takes the
right to fork from each of them before it reads one.
"""

import json
import os
import sys
from collections.abc import Collection
from contextlib import suppress

from . import launch
from .child import CHANNEL, THREADS
from .layers import kernel, privileges, root, seccomp
from .rpc.channel import Channel


class Locked:
    """This process, locked.

    Attributes:
        descriptor: Its socket to the evaluator.
        has_scratch: Whether it has a scratch directory of its own, which is the only place where it can write.
        scratch: That directory. `/tmp` leads to it, except where Python or a package lies below `/tmp`.
    """

    def __init__(self, layers: Collection[str], needs: Collection[str]) -> None:
        """Prepare what its children do to themselves."""
        self.descriptor = CHANNEL
        self.has_scratch, self.scratch = "mount" in layers, root.SCRATCH
        self._end_with_parent = privileges.ending_with(os.getpid())
        self._filter: privileges.Step = dict
        if "seccomp" in layers:
            self._filter = seccomp.applying(seccomp.build(needs=needs), all_threads=True)

    def seal(self, *, forked: bool) -> None:
        """Take the right to fork from this process, for good.

        Args:
            forked: Whether it is a child of the locked process, and is to end with it.

        Raises:
            OSError: When the kernel refuses: nothing foreign may run then.
        """
        if not self.has_scratch:
            with suppress(OSError):
                os.close(THREADS)
        if forked:
            self._end_with_parent()
        self._filter()

    def is_single_threaded(self) -> bool:
        """Whether a fork would lose no thread; False where that cannot be found out."""
        if not self.has_scratch:
            try:
                return len(os.listdir(THREADS)) == 1
            except OSError:
                return False
        try:
            kernel.unshare(kernel.CLONE_THREAD)  # does nothing, and fails in a process that has other threads
        except OSError:
            return False
        return True


def lock(descriptor: int) -> Locked:
    """Lock this process; returns in one that is locked.

    Args:
        descriptor: The socket to the evaluator.
    """
    os.dup2(descriptor, CHANNEL, inheritable=False)
    channel = Channel(CHANNEL, ahead=False)
    received = channel.receive()
    if received is None:
        sys.exit(0)
    setup = json.loads(received)
    privileges.end_with(setup["parent"])
    sys.path.remove(setup["home"])
    setup["visible"] += root.sources(setup["packages"])
    listed = [path for path in root.source_trees() if os.path.isdir(path)]
    try:
        layers = launch.lock_here(setup, listed=listed, needs=setup["needs"])
        locked = Locked(layers, setup["needs"])
    except launch.LaunchError as error:
        channel.send(error.told())
        sys.exit(0)
    except OSError as error:  # no memory, no processes
        channel.send(launch.LaunchError("", error).told())
        sys.exit(0)
    channel.send(json.dumps({"layers": sorted(layers)}).encode())
    return locked
