"""When the machine is short of descriptors, memory or processes: a failure that is nobody's doing and that may pass."""

import errno

from graders import FailureKind, FailureType, GradingError

SHORTAGES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS}
)
"""Errors of system calls that fail for want of something that others hold at the moment."""


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that the machine is short of something.

    Starting a thread fails with a `RuntimeError` and memory with a `MemoryError`, without an error number.
    """
    if isinstance(error, OSError):
        return error.errno in SHORTAGES
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    )


def infrastructure_failure(message: str, cause: FailureType) -> GradingError:
    """The failure of a grading that was stopped by the machine or from outside: ungraded, and worth another try.

    Args:
        message: What happened.
        cause: What stopped it, in one word.
    """
    return GradingError(
        message,
        kind=FailureKind.PYTHON_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": cause},
        retryable=True,
    )
