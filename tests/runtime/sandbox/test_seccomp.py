"""The filter decides on every call of both machines exactly so, and a real child lives with it."""

import asyncio
import ctypes
import errno
import functools
import itertools
import mmap
import os
import signal
import socket
import sqlite3
import struct
import tempfile
import threading
import time
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.inside.layers import kernel, seccomp
from tests.runtime.sandbox.forked import in_child, outcome
from tests.runtime.sandbox.test_kernel import HEADERS, numbers_of

ALLOW, EPERM, ENOSYS, KILL = "allow", "EPERM", "ENOSYS", "kill"
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386, ARM, RISCV64 = 0x40000003, 0x40000028, 0xC00000F3
HIGH = 1 << 32
LOW = HIGH - 1

ALWAYS = """
    access alarm brk chdir clock_getres clock_gettime clock_nanosleep close close_range dup dup2 dup3 epoll_create1
    epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 exit exit_group faccessat faccessat2 fallocate fchdir
    fdatasync fstat fsync ftruncate futex futex_waitv getcpu getcwd getdents64 getegid geteuid getgid getitimer getpid
    getppid getrandom getrusage getsockname gettid gettimeofday getuid lseek lstat madvise membarrier mkdir mkdirat mmap
    mprotect mremap msync munmap nanosleep newfstatat open openat pipe2 poll ppoll pread64 preadv preadv2 pselect6
    pwrite64 pwritev pwritev2 read readlink readlinkat readv rename renameat renameat2 restart_syscall rmdir rseq
    rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield select set_robust_list setitimer shutdown
    sigaltstack stat statx sysinfo time times umask uname unlink unlinkat write writev
"""
BY_ARGUMENTS = [
    "clone",
    "fcntl",
    "getsockopt",
    "ioctl",
    "prctl",
    "prlimit64",
    "recvfrom",
    "sendto",
    "socketpair",
]


def decision(program: bytes, architecture: int, number: int, *arguments: int) -> str:
    """What a seccomp filter returns: an interpreter for the instructions that filters are made of."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code in {0x15, 0x35}:
            at += if_true if (accumulator == value if code == 0x15 else accumulator >= value) else if_false
        else:
            assert code == 0x06
            return {
                0x7FFF0000: ALLOW, 0x50000 | errno.EPERM: EPERM, 0x50000 | errno.ENOSYS: ENOSYS, 0x80000000: KILL
            }[value]  # fmt: skip


@pytest.fixture(scope="module", params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> str:
    """Each machine in turn."""
    return str(request.param)


@pytest.fixture
def decide(machine: str) -> Callable[..., str]:
    """The machine's filter, asked by the name of a call."""
    program = seccomp.build(machine)
    numbers = kernel.NUMBERS[machine]
    return lambda name, *arguments: decision(program, ARCHITECTURES[machine], numbers[name], *arguments)


def test_every_number_is_decided_by_the_list_and_nothing_else_is_allowed(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no {header}: install linux-libc-dev")
    numbers = numbers_of(header)
    expected = {numbers[name]: ALLOW for name in ALWAYS.split() if name in numbers}
    expected[numbers["clone3"]] = ENOSYS
    others = {numbers[name] for name in BY_ARGUMENTS}
    program, architecture = seccomp.build(machine), ARCHITECTURES[machine]
    decided = {
        number: decision(program, architecture, number) for number in range(4096) if number not in others
    }
    assert decided == {number: expected.get(number, EPERM) for number in decided}


def test_every_name_of_the_list_has_a_number() -> None:
    known = {name for table in kernel.NUMBERS.values() for name in table}
    assert set(seccomp._ALLOWED.split()) - known == set()


def test_numbers_beyond_the_table(machine: str) -> None:
    program = seccomp.build(machine)
    beyond = KILL if machine == "x86_64" else EPERM
    numbers = [0x3FFFFFFF, 0x40000000, 0x40000000 | 39, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    decided = [decision(program, ARCHITECTURES[machine], number) for number in numbers]
    assert decided == [EPERM, beyond, beyond, beyond, beyond, beyond]


@pytest.mark.parametrize("number", [0, 1, 39, 172, 4095])
def test_another_machines_call_ends_the_process(machine: str, number: int) -> None:
    program = seccomp.build(machine)
    others = {I386, ARM, RISCV64, *ARCHITECTURES.values()} - {ARCHITECTURES[machine]}
    assert {decision(program, other, number) for other in others} == {KILL}


THREAD = 0x3D0F00  # what glibc starts a thread with: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID
CASES: list[tuple[str, tuple[int, ...], str]] = [
    ("clone", (THREAD,), ALLOW),
    ("clone", (THREAD | 0x400000,), ALLOW),  # musl says DETACHED too
    ("clone", (0x10100,), ALLOW),
    ("clone", (0,), EPERM),
    ("clone", (signal.SIGCHLD,), EPERM),  # fork
    ("clone", (0x4100 | signal.SIGCHLD,), EPERM),  # vfork
    ("clone", (THREAD & ~0x100,), EPERM),
    ("clone", (THREAD & ~0x10000,), EPERM),
    ("clone", (THREAD | signal.SIGCHLD,), EPERM),
    *[
        ("clone", (THREAD | flag,), EPERM)
        # NEWTIME PIDFD PTRACE VFORK PARENT NEWNS UNTRACED CHILD_SETTID NEWCGROUP ... NEWNET IO
        for flag in (0x80, 0x1000, 0x2000, 0x4000, 0x8000, *(1 << bit for bit in (17, *range(23, 32))))
    ],
    ("clone", (THREAD | HIGH,), EPERM),  # CLEAR_SIGHAND
    ("clone", (THREAD | 1 << 63,), EPERM),
    *[("fcntl", (7, command), ALLOW) for command in (0, 1, 2, 3, 4, 1030, 1033, 1034)],
    # GETLK SETLK SETLKW SETOWN SETSIG OFD locks, leases, notifications, pipe size, hints
    *[("fcntl", (7, c), EPERM) for c in (5, 6, 7, 8, 10, 15, 36, 37, 38, 1024, 1026, 1029, 1031, 1032, 1036)],
    *[("ioctl", (0, request), ALLOW) for request in (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)],
    # TCSETS TIOCSCTTY TIOCSTI TIOCLINUX FIOASYNC, files shared (FICLONE), attributes, NS_GET_USERNS
    *[("ioctl", (0, r), EPERM) for r in (0, 0x5402, 0x540E, 0x5412, 0x541C, 0x5452, 0x40049409, 0x40086602, 0xB701)],
    *[("prctl", (option,), ALLOW) for option in (3, 15, 16, 21, 23, 39, 0x53564D41)],
    # PDEATHSIG, DUMPABLE, KEEPCAPS, SECCOMP, CAPBSET_DROP, TSC, SECUREBITS, MM, NO_NEW_PRIVS, AMBIENT, PTRACER
    *[("prctl", (o,), EPERM) for o in (0, 1, 2, 4, 8, 22, 24, 26, 28, 35, 36, 38, 47, 53, 59, 62, 0x59616D61)],
    ("prlimit64", (0, 7, 0, 0xDEADBEEF), ALLOW),
    ("prlimit64", (1, 7, 0, 0xDEADBEEF), EPERM),
    ("prlimit64", (LOW, 7, 0), EPERM),
    ("prlimit64", (0, 7, 0x1000), EPERM),
    ("prlimit64", (0, 7, HIGH), EPERM),  # an address whose lower half is 0
    ("prlimit64", (0, 7, HIGH | 1), EPERM),
    *[("socketpair", (1, 1 | flags, 0), ALLOW) for flags in (0, 0x800, 0x80000, 0x80800)],
    *[("socketpair", (1, kind), EPERM) for kind in (0, 2, 3, 5, 0x80002, 0x80801 | 0x10, 1 | 1 << 31)],
    *[("socketpair", (family, 1), EPERM) for family in (0, 2, 10, 16, 30, 38, 40)],
    *[("sendto", (5, 1, 1, flags), ALLOW) for flags in (0, 0x40, 0x4000, 0x4040)],
    *[("sendto", (5, 1, 1, flags), EPERM) for flags in (1, 4, 0x4001, 0x20000000, 0x4000000)],  # OOB, FASTOPEN, ZEROCOPY
    ("sendto", (5, 1, 1, 0, 1), EPERM),
    ("sendto", (5, 1, 1, 0, HIGH), EPERM),
    ("sendto", (5, 1, 1, 0, 1 << 63), EPERM),
    *[("recvfrom", (5, 1, 1, flags), ALLOW) for flags in (0, 2, 0x20, 0x40, 0x100, 0x162)],
    *[("recvfrom", (5, 1, 1, flags), EPERM) for flags in (1, 0x2000, 0x40000000, 0x101)],
    *[("getsockopt", (5, 1, option), ALLOW) for option in (3, 4, 7, 8, 38, 39)],
    *[("getsockopt", (5, 1, option), EPERM) for option in (0, 17, 31, 59, 77)],  # PEERCRED PEERSEC PEERGROUPS PEERPIDFD
    *[("getsockopt", (5, level, 3), EPERM) for level in (0, 6, 41)],
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
def test_an_argument_rule(
    decide: Callable[..., str], name: str, arguments: tuple[int, ...], expected: str
) -> None:
    assert decide(name, *arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fcntl", (7, HIGH | 3)),
        ("ioctl", (0, LOW << 32 | 0x5401)),
        ("prctl", (HIGH | 15,)),
        ("prlimit64", (HIGH, 7, 0)),
        ("socketpair", (HIGH | 1, HIGH | 1)),
        ("sendto", (5, 1, 1, HIGH | 0x40, 0)),
        ("recvfrom", (5, 1, 1, HIGH)),
        ("getsockopt", (5, HIGH | 1, HIGH | 3)),
    ],
)
def test_what_the_kernel_cuts_to_32_bits_is_judged_by_32_bits(
    decide: Callable[..., str], name: str, arguments: tuple[int, ...]
) -> None:
    assert decide(name, *arguments) == ALLOW


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(OSError, match="no table for the machine riscv64") as caught:
        seccomp.build("riscv64")
    assert caught.value.errno == errno.ENOSYS


real = pytest.mark.skipif(seccomp.detect() is not None, reason=str(seccomp.detect()))


@real
def test_a_program_that_is_none_is_refused() -> None:
    with pytest.raises(OSError, match="seccomp: Invalid argument"):
        seccomp.apply(b"")


PROGRAM = functools.cache(seccomp.build)


def filtered(attempt: Callable[[], object]) -> Any:
    """What comes of it in a child that lives with the filter."""
    program = PROGRAM()

    def locked() -> object:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.apply(program)
        return attempt()

    return in_child(locked)


def start_a_thread() -> list[int]:
    seen: list[int] = []
    thread = threading.Thread(target=seen.append, args=(7,))
    thread.start()
    thread.join()
    return seen


def run_a_loop() -> int:
    async def nap() -> int:
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(lambda: 7)

    return asyncio.run(nap())


def pair_of_streams() -> str:
    left, right = socket.socketpair()
    left.sendall(b"hello")
    return right.recv(9).decode()


def query() -> list[int]:
    with sqlite3.connect(":memory:") as database:
        return list(database.execute("select 3 + 4").fetchone())


def scratch() -> str:
    with tempfile.TemporaryDirectory() as directory, tempfile.NamedTemporaryFile("w+", dir=directory) as file:
        file.write("kept")
        file.seek(0)
        Path(file.name).replace(f"{directory}/renamed")
        Path(file.name).touch()
        return Path(directory, "renamed").read_text()


def alarm() -> bool:
    rung: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    while not rung:
        time.sleep(0.001)
    return rung == [signal.SIGALRM]


def shared_memory() -> int:
    with mmap.mmap(-1, 8192) as memory:
        memory[5000] = 7
        return memory[5000]


def load_a_library() -> float:
    cosine = ctypes.CDLL("libm.so.6").cos
    cosine.restype = ctypes.c_double
    return float(cosine(ctypes.c_double(0)))


def numbers() -> float:
    import numpy as np  # noqa: PLC0415  # a grader's own import, under the filter

    return float(np.linalg.norm(np.random.default_rng(0).random((90, 90)) @ np.zeros((90, 90))))


WORKS: dict[str, tuple[Callable[[], object], object]] = {
    "threads": (start_a_thread, [7]),
    "asyncio": (run_a_loop, 7),
    "a pair of streams": (pair_of_streams, "hello"),
    "sqlite in memory": (query, [7]),
    "temporary files": (scratch, "kept"),
    "an alarm": (alarm, True),
    "anonymous memory": (shared_memory, 7),
    "loading a library": (load_a_library, 1.0),
    "numpy": (numbers, 0.0),
    "time zones": (lambda: str(zoneinfo.ZoneInfo("UTC")), "UTC"),
    "random bytes": (lambda: len(os.urandom(9)), 9),
    "the machine's name": (lambda: os.uname().sysname, "Linux"),
    "own limits": (lambda: len(__import__("resource").getrlimit(7)), 2),
    "isatty": (lambda: os.isatty(0), False),
}


@pytest.mark.few(3)
@real
@pytest.mark.parametrize("what", WORKS)
def test_what_graders_need_works(what: str) -> None:
    attempt, expected = WORKS[what]
    assert filtered(attempt) == expected


def call(number: int) -> int:
    """A system call by its number, with arguments that nothing can be done with."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6) < 0:
        raise OSError(ctypes.get_errno(), f"{number}")
    return 0


def limit_descriptors() -> None:
    import resource  # noqa: PLC0415  # only here

    resource.prlimit(0, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))


def send_a_descriptor() -> None:
    left, _ = socket.socketpair()
    socket.send_fds(left, [b"x"], [0])


# Each is harmless when it succeeds, as it does without the filter: the second test here.
REFUSED: dict[str, Callable[[], object]] = {
    "fork": lambda: os.fork() or os._exit(0),
    "a signal to the parent": lambda: os.kill(os.getppid(), 0),
    "a signal to itself": lambda: os.kill(os.getpid(), 0),
    "a signal to a thread": lambda: signal.pthread_kill(threading.get_ident(), 0),
    "an internet socket": lambda: socket.socket().close(),
    "a unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "a pair of datagram sockets": lambda: len(socket.socketpair(type=socket.SOCK_DGRAM)),
    "a descriptor over a socket": send_a_descriptor,
    "a file in memory": lambda: os.close(os.memfd_create("payload")),
    "limits": limit_descriptors,
    "affinity": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "another user": lambda: os.setuid(os.getuid()),
    "a session of its own": lambda: os.getsid(0) and None,
    "a process by descriptor": lambda: os.close(os.pidfd_open(os.getpid())),
    "no more privileges": lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
    "death with the parent": lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, 0),
    "Landlock": lambda: kernel.syscall("landlock_create_ruleset", None, 0, 1),
}


@pytest.mark.few(6)
@real
@pytest.mark.parametrize("what", REFUSED)
def test_what_nobody_needs_is_refused_readably(what: str) -> None:
    assert filtered(REFUSED[what]) == "EPERM"
    assert in_child(REFUSED[what]) != "EPERM"


def lock(path: Path) -> None:
    import fcntl  # noqa: PLC0415  # only here

    with path.open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


FILE_CALLS: dict[str, Callable[[Path], object]] = {
    "chmod": lambda path: path.chmod(0o600),
    "chown": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "times": lambda path: os.utime(path, (1, 1)),
    "attributes": lambda path: os.setxattr(path, "user.name", b"x"),
    "truncating by path": lambda path: os.truncate(path, 0),
    "a symbolic link": lambda path: path.with_name("link").symlink_to(path),
    "a hard link": lambda path: path.with_name("link").hardlink_to(path),
    "a named pipe": lambda path: os.mkfifo(path.with_name("pipe")),
    "the size of a file system": os.statvfs,
    "a lock": lock,
}


@pytest.mark.few(3)
@real
@pytest.mark.parametrize("what", FILE_CALLS)
def test_what_neither_mounts_nor_landlock_govern_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    assert filtered(lambda: FILE_CALLS[what](path)) == "EPERM"
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]
    assert in_child(lambda: FILE_CALLS[what](path)) not in ("EPERM", "EACCES")


KERNEL_SURFACE = """
    acct add_key bpf capset chroot clock_settime delete_module execve execveat fanotify_init fsmount fsopen init_module
    inotify_init1 io_setup io_uring_enter io_uring_register io_uring_setup kcmp kexec_load keyctl
    landlock_restrict_self mbind memfd_secret migrate_pages mknodat mount mount_setattr move_mount mq_open msgget
    name_to_handle_at open_by_handle_at open_tree openat2 perf_event_open personality pidfd_getfd pidfd_send_signal
    pivot_root process_vm_readv process_vm_writev ptrace quotactl reboot request_key rt_sigqueueinfo seccomp sendmmsg
    sendmsg recvmsg semget setdomainname sethostname setns setpriority shmget splice swapon syslog tee tgkill
    timer_create timerfd_create tkill umount2 unshare userfaultfd vmsplice bind connect listen accept4
"""


@real
def test_the_surface_of_the_kernel_is_closed() -> None:
    if not HEADERS[str(kernel.machine())].exists():
        pytest.skip("no headers of Linux: install linux-libc-dev")
    # most of these are not in the sandbox's own table
    numbers, names = numbers_of(HEADERS[str(kernel.machine())]), KERNEL_SURFACE.split()
    found = filtered(lambda: {name: outcome(lambda: call(numbers[name])) for name in names})  # noqa: B023  # called at once
    assert found == dict.fromkeys(names, "EPERM")


@real
def test_clone3_does_not_exist() -> None:
    assert filtered(lambda: kernel.syscall("clone3", -1, -1)) == "ENOSYS"


@real
@pytest.mark.skipif(kernel.machine() != "x86_64", reason="x86_64 has two further tables")
def test_a_call_by_the_x32_table_ends_the_process() -> None:
    libc = ctypes.CDLL(None)
    assert filtered(lambda: libc.syscall(ctypes.c_long(0x40000000 | 39))) == "SIGSYS"


@real
@pytest.mark.skipif(kernel.machine() != "x86_64", reason="x86_64 has two further tables")
def test_shellcode_with_the_32_bit_table_ends_the_process() -> None:
    def getpid() -> int:
        with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
            memory.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())

    assert filtered(getpid) in ("SIGSYS", "SIGSEGV")  # the latter where the kernel has no such table


@real
def test_a_thread_lives_with_the_filter_of_its_process() -> None:
    def both() -> list[str]:
        refused: list[str] = []
        threads = [threading.Thread(target=refuse, args=(refused,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return refused

    def refuse(refused: list[str]) -> None:
        try:
            socket.socket()
        except PermissionError:
            refused.append("EPERM")

    assert filtered(both) == ["EPERM"] * 3


def test_the_two_machines_differ_in_nothing_but_numbers() -> None:
    shared = [name for name in kernel.NUMBERS["aarch64"] if name in kernel.NUMBERS["x86_64"]]
    programs = {machine: seccomp.build(machine) for machine in ARCHITECTURES}
    for name, arguments in itertools.product(shared, [(), (THREAD,), (1, 1), (0, 3)]):
        decided = {
            decision(programs[machine], architecture, kernel.NUMBERS[machine][name], *arguments)
            for machine, architecture in ARCHITECTURES.items()
        }
        assert len(decided) == 1, name
