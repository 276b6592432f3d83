"""SandboxFusion's `/run_code` for Python: verl and others send it programs, which run in the sandbox of this service.

A program that fails is an answer. A sandbox that fails is a 504 where another try may help, since the client of verl repeats
nothing else, and `SandboxError` where it may not.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from math import inf
from typing import Any, Literal

from fastapi import APIRouter, Request

from graders import FailureType, GradingError
from graders.context import Ended, Sandbox, Unread
from graders.contract import brief
from graders.errors import CodeFailure
from service.http.grade_requests import wrong_body
from service.http.openapi import declared
from service.http.responses import Answer
from service.http.routing import Route
from service.routes.trainers.grading import body_of, body_schema, text_of
from service.routes.trainers.ungraded import ungraded
from service.state import state_of

TRAINER = "sandbox-fusion"
PATH = "/run_code"
TIMEOUT_S = 10.0
"""Seconds of a program for which the request names none, as SandboxFusion has it."""
PATIENCE_S = 10.0
"""Seconds beyond a program's own that its client waits."""
SMALLEST_MB = 64

router = APIRouter(tags=["trainers"], route_class=Route)

_BODY = body_schema(
    {
        "code": {"type": "string"},
        "language": {"const": "python"},
        "stdin": {"type": ["string", "null"]},
        "compile_timeout": {},
        "run_timeout": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "memory_limit_MB": {"type": ["integer", "null"]},
        "files": {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}},
        "fetch_files": {"type": "array", "maxItems": 0},
    },
    ["code", "language"],
)


class RunResult(Answer):
    """How the program ended."""

    status: Literal["Finished", "Error", "TimeLimitExceeded"]
    execution_time: float
    return_code: int | None
    stdout: str
    stderr: str


class RunCode(Answer):
    """What became of a program; Python has no step that compiles it."""

    status: Literal["Success", "Failed", "SandboxError"]
    message: str
    compile_result: None = None
    run_result: RunResult | None
    executor_pod_name: None = None
    files: dict[str, str]


@router.post(
    PATH,
    responses={504: declared("The sandbox has failed or is busy, and may succeed when it is asked again.")},
    openapi_extra=_BODY,
)
async def run_code(request: Request) -> RunCode:
    """Run a Python program in the sandbox."""
    body, _ = await body_of(request, ["code", "language"])
    if body["language"] != "python":
        raise wrong_body("language", f"expected 'python', got {brief(body['language'])}")
    if body.get("fetch_files", []) != []:
        raise wrong_body("fetch_files", "expected an empty list: files of a program are not kept")
    message = {"program": text_of(body, "code"), "stdin": _stdin(body), "files": _files(body.get("files"))}
    state = state_of(request)
    seconds = min(_seconds(body), state.settings.python_timeout_s)
    sandbox = state.evaluator.sandbox.seen_by(request.state.client)
    with state.queues.enter_class("sandbox"):
        try:
            async with asyncio.timeout(seconds + PATIENCE_S):
                return await _run(sandbox, message, seconds, _memory(body))
        except TimeoutError:
            failure = GradingError("the sandbox is busy", caused_by="infrastructure", retryable=True).failure
            raise ungraded(failure, TRAINER) from None


async def _run(
    sandbox: Sandbox, message: Mapping[str, Any], seconds: float, memory_mb: int | None
) -> RunCode:
    took = 0.0
    try:
        async with sandbox.process("subject", memory_mb=memory_mb) as process:
            try:
                return _ended(await process.finish(message, timeout_s=seconds), process.seconds)
            finally:
                took = process.seconds
    except GradingError as error:
        failure = error.failure
        if isinstance(error, CodeFailure) and failure.caused_by != "infrastructure":
            return _killed(error, took)
        if failure.retryable:
            raise ungraded(failure, TRAINER) from None
        return RunCode(status="SandboxError", message=failure.message, run_result=None, files={})


def _ended(ended: Ended, seconds: float) -> RunCode:
    stdout = ended.stdout.data.decode(errors="replace") if isinstance(ended.stdout, Unread) else ended.stdout
    result = RunResult(
        status="Finished",
        execution_time=seconds,
        return_code=ended.status,
        stdout=stdout,
        stderr=ended.stderr,
    )
    status: Literal["Success", "Failed"] = "Failed" if ended.status else "Success"
    return RunCode(status=status, message="", run_result=result, files={})


def _killed(error: CodeFailure, seconds: float) -> RunCode:
    """A program that a limit or a signal has ended."""
    is_late = error.reason is FailureType.TIMEOUT
    result = RunResult(
        status="TimeLimitExceeded" if is_late else "Error",
        execution_time=seconds,
        return_code=None,
        stdout=str(error.failure.details.get("stdout", "")),
        stderr=error.failure.message,
    )
    return RunCode(status="Failed", message=error.failure.message, run_result=result, files={})


def _stdin(body: Mapping[str, Any]) -> str:
    stdin = body.get("stdin")
    if stdin is None:
        return ""
    if not isinstance(stdin, str):
        raise wrong_body("stdin", "expected a text or null")
    return stdin


def _files(files: object) -> dict[str, str]:
    """Files in base64 by their paths.

    Raises:
        ApiError: 400, when they are not.
    """
    if files is None:
        return {}
    if not isinstance(files, dict):
        raise wrong_body("files", "expected an object of paths and contents in base64")
    found: dict[str, str] = {}
    for path, content in files.items():
        if content is None:
            continue
        if not path or "\0" in path or path.startswith("/") or ".." in path.split("/"):
            raise wrong_body("files", f"expected paths in the program's own folder, got {brief(path)}")
        try:
            base64.b64decode(content, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise wrong_body(f"files.{path}", "expected its content in base64") from None
        found[path] = content
    return found


def _seconds(body: Mapping[str, Any]) -> float:
    value = body.get("run_timeout")
    if value is None:
        return TIMEOUT_S
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < inf:
        raise wrong_body("run_timeout", "expected seconds: a number above 0")
    return float(min(value, 1e6))


def _memory(body: Mapping[str, Any]) -> int | None:
    """MiB that the program may use; None for the operator's limit, which -1 stands for."""
    value = body.get("memory_limit_MB")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_body("memory_limit_MB", "expected a whole number of MiB, or -1 for the operator's limit")
    return None if value <= 0 else max(SMALLEST_MB, min(value, 1 << 20))
