"""Layers `user`, `mount`, `pid`, `net`, `ipc`, `uts` and `cgroup`: namespaces of the zygote's own.

Inside, the sandboxed code is user 1 and sees no process, interface, queue or name of the host. As an ordinary user, user 1
is the one who started it; as root, user 1 is an unprivileged one of the host, and root is mapped only until the new root
file system is there.
"""

import errno
import os

from . import kernel

NAMES = ("user", "mount", "pid", "net", "ipc", "uts", "cgroup")
INSIDE = 1
"""User and group of sandboxed code, as it sees itself."""

_FLAGS = {
    "user": kernel.CLONE_NEWUSER,
    "mount": kernel.CLONE_NEWNS,
    "pid": kernel.CLONE_NEWPID,
    "net": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "cgroup": kernel.CLONE_NEWCGROUP,
}
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 4
_CAUSES = {
    errno.EPERM: "a container's seccomp profile or AppArmor forbids it",
    errno.ENOSPC: "sysctl user.max_user_namespaces is 0 or used up",
    errno.EINVAL: "this kernel was built without it",
    errno.ENOSYS: "this kernel or container does not have it",
}


class NamespaceError(Exception):
    """A namespace step failed; the process is half locked and must not go on."""


def enter(names: set[str], outside: int) -> None:
    """Move this process into new namespaces; a new pid namespace begins with its next child.

    Args:
        names: Which ones; user must be among them unless started by root.
        outside: The host's user whom sandboxed code runs as, when started by root.

    Raises:
        NamespaceError: Saying which step failed, and the usual cause.
    """
    flags = 0
    for name in names:
        flags |= _FLAGS[name]
    root = os.geteuid() == 0
    mapper = _Mapper(os.getpid(), outside) if root and "user" in names else None
    if root:
        os.setgroups([])
    identity = os.geteuid(), os.getegid()
    try:
        kernel.unshare(flags)
    except OSError as error:
        if mapper:
            mapper.give_up()
        raise NamespaceError(_explained("unshare", error)) from error
    try:
        if mapper:
            mapper.map()
        elif "user" in names:
            _map_self(*identity)
        if "uts" in names:
            kernel.sethostname("sandbox")
    except OSError as error:
        raise NamespaceError(_explained("mapping users", error)) from error


def become_inside() -> None:
    """Become the sandbox's user for good, where root was mapped; capabilities stay until they are dropped."""
    if os.geteuid() == 0:
        # changing users would drop the capabilities otherwise
        kernel.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP)
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)


def _map_self(user: int, group: int) -> None:
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INSIDE} {user} 1")
    _write("/proc/self/gid_map", f"{INSIDE} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


class _Mapper:
    """A process outside the new namespace that writes the maps, which need privileges there."""

    def __init__(self, pid: int, outside: int) -> None:
        go, self._go = os.pipe()
        self._done, done = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(go)
            os.close(done)
            return
        code = 1
        try:
            os.close(self._go)
            os.close(self._done)
            if os.read(go, 1) == b"g":
                for kind in ("uid", "gid"):
                    _write(f"/proc/{pid}/{kind}_map", f"0 0 1\n{INSIDE} {outside} 1\n")
                code = 0
        finally:
            os._exit(code)

    def map(self) -> None:
        """Have the maps written.

        Raises:
            PermissionError: When they cannot be.
        """
        os.write(self._go, b"g")
        os.read(self._done, 1)
        if self._wait():
            raise PermissionError(errno.EPERM, "root may not map users here")

    def give_up(self) -> None:
        """End it; nothing was unshared."""
        os.close(self._go)
        self._wait()

    def _wait(self) -> int:
        return os.waitpid(self._child, 0)[1]


def _explained(step: str, error: OSError) -> str:
    cause = _CAUSES.get(error.errno or 0)
    name = errno.errorcode.get(error.errno or 0, "error")
    return f"{step}: {name}" + (f" ({cause})" if cause else "")
