"""The launcher: loads modules, enters namespaces, and becomes a zygote; started by `runtime.sandbox.processes.zygote`.

Its supervisor's first frame says how. Whatever fails is told and ends it: a process that is half locked never goes on.
`lock_here` does the same to a process that becomes no zygote, but is to run foreign code itself.
"""

import errno
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Collection
from typing import Any, NamedTuple, NoReturn

from . import child, shared
from .layers import kernel, landlock, limits, namespaces, privileges, root, seccomp
from .rpc.channel import Channel
from .zygote import ZygoteServer

MODULES = "modules"
"""The layer that a `LaunchError` names when the modules are to blame."""


class LaunchError(Exception):
    """A process cannot be locked as it was asked for.

    Attributes:
        layer: The layer that does not hold.
        errno: The error number of the system call that failed, where it was one.
    """

    def __init__(self, layer: str, why: object) -> None:
        super().__init__(str(why))
        self.layer = layer
        self.errno = _errno_of(why)

    def told(self) -> bytes:
        """What the supervisor is told."""
        return json.dumps({"failed": self.layer, "why": str(self), "errno": self.errno}).encode()


def _errno_of(why: object) -> int | None:
    """The error number that a failure began with."""
    while isinstance(why, BaseException):
        if isinstance(why, OSError) and why.errno is not None:
            return why.errno
        why = why.__cause__
    return None


def main(descriptor: int) -> None:
    """Become a zygote, and serve until the supervisor is gone."""
    channel = Channel(descriptor, ahead=False)
    received = channel.receive()
    if received is None:
        return
    setup = json.loads(received)
    privileges.end_with(setup["parent"])
    sys.path.remove(setup["home"])
    shared.load(setup["shared"])
    child.occupy()
    try:
        lock, loaded = _prepare(setup)
    except LaunchError as error:
        channel.send(error.told())
        return
    except OSError as error:  # no memory, no processes
        channel.send(LaunchError("", error).told())
        return
    channel.send(json.dumps({"ready": True, **loaded}).encode())
    ZygoteServer(socket.socket(fileno=descriptor), lock).serve()


def lock_here(setup: dict[str, Any], *, listed: Collection[str], needs: Collection[str]) -> set[str]:
    """Lock this process for good, except that it may still fork; gives the layers that hold.

    With a pid namespace this returns in its first process, whose parent waits for its end, and ends in the same way.

    Args:
        setup: How, as a supervisor tells its zygotes.
        listed: Directories whose names may be read.
        needs: What must stay within reach: "files", all that the user may reach, or "network".

    Raises:
        LaunchError: When a layer does not hold: nothing foreign may run then.
    """
    lock = _lock(_enter(setup), setup, listed=listed, needs=needs)
    try:
        lock.apply()
    except OSError as error:
        raise LaunchError("lock", error) from error
    return set(lock.layers)


class _Place(NamedTuple):
    """Where a process is that has entered its namespaces.

    Attributes:
        layers: The layers that hold, or are still to come.
        paths: What it needs to see.
        hidden: Inside of these, what it is not to see.
        parent: Its parent's process id, as it sees it.
    """

    layers: set[str]
    paths: list[str]
    hidden: list[str]
    parent: int


def _prepare(setup: dict[str, Any]) -> tuple[child.Lock, dict[str, Any]]:
    """Do everything but fork; gives the lock, and what the supervisor is told.

    Raises:
        LaunchError: When a layer does not hold.
    """
    place = _enter(setup)
    unloaded = _load(setup["modules"])
    _forget(setup["absent"])
    lock = _lock(place._replace(parent=os.getpid()), setup)
    _rehearse(lock)
    gc.collect()
    gc.freeze()
    return lock, {"layers": sorted(lock.layers), "unloaded": unloaded}


def _enter(setup: dict[str, Any]) -> _Place:
    """Enter namespaces, and become another user; returns in the process that lives there."""
    layers = set(setup["layers"])
    confined = layers & {"mount", "landlock", "identity"}
    paths = root.needed_paths(setup["visible"]) if confined else []
    hidden = root.hidden_in(paths, setup["hidden"])
    spaces = layers & set(namespaces.NAMES)
    parent = setup["parent"]
    if spaces:
        _enter_namespaces(spaces, paths, hidden, setup["outside"])
        if "pid" in spaces:
            parent = 0
        if spaces >= {"user"} and "identity" in layers:
            namespaces.become_inside()
    elif "identity" in layers and os.geteuid() == 0:
        if _others_can_read(paths, setup["outside"]):
            kernel.set_identity(setup["outside"], setup["outside"])
        else:
            layers.remove("identity")
    privileges.end_with(parent)  # again: changing users has disarmed it
    return _Place(layers, paths, hidden, parent)


def _load(modules: list[str]) -> dict[str, str]:
    """Import what most sessions will import; gives what does not import, or must not be shared by a fork, and why."""
    unloaded = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001  # its importer will see the same, in its own session
            unloaded[name] = f"{type(error).__name__}: {error}"
    if sys.platform == "linux" and not _is_single_threaded():
        raise LaunchError(MODULES, "one of the modules starts a thread, which a fork would lose")
    return unloaded


def _forget(names: list[str]) -> None:
    """See that packages whose files are hidden are not found: their empty directories could be imported."""
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"


def _is_single_threaded() -> bool:
    try:
        kernel.unshare(kernel.CLONE_THREAD)  # does nothing, and fails with any other thread
    except OSError as error:
        # a container's own filter refuses the call to everybody, and then nothing was mounted that would hide /proc
        return error.errno == errno.EPERM and len(os.listdir("/proc/self/task")) == 1
    return True


def _enter_namespaces(spaces: set[str], paths: list[str], hidden: list[str], outside: int) -> None:
    """Enter namespaces; returns in the process that lives in them, whose parent waits for its end."""
    try:
        namespaces.enter(spaces, outside)
        if "mount" in spaces:
            root.enter(paths, hidden)
    except (OSError, namespaces.NamespaceError) as error:
        raise LaunchError("namespaces", error) from error
    if "pid" in spaces:
        first = os.fork()
        if first:
            _wait_for(first)
        privileges.end_with(0)


def _wait_for(first: int) -> NoReturn:
    """Stay as the parent of a pid namespace's first process, holding nothing open, and end as it ends.

    SIGTERM ends both, the first process first: it is reaped here, and nothing is left to the init of a container.
    """
    kernel.close_range(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # before its process id can become another's
    status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _lock(
    place: _Place,
    setup: dict[str, Any],
    *,
    listed: Collection[str] = (),
    needs: Collection[str] | None = None,
) -> child.Lock:
    """Lock this process as far as a zygote may be locked, and make the lock of its children; with `needs`, its own."""
    layers = place.layers
    is_zygote, needs = needs is None, needs or ()
    try:
        if "capabilities" in layers:
            privileges.keep_one() if "mount" in layers else privileges.drop_all()
        if "no_new_privs" in layers:
            privileges.forbid_more()
        if "not_dumpable" in layers:
            privileges.hide_memory()
        if "rlimits" in layers:
            limits.apply_common(setup["memory_bytes"], setup["disk_bytes"])
        allowed = needs if is_zygote else [*needs, "fork"]
        program = seccomp.build(needs=allowed) if "seccomp" in layers else b""
    except OSError as error:
        raise LaunchError("privileges", error) from error
    return child.Lock(
        layers=frozenset(layers),
        filter=program,
        ruleset=_ruleset(place, listed, needs),
        scratch_bytes=setup["disk_bytes"],
        scratch_files=setup["disk_files"],
        threads=(limits.THREADS if is_zygote else limits.WORKER_THREADS) if "user" in layers else None,
        # no layer of its own: a control without the filter must show what the filter is good for, and in a user namespace
        # without a map of identities much of that fails by itself
        counts_alone=is_zygote and layers >= {"user", "seccomp"},
        cpu_seconds=setup["cpu_seconds"],
        parent=place.parent,
        lists_threads=not is_zygote and "mount" not in layers,
    )


def _ruleset(place: _Place, listed: Collection[str], needs: Collection[str]) -> int | None:
    if "landlock" not in place.layers:
        return None
    paths, between = place.paths, list(listed)
    if "mount" not in place.layers:  # it has emptied what is hidden, and each rule costs each child a little
        paths, more = root.around(paths, place.hidden)
        between += more
    readable, writable = [*paths, *root.DEVICES], ["/dev/null"]
    if "mount" in place.layers:
        writable.append(root.BOX)
    if "files" in needs:
        # not a layer less: no other process's memory, environment or descriptors can be reached through /proc
        readable, writable = [], ["/"]
    try:
        # where nothing below was to be shown, the directory is not either
        there = filter(os.path.isdir, between)
        return landlock.build(readable, writable, listed=there, network="network" in needs)
    except OSError as error:
        raise LaunchError("landlock", error) from error


def _rehearse(lock: child.Lock) -> None:
    """Lock one child that does nothing else: what does not hold is found out before anything foreign comes."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(writer, child.CHANNEL)
            lock.apply()
            status = 0
        except BaseException as error:  # noqa: BLE001  # told, and the end of this process in any case
            code = _errno_of(error) or 0
            os.write(child.CHANNEL, f"{code} {type(error).__name__}: {error}".encode(errors="replace"))
        finally:
            os._exit(status)
    os.close(writer)
    why = os.read(reader, 4096).decode(errors="replace")
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status:
        number, _, text = why.partition(" ")
        refused = LaunchError("lock", text or f"a locked child ended with status {status}")
        refused.errno = int(number) if number.isdigit() else None
        raise refused


def _others_can_read(paths: list[str], user: int) -> bool:
    """Whether another user of the host could read these paths: an interpreter in a private home could not go on."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.set_identity(user, user)
            os._exit(0 if all(os.access(path, os.R_OK) for path in paths) else 1)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
