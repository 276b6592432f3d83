"""Layer `seccomp`: the system calls that a child may still make, and with which arguments.

One table serves both machines. What is not in it fails with EPERM, which Python shows as a readable PermissionError;
another machine's calls (32-bit, x32) end the process. Paths are not looked at here: the mount namespace and Landlock
decide those, so calls that neither of them governs (chmod, chown, utime, xattr, truncate by path, mknod, statfs) are
missing from the table, and so are links, which nothing needs.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable

from . import kernel

_ALLOWED = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek
close close_range dup dup2 dup3 pipe2 ftruncate fallocate fsync fdatasync
open openat stat fstat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64
getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 umask
mmap munmap mremap mprotect madvise msync brk
futex futex_waitv set_robust_list rseq membarrier sched_yield sched_getaffinity getcpu exit exit_group
rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall setitimer getitimer alarm
clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2
shutdown getsockname
getpid getppid gettid getuid geteuid getgid getegid getrandom getrusage uname sysinfo
"""
_ALLOWED_WITH = {
    "files": "flock chmod fchmod fchmodat truncate utime utimes utimensat futimesat statfs fstatfs",
    "network": "connect bind listen accept accept4 getpeername",
    "fork": "wait4",
}

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_FULL = 0xFFFFFFFF

_RETURNS = {
    "allow": 0x7FFF0000,
    "eperm": 0x00050000 | errno.EPERM,
    "enosys": 0x00050000 | errno.ENOSYS,
    "kill": 0x80000000,
}

_Check = tuple[int, int, tuple[int, ...]]
"""Offset of a 32-bit word of the arguments, mask, and the values that the masked word may have."""
_Step = tuple[str, int, int, str, str]
"""Label, operation, operand, label to go on at if true, and if false; no label means the next step."""


def _one_of(argument: int, *values: int) -> _Check:
    # The lower half only: the kernel declares these arguments as 32 bits, and a C compiler may leave anything above.
    return _ARGUMENTS + 8 * argument, _FULL, values


def _upper_half_is_zero(argument: int) -> _Check:
    return _ARGUMENTS + 8 * argument + 4, _FULL, (0,)


def _only_flags(argument: int, allowed: int, required: int = 0) -> _Check:
    return _ARGUMENTS + 8 * argument, (_FULL & ~allowed) | required, (required,)


_THREAD = kernel.CLONE_VM | kernel.CLONE_THREAD
_THREAD_FLAGS = (
    _THREAD | kernel.CLONE_FS | kernel.CLONE_FILES | kernel.CLONE_SIGHAND | kernel.CLONE_SYSVSEM | kernel.CLONE_SETTLS
    | kernel.CLONE_PARENT_SETTID | kernel.CLONE_CHILD_CLEARTID | kernel.CLONE_DETACHED
)  # fmt: skip
_SIGCHLD = 17
_FORKED = (_SIGCHLD, _SIGCHLD | kernel.CLONE_CHILD_SETTID)
"""What is left of the flags of `clone` when a C library forks, without those that a thread may have."""
_MAP_SHARED, _MAP_PRIVATE, _MAP_SHARED_VALIDATE, _MAP_ANONYMOUS = 1, 2, 3, 0x20
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_FLAGS = 1, 2, 0x80800
_MSG_PEEK, _MSG_TRUNC, _MSG_DONTWAIT, _MSG_WAITALL, _MSG_NOSIGNAL = 2, 0x20, 0x40, 0x100, 0x4000
_SENT, _RECEIVED = _MSG_DONTWAIT | _MSG_NOSIGNAL, _MSG_PEEK | _MSG_TRUNC | _MSG_DONTWAIT | _MSG_WAITALL

_PRCTL = (
    kernel.PR_GET_DUMPABLE, kernel.PR_SET_NAME, kernel.PR_GET_NAME, kernel.PR_GET_SECCOMP,
    kernel.PR_CAPBSET_READ, kernel.PR_GET_NO_NEW_PRIVS, kernel.PR_SET_VMA,
)  # fmt: skip

_RULES: dict[str, tuple[_Check, ...]] = {
    "clone": (_only_flags(0, _THREAD_FLAGS, _THREAD), _upper_half_is_zero(0)),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS: no locks, owners, leases, pipe sizes
    "fcntl": (_one_of(1, 0, 1, 2, 3, 4, 1030, 1033, 1034),),
    # isatty asks with TCGETS; FIONBIO, FIONREAD, FIONCLEX, FIOCLEX
    "ioctl": (_one_of(1, 0x5401, 0x5421, 0x541B, 0x5450, 0x5451),),
    "prctl": (_one_of(0, *_PRCTL),),
    # A process may read its own limits: pid 0, no new limit.
    "prlimit64": (_one_of(0, 0), _one_of(2, 0), _upper_half_is_zero(2)),
    # A datagram socket, paired or not, can send to any socket that has a name: /dev/log, systemd's. A stream cannot.
    "socketpair": (_one_of(0, 1), _only_flags(1, _SOCK_FLAGS | _SOCK_STREAM, _SOCK_STREAM)),
    # No address, and no out-of-band data: that code of the kernel was a way out of a browser's sandbox in 2025.
    "sendto": (_only_flags(3, _SENT), _one_of(4, 0), _upper_half_is_zero(4)),
    "recvfrom": (_only_flags(3, _RECEIVED),),
    # Of SOL_SOCKET: SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_PROTOCOL, SO_DOMAIN; not the peer's identity
    "getsockopt": (_one_of(1, 1), _one_of(2, 3, 4, 7, 8, 38, 39)),
}  # fmt: skip
_RULES_WITH: dict[str, dict[str, tuple[_Check, ...]]] = {
    # also F_GETLK, F_SETLK, F_SETLKW and the three F_OFD_…: a database in a file needs locks
    "files": {"fcntl": (_one_of(1, 0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1034),)},
    "network": {
        # TCP and UDP over IPv4 and IPv6: no unix sockets, which reach the host's services, and nothing raw
        "socket": (
            _one_of(0, 2, 10),
            (_ARGUMENTS + 8, _FULL & ~_SOCK_FLAGS, (_SOCK_STREAM, _SOCK_DGRAM)),
            _one_of(2, 0, 6, 17),
        ),
        "sendto": (_only_flags(3, _SENT),),
        "sendmsg": (_only_flags(2, _SENT),),
        "sendmmsg": (_only_flags(3, _SENT),),  # the C library asks for both kinds of address with one call
        "recvmsg": (_only_flags(2, _RECEIVED),),
        # Of IP, SOL_SOCKET, TCP and IPv6, what clients and servers set; SO_ATTACH_FILTER and its like are not among them.
        "setsockopt": (_one_of(1, 0, 1, 6, 41), _one_of(2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 18, 20, 21, 25)),
    },
    # A process that forks children which filter themselves further, see `inside.worker`.
    "fork": {
        "clone": (
            (_ARGUMENTS, _FULL & ~_THREAD_FLAGS | _THREAD, (_THREAD, *_FORKED)), _upper_half_is_zero(0),
        ),
        "seccomp": (_one_of(0, 1), _one_of(1, 0, 1)),
        # memory that stays shared after a fork would be a way from one child to the next
        "mmap": (
            (
                _ARGUMENTS + 24, _MAP_SHARED_VALIDATE | _MAP_ANONYMOUS,
                (_MAP_PRIVATE, _MAP_PRIVATE | _MAP_ANONYMOUS, _MAP_SHARED, _MAP_SHARED_VALIDATE),
            ),
        ),
        "prctl": (_one_of(0, *_PRCTL, kernel.PR_SET_PDEATHSIG),),
        "recvmsg": (_only_flags(2, _RECEIVED),),
        # does nothing, and fails in a process that has threads
        "unshare": (_one_of(0, kernel.CLONE_THREAD), _upper_half_is_zero(0)),
    },
}  # fmt: skip

_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 1, 2


def detect() -> str | None:
    """What this system lacks for the layer, in one line; None when nothing."""
    if kernel.machine() is None:
        return "seccomp: only Linux on x86_64 and aarch64 is supported"
    try:
        kernel.syscall("seccomp", _SECCOMP_GET_ACTION_AVAIL, 0, struct.pack("=I", 0x80000000))
        kernel.syscall("seccomp", _SECCOMP_SET_MODE_FILTER, 0, None)
    except OSError as error:
        # EFAULT: filters are there, and this one had no address.
        return (
            None if error.errno == errno.EFAULT else f"seccomp: no filters ({os.strerror(error.errno or 0)})"
        )
    return "seccomp: a filter without an address was accepted"


def build(machine: str | None = None, *, needs: Iterable[str] = ()) -> bytes:
    """The filter as the kernel takes it; some milliseconds, so once in the zygote.

    Args:
        machine: "x86_64" or "aarch64"; this machine when it is left out.
        needs: What to allow besides: "files", to treat them as their owner may; "network", to talk to other machines;
            "fork", to fork children and to wait for them, where each child applies a filter without it.

    Raises:
        OSError: ENOSYS when there is no table for the machine.
    """
    machine = machine or kernel.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"seccomp: no table for the machine {machine}")
    numbers = kernel.NUMBERS[machine]
    steps: list[_Step] = [("", _LOAD, _MACHINE, "", ""), ("", _IF_EQUAL, _MACHINES[machine], "", "kill")]
    steps.append(("", _LOAD, _NUMBER, "", ""))
    if machine == "x86_64":
        steps.append(("", _IF_AT_LEAST, _X32, "kill", ""))
    rules, allowed = _RULES, _ALLOWED
    for need in needs:
        rules, allowed = {**rules, **_RULES_WITH[need]}, f"{allowed} {_ALLOWED_WITH[need]}"
    runs = _runs(_decisions(numbers, allowed.split(), rules))
    _search(runs, runs[-1][0], steps)
    for name, checks in rules.items():
        steps += _checked(name, checks)
    steps += [(label, _RETURN, value, "", "") for label, value in _RETURNS.items()]
    return _assembled(steps)


def apply(program: bytes) -> None:
    """Filter the system calls of this thread, and of all that it starts, for good; needs no_new_privs.

    Raises:
        OSError: When the kernel refuses; the process is then unfiltered and must not go on.
    """
    applying(program)()


def applying(program: bytes, *, all_threads: bool = False) -> Callable[[], int]:
    """`apply`, prepared.

    Args:
        program: The filter.
        all_threads: Whether to filter the calls of every thread of the process, not only of the one that applies it.
    """
    pointer = ctypes.c_char_p(program)
    address = ctypes.c_void_p.from_buffer(pointer).value
    call = kernel.prepared(
        "seccomp", _SECCOMP_SET_MODE_FILTER, int(all_threads), struct.pack("@HP", len(program) // 8, address)
    )

    def apply() -> int:
        _ = pointer  # the program must be there as long as this function is
        refusing = call()
        if refusing:  # the thread that has another filter; then none was filtered
            raise OSError(errno.ESRCH, f"thread {refusing} cannot be filtered")
        return refusing

    return apply


def _decisions(numbers: dict[str, int], allowed: Iterable[str], rules: Iterable[str]) -> dict[int, str]:
    decisions = {numbers[name]: "allow" for name in allowed if name in numbers}
    decisions |= {numbers[name]: name for name in rules}
    # A C library asks clone3 first, whose flags no filter can see, and falls back to clone when the call is unknown.
    decisions[numbers["clone3"]] = "enosys"
    return decisions


def _runs(decisions: dict[int, str]) -> list[tuple[int, str]]:
    """The first number of each run of equal decisions, in order, with the label to go on at."""
    found: list[tuple[int, str]] = []
    for number in range(max(decisions) + 2):
        label = decisions.get(number, "eperm")
        if not found or label != found[-1][1]:
            found.append((number, label))
    return found


def _search(runs: list[tuple[int, str]], end: int, steps: list[_Step]) -> str:
    """Add a binary search to the steps; gives the label where it begins.

    It halves the numbers, not the runs: when a filter is loaded, the kernel tries it with every number there is, to
    remember those that it always allows.
    """
    first, label = runs[0]
    if len(runs) == 1:
        return label
    at = min(range(1, len(runs)), key=lambda split: abs(2 * runs[split][0] - first - end))
    split, place = runs[at][0], len(steps)
    steps.append(("", 0, 0, "", ""))
    below = _search(runs[:at], split, steps)
    above = _search(runs[at:], end, steps)
    steps[place] = (f"{first}-{end}", _IF_AT_LEAST, split, above, below)
    return steps[place][0]


def _checked(name: str, checks: tuple[_Check, ...]) -> Iterable[_Step]:
    """The steps that begin at a rule's name, and allow the call when every check of its arguments passes."""
    for at, (offset, mask, values) in enumerate(checks):
        passed = f"{name} {at + 1}" if at + 1 < len(checks) else "allow"
        yield f"{name} {at}" if at else name, _LOAD, offset, "", ""
        if mask != _FULL:
            yield "", _AND, mask, "", ""
        for value in values[:-1]:
            yield "", _IF_EQUAL, value, passed, ""
        yield "", _IF_EQUAL, values[-1], passed, "eperm"


def _assembled(steps: list[_Step]) -> bytes:
    places = {label: place for place, (label, *_) in enumerate(steps) if label}

    def distance(place: int, label: str) -> int:
        return places[label] - place - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", operation, distance(place, true), distance(place, false), operand)
        for place, (_, operation, operand, true, false) in enumerate(steps)
    )
