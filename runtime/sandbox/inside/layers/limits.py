"""Layer `rlimits`: what one process may use of memory, processor, files and threads."""

import resource

NAME = "rlimits"

_NOTHING = (
    resource.RLIMIT_CORE,
    resource.RLIMIT_MEMLOCK,
    *(
        getattr(resource, name)
        for name in ("RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO")
        if hasattr(resource, name)
    ),
)
OPEN_FILES = 256
THREADS = 64
"""Of one sandboxed process. numpy, scikit-learn and pandas start none or one for each processor, as their environment says, and
pyarrow eight more; Python's default thread pools (`concurrent.futures`, `asyncio.to_thread`) have 32 at most, so two of them fit."""
WORKER_THREADS = 512
"""Of one worker process: a plugin is the operator's own, and may load what it likes."""


def detect() -> str | None:
    """What is missing: nothing, on every system that has Python's `resource`."""
    return None


def apply_common(memory_bytes: int, file_bytes: int) -> None:
    """The limits that a zygote shares with its children.

    Args:
        memory_bytes: Address space of one process.
        file_bytes: Length of one file.
    """
    for limit in _NOTHING:
        _lower(limit, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    _lower(resource.RLIMIT_AS, memory_bytes)


def apply_own(threads: int | None, cpu_seconds: int | None) -> None:
    """The limits of a child alone.

    Args:
        threads: How many threads it may have; None where they cannot be told from the user's other processes.
        cpu_seconds: Processor time after which the kernel ends it.
    """
    if threads is not None:
        _lower(resource.RLIMIT_NPROC, threads)
    if cpu_seconds is not None:
        _lower(resource.RLIMIT_CPU, cpu_seconds)


def _lower(limit: int, value: int) -> None:
    """Set a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))
