"""Running one grading function, wherever it runs: the only place where exceptions become failures."""

import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import PurePath
from types import MappingProxyType

from graders import Context, FailureKind, FailureType, Grader, GraderResult, GradingError, Item, Sample

MAX_MESSAGE = 2_000
MAX_FRAMES = 20
MAX_LINE = 200

Hint = Callable[[Grader, BaseException], str]
"""What an author should know of an exception, to be put behind its message; often nothing."""


async def execute(
    grader: Grader,
    samples: Sequence[Sample],
    item: Item,
    context: Context,
    *,
    hint: Hint = lambda grader, error: "",
) -> list[GraderResult]:
    """Grade in this process: one sample, or the group of a group grader. Never raises for what the grader does.

    Args:
        grader: What grades.
        samples: One sample, or those of a group.
        item: Their item.
        context: What the grader may ask.
        hint: Gives what its author should know of an exception that it raised.

    Returns:
        One result for each sample.
    """
    arguments: list[object] = [samples if grader.type.form == "group" else samples[0], MappingProxyType(item)]
    if grader.is_async:
        arguments.append(context)
    started = time.perf_counter()
    try:
        returned = grader.function(*arguments)
        if grader.is_async:
            returned = await returned
        scores = _group_scores(grader, returned, len(samples)) if grader.type.form == "group" else [returned]
        seconds = time.perf_counter() - started
        return grader.complete_each(scores, execution_time=seconds)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's code may raise anything
        seconds = time.perf_counter() - started
        return failed_group(
            grader,
            as_grading_error(grader, error, hint=hint(grader, error)),
            len(samples),
            execution_time=seconds,
        )


def failed_group(
    grader: Grader, error: GradingError, size: int, *, execution_time: float = 0.0
) -> list[GraderResult]:
    """The results of samples that failed together; what was paid for all of them stands at the first."""
    first = grader.failed(error, execution_time=execution_time)
    return [first, *[first.replace(usage={})] * (size - 1)]


def deadline_passed() -> GradingError:
    """The failure of a grading that was not finished by the deadline of its batch."""
    return GradingError(
        "not finished by the deadline of its batch",
        kind=FailureKind.UNRESPONSIVE_REWARD,
        caused_by="infrastructure",
        details={"type": FailureType.DEADLINE},
        retryable=True,
    )


def as_grading_error(grader: Grader, error: BaseException, *, hint: str = "") -> GradingError:
    """The failure that an exception from a grading function stands for: the grader's doing, unless it says otherwise.

    Args:
        grader: What raised it.
        error: The exception.
        hint: What its author should know, for the end of the message.
    """
    if isinstance(error, GradingError):
        return error
    if isinstance(error, MemoryError):
        return GradingError(
            f"{grader.info.type}: the grader used more memory than it may",
            kind=FailureKind.PYTHON_GRADER_SERVER,
            details={"type": FailureType.MEMORY_LIMIT, "traceback": _traceback(error)},
        )
    kind = FailureKind.OTHER if grader.built_in else FailureKind.PYTHON_GRADER_RUNTIME
    message = f"{grader.info.type}: {_described(error)}{hint}"
    return GradingError(message, kind=kind, details={"traceback": _traceback(error)})


def _group_scores(grader: Grader, returned: object, size: int) -> Sequence[object]:
    """The scores of a group, one for each sample: a lone value is never spread over the group."""
    try:
        scores = list(returned)  # type: ignore[call-overload]  # whatever a stranger returned
    except TypeError:
        scores = None
    if scores is None or len(scores) != size:
        found = type(returned).__name__ if scores is None else f"{len(scores)} scores"
        raise GradingError(
            f"{grader.info.type}: a group grader returns one score for each of the {size} samples, got {found}",
            kind=FailureKind.PYTHON_GRADER_RUNTIME,
        )
    return list(scores)


def _described(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # a hostile __str__
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}"[:MAX_MESSAGE]


def _traceback(error: BaseException) -> str:
    """The frames below ours, with file names but no host paths, and the source line of each where there is one."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__][-MAX_FRAMES:]
    return "\n".join(map(_frame, frames))


def _frame(frame: traceback.FrameSummary) -> str:
    where = f"{PurePath(frame.filename).name}, line {frame.lineno}, in {frame.name}"
    source = (frame.line or "")[:MAX_LINE]
    return f"{where}\n    {source}" if source else where
