"""`python command_parent.py DESCRIPTOR`: imports the command `graders`, then forks a process for each request.

A request is a datagram of JSON with `argv`, `env` and `cwd`, and three descriptors that become the standard streams. The
answer is a line with the process's id, and one with its exit code, negative for a signal.
"""

import importlib
import json
import os
import pkgutil
import socket
import sys
from typing import TypedDict

import graders
import runtime
import service

APART = ("graders.pytest_plugin", "runtime.sandbox.inside", "runtime.attacks", "service.store.migrations")
"""What only pytest, Alembic or another interpreter imports."""


def import_everything() -> None:
    """Import what any command may need."""
    for package in (graders, runtime, service):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(APART) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def serve(requests: socket.socket) -> None:
    """Fork for each request until nobody can ask any more; returns in each process that is forked, too."""
    while True:
        message, streams, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            sys.exit()
        pid = os.fork()
        if not pid:
            requests.close()
            become(json.loads(message), streams)
            return
        for stream in streams:
            os.close(stream)
        requests.sendall(b"%d\n" % pid)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        requests.sendall(b"%d\n" % status)


class Request(TypedDict):
    """What a process is to be."""

    argv: list[str]
    env: dict[str, str]
    cwd: str


def become(request: Request, streams: list[int]) -> None:
    """Take over what a process inherits from the one that starts it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[:] = request["argv"]


if __name__ == "__main__":
    import_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
    from service.start import main

    sys.exit(main())  # type: ignore[func-returns-value]
