"""What the end of a sandboxed process means, and what its answers mean."""

import math
import os
import signal
from collections.abc import Mapping
from typing import Any

from graders import FailureKind, GradingError
from graders.errors import CodeFailure, CodeFailureReason
from runtime.sandbox.session import Session, SessionEnded, Streams

_KINDS: Mapping[CodeFailureReason, FailureKind] = {"timeout": FailureKind.UNRESPONSIVE_REWARD}
MAX_MESSAGE = 2_000


class ZygoteDied(Exception):
    """A process ended with its zygote: nothing is known of the grading, which may be done again."""


def ended(session: Session, end: SessionEnded) -> CodeFailure:
    """Why a process ended by itself.

    Raises:
        ZygoteDied: When its zygote did.
    """
    if end.status is None:
        raise ZygoteDied
    streams = session.streams
    if streams.full:
        return failure("output_limit", f"it wrote more than {streams.limit >> 20} MiB", streams)
    if session.broken:
        return failure("protocol", session.broken, streams)
    code = os.waitstatus_to_exitcode(end.status)
    if code >= 0:
        return failure("exit", f"it exited with status {code} before it had answered", streams)
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if name == "SIGKILL":
        return killed_from_outside(streams)
    return failure("signal", f"it was killed by {name}", streams)


def killed_from_outside(streams: Streams) -> CodeFailure:
    """The failure of a process that got a SIGKILL, which no process of the sandbox can send: the machine's doing."""
    streams.lost("signal")
    return CodeFailure(
        "it was killed by SIGKILL, from outside of the sandbox; is the machine out of memory?",
        reason="signal",
        kind=FailureKind.PYTHON_GRADER_SERVER,
        caused_by="infrastructure",
        details=outputs(streams),
        retryable=True,
    )


def timed_out(seconds: float, streams: Streams) -> CodeFailure:
    """The failure of a process that did not answer in time."""
    return failure("timeout", f"no answer within {seconds:g} s", streams)


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
        return failure("protocol", "it answered what is no answer", streams)
    return raised(answer, streams)


def raised(answer: Mapping[str, Any], streams: Streams) -> GradingError:
    """The failure of a grader that raised, or returned no number."""
    name = answer.get("error", "Exception")
    message = answer.get("message", "")[:MAX_MESSAGE]
    details = {"type": name, "traceback": answer.get("traceback", ""), **outputs(streams)}
    if name == "MemoryError":
        streams.lost("memory_limit")
        message = f"python: the grader used more memory than it may: {message}"
        return GradingError(
            message, kind=FailureKind.PYTHON_GRADER_SERVER, details={**details, "type": "memory_limit"}
        )
    if streams.full:
        return failure("output_limit", f"it wrote more than {streams.limit >> 20} MiB: {message}", streams)
    return GradingError(f"python: {message}", kind=FailureKind.PYTHON_GRADER_RUNTIME, details=details)


def outputs(streams: Streams) -> dict[str, str]:
    """The end of what a process wrote, as details of a failure; empty streams are left out."""
    tails = {"stdout": streams.tail(streams.stdout), "stderr": streams.tail(streams.stderr)}
    return {name: tail for name, tail in tails.items() if tail}
