"""The filter of a worker that needs files or the network allows what that takes, by arguments, and no more."""

import socket

import pytest

from runtime.sandbox.inside.layers import kernel, seccomp
from tests.runtime.sandbox.test_seccomp import ALLOW, ARCHITECTURES, ENOSYS, EPERM, decision

NONBLOCK_CLOEXEC = 0x80800
ADDRESS = 0x7FFF_0000_1000
NETWORK: list[tuple[str, tuple[int, ...], str]] = [
    ("socket", (2, 1, 0), ALLOW),  # IPv4, TCP
    ("socket", (10, 2 | NONBLOCK_CLOEXEC, 17), ALLOW),  # IPv6, UDP
    ("socket", (10, 1 | NONBLOCK_CLOEXEC, 6), ALLOW),
    ("socket", (1, 1, 0), EPERM),  # unix
    ("socket", (16, 3, 0), EPERM),  # netlink
    ("socket", (17, 3, 0), EPERM),  # packet
    ("socket", (40, 1, 0), EPERM),  # vsock
    ("socket", (2, 3, 0), EPERM),  # raw
    ("socket", (2, 2, 1), EPERM),  # ICMP
    ("socket", (2, 1, 262), EPERM),  # MPTCP
    ("sendto", (3, ADDRESS, 9, socket.MSG_NOSIGNAL, ADDRESS, 16), ALLOW),
    ("sendto", (3, ADDRESS, 9, socket.MSG_OOB, 0, 0), EPERM),
    ("sendmsg", (3, ADDRESS, 0), ALLOW),
    ("sendmsg", (3, ADDRESS, socket.MSG_OOB), EPERM),
    ("sendmmsg", (3, ADDRESS, 2, socket.MSG_NOSIGNAL), ALLOW),
    ("sendmmsg", (3, ADDRESS, 2, socket.MSG_OOB), EPERM),
    ("recvmsg", (3, ADDRESS, 0), ALLOW),
    ("recvmsg", (3, ADDRESS, socket.MSG_OOB), EPERM),
    ("setsockopt", (3, socket.SOL_SOCKET, socket.SO_REUSEADDR), ALLOW),
    ("setsockopt", (3, socket.IPPROTO_TCP, socket.TCP_NODELAY), ALLOW),
    ("setsockopt", (3, socket.IPPROTO_IP, 11), ALLOW),  # IP_RECVERR
    ("setsockopt", (3, socket.SOL_SOCKET, 26), EPERM),  # SO_ATTACH_FILTER
    ("setsockopt", (3, socket.SOL_SOCKET, 50), EPERM),  # SO_ATTACH_BPF
    ("setsockopt", (3, socket.IPPROTO_TCP, 31), EPERM),  # TCP_ULP
    ("setsockopt", (3, 263, 2), EPERM),  # netlink's and others' levels
    *[(name, (3,), ALLOW) for name in ("connect", "bind", "listen", "accept", "accept4", "getpeername")],
    ("clone", (17,), EPERM),
    ("clone3", (), ENOSYS),
    ("mount", (), EPERM),
]


FILES: list[tuple[str, tuple[int, ...], str]] = [
    *[("fcntl", (3, command), ALLOW) for command in (0, 5, 6, 7, 36, 37, 38)],  # duplicates, and locks
    ("fcntl", (3, 8), EPERM),  # F_SETOWN
    ("fcntl", (3, 1024), EPERM),  # F_SETLEASE
    *[(name, (3,), ALLOW) for name in ("flock", "fchmod", "fchmodat", "truncate", "utimensat", "statfs")],
    ("socket", (2, 1, 0), EPERM),
]
FORK: list[tuple[str, tuple[int, ...], str]] = [
    ("clone", (0x1200011,), ALLOW),  # how glibc forks: CHILD_CLEARTID CHILD_SETTID SIGCHLD
    ("clone", (0x11,), ALLOW),  # how musl does
    ("clone", (0x3D0F00,), ALLOW),  # a thread
    ("clone", (0x111,), EPERM),  # with CLONE_VM
    ("clone", (0x4111,), EPERM),  # vfork
    *[("clone", (0x11 | flag,), EPERM) for flag in (0x8000, 0x20000, 0x10000000, 0x20000000, 0x40000000)],
    ("clone", (0x11 | 1 << 32,), EPERM),
    ("clone3", (), ENOSYS),
    ("wait4", (), ALLOW),
    ("seccomp", (1, 0), ALLOW),
    ("seccomp", (1, 1), ALLOW),
    ("seccomp", (0, 0), EPERM),
    ("seccomp", (1, 8), EPERM),  # a listener
    ("mmap", (0, 0, 3, 0x22), ALLOW),
    ("mmap", (0, 0, 1, 0x01), ALLOW),  # a file that is shared
    ("mmap", (0, 0, 3, 0x21), EPERM),  # memory that would stay shared after a fork
    ("prctl", (1,), ALLOW),  # PR_SET_PDEATHSIG
    ("prctl", (4,), EPERM),  # PR_SET_DUMPABLE
    ("recvmsg", (3, 0, 0), ALLOW),
    ("unshare", (0x10000,), ALLOW),
    *[("unshare", (flag,), EPERM) for flag in (0, 0x20000, 0x10000000, 0x10010000)],
    *[(name, (), EPERM) for name in ("connect", "sendmsg", "socket", "flock")],
]
CASES = [
    *[("network", *case) for case in NETWORK],
    *[("files", *case) for case in FILES],
    *[("fork", *case) for case in FORK],
]


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(("need", "name", "arguments", "expected"), CASES)
def test_a_call_with_its_arguments(
    machine: str, need: str, name: str, arguments: tuple[int, ...], expected: str
) -> None:
    program, number = seccomp.build(machine, needs=[need]), kernel.NUMBERS[machine].get(name)
    assert number is not None
    assert decision(program, ARCHITECTURES[machine], number, *arguments) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("need", ["files", "network", "fork"])
def test_everything_else_is_decided_as_for_those_who_need_nothing(machine: str, need: str) -> None:
    without, with_need = seccomp.build(machine), seccomp.build(machine, needs=[need])
    numbers = kernel.NUMBERS[machine]
    asked = {name for each, name, _, _ in CASES if each == need} | {"recvfrom", "fstatfs"}
    asked |= {"chmod", "utime", "utimes", "futimesat"}  # x86_64 alone has these
    for number in set(range(512)) - {numbers[name] for name in asked if name in numbers}:
        decided = decision(without, ARCHITECTURES[machine], number)
        assert decision(with_need, ARCHITECTURES[machine], number) == decided


def test_who_needs_both_gets_both() -> None:
    program, numbers = seccomp.build("x86_64", needs=["files", "network"]), kernel.NUMBERS["x86_64"]
    asked = [("fcntl", (3, 6)), ("socket", (2, 1, 0)), ("socket", (1, 1, 0))]
    decided = [decision(program, ARCHITECTURES["x86_64"], numbers[name], *given) for name, given in asked]
    assert decided == [ALLOW, ALLOW, EPERM]
