"""Layer `landlock`: which files a child may reach, no TCP, and no signals or abstract sockets to anybody outside.

Best effort by version: what the running kernel cannot restrict is left out, and `missing_rights` says what that leaves
open. No version restricts looking (stat, access, chdir), changing modes, owners, times and attributes, UDP, or sockets
with a path; the mount namespace and the seccomp filter are there for those.
"""

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterable

from . import kernel

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14

_FILE_RIGHTS = (0, 13, 14, 15, 15, 16)
"""How many rights to files versions 0 to 5 know; later ones know no more that this module does."""
_NET_RIGHTS, _NET_VERSION = 0b11, 4  # bind and connect TCP
_SCOPES, _SCOPE_VERSION = 0b11, 6  # abstract unix sockets, signals
_LOG_OFF, _LOG_VERSION = 1, 7

_READ = _READ_FILE | _READ_DIR
_WRITE = (
    _READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER
)  # no links, pipes, sockets or devices, and nothing is ever executed
_OF_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE
_VERSION_ONLY = 1
_PATH_BENEATH = 1

_OPEN_BEFORE = (
    (1, "every file that the user may reach"),
    (3, "emptying files that may be read, where the user may write them (O_RDONLY with O_TRUNC)"),
    (_NET_VERSION, "TCP connections and servers"),
    (5, "ioctl on devices that may be opened"),
    (_SCOPE_VERSION, "abstract unix sockets of other processes, and signals to them"),
)


def abi() -> int:
    """The version of Landlock in the running kernel; 0 if the kernel has no Landlock, or it is off."""
    try:
        return _version()
    except OSError:
        return 0


def detect() -> str | None:
    """What this system lacks for the layer, in one line; None when nothing."""
    if kernel.machine() is None:
        return "landlock: only Linux on x86_64 and aarch64 is supported"
    try:
        _version()
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "landlock: switched off when the system was started (add landlock to the kernel's lsm=)"
        return f"landlock: not in this kernel, or refused ({os.strerror(error.errno or 0)})"
    return None


def missing_rights(version: int) -> tuple[str, ...]:
    """What a version of Landlock leaves open that a later one closes, in words."""
    return tuple(what for since, what in _OPEN_BEFORE if version < since)


def build(
    readable: Iterable[str], writable: Iterable[str], *, listed: Iterable[str] = (), network: bool = False
) -> int:
    """A ruleset, as a descriptor: `apply` it in as many processes as need it.

    Args:
        readable: Files that may be read, and directories with everything below them.
        writable: The same for reading and writing; below a directory, files and directories may be made and removed.
        listed: Directories that may be listed, with all directories below them, and nothing more.
        network: Whether TCP is to stay.

    Raises:
        OSError: When the kernel has no Landlock, or a path does not exist.
    """
    version = _version()
    files = (1 << _FILE_RIGHTS[min(version, len(_FILE_RIGHTS) - 1)]) - 1
    handled = [files]
    handled += [0 if network else _NET_RIGHTS] if version >= _NET_VERSION else []
    handled += [_SCOPES] if version >= _SCOPE_VERSION else []
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = kernel.syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ & files)
        for path in writable:
            _allow(ruleset, path, _WRITE & files)
        for path in listed:
            _allow(ruleset, path, _READ_DIR)
    except OSError:
        os.close(ruleset)
        raise
    return ruleset


def apply(ruleset: int) -> None:
    """Restrict this thread, and all that it starts, for good; needs no_new_privs.

    Raises:
        OSError: When the kernel refuses; the process is then unrestricted and must not go on.
    """
    applying(ruleset)()


def applying(ruleset: int) -> Callable[[], int]:
    """`apply`, prepared."""
    # Denials are not logged where that can be said: foreign code could fill the host's audit log with them.
    return kernel.prepared("landlock_restrict_self", ruleset, _LOG_OFF if _version() >= _LOG_VERSION else 0)


def _version() -> int:
    return kernel.syscall("landlock_create_ruleset", None, 0, _VERSION_ONLY)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        kernel.syscall("landlock_add_rule", ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
