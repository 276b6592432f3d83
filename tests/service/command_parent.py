"""`python command_parent.py DESCRIPTOR`: imports the command `graders`, then forks a process for each request.

A request is a packet of JSON with `argv`, `env` and `cwd`, and four descriptors: the standard streams of the process, and
the report on it. A report is a line with the process's id, and, when it has ended, one with its exit code, negative for a
signal. Several processes may run at the same time.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import selectors
import socket
import sys
import tempfile
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


class Request(TypedDict):
    """What a process is to be."""

    argv: list[str]
    env: dict[str, str]
    cwd: str


def serve(requests: socket.socket) -> None:
    """Fork for each request until nobody can ask any more; returns in each process that is forked, too."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fileobj)
                    ended(key.fd, *key.data)
                elif fork(requests, selector):
                    return


def fork(requests: socket.socket, selector: selectors.BaseSelector) -> bool:
    """Read a request and fork; whether this is the process that is forked."""
    message, descriptors, *_ = socket.recv_fds(requests, 1 << 20, 4)
    if not message:
        sys.exit()
    *streams, report = descriptors
    pid = os.fork()
    if not pid:
        for key in list(selector.get_map().values()):
            os.close(key.fd)
            if key.data:
                os.close(key.data[1])
        requests.detach()
        os.close(report)
        become(json.loads(message), streams)
        return True
    for stream in streams:
        os.close(stream)
    tell(report, pid)
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))
    return False


def ended(descriptor: int, pid: int, report: int) -> None:
    """Report the end of a process."""
    os.close(descriptor)
    tell(report, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(report)


def tell(report: int, number: int) -> None:
    """Write a line, if anybody reads it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(report, b"%d\n" % number)


def become(request: Request, streams: list[int]) -> None:
    """Take over what a process inherits from the one that starts it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None  # what was read of the parent's environment, and drawn by it, is not this one's
    random.seed()
    sys.argv[:] = request["argv"]


if __name__ == "__main__":
    import_everything()
    gc.freeze()  # what is imported stays; a collection in a process that is forked would copy all of it
    serve(socket.socket(fileno=int(sys.argv[1])))
    from service.start import main

    sys.exit(main())  # type: ignore[func-returns-value]
