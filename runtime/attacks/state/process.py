"""What a grading leaves in the modules, files, streams, limits and signals of its process."""

import os

from runtime.attacks.attack import Pair, Target, residue
from runtime.attacks.prelude import found, new_path


@residue()
def module_globals(target: Target) -> Pair:
    """A global variable of the grader's module."""

    def leave() -> None:
        globals()["left_behind"] = target["marker"]

    return leave, lambda: globals().get("left_behind")


@residue()
def main_module(target: Target) -> Pair:
    """An attribute of the module __main__."""
    import __main__

    return lambda: setattr(__main__, "left_behind", "x"), lambda: getattr(__main__, "left_behind", None)


@residue()
def replaced_builtins(target: Target) -> Pair:
    """A replaced built-in function."""
    import builtins

    def leave() -> None:
        builtins.sorted = lambda *_args, **_options: [42]  # type: ignore[assignment]  # it need only lie

    return leave, lambda: "sorted lies" if sorted([]) == [42] else None


@residue()
def new_builtins(target: Target) -> Pair:
    """A new name among the built-in ones."""
    import builtins

    return lambda: setattr(builtins, "left_behind", "x"), lambda: getattr(builtins, "left_behind", None)


@residue()
def replaced_modules(target: Target) -> Pair:
    """A false module in sys.modules, in the place of a true one."""
    import sys
    import types

    def leave() -> None:
        sys.modules["statistics"] = types.ModuleType("left_behind")

    return (
        leave,
        lambda: (
            "it is there" if getattr(sys.modules.get("statistics"), "__name__", "") == "left_behind" else None
        ),
    )


@residue()
def patched_standard_library(target: Target) -> Pair:
    """A replaced function of a module that graders use."""
    import json

    def leave() -> None:
        json.loads = lambda *_args, **_options: "left behind"

    return leave, lambda: "json.loads lies" if json.loads("1") == "left behind" else None


@residue()
def patched_harness(target: Target) -> Pair:
    """Replaced functions of whatever called the grader: the first step to a reward of its own choice."""
    import sys
    import types

    def harness() -> list[types.ModuleType]:
        return [
            module
            for name, module in list(sys.modules.items())
            if name == "inside" or name.startswith("inside.")
        ]

    def leave() -> None:
        for module in harness():
            module.__dict__["left_behind"] = "x"
        sys.__dict__.setdefault("left_behind", "x")

    def find() -> str | None:
        return next((str(module) for module in [sys, *harness()] if "left_behind" in module.__dict__), None)

    return leave, find


@residue()
def threads(target: Target) -> Pair:
    """A thread that goes on running."""
    import threading
    import time

    def leave() -> None:
        threading.Thread(target=time.sleep, args=(30,), daemon=True, name="left behind").start()

    return leave, lambda: "it runs" if any(t.name == "left behind" for t in threading.enumerate()) else None


@residue()
def threads_below_python(target: Target) -> Pair:
    """A thread that Python's own list does not have, and that answers for others later."""
    import _thread
    import sys
    import time

    def wait() -> None:
        time.sleep(30)

    def leave() -> None:
        _thread.start_new_thread(wait, ())
        time.sleep(0.05)

    return leave, lambda: "it runs" if len(sys._current_frames()) > 1 else None


@residue()
def temporary_files(target: Target) -> Pair:
    """A file in the scratch, under a name that everybody can guess."""
    places = [os.environ.get("TMPDIR", "/tmp"), os.getcwd(), "/tmp", "/var/tmp", "/dev/shm"]
    # more than one of them may lead to the scratch
    paths = {f"{os.path.realpath(place)}/left-{target['marker']}" for place in places}

    def leave() -> None:
        for path in paths:
            try:
                open(path, "w").close()
            except OSError:
                continue

    def find() -> str | None:
        there = [path for path in paths if os.path.lexists(path)]
        for path in there:
            os.unlink(path)
        return found(there) if there else None

    return leave, find


@residue()
def scratch_directories(target: Target) -> Pair:
    """A directory in the scratch, without rights, that stops its cleaning."""
    path = f"{os.path.dirname(new_path(target))}/directory-{target['marker']}"

    def find() -> str | None:
        there = os.path.lexists(path)
        if there:
            os.rmdir(path)
        return path if there else None

    return lambda: os.mkdir(path, 0), find


@residue()
def environment_variables(target: Target) -> Pair:
    """A variable in the environment."""
    return lambda: os.environ.update(LEFT_BEHIND="x"), lambda: os.environ.get("LEFT_BEHIND")


@residue()
def random_seeds(target: Target) -> Pair:
    """The state of the random numbers: who seeds them foresees what others draw."""
    import random

    state = random.Random(7).getstate()
    return lambda: random.seed(7), lambda: "it is seeded" if random.getstate() == state else None


@residue()
def recursion_limit(target: Target) -> Pair:
    """A recursion limit at which others fail."""
    import sys

    return lambda: sys.setrecursionlimit(777), lambda: "it is 777" if sys.getrecursionlimit() == 777 else None


@residue()
def integer_text_limit(target: Target) -> Pair:
    """The limit of digits of an integer's text, switched off."""
    import sys

    return lambda: sys.set_int_max_str_digits(
        0
    ), lambda: "it is off" if sys.get_int_max_str_digits() == 0 else None


@residue()
def objects_of_the_last_item(target: Target) -> Pair:
    """The last grading's item, found among all objects that Python's garbage collector knows."""
    import gc

    def leave() -> None:
        globals()["_kept"] = {"secret of the last item": [target["marker"]]}

    def find() -> str | None:
        return (
            "found it"
            if any(type(o) is dict and "secret of the last item" in o for o in gc.get_objects())
            else None
        )

    return leave, find


@residue(control="freed memory may have been used again")
def freed_memory(target: Target) -> Pair:
    """The last grading's freed memory, taken again without being cleared."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    size = 65_000

    def leave() -> None:
        address = libc.malloc(ctypes.c_size_t(size))
        ctypes.memset(address, 0x7E, size)
        libc.free(ctypes.c_void_p(address))

    def find() -> str | None:
        address = libc.malloc(ctypes.c_size_t(size))
        # counted, not searched for: a text to look for would be in memory itself, among this code's constants
        return "found it" if ctypes.string_at(address, size).count(b"~") > size // 2 else None

    return leave, find


@residue()
def last_exception(target: Target) -> Pair:
    """The last exception, whose frames hold the last grading's values."""
    import sys

    def leave() -> None:
        sys.last_value = ValueError("left behind")

    return leave, lambda: "it is there" if "left behind" in str(getattr(sys, "last_value", "")) else None


@residue()
def working_directory(target: Target) -> Pair:
    """The working directory."""
    return lambda: os.chdir("/usr"), lambda: "it is /usr" if os.getcwd() == "/usr" else None


@residue()
def open_files(target: Target) -> Pair:
    """An open descriptor."""

    def leave() -> None:
        read, _ = os.pipe()
        os.dup2(read, 77)

    def find() -> str | None:
        try:
            return f"it is {os.fstat(77).st_ino}"
        except OSError:
            return None

    return leave, find


@residue(control="the standard input is sealed in every process, whatever its layers")
def standard_input(target: Target) -> Pair:
    """Bytes written into the standard input, which is a file in memory."""

    def leave() -> None:
        os.pwrite(0, b"left behind", 0)

    return leave, lambda: found(os.pread(0, 100, 0))


@residue()
def standard_output(target: Target) -> Pair:
    """What was printed, read back from the standard output or error."""

    def leave() -> None:
        for stream in (1, 2):
            os.write(stream, target["marker"].encode())

    def find() -> str | None:
        for stream in (1, 2):
            try:
                if target["marker"].encode() in os.pread(stream, 1 << 16, 0):
                    return f"found it in stream {stream}"
            except OSError:
                continue
        return None

    return leave, find


@residue()
def replaced_standard_output(target: Target) -> Pair:
    """A standard output of its own, that hears what others print."""
    import io
    import sys

    class Listener(io.StringIO):
        pass

    def leave() -> None:
        sys.stdout = Listener()

    return leave, lambda: "it listens" if type(sys.stdout).__name__ == "Listener" else None


@residue("seccomp")
def resource_limits(target: Target) -> Pair:
    """A lowered limit of open files, at which others fail."""
    import resource

    def leave() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard))

    return leave, lambda: "it is 50" if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 50 else None


@residue("seccomp")
def resource_limits_of_the_parent(target: Target) -> Pair:
    """A lowered limit of its parent, which every later child inherits."""
    import resource

    def leave() -> None:
        _, hard = resource.prlimit(os.getppid(), resource.RLIMIT_CORE)
        resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, hard))
        resource.setrlimit(resource.RLIMIT_STACK, (4_194_304, resource.RLIM_INFINITY))

    return leave, lambda: "it is 4 MiB" if resource.getrlimit(resource.RLIMIT_STACK)[0] == 4_194_304 else None


@residue("seccomp")
def priority(target: Target) -> Pair:
    """A lower priority, or another processor."""
    return lambda: os.nice(3), lambda: "it is lower" if os.nice(0) >= 3 else None


@residue()
def umask(target: Target) -> Pair:
    """The mask of new files' rights."""

    def find() -> str | None:
        mask = os.umask(0o22)
        return "it is 0" if mask == 0o123 else None

    return lambda: os.umask(0o123), find


@residue()
def signal_handlers(target: Target) -> Pair:
    """A signal handler."""
    import signal

    def leave() -> None:
        signal.signal(signal.SIGUSR1, lambda *_: None)

    return leave, lambda: "it is set" if callable(signal.getsignal(signal.SIGUSR1)) and not isinstance(
        signal.getsignal(signal.SIGUSR1), signal.Handlers
    ) else None  # fmt: skip


@residue()
def ignored_signals(target: Target) -> Pair:
    """Ignored and blocked signals, which even a new program would inherit."""
    import signal

    def leave() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    return (
        leave,
        lambda: "they are" if signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ()) else None,
    )


@residue()
def timers(target: Target) -> Pair:
    """A timer that goes off in a later grading."""
    import signal

    def leave() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 60)

    return leave, lambda: "it runs" if signal.getitimer(signal.ITIMER_REAL)[0] > 0 else None
