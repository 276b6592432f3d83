"""What the end of a sandboxed process means, and what its answers mean."""

import math
import os
import signal
from collections.abc import Mapping
from typing import Any

from graders import FailureKind, FailureType, GradingError
from graders.errors import CodeFailure, CodeFailureReason
from runtime.processes.shortage import infrastructure_failure
from runtime.sandbox.inside.rpc.records import REFUSED
from runtime.sandbox.processes.clock import OutOfTime
from runtime.sandbox.processes.session import Session, SessionEnded, Streams

_KINDS: Mapping[CodeFailureReason, FailureKind] = {FailureType.TIMEOUT: FailureKind.UNRESPONSIVE_REWARD}
MAX_MESSAGE = 2_000


MUCH = 0.75
"""Of a limit: a process that the kernel killed while it held so much was killed for that."""


def ended(session: Session, end: SessionEnded) -> GradingError:
    """Why a process ended before it had answered.

    Returns:
        A `CodeFailure` where the code that ran in it can have brought its end about, and otherwise a failure of the
        infrastructure, which is worth another try.
    """
    streams = session.streams
    if (outside := _outside(session, end.status)) is not None:
        return outside
    status = end.status or 0
    if streams.full:
        return failure(FailureType.OUTPUT_LIMIT, f"it wrote more than {streams.limit >> 20} MiB", streams)
    if session.broken:
        return failure(FailureType.PROTOCOL, session.broken, streams)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return failure(FailureType.EXIT, f"it exited with status {code} before it had answered", streams)
    if -code == signal.SIGKILL:
        return _killed(session)
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return failure(FailureType.SIGNAL, f"it was killed by {name}", streams)


def _outside(session: Session, status: int | None) -> GradingError | None:
    """The failure of a process whose end says nothing about the code that ran in it, if this is one."""
    if status is None:
        return lost(
            "the process that others are forked from has ended", FailureType.SANDBOX_DIED, session.streams
        )
    if status == REFUSED:
        return lost(
            "the machine has no room for one more process", FailureType.SANDBOX_UNAVAILABLE, session.streams
        )
    if session.unreadable is not None:
        return lost(f"its channel failed: {session.unreadable}", FailureType.SANDBOX_DIED, session.streams)
    if not session.is_ready:  # nothing foreign has run in it
        return lost("it ended before it was ready", FailureType.SANDBOX_DIED, session.streams)
    return None


def _killed(session: Session) -> GradingError:
    """The failure of a process that SIGKILL ended.

    The code in it cannot send itself that signal: its system-call filter refuses it. The kernel sends it at the limit of
    processor time and when memory runs out; otherwise it came from outside.
    """
    used, allowed, streams = session.used, session.allowed, session.streams
    if allowed.cpu_seconds is not None and used.cpu_seconds >= MUCH * allowed.cpu_seconds:
        return failure(
            FailureType.TIMEOUT, f"it used up its {allowed.cpu_seconds} s of processor time", streams
        )
    if allowed.memory_bytes is not None and used.memory_bytes >= MUCH * allowed.memory_bytes:
        return failure(
            FailureType.MEMORY_LIMIT, f"it was killed while it held {used.memory_bytes >> 20} MiB", streams
        )
    return lost("it was killed from outside (SIGKILL)", FailureType.KILLED, streams)


def lost(why: str, cause: FailureType, streams: Streams) -> GradingError:
    """The failure of a process that was stopped by the machine or from outside; counted."""
    streams.lost(cause)
    return infrastructure_failure(why, cause)


def out_of_time(seconds: float, end: OutOfTime, streams: Streams) -> GradingError:
    """The failure of a process that did not answer: its own where it had its time, otherwise the machine's."""
    if end.is_certain:
        return timed_out(seconds, streams)
    return lost(f"the machine was too busy to give it its {seconds:g} s", FailureType.MACHINE_BUSY, streams)


def timed_out(seconds: float, streams: Streams) -> CodeFailure:
    """The failure of a process that did not answer in time."""
    return failure(FailureType.TIMEOUT, f"no answer within {seconds:g} s", streams)


def failure(reason: CodeFailureReason, message: str, streams: Streams) -> CodeFailure:
    """The failure of a process, which is counted, with the end of what it wrote."""
    streams.lost(reason)
    kind = _KINDS.get(reason, FailureKind.PYTHON_GRADER_SERVER)
    return CodeFailure(message, reason=reason, kind=kind, details={"type": reason, **outputs(streams)})


def reward_or_error(answer: object, streams: Streams) -> float | GradingError:
    """One answer of a Python grader, checked as a stranger's."""
    if isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer):
        return float(answer)
    if not isinstance(answer, dict) or not all(isinstance(value, str) for value in answer.values()):
        return failure(FailureType.PROTOCOL, "it answered what is no answer", streams)
    return raised(answer, streams)


def raised(answer: Mapping[str, Any], streams: Streams) -> GradingError:
    """The failure of a grader that raised, or returned no number."""
    name = answer.get("error", "Exception")
    message = answer.get("message", "")[:MAX_MESSAGE]
    details = {"type": name, "traceback": answer.get("traceback", ""), **outputs(streams)}
    if name == "MemoryError":
        streams.lost(FailureType.MEMORY_LIMIT)
        message = f"python: the grader used more memory than it may: {message}"
        return GradingError(
            message,
            kind=FailureKind.PYTHON_GRADER_SERVER,
            details={**details, "type": FailureType.MEMORY_LIMIT},
        )
    if streams.full:
        return failure(
            FailureType.OUTPUT_LIMIT, f"it wrote more than {streams.limit >> 20} MiB: {message}", streams
        )
    return GradingError(f"python: {message}", kind=FailureKind.PYTHON_GRADER_RUNTIME, details=details)


def outputs(streams: Streams) -> dict[str, str]:
    """The end of what a process wrote, as details of a failure; empty streams are left out."""
    tails = {"stdout": streams.tail(streams.stdout), "stderr": streams.tail(streams.stderr)}
    return {name: tail for name, tail in tails.items() if tail}
