"""Attacks that use things up: memory, disk, processor time, descriptors, output, patience.

`expect` says how the grading may end. What an attack returns is evidence that it got all it asked for: `bytes` or `count`,
which are far above every limit in earnest, and little in a positive control, where the limit is off and the machine is not
to be harmed. Attacks on patience return nothing and have no such control: that they end by the clock is the test.
"""

import os

from runtime.attacks.attack import AttackOutcome, Layer, Target, attack
from runtime.attacks.prelude import found, libc, machine_code, new_path, syscall

_FULL: frozenset[AttackOutcome] = frozenset({"memory_limit", "error", "exit", "signal", "timeout"})
_LIMITED: frozenset[Layer] = frozenset({"rlimits"})
_DISK: frozenset[Layer] = frozenset({"mount", "landlock", "rlimits"})
_TIME: frozenset[AttackOutcome] = frozenset({"timeout"})
_CLOCK = "only the clock ends it"
_ENDS = "it ends its own process, which nothing forbids: that the others go on is the test"


@attack(stopped_by=_LIMITED, expect=_FULL)
def allocate_bytes(target: Target) -> str | None:
    """Allocates memory in one piece, and touches it."""
    return found(b"x" * target["bytes"])


@attack(stopped_by=_LIMITED, expect=_FULL)
def allocate_lists(target: Target) -> str | None:
    """Allocates memory in many small objects."""
    kept: list[object] = []
    for _ in range(target["bytes"] // 80):
        kept.append([None])
    return found(kept)


@attack(stopped_by=_LIMITED, expect=_FULL)
def allocate_by_doubling(target: Target) -> str | None:
    """Doubles a text until it is large."""
    text = "x"
    while len(text) < target["bytes"]:
        text += text
    return found(text)


@attack(stopped_by=_LIMITED, expect=_FULL)
def allocate_a_shared_mapping(target: Target) -> str | None:
    """Maps shared anonymous memory, which a limit on private data would not count."""
    import mmap

    mapping = mmap.mmap(-1, target["bytes"])
    for at in range(0, target["bytes"], 4096):
        mapping[at] = 1
    return f"got {len(mapping)}"


@attack(stopped_by=_LIMITED, expect=_FULL)
def reserve_without_touching(target: Target) -> str | None:
    """Maps memory without touching it, more than the machine has."""
    import mmap

    return f"got {len(mmap.mmap(-1, target['bytes'], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000))}"


@attack(stopped_by={"seccomp", "rlimits"}, expect=_FULL)
def allocate_files_in_memory(target: Target) -> str | None:
    """Writes into files in memory, which no limit on address space counts."""
    chunk, total = b"x" * (1 << 20), 0
    while total < target["bytes"]:
        file = os.memfd_create("bomb")
        for _ in range(16):
            total += os.write(file, chunk)
    return f"wrote {total}"


@attack(
    stopped_by=_LIMITED,
    expect={*_FULL, "output_limit"},
    control="the supervisor bounds it when it makes the file",
)
def fill_standard_input(target: Target) -> str | None:
    """Writes into its standard input, which may be a file in memory that nobody limited."""
    chunk, total = b"x" * (1 << 20), 0
    while total < target["bytes"]:
        total += os.pwrite(0, chunk, total)
    return f"wrote {total}"


@attack(stopped_by=_LIMITED, expect=_FULL)
def allocate_stacks(target: Target) -> str | None:
    """Starts threads with large stacks."""
    import threading
    import time

    threading.stack_size(256 << 20)
    threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(max(1, target["bytes"] >> 28))]
    for thread in threads:
        thread.start()
    return f"started {len(threads)}"


@attack(stopped_by={"seccomp", "rlimits"}, expect={"error", "graded"})
def lock_memory(target: Target) -> str | None:
    """Locks memory, which cannot be swapped out then."""
    import ctypes

    page = ctypes.create_string_buffer(4096)
    return f"locked, {syscall('mlock', page, 4096)}"


@attack(
    stopped_by=_LIMITED,
    expect={"error", "graded", "memory_limit"},
    control="the kernel's own limit of descriptors is large",
)
def fill_the_buffers_of_pipes(target: Target) -> str | None:
    """Fills pipes: their buffers are the kernel's memory, which no limit on address space counts."""
    total = 0
    while total < target["bytes"]:
        _, write = os.pipe()
        os.set_blocking(write, False)
        total += os.write(write, bytes(65_536))
    return f"filled {total}"


@attack(
    stopped_by=_LIMITED,
    expect={"error", "graded", "memory_limit"},
    control="the kernel's own limit of descriptors is large",
)
def fill_the_buffers_of_sockets(target: Target) -> str | None:
    """Fills pairs of sockets, in the same way."""
    import socket

    total, kept = 0, []
    while total < target["bytes"]:
        pair = socket.socketpair()
        kept.append(pair)
        pair[0].setblocking(False)
        try:
            while True:
                total += pair[0].send(bytes(65_536))
        except BlockingIOError:
            continue
    return f"filled {total}"


@attack(stopped_by={"seccomp"}, expect={"error", "graded"})
def enlarge_a_pipe(target: Target) -> str | None:
    """Makes a pipe's buffer as large as it may be."""
    import fcntl

    read, _ = os.pipe()
    return f"it has {fcntl.fcntl(read, 1031, 1 << 20)}"


@attack(
    stopped_by=_LIMITED,
    expect={"error", "memory_limit", "graded"},
    control="vm.max_map_count ends it, on every machine",
)
def map_many_small_pieces(target: Target) -> str | None:
    """Makes as many mappings as there can be, each one page: the kernel's tables grow, not the process."""
    import mmap

    kept = [mmap.mmap(-1, 4096, prot=1 + at % 2) for at in range(target["count"])]
    return found(kept)


@attack(stopped_by=_DISK, expect={"error", "signal", "graded"})
def fill_the_disk(target: Target) -> str | None:
    """Writes to its scratch without end."""
    path, total = new_path(target), 0
    try:
        with open(path, "wb", buffering=0) as file:
            while total < target["bytes"]:
                total += file.write(bytes(1 << 20))
    finally:
        os.unlink(path)
    return f"wrote {total}"


@attack(stopped_by=_DISK, expect={"error", "signal", "graded"})
def fill_the_disk_with_many_files(target: Target) -> str | None:
    """Writes files that are each within the limit of one file."""
    paths: list[str] = []
    total = 0
    try:
        while total < target["bytes"]:
            paths.append(new_path(target))
            with open(paths[-1], "wb", buffering=0) as file:
                total += file.write(bytes(4 << 20))
    finally:
        for path in paths:
            os.unlink(path)
    return f"wrote {total}"


@attack(stopped_by=_DISK, expect={"error", "signal", "graded"})
def make_a_sparse_file(target: Target) -> str | None:
    """Makes a file that is huge but empty, which a careless copy fills."""
    path = new_path(target)
    try:
        with open(path, "wb") as file:
            file.truncate(target["bytes"])
            return f"it has {os.fstat(file.fileno()).st_size}"
    finally:
        os.unlink(path)


@attack(stopped_by=_DISK, expect={"error", "signal", "graded"})
def reserve_the_disk(target: Target) -> str | None:
    """Reserves space on the disk without writing."""
    path = new_path(target)
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, target["bytes"])
            return f"it has {os.fstat(file.fileno()).st_blocks} blocks"
    finally:
        os.unlink(path)


@attack(stopped_by={"mount", "landlock"}, expect={"error", "graded", "timeout"})
def use_up_the_inodes(target: Target) -> str | None:
    """Makes empty files without end."""
    import shutil

    folder = new_path(target)
    os.mkdir(folder)
    try:
        for number in range(target["count"]):
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    finally:
        shutil.rmtree(folder)
    return f"made {target['count']}"


@attack(stopped_by={"mount", "landlock"}, expect={"error", "graded", "timeout"})
def nest_directories(target: Target) -> str | None:
    """Makes a directory in a directory, so deep that no path leads to it and cleaning fails."""
    os.chdir(os.path.dirname(new_path(target)))
    depth = 0
    while depth < target["count"]:
        os.mkdir(f"d-{target['marker']}")
        os.chdir(f"d-{target['marker']}")
        depth += 1
    for _ in range(depth):
        os.chdir("..")
        os.rmdir(f"d-{target['marker']}")
    return f"{depth} deep"


@attack(stopped_by={"seccomp", "rlimits"}, expect={"error", "graded"})
def fork_bomb(target: Target) -> str | None:
    """Forks without end; the children wait."""
    children: list[int] = []
    try:
        while len(children) < target["count"]:
            child = os.fork()
            if child == 0:
                import time

                time.sleep(5)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return f"forked {len(children)}"


@attack(stopped_by=_LIMITED, expect={"error", "graded", "memory_limit", "timeout", "exit"})
def start_threads_without_end(target: Target) -> str | None:
    """Starts threads without end."""
    import threading

    end = threading.Event()
    threads: list[threading.Thread] = []
    try:
        while len(threads) < target["count"]:
            threads.append(threading.Thread(target=end.wait, daemon=True))
            threads[-1].start()
    finally:
        end.set()
    return f"started {len(threads)}"


@attack(stopped_by=_LIMITED, expect={"error", "graded"})
def use_up_descriptors(target: Target) -> str | None:
    """Opens descriptors without end."""
    kept = [os.dup(0) for _ in range(target["count"])]
    return found(kept)


@attack(stopped_by={"seccomp", "rlimits"}, expect={"error", "graded"})
def park_descriptors_in_sockets(target: Target) -> str | None:
    """Sends descriptors to itself and does not take them: those under way are in no process's table."""
    import socket

    ours, theirs = socket.socketpair()
    for _ in range(8):
        socket.send_fds(ours, [b"x"], [0] * 100)
    theirs.close()
    return "parked 800"


@attack(stopped_by={"seccomp"}, expect={"error", "graded"})
def use_up_semaphores(target: Target) -> str | None:
    """Makes sets of semaphores, which outlive the process."""
    sets = [syscall("semget", 0, 100, 0o1600) for _ in range(min(target["count"], 100))]
    for number in sets:
        syscall("semctl", number, 0, 0, 0)
    return found(sets)


@attack(stopped_by={"seccomp"}, expect={"error", "graded"})
def use_up_message_queues(target: Target) -> str | None:
    """Makes message queues, which outlive the process."""
    queues = [syscall("msgget", 0, 0o1600) for _ in range(min(target["count"], 100))]
    for number in queues:
        syscall("msgctl", number, 0, None)
    return found(queues)


@attack(stopped_by={"seccomp"}, expect={"error", "graded"})
def use_up_shared_memory(target: Target) -> str | None:
    """Makes shared memory segments that it does not attach: no limit on address space counts them."""
    segments = [syscall("shmget", 0, 1 << 20, 0o1600) for _ in range(min(target["count"], 100))]
    for number in segments:
        syscall("shmctl", number, 0, None)
    return found(segments)


@attack(stopped_by={"seccomp"}, expect={"error", "graded"})
def use_up_timers(target: Target) -> str | None:
    """Makes timers, each with a signal in the kernel's queue."""
    import ctypes

    timer = ctypes.c_int()
    for _ in range(min(target["count"], 1000)):
        syscall("timer_create", 1, None, ctypes.byref(timer))
    return f"the last is {timer.value}"


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def spin_in_python(target: Target) -> str | None:
    """Spins in Python."""
    while True:
        pass


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def spin_through_exceptions(target: Target) -> str | None:
    """Spins and catches everything that might end it."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def spin_in_c(target: Target) -> str | None:
    """Spins in C with the interpreter's lock held: no thread and no signal handler of Python's runs."""
    return found(str(9**9**9)[:1])


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "error", "memory_limit"})
def spin_in_machine_code(target: Target) -> str | None:
    """Spins in machine code; elsewhere than on x86_64 it is an illegal instruction."""
    import platform

    endless = {"x86_64": "ebfe", "aarch64": "00000014"}[platform.machine()]
    return found(machine_code(bytes.fromhex(endless)))


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def spin_in_threads(target: Target) -> str | None:
    """Spins in several threads, so that more processors are used than one."""
    import hashlib
    import threading

    def work() -> None:
        while True:
            hashlib.pbkdf2_hmac("sha256", b"x", b"x", 1_000_000)

    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    work()
    return None


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def backtrack_without_end(target: Target) -> str | None:
    """Matches a regular expression whose backtracking takes for ever."""
    import re

    return found(re.match(r"(a|aa|a*)*$", "a" * 60 + "b"))


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "memory_limit", "error"})
def turn_a_huge_integer_into_text(target: Target) -> str | None:
    """Turns a huge integer into text, with the limit on that switched off."""
    import sys

    sys.set_int_max_str_digits(0)
    return found(str(1 << (1 << 25)))


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "memory_limit", "error"})
def collide_hashes(target: Target) -> str | None:
    """Fills a dictionary with keys of one hash, for which the time grows with the square."""
    modulus = (1 << 61) - 1
    return found({number * modulus for number in range(1_000_000)})


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def sleep_for_ever(target: Target) -> str | None:
    """Sleeps for ever."""
    import time

    while True:
        time.sleep(3600)


@attack(stopped_by=(), control=_CLOCK, expect=_TIME)
def wait_for_ever_on_a_lock(target: Target) -> str | None:
    """Waits for a lock that it holds itself."""
    import _thread

    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire()
    return None


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "error", "exit"})
def stop_itself(target: Target) -> str | None:
    """Stops itself with SIGSTOP: it neither runs nor ends."""
    import signal

    signal.raise_signal(signal.SIGSTOP)
    return None


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "signal"})
def ignore_every_signal(target: Target) -> str | None:
    """Ignores SIGTERM, SIGALRM, SIGXCPU and all others that can be ignored, and spins."""
    import signal

    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass


@attack(stopped_by=(), control=_ENDS, expect={"error", "signal", "memory_limit", "graded", "timeout"})
def recurse_in_python(target: Target) -> str | None:
    """Recurses in Python with the limit raised, until the stack is full."""
    import sys

    sys.setrecursionlimit(1 << 30)

    def deeper(depth: int) -> int:
        return deeper(depth + 1) + 1

    return found(deeper(0))


@attack(stopped_by=(), control=_ENDS, expect={"error", "signal", "memory_limit", "graded"})
def recurse_in_c(target: Target) -> str | None:
    """Recurses in C: shows a list that is nested a million deep, with the limit raised."""
    import sys

    sys.setrecursionlimit(1 << 30)
    nested: list[object] = []
    for _ in range(1_000_000):
        nested = [nested]
    return None if repr(nested) else "?"


@attack(stopped_by=(), control=_ENDS, expect={"signal", "error", "graded"})
def free_a_long_chain(target: Target) -> str | None:
    """Frees a chain of a million objects of its own class, each by the one before."""

    class Link:
        next: object = None

    first: object = None
    for _ in range(1_000_000):
        link = Link()
        link.next, first = first, link
    del first
    return None


@attack(stopped_by=(), control=_ENDS, expect={"signal"})
def crash(target: Target) -> str | None:
    """Reads the address 0."""
    import ctypes

    return found(ctypes.string_at(0))


@attack(stopped_by=(), control=_ENDS, expect={"signal"})
def abort(target: Target) -> str | None:
    """Aborts, which would write the memory to a file where limits allow it."""
    os.abort()


@attack(stopped_by=(), control=_ENDS, expect={"exit"})
def exit_at_once(target: Target) -> str | None:
    """Ends its process with status 0 and without an answer."""
    os._exit(0)


@attack(stopped_by=(), control=_ENDS, expect={"exit", "error"})
def raise_system_exit(target: Target) -> str | None:
    """Raises SystemExit, which the harness must not take for a wish of its own."""
    raise SystemExit(0)


@attack(stopped_by=(), control=_ENDS, expect={"error", "output_limit", "graded"})
def flood_standard_output(target: Target) -> str | None:
    """Prints a gigabyte; that must not become a time-out."""
    chunk = "x" * (1 << 20)
    for _ in range(1024):
        print(chunk)
    return None


@attack(stopped_by=(), control=_ENDS, expect={"error", "output_limit", "graded"})
def flood_standard_error(target: Target) -> str | None:
    """Writes a gigabyte to the descriptor of standard error."""
    for _ in range(1024):
        os.write(2, b"x" * (1 << 20))
    return None


@attack(stopped_by=(), control=_ENDS, expect={"error", "output_limit", "graded"})
def flood_both_streams_from_c(target: Target) -> str | None:
    """Writes two gigabytes from C, in small pieces, and takes no notice of errors."""
    piece = b"x" * 65_536
    for _ in range(16_384):
        libc.write(1, piece, 65_536)
        libc.write(2, piece, 65_536)
    return None


@attack(stopped_by=(), control=_ENDS, expect={"error", "output_limit", "graded"})
def print_single_characters(target: Target) -> str | None:
    """Prints a million characters one by one, each written at once."""
    for _ in range(1_000_000):
        os.write(1, b"x")
    return None


@attack(
    stopped_by=_LIMITED,
    control="the channel has a limit of its own",
    expect={"memory_limit", "protocol", "error", "exit"},
)
def return_a_huge_result(target: Target) -> str | None:
    """Returns a text of a gigabyte."""
    return "x" * (1 << 30)


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "protocol", "exit"})
def close_the_channel_and_hang(target: Target) -> str | None:
    """Closes every descriptor and sleeps."""
    import time

    os.closerange(0, 4096)
    while True:
        time.sleep(3600)


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "protocol", "exit"})
def drip_a_result(target: Target) -> str | None:
    """Announces a long answer on every descriptor, and sends it a byte at a time."""
    import time

    for descriptor in range(3, 256):
        try:
            os.write(descriptor, b"\x00\x10\x00\x00")
        except OSError:
            continue
    while True:
        for descriptor in range(3, 256):
            try:
                os.write(descriptor, b" ")
            except OSError:
                continue
        time.sleep(0.1)


@attack(stopped_by=(), control=_CLOCK, expect={"timeout", "protocol", "exit", "memory_limit"})
def flood_the_channel(target: Target) -> str | None:
    """Sends empty answers on every descriptor, as fast as it can."""
    while True:
        for descriptor in range(3, 16):
            try:
                os.write(descriptor, b"\x00\x00\x00\x02{}" * 1000)
            except OSError:
                continue


@attack(stopped_by=(), control=_ENDS, expect={"protocol", "exit", "timeout"})
def announce_a_huge_answer(target: Target) -> str | None:
    """Announces an answer of four gigabytes on every descriptor and ends."""
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, b"\xff\xff\xff\xff")
        except OSError:
            continue
    os._exit(0)


@attack(stopped_by=_LIMITED, expect=_FULL)
def decompress_a_bomb(target: Target) -> str | None:
    """Decompresses a few bytes into very many."""
    import zlib

    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(
        zlib.Z_FULL_FLUSH
    )  # ends at a byte, so that it can be repeated
    packed = piece * min(target["bytes"] >> 20, 1 << 14) + b"\x03\x00"
    return found(zlib.decompress(packed, -15))


@attack(stopped_by=_LIMITED, expect=_FULL)
def format_a_wide_text(target: Target) -> str | None:
    """Formats one character so wide that it fills the memory."""
    return found(f"{'x':>{target['bytes']}}")


@attack(stopped_by=(), control=_ENDS, expect={"error", "graded", "signal", "memory_limit"})
def compile_a_nested_source(target: Target) -> str | None:
    """Compiles a source that is nested very deeply, for which compilers recurse."""
    compile("-" * 1_000_000 + "1", "nested", "eval")
    return None


@attack(stopped_by=(), control=_ENDS, expect={"error", "graded", "signal", "memory_limit"})
def parse_nested_data(target: Target) -> str | None:
    """Parses a text of nested lists in JSON and in Python."""
    import ast
    import json

    for parse in (json.loads, ast.literal_eval):
        try:
            parse("[" * 500_000 + "]" * 500_000)
        except (RecursionError, MemoryError, SyntaxError):
            continue
    return None


@attack(stopped_by=(), control=_ENDS, expect={"graded", "timeout", "exit"})
def hang_at_exit(target: Target) -> str | None:
    """Answers, and spins when the interpreter ends."""
    import atexit

    class Endless:
        def __del__(self) -> None:
            while True:
                pass

    globals()["_endless"] = Endless()
    atexit.register(Endless.__del__, globals()["_endless"])
    return None


@attack(stopped_by=(), control=_ENDS, expect={"graded", "timeout", "exit"})
def outlast_its_answer(target: Target) -> str | None:
    """Answers, and leaves threads that spin on, so that the process does not end by itself."""
    import threading

    def work() -> None:
        while True:
            pass

    for _ in range(3):
        threading.Thread(target=work, daemon=False).start()
    return None


@attack(stopped_by=(), control=_ENDS, expect={"graded", "timeout", "error", "memory_limit", "signal"})
def resurrect_objects(target: Target) -> str | None:
    """Makes objects that come back to life and have a successor, each time they are deleted."""

    class Undead:
        def __del__(self) -> None:
            Undead()

    Undead()
    return None
