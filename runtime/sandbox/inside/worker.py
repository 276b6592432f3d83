"""A worker that locks itself before anything of its plugin's is imported; started by `runtime.workers.process`.

Its evaluator's first frame says how to lock, and is answered with the layers that hold, or with the one that does not: then
the process ends, and another one is asked for less.
"""

import json
import os
import sys

from . import launch, privileges, root
from .channel import Channel
from .child import CHANNEL


def lock(descriptor: int) -> int:
    """Lock this process; returns in one that is locked.

    Args:
        descriptor: The socket to the evaluator.

    Returns:
        The descriptor of the socket in the locked process.
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
    except launch.LaunchError as error:
        channel.send(error.told())
        sys.exit(0)
    except OSError as error:  # no memory, no processes
        channel.send(launch.LaunchError("", error).told())
        sys.exit(0)
    channel.send(json.dumps({"layers": layers}).encode())
    return CHANNEL
