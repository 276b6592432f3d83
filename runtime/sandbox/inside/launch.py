"""The launcher: loads modules, enters namespaces, and becomes a zygote; started by `runtime.sandbox.zygote`.

Its supervisor's first frame says how. Whatever fails is told and ends it: a process that is half locked never goes on.
"""

import errno
import fcntl
import gc
import importlib
import json
import os
import socket
import sys
from typing import Any

from . import child, kernel, landlock, limits, namespaces, privileges, root, seccomp
from .channel import Channel
from .zygote import Zygote

MODULES = "modules"
"""The layer that a `LaunchError` names when the modules are to blame."""
THREADS = 512
"""Of all children of one zygote; each is also bounded by its address space."""


class LaunchError(Exception):
    """The zygote cannot be made as it was asked for.

    Attributes:
        layer: The layer that does not hold.
    """

    def __init__(self, layer: str, why: object) -> None:
        super().__init__(str(why))
        self.layer = layer


def main(descriptor: int) -> None:
    """Become a zygote, and serve until the supervisor is gone."""
    channel = Channel(descriptor)
    received = channel.receive()
    if received is None:
        return
    setup = json.loads(received)
    privileges.end_with(setup["parent"])
    sys.path.remove(setup["home"])
    try:
        lock, loaded = _prepare(setup)
    except LaunchError as error:
        channel.send(json.dumps({"failed": error.layer, "why": str(error)}).encode())
        return
    channel.send(json.dumps({"ready": True, **loaded}).encode())
    Zygote(socket.socket(fileno=descriptor), lock).serve()


def _prepare(setup: dict[str, Any]) -> tuple[child.Lock, dict[str, Any]]:
    """Do everything but fork; gives the lock, and what the supervisor is told.

    Raises:
        LaunchError: When a layer does not hold.
    """
    layers = set(setup["layers"])
    paths = root.needed_paths(setup["visible"])
    spaces = layers & set(namespaces.NAMES)
    if spaces:
        _enter(spaces, paths, setup["outside"])
        if spaces >= {"user"} and "identity" in layers:
            namespaces.become_inside()
    elif "identity" in layers and os.geteuid() == 0:
        if _others_can_read(paths, setup["outside"]):
            kernel.set_identity(setup["outside"], setup["outside"])
        else:
            layers.remove("identity")
    unloaded = _load(setup["modules"])
    lock = _lock(layers, setup, paths, 1 if "pid" in spaces else os.getpid())
    _rehearse(lock)
    gc.collect()
    gc.freeze()
    return lock, {"layers": sorted(layers), "unloaded": unloaded}


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


def _is_single_threaded() -> bool:
    try:
        kernel.unshare(kernel.CLONE_THREAD)  # does nothing, and fails with any other thread
    except OSError as error:
        # a container's own filter refuses the call to everybody, and then nothing was mounted that would hide /proc
        return error.errno == errno.EPERM and len(os.listdir("/proc/self/task")) == 1
    return True


def _enter(spaces: set[str], paths: list[str], outside: int) -> None:
    """Enter namespaces; returns in the process that lives in them, whose parent waits for its end."""
    try:
        namespaces.enter(spaces, outside)
        if "mount" in spaces:
            root.enter(paths)
    except (OSError, namespaces.NamespaceError) as error:
        raise LaunchError("namespaces", error) from error
    if "pid" in spaces:
        first = os.fork()
        if first:
            _wait_for(first)
        privileges.end_with(0)


def _wait_for(first: int) -> None:
    """Stay as the parent of a pid namespace's first process, holding nothing open, and end with it."""
    kernel.close_range(0)
    _, status = os.waitpid(first, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _lock(layers: set[str], setup: dict[str, Any], paths: list[str], zygote: int) -> child.Lock:
    """Lock the zygote as far as it may be locked, and make the lock of its children."""
    try:
        if "capabilities" in layers:
            privileges.keep_one() if "mount" in layers else privileges.drop_all()
        if "no_new_privs" in layers:
            privileges.forbid_more()
        if "not_dumpable" in layers:
            privileges.hide_memory()
        if "rlimits" in layers:
            limits.apply_common(setup["memory_bytes"], setup["disk_bytes"])
        program = seccomp.build() if "seccomp" in layers else b""
    except OSError as error:
        raise LaunchError("privileges", error) from error
    return child.Lock(
        layers=frozenset(layers),
        filter=program,
        ruleset=_ruleset(layers, paths),
        scratch_bytes=setup["disk_bytes"],
        scratch_files=setup["disk_files"],
        threads=THREADS if "user" in layers else None,
        cpu_seconds=setup["cpu_seconds"],
        zygote=zygote,
    )


def _ruleset(layers: set[str], paths: list[str]) -> int | None:
    if "landlock" not in layers:
        return None
    writable = ["/dev/null", *([root.BOX] if "mount" in layers else [])]
    try:
        ruleset = landlock.build([*paths, *root.DEVICES], writable)
    except OSError as error:
        raise LaunchError("landlock", error) from error
    # out of the way of the descriptors that a child puts in place before it uses this one
    return fcntl.fcntl(ruleset, fcntl.F_DUPFD_CLOEXEC, child.FIRST_FREE)


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
            os.write(child.CHANNEL, f"{type(error).__name__}: {error}".encode(errors="replace"))
        finally:
            os._exit(status)
    os.close(writer)
    why = os.read(reader, 4096).decode(errors="replace")
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status:
        raise LaunchError("lock", why or f"a locked child ended with status {status}")


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
