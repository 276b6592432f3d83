"""Why there is no verdict: each cause its own, and every one of them ungraded."""

import re
from collections.abc import Mapping
from typing import Any

from graders import FailureKind, FailureType, GradingError
from graders.contract import Failure, brief
from graders.kinds.prompt_fence import one_line
from graders.pattern import encodable
from runtime.schemas.json_schema import CheckFailed

_REFUSAL = FailureKind.MODEL_GRADER_REFUSAL
_PARSE = FailureKind.MODEL_GRADER_PARSE
_SERVER = FailureKind.MODEL_GRADER_SERVER
_LENGTH = FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS

_MISREAD = frozenset(
    {FailureType.EMPTY_ANSWER, FailureType.UNPARSEABLE_VERDICT, FailureType.MALFORMED_RESPONSE}
)

MAX_MESSAGE = 1_000
"""Characters of a message, which may quote what a server said."""

LLAMA_CONTEXT_LENGTH = "exceed_context_size_error"
"""What llama.cpp's server calls a prompt that does not fit into the context."""
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|prompt is too long|too many (input )?tokens|input is too long",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context length\D{0,20}(\d+)", re.IGNORECASE)
_PROMPT = re.compile(
    r"(\d+)(?: tokens)? (?:in|from|of) the (?:input )?(?:messages|prompt)|(\d+) input tokens", re.IGNORECASE
)
_ANSWER = re.compile(
    r"(\d+)(?: tokens)? (?:in|for) the completion|tokens\W+is too large: (\d+)", re.IGNORECASE
)
"""Servers count the answer that was allowed too: where that is what takes the room, the prompt is not too long."""


class NoVerdict(GradingError):
    """A judge gave no verdict; what it says is one printable line."""

    def __init__(
        self,
        message: str,
        kind: FailureKind,
        cause: FailureType,
        *,
        retryable: bool,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            one_line(message, MAX_MESSAGE, only_printable=True),
            kind=kind,
            caused_by="infrastructure",
            details={"type": cause, **(details or {})},
            retryable=retryable,
        )

    def for_another(self) -> "NoVerdict | None":
        """The same failure for another client that waited for the same answer; None when it is the first client's alone.

        Nobody but the first pays for what was answered in vain.
        """
        return None if self.failure.details["type"] == FailureType.BUDGET_SPENT else _again(self.failure)

    @property
    def is_misread(self) -> bool:
        """Whether there was an answer, which is not what was asked for: the next one may be."""
        return self.failure.details["type"] in _MISREAD


def refused(model: str, words: str) -> NoVerdict:
    """The judge refused to answer."""
    said = f": {words[:300]}" if words else ""
    return NoVerdict(f"the judge {model!r} refused{said}", _REFUSAL, FailureType.REFUSAL, retryable=False)


def filtered(model: str) -> NoVerdict:
    """The server's content filter stopped the answer."""
    message = f"the judge {model!r} was stopped by its server's content filter"
    return NoVerdict(message, _REFUSAL, FailureType.CONTENT_FILTER, retryable=False)


def cut_off(model: str, completion_tokens: int) -> NoVerdict:
    """The answer reached its limit of tokens."""
    used = f" after {completion_tokens} tokens" if completion_tokens else ""
    message = (
        f"the judge {model!r} reached its limit of tokens{used}, reasoning included; "
        "raise max_completions_tokens in the grader's sampling_params"
    )
    return NoVerdict(message, _LENGTH, FailureType.LENGTH, retryable=False)


def empty(model: str) -> NoVerdict:
    """The answer holds nothing."""
    return NoVerdict(
        f"the judge {model!r} gave an empty answer", _PARSE, FailureType.EMPTY_ANSWER, retryable=True
    )


def unparseable(model: str, why: str, answer: str) -> NoVerdict:
    """The answer is not JSON in the shape that was asked for."""
    message = (
        f"the judge {model!r} did not answer in the shape that was asked for: {why}; "
        f"its answer: {brief(answer, 120)}"
    )
    details = {"answer": encodable(answer[:2_000])}
    return NoVerdict(message, _PARSE, FailureType.UNPARSEABLE_VERDICT, retryable=True, details=details)


def no_completion(model: str, why: str) -> NoVerdict:
    """What the server sent is no completion at all."""
    message = f"the server of the judge {model!r} sent no completion: {why}"
    return NoVerdict(message, _SERVER, FailureType.MALFORMED_RESPONSE, retryable=True)


def server_error(model: str, status: int, words: str, *, retryable: bool) -> NoVerdict:
    """The server answered with an error."""
    said = f": {words[:500]}" if words else ""
    message = f"the server of the judge {model!r} answered with status {status}{said}"
    return NoVerdict(message, _SERVER, FailureType.STATUS, retryable=retryable, details={"status": status})


def is_too_long(words: str, code: str = "") -> bool:
    """Whether a server says that the prompt does not fit into the model's context.

    That a limit of tokens does not fit beside it is another thing, which the prompt has not done.

    Args:
        words: What it says.
        code: What it calls the error.
    """
    context, prompt, answer = (_number(pattern, words) for pattern in (_CONTEXT, _PROMPT, _ANSWER))
    if answer is not None and (prompt is None or prompt <= min(answer, context or answer)):
        return False
    return code in {FailureType.CONTEXT_LENGTH_EXCEEDED, LLAMA_CONTEXT_LENGTH} or bool(
        _TOO_LONG.search(words)
    )


def _number(pattern: re.Pattern[str], words: str) -> int | None:
    found = pattern.search(words[:MAX_MESSAGE].replace(",", ""))
    return next((int(number[:18]) for number in found.groups() if number), None) if found else None


def too_long(model: str, status: int, words: str) -> NoVerdict:
    """The prompt does not fit into the model's context: the fault of what made it long, which the grader knows."""
    said = f": {words[:500]}" if words else ""
    message = f"the prompt is too long for the judge {model!r}{said}"
    return NoVerdict(
        message, _LENGTH, FailureType.CONTEXT_LENGTH_EXCEEDED, retryable=False, details={"status": status}
    )


def no_answer(model: str, why: str) -> NoVerdict:
    """No connection, or no answer in time."""
    return NoVerdict(
        f"the judge {model!r} did not answer: {why}", _SERVER, FailureType.NO_ANSWER, retryable=True
    )


def budget_spent(which: str) -> NoVerdict:
    """There is nothing left to pay for an answer; nothing was sent."""
    message = f"the budget of {which} is spent, so the judge was not asked"
    return NoVerdict(message, _SERVER, FailureType.BUDGET_SPENT, retryable=True)


def unconfigured(model: str, known: str) -> NoVerdict:
    """No server is known for this model."""
    message = (
        f"no server is known for the judge {model!r}: set OPENAI_API_KEY (and OPENAI_BASE_URL), "
        f"or [judges] in graders.toml or GRADERS_JUDGES{known}"
    )
    return NoVerdict(message, _SERVER, FailureType.JUDGE_UNAVAILABLE, retryable=True)


def not_checked(failed: CheckFailed) -> GradingError:
    """The failure of an answer that cannot be checked: the grader's, whose schema is too costly, or the machine's."""
    message = f"the answer of a judge cannot be checked against its schema: {failed}"
    if failed.by_schema:
        return GradingError(message, details={"type": FailureType.COSTLY_SCHEMA})
    details = {"type": FailureType.SCHEMA_NOT_CHECKED}
    return GradingError(message, caused_by="infrastructure", details=details, retryable=True)


def _again(failure: Failure) -> NoVerdict:
    """The same failure anew."""
    details = dict(failure.details)
    cause = details.pop("type")
    return NoVerdict(failure.message, failure.kind, cause, retryable=failure.retryable, details=details)
