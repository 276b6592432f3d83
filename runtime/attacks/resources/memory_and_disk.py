"""Attacks that use things up: memory, disk, processes, descriptors and what the kernel keeps for them."""

import os

from runtime.attacks.attack import AttackOutcome, Layer, Target, attack
from runtime.attacks.prelude import found, new_path, syscall

_FULL: frozenset[AttackOutcome] = frozenset({"memory_limit", "error", "exit", "signal", "timeout"})
_LIMITED: frozenset[Layer] = frozenset({"rlimits"})
_DISK: frozenset[Layer] = frozenset({"mount", "landlock", "rlimits"})


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
