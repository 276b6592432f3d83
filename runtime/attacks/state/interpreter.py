"""What a grading leaves in the registries and caches of the interpreter, in its budget, and in the kernel."""

import os

from runtime.attacks.attack import Pair, Target, residue
from runtime.attacks.prelude import found, syscall


@residue()
def garbage_collection(target: Target) -> Pair:
    """Garbage collection, with other thresholds and a callback."""
    import gc

    return lambda: gc.set_threshold(1, 1, 7), lambda: "it is set" if gc.get_threshold() == (1, 1, 7) else None


@residue()
def callbacks_of_garbage_collection(target: Target) -> Pair:
    """A callback of the garbage collector, which runs in the midst of others' work."""
    import gc

    def callback(phase: str, info: object) -> None:
        pass

    def find() -> str | None:
        return "it is set" if any(getattr(c, "__name__", "") == "callback" for c in gc.callbacks) else None

    return lambda: gc.callbacks.append(callback), find


@residue()
def decimal_context(target: Target) -> Pair:
    """The precision of decimal numbers."""
    import decimal

    def leave() -> None:
        decimal.getcontext().prec = 3

    return leave, lambda: "it is 3" if decimal.getcontext().prec == 3 else None


@residue()
def warning_filters(target: Target) -> Pair:
    """Warnings made errors."""
    import warnings

    return (
        lambda: warnings.simplefilter("error", FutureWarning),
        lambda: (
            "they are" if any(f[0] == "error" and f[2] is FutureWarning for f in warnings.filters) else None
        ),
    )


@residue()
def import_path(target: Target) -> Pair:
    """A directory on sys.path, from which later imports are served."""
    import sys

    return lambda: sys.path.insert(
        0, "/left-behind"
    ), lambda: "it is there" if "/left-behind" in sys.path else None


@residue()
def import_hooks(target: Target) -> Pair:
    """A finder of modules that serves later imports."""
    import sys

    class Finder:
        def find_spec(self, *_: object) -> None:
            return None

    def find() -> str | None:
        return "it is there" if any(type(finder).__name__ == "Finder" for finder in sys.meta_path) else None

    return lambda: sys.meta_path.insert(0, Finder()), find


@residue()
def trace_functions(target: Target) -> Pair:
    """A trace function that sees every line of a later grading."""
    import sys
    import threading

    def trace(frame: object, event: str, argument: object) -> None:
        return None

    def leave() -> None:
        sys.settrace(trace)
        threading.settrace(trace)

    return leave, lambda: "it is set" if sys.gettrace() or getattr(threading, "_trace_hook", None) else None


@residue()
def profile_functions(target: Target) -> Pair:
    """A profile function that sees every call of a later grading."""
    import sys

    def profile(frame: object, event: str, argument: object) -> None:
        return None

    return lambda: sys.setprofile(profile), lambda: "it is set" if sys.getprofile() else None


@residue(control="an audit hook cannot be looked for, only heard: this one answers an event of its own")
def audit_hooks(target: Target) -> Pair:
    """An audit hook, which cannot be taken away any more."""
    import sys

    heard: list[str] = []

    def leave() -> None:
        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "left.behind" and isinstance(arguments[0], list):
                arguments[0].append(event)

        sys.addaudithook(hook)

    def find() -> str | None:
        sys.audit("left.behind", heard)
        return heard[0] if heard else None

    return leave, find


@residue()
def exit_functions(target: Target) -> Pair:
    """A function that runs at the interpreter's exit."""
    import atexit

    seen: list[object] = []

    class Spy:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            seen.append(other)
            return False

    def find() -> str | None:
        atexit.unregister(Spy())  # type: ignore[arg-type]  # it is only compared
        return "it is there" if print in seen else None

    return lambda: atexit.register(print), find


@residue()
def context_variables(target: Target) -> Pair:
    """A value in the context of the running code."""
    import contextvars

    def find() -> str | None:
        return next((str(v) for k, v in contextvars.copy_context().items() if k.name == "left_behind"), None)

    return lambda: contextvars.ContextVar[str]("left_behind").set("x"), find


@residue()
def codec_registry(target: Target) -> Pair:
    """A handler of decoding errors, by which later texts are read."""
    import codecs

    def find() -> str | None:
        try:
            return str(codecs.lookup_error("left_behind"))
        except LookupError:
            return None

    return lambda: codecs.register_error("left_behind", codecs.ignore_errors), find


@residue()
def locale(target: Target) -> Pair:
    """The time zone, by which later dates are read."""
    import time

    def leave() -> None:
        os.environ["TZ"] = "XYZ+7:11"
        time.tzset()

    return leave, lambda: "it is XYZ" if time.tzname[0] == "XYZ" else None


@residue()
def regular_expression_cache(target: Target) -> Pair:
    """A false entry in the cache of compiled regular expressions."""
    import re

    def leave() -> None:
        re._cache[(str, "left behind", 0)] = re.compile(".*")  # type: ignore[attr-defined]

    return leave, lambda: "it matches all" if re.match("left behind", "anything") else None


@residue()
def cached_results(target: Target) -> Pair:
    """Entries in a library's own cache, and lines in that of sources."""
    import linecache

    def leave() -> None:
        linecache.cache["left.py"] = (1, None, ["left behind\n"], "left.py")

    return leave, lambda: linecache.getline("left.py", 1) or None


@residue()
def interned_constants(target: Target) -> Pair:
    """A constant of the interpreter itself, changed in memory: from then on one and one is not two."""
    import ctypes

    size = int.__basicsize__

    def leave() -> None:
        ctypes.c_uint32.from_address(id(257 - 1) + size).value = 99

    def find() -> str | None:
        changed = ctypes.c_uint32.from_address(id(257 - 1) + size).value == 99
        ctypes.c_uint32.from_address(id(257 - 1) + size).value = 256
        return "256 is 99" if changed else None

    return leave, find


@residue()
def used_up_budget(target: Target) -> Pair:
    """Memory that stays taken, so that a later grading comes to its limit."""

    def leave() -> None:
        globals()["_taken"] = bytearray(32 << 20)

    return leave, lambda: found(globals()["_taken"]) if "_taken" in globals() else None


@residue()
def used_up_processor_time(target: Target) -> Pair:
    """Processor time that counts against a later grading."""
    import time

    def leave() -> None:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass

    return leave, lambda: "it is used" if time.process_time() >= 0.3 else None


@residue("seccomp", control="code that runs at the same time would find its name")
def abstract_sockets(target: Target) -> Pair:
    """A listener under an abstract name, which the whole sandbox shares."""
    import socket

    def leave() -> None:
        globals()["_listener"] = listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0left-behind")

    def find() -> str | None:
        try:
            with socket.socket(socket.AF_UNIX) as mine:
                mine.bind("\0left-behind")
        except OSError as error:
            return "it is taken" if error.errno == 98 else None
        return None

    return leave, find


@residue("seccomp")
def shared_memory_segments(target: Target) -> Pair:
    """A shared memory segment, which outlives its process."""
    number = 0x6C656674

    def find() -> str | None:
        try:
            segment = syscall("shmget", number, 0, 0)
        except OSError:
            return None
        syscall("shmctl", segment, 0, None)
        return f"it is {segment}"

    return lambda: syscall("shmget", number, 4096, 0o1600), find


@residue("seccomp")
def keys_of_the_kernel(target: Target) -> Pair:
    """A key in the user's keyring, which outlives its process."""

    def find() -> str | None:
        try:
            key = syscall("keyctl", 10, -4, b"user", b"left-behind", 0)
        except OSError:
            return None
        syscall("keyctl", 9, key, -4)
        return f"it is {key}"

    return lambda: syscall("add_key", b"user", b"left-behind", b"x", 1, -4), find
