"""Attacks on the processor's time and on patience, and those that end their own process or answer without end."""

import os

from runtime.attacks.attack import AttackOutcome, Layer, Target, attack
from runtime.attacks.prelude import found, libc, machine_code

_FULL: frozenset[AttackOutcome] = frozenset({"memory_limit", "error", "exit", "signal", "timeout"})
_LIMITED: frozenset[Layer] = frozenset({"rlimits"})
_TIME: frozenset[AttackOutcome] = frozenset({"timeout"})
_CLOCK = "only the clock ends it"
_ENDS = "it ends its own process, which nothing forbids: that the others go on is the test"


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
