"""System calls that Python's standard library lacks, made through ctypes.

One table holds the numbers of both machines; only calls that the sandbox makes or allows are in it. On any other machine
or system everything here can be imported, and raises `OSError` (ENOSYS) when it is called.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Callable

CLONE_NEWTIME, CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND = 0x80, 0x100, 0x200, 0x400, 0x800
CLONE_THREAD, CLONE_NEWNS, CLONE_SYSVSEM, CLONE_SETTLS = 0x10000, 0x20000, 0x40000, 0x80000
CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_DETACHED = 0x100000, 0x200000, 0x400000
CLONE_CHILD_SETTID = 0x1000000
CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_BIND, MS_MOVE, MS_REC = 0x400, 0x1000, 0x2000, 0x4000
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x20000, 0x40000, 0x80000, 0x100000
MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW = 1, 2, 4, 8

PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 3, 4, 8
PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP = 15, 16, 21, 23, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 36, 38, 39
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_SET_VMA = 47, 4, 0x53564D41

CLOSE_RANGE_CLOEXEC = 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 1, 2, 4

_CAPABILITY_VERSION_3 = 0x20080522
_MFD_CLOEXEC, _MFD_ALLOW_SEALING = 1, 2
_F_ADD_SEALS = 1033
_F_SEAL_SEAL, _F_SEAL_SHRINK, _F_SEAL_GROW, _F_SEAL_WRITE = 1, 2, 4, 8

# name, number on x86_64, number on aarch64 ("-": the machine never had it)
_TABLE = """
accept 43 202,  accept4 288 242,  access 21 -,  alarm 37 -,  bind 49 200,  brk 12 214,  capset 126 91
chdir 80 49,  chmod 90 -,  clock_getres 229 114,  clock_gettime 228 113,  clock_nanosleep 230 115
clone 56 220,  clone3 435 435,  close 3 57,  close_range 436 436,  connect 42 203,  dup 32 23,  dup2 33 -
dup3 292 24,  epoll_create1 291 20,  epoll_ctl 233 21,  epoll_pwait 281 22,  epoll_pwait2 441 441
epoll_wait 232 -,  eventfd2 290 19,  exit 60 93,  exit_group 231 94,  faccessat 269 48,  faccessat2 439 439
fallocate 285 47,  fchdir 81 50,  fchmod 91 52,  fchmodat 268 53,  fcntl 72 25
fdatasync 75 83,  flock 73 32,  fstat 5 80,  fstatfs 138 44,  fsync 74 82,  ftruncate 77 46,  futex 202 98
futex_waitv 449 449,  futimesat 261 -,  getcpu 309 168,  getcwd 79 17,  getdents64 217 61,  getegid 108 177
geteuid 107 175,  getgid 104 176,  getitimer 36 102,  getpeername 52 205,  getpid 39 172,  getppid 110 173
getrandom 318 278,  getrusage 98 165,  getsockname 51 204,  getsockopt 55 209,  gettid 186 178
gettimeofday 96 169,  getuid 102 174,  ioctl 16 29,  landlock_add_rule 445 445
landlock_create_ruleset 444 444,  landlock_restrict_self 446 446,  listen 50 201,  lseek 8 62,  lstat 6 -
madvise 28 233,  membarrier 324 283,  mkdir 83 -,  mkdirat 258 34,  mmap 9 222,  mount 165 40
mount_setattr 442 442,  mprotect 10 226,  mremap 25 216,  msync 26 227,  munmap 11 215,  nanosleep 35 101
newfstatat 262 79,  open 2 -,  openat 257 56,  pipe2 293 59,  pivot_root 155 41,  poll 7 -,  ppoll 271 73
prctl 157 167,  pread64 17 67,  preadv 295 69,  preadv2 327 286,  prlimit64 302 261,  pselect6 270 72
pwrite64 18 68,  pwritev 296 70,  pwritev2 328 287,  read 0 63,  readlink 89 -,  readlinkat 267 78
readv 19 65,  recvfrom 45 207,  recvmsg 47 212,  rename 82 -,  renameat 264 38,  renameat2 316 276
restart_syscall 219 128,  rmdir 84 -,  rseq 334 293,  rt_sigaction 13 134,  rt_sigprocmask 14 135
rt_sigreturn 15 139,  sched_getaffinity 204 123,  sched_yield 24 124,  seccomp 317 277,  select 23 -
sendmmsg 307 269,  sendmsg 46 211,  sendto 44 206,  set_robust_list 273 99,  sethostname 170 161
setitimer 38 103,  setsockopt 54 208,  shutdown 48 210,  sigaltstack 131 132,  socket 41 198
socketpair 53 199,  stat 4 -,  statfs 137 43,  statx 332 291,  sysinfo 99 179,  time 201 -,  times 100 153
truncate 76 45,  umask 95 166,  umount2 166 39,  uname 63 160,  unlink 87 -,  unlinkat 263 35
unshare 272 97,  utime 132 -,  utimensat 280 88,  utimes 235 -,  wait4 61 260,  write 1 64,  writev 20 66
"""


def _numbers(column: int) -> dict[str, int]:
    rows = [row.split() for row in _TABLE.replace("\n", ",").split(",") if row]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


NUMBERS: dict[str, dict[str, int]] = {"x86_64": _numbers(1), "aarch64": _numbers(2)}
"""System-call numbers by machine, then by name."""


def machine() -> str | None:
    """The machine whose numbers apply to this process; None where the sandbox has no table."""
    name = os.uname().machine if sys.platform == "linux" and sys.maxsize > 2**32 else ""
    return name if name in NUMBERS else None


_NUMBERS_HERE = NUMBERS.get(machine() or "", {})
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def number(name: str) -> int:
    """The number of a system call on this machine.

    Raises:
        OSError: ENOSYS when this machine or system does not have it.
    """
    found = _NUMBERS_HERE.get(name)
    if found is None:
        raise OSError(errno.ENOSYS, f"{name}: no such system call on this machine")
    return found


def prepared(name: str, *arguments: int | bytes | None) -> Callable[[], int]:
    """A system call that is made whenever the function is called, in this process or in a fork of it.

    Its words are made now: a fresh fork, which pays for every page that it touches, has little left to do.
    """
    call = ctypes.c_long(number(name))
    # Without these types ctypes would pass an integer as 32 bits and leave the upper half to chance.
    words = [
        ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_long(argument or 0)
        for argument in arguments
    ]

    def make() -> int:
        result: int = _syscall(call, *words)
        if result == -1:
            code = ctypes.get_errno()
            raise OSError(code, f"{name}: {os.strerror(code)}")
        return result

    return make


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call; bytes are passed by address, None as NULL, integers as 64 bits.

    Raises:
        OSError: When it fails; the message begins with the name of the call.
    """
    return prepared(name, *arguments)()


def prctl(option: int, *arguments: int | bytes) -> int:
    """Read or set one attribute of this process; arguments that are left out are 0, as the kernel checks."""
    return syscall("prctl", option, *arguments, *(0,) * (4 - len(arguments)))


def unshare(flags: int) -> None:
    """Leave the shared namespaces that the CLONE_NEW* flags name."""
    syscall("unshare", flags)


def mount(
    source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """Mount a file system or change a mount; the call has both in one."""
    mounting(source, target, fstype, flags, data)()


def mounting(
    source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str | None = None
) -> Callable[[], int]:
    """`mount`, prepared."""
    return prepared("mount", _text(source), _text(target), _text(fstype), flags, _text(data))


def set_read_only(path: str, *, recursive: bool) -> None:
    """Make a mount read-only, and ignore set-user-id bits and devices on it; `recursive`: all mounts below it too."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    syscall("mount_setattr", _AT_FDCWD, _text(path), flags, attributes, len(attributes))


def umount2(target: str, flags: int = 0) -> None:
    """Unmount what is mounted at a path."""
    syscall("umount2", _text(target), flags)


def pivot_root(new_root: str, put_old: str) -> None:
    """Make a mount the root of this mount namespace; the old root appears at `put_old`."""
    syscall("pivot_root", _text(new_root), _text(put_old))


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close every descriptor from `first` to `last`, both included."""
    syscall("close_range", first, last, flags)


def sethostname(name: str) -> None:
    """Name the host of this uts namespace."""
    encoded = os.fsencode(name)
    syscall("sethostname", encoded, len(encoded))


def drop_capabilities(keep: int = 0) -> None:
    """Give up every capability, in every set, of the calling thread and for good.

    Args:
        keep: A mask of those among the first 32 that stay permitted and effective.

    Only a holder of CAP_SETPCAP may empty the bounding set. For anyone else it stays, and means nothing: it only
    limits what an executed file could add, which no_new_privs forbids.
    """
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    with contextlib.suppress(PermissionError):
        drop_bounding_set()
    set_capabilities(keep)


def set_capabilities(mask: int) -> None:
    """Hold these capabilities among the first 32, permitted and effective, and no others."""
    setting_capabilities(mask)()


def setting_capabilities(mask: int) -> Callable[[], int]:
    """`set_capabilities`, prepared."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    return prepared("capset", header, struct.pack("=6I", mask, mask, 0, 0, 0, 0))


def drop_bounding_set() -> None:
    """Let no executed file add a capability.

    Raises:
        PermissionError: Without CAP_SETPCAP.
    """
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last one that this kernel knows
                return
            raise


def set_identity(uid: int, gid: int) -> None:
    """Become another user for good: real, effective and saved ids, and no further groups."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def sealed_memfd(name: str, size: int = 0, *, writable: bool = False) -> int:
    """A file in memory that can neither grow nor shrink, filled with zeros; without `writable`, nor change."""
    descriptor = os.memfd_create(name, _MFD_CLOEXEC | _MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    seals = _F_SEAL_SEAL | _F_SEAL_SHRINK | _F_SEAL_GROW | (0 if writable else _F_SEAL_WRITE)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, seals)
    return descriptor


def seal_whole(descriptor: int) -> None:
    """Let a file in memory never change again: its content, its size and its seals."""
    seals = _F_SEAL_SEAL | _F_SEAL_SHRINK | _F_SEAL_GROW | _F_SEAL_WRITE
    fcntl.fcntl(descriptor, _F_ADD_SEALS, seals)


def sealable_memfd(name: str) -> int:
    """An empty file in memory that somebody will fill, and seal with `seal_whole`."""
    return os.memfd_create(name, _MFD_CLOEXEC | _MFD_ALLOW_SEALING)


def _text(value: str | None) -> bytes | None:
    if value is None:
        return None
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError(f"embedded null byte: {value!r}")
    return encoded
