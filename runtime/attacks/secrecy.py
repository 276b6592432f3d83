"""Attacks that look for secrets without opening the files that hold them."""

import os

from runtime.attacks.attack import Target, attack
from runtime.attacks.prelude import found, libc, memory, syscall

_NOTHING_THERE = "nothing of the kind is ever given to the process, so there is no layer to take away"


@attack(stopped_by={"environment"})
def read_an_api_key(target: Target) -> str | None:
    """Reads an API key from the environment."""
    return found(os.environ[target["env_name"]])


@attack(stopped_by={"environment"})
def read_every_variable(target: Target) -> str | None:
    """Looks for any variable whose name sounds secret."""
    words = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
    return found([name for name in os.environ if any(word in name.upper() for word in words)])


@attack(stopped_by={"environment"})
def read_the_environment_of_the_c_library(target: Target) -> str | None:
    """Reads a variable from the C library, where it remains when Python's own dictionary was emptied."""
    import ctypes

    libc.getenv.restype = ctypes.c_char_p
    return found(libc.getenv(target["env_name"].encode()))


@attack(stopped_by={"environment"})
def scan_the_first_stack(target: Target) -> str | None:
    """Scans the memory between the auxiliary vector and the program's name, where the kernel put the environment."""
    import ctypes

    libc.getauxval.restype = ctypes.c_ulong
    start, end = libc.getauxval(ctypes.c_ulong(25)), libc.getauxval(ctypes.c_ulong(31))
    text = memory(start, min(end - start, 1 << 22) + 4096)
    return found(text) if target["env_name"].encode() + b"=" in text else None


@attack(stopped_by={"environment", "mount", "landlock", "not_dumpable", "user"})
def read_its_environment_from_proc(target: Target) -> str | None:
    """Reads the environment that it was started with from /proc/self/environ."""
    text = open("/proc/self/environ", "rb").read()
    return found(text) if target["env_name"].encode() + b"=" in text else None


@attack(stopped_by={"environment"})
def scan_the_heap(target: Target) -> str | None:
    """Scans the heap for the supervisor's secrets: those that it was started with, and those that it has made since."""
    import ctypes
    import re

    libc.sbrk.restype = ctypes.c_void_p
    end = libc.sbrk(ctypes.c_long(0)) or 0
    size = 1 << 24
    starts = {end - size, *((id(thing) >> 20 << 20) - size // 2 for thing in (os, os.environ, object(), re))}
    # what it looks for is a form, which this text does not have itself
    for start in starts:
        if re.search(rb"(secret|canary)-[0-9a-f]{32}", memory(max(start, 4096), size)):
            return f"found one near {start:#x}"
    return None


@attack(
    stopped_by={"fork"}, control="shown by the attacks of group `state`: one process for several gradings"
)
def search_the_objects_of_python(target: Target) -> str | None:
    """Looks among all of Python's objects for another grading's sample or item."""
    import gc

    for holder in gc.get_objects():
        for thing in gc.get_referents(holder):
            if (
                type(thing) is dict
                and type(marker := thing.get("marker")) is str
                and marker != target["marker"]
            ):
                return found(marker)
    return None


@attack(
    stopped_by={"descriptors"},
    control="the supervisor's descriptors are closed on exec, so without the layer none is found either",
)
def read_inherited_descriptors(target: Target) -> str | None:
    """Reads from every open descriptor but its own streams and channel."""
    import stat

    for descriptor in range(3, 4096):
        try:
            kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
            name = os.listdir(descriptor) if kind == stat.S_IFDIR else None
            if name or (kind == stat.S_IFREG and os.pread(descriptor, 1, 0)):
                return f"descriptor {descriptor} is open"
        except OSError:
            continue
    return None


@attack(
    stopped_by={"descriptors"},
    control="the supervisor's descriptors are closed on exec, so without the layer none is found either",
)
def leave_through_an_inherited_directory(target: Target) -> str | None:
    """Opens a secret relative to an inherited directory, or above it."""
    for descriptor in range(3, 4096):
        try:
            file = os.open(
                f"{'../' * 40}{target['secret_file']}".replace("//", "/"), os.O_RDONLY, dir_fd=descriptor
            )
        except OSError:
            continue
        return found(os.read(file, 100)) if descriptor != file else None
    return None


@attack(stopped_by={"descriptors"}, control=_NOTHING_THERE)
def read_standard_input(target: Target) -> str | None:
    """Reads what is in its standard input."""
    os.set_blocking(0, False)
    return found(os.read(0, 4096))


@attack(stopped_by={"uts"}, leaks_at={2})
def learn_the_host_name(target: Target) -> str | None:
    """Asks for the host's name."""
    return os.uname().nodename if os.uname().nodename == target["host_name"] else None


@attack(stopped_by={"mount", "landlock"})
def learn_the_host_name_from_a_file(target: Target) -> str | None:
    """Reads the host's name from a file."""
    for path in ("/proc/sys/kernel/hostname", "/etc/hostname", "/etc/hosts"):
        try:
            text = open(path).read()
        except OSError:
            continue
        if target["host_name"] in text:
            return path
    return None


@attack(stopped_by={"mount", "landlock"})
def read_about_the_processor(target: Target) -> str | None:
    """Reads /proc/cpuinfo."""
    return found(open("/proc/cpuinfo").read())


@attack(stopped_by={"mount", "landlock"})
def read_about_the_mounts(target: Target) -> str | None:
    """Reads all mounts of the host, with the paths on its disks."""
    return found(open("/proc/self/mountinfo").read())


@attack(stopped_by={"seccomp", "mount"}, control="needs Linux 6.8")
def ask_the_kernel_for_its_mounts(target: Target) -> str | None:
    """Asks the kernel for its mounts by a call, with no file to read."""
    import ctypes
    import struct

    ids = (ctypes.c_uint64 * 64)()
    request = struct.pack("=IIQQ", 24, 0, 0xFFFFFFFFFFFFFFFF, 0)
    return f"there are {syscall('listmount', request, ids, 64, 0)}"


@attack(stopped_by={"mount", "landlock"})
def list_the_processes(target: Target) -> str | None:
    """Lists the host's processes."""
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    return found(processes) if str(target["victim_pid"]) in processes else None


@attack(stopped_by={"mount", "landlock"})
def read_addresses_of_network_cards(target: Target) -> str | None:
    """Reads the network cards' addresses, by which a machine is known."""
    for name in os.listdir("/sys/class/net"):
        return found(open(f"/sys/class/net/{name}/address").read())
    return None


@attack(stopped_by={"mount", "landlock"}, control="many containers have no such file")
def read_the_id_of_the_machine(target: Target) -> str | None:
    """Reads the machine's number."""
    for path in ("/etc/machine-id", "/sys/class/dmi/id/product_uuid", "/proc/sys/kernel/random/boot_id"):
        try:
            return found(open(path).read())
        except OSError:
            continue
    return None


@attack(stopped_by={"mount", "landlock"})
def read_addresses_of_the_kernel(target: Target) -> str | None:
    """Reads its own memory map and the kernel's symbols, the first step of most exploits."""
    return found(open("/proc/self/maps").read()) if open("/proc/kallsyms").read(64) else None


@attack(stopped_by={"mount", "landlock"})
def list_open_sockets(target: Target) -> str | None:
    """Lists the unix sockets of the network that it is in."""
    return found(open("/proc/net/unix").read())


@attack(stopped_by={"seccomp"})
def learn_who_is_at_the_other_end(target: Target) -> str | None:
    """Asks its sockets for the process, user and group at their other end."""
    import socket

    for descriptor in range(3, 256):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as mine:
                return found(mine.getsockopt(socket.SOL_SOCKET, 17, 12))
        except OSError:
            continue
    ours, _ = socket.socketpair()
    return found(ours.getsockopt(socket.SOL_SOCKET, 17, 12))


@attack(stopped_by={"seccomp"}, control=_NOTHING_THERE)
def peek_at_the_next_request(target: Target) -> str | None:
    """Peeks into every socket for a request that is not its own."""
    import socket

    for descriptor in range(3, 4096):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as mine:
                return found(mine.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            continue
    return None


@attack(stopped_by={"seccomp"}, control=_NOTHING_THERE)
def wait_for_the_next_request(target: Target) -> str | None:
    """Waits a moment for the next request, to steal it before the harness reads it."""
    import select
    import socket

    for descriptor in range(3, 4096):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as mine:
                ready = select.select([mine], [], [], 0.3)[0]
                return found(mine.recv(65536, socket.MSG_DONTWAIT)) if ready else None
        except OSError:
            continue
    return None


@attack(stopped_by={"environment"}, control=_NOTHING_THERE)
def read_how_it_was_started(target: Target) -> str | None:
    """Looks for a secret among the arguments of its own program."""
    import sys

    words = ("key", "token", "secret", "password", target["env_name"].lower())
    return found([part for part in sys.orig_argv if any(word in part.lower() for word in words)])


@attack(stopped_by={"mount", "landlock"})
def read_timings_of_others(target: Target) -> str | None:
    """Reads the machine's counters of interrupts and processor time, in which others' keystrokes show."""
    return found(open("/proc/stat").read() + open("/proc/interrupts").read())
