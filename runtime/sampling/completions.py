"""One answer of a model, over the servers of the judges: their names and patterns, retries, limits and budgets.

Nothing is remembered. What a model said is a sample, whole or not: an answer that reached its limit, was stopped by a
content filter, refuses or is empty is one too, and its choice says so. Without an answer there is no sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graders import FailureType, GradingError, Sample
from graders.pattern import encodable
from runtime.judge.failures import NoVerdict
from runtime.judge.wire import Completion
from runtime.sampling.prompts import plain
from runtime.settings.judges import Api

if TYPE_CHECKING:  # what it asks with takes long to import
    from runtime.judge.client import Judges


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a model said, and what that took.

    Attributes:
        sample: The whole completion.
        model: The model that really answered.
        usage: Tokens: `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`; empty where the server counts
            none.
    """

    sample: Sample
    model: str
    usage: Mapping[str, int]


async def ask_for_sample(
    judges: "Judges",
    model: str,
    messages: Sequence[Mapping[str, Any]],
    sampling: Mapping[str, Any],
    *,
    api: Api = "chat",
    extra: Mapping[str, Any] | None = None,
    client: str = "",
) -> Sampled:
    """Ask a model for one sample.

    Args:
        judges: Those of the evaluator, so that judging and sampling share one limit.
        model: By the name that settings know it by.
        messages: The prompt.
        sampling: How to sample, by the names of `SamplingParams`.
        api: By which API.
        extra: Fields of the body besides, in the API's own form.
        client: Who pays: a digest of an API key; empty where there are no keys.

    Raises:
        GradingError: When there is no answer (`infrastructure`): an error after all retries, none in time, or what is no
            completion; `details["type"]` says which, as for judges.
    """
    extra = extra or {}
    try:
        completion = await judges.complete(model, messages, sampling, api=api, extra=extra, client=client)
        if completion.failure is not None and _cause(completion) == "malformed_response":
            raise completion.failure
    except NoVerdict as error:
        raise _unanswered(error) from None
    try:
        sample = _sample(api, extra, completion)
    except ValueError as error:  # a ConfigurationError is one
        raise _no_completion(model, str(error)) from None
    return Sampled(sample, encodable(completion.model), completion.usage)


def stored_error(failure: GradingError) -> dict[str, Any]:
    """What stands in place of a sample that could not be drawn; `runtime.data.rows.stored_failure` reads it."""
    error = {"code": failure.failure.kind.value, "message": str(failure)}
    return {"error": error | ({"caused_by": "model"} if failure.failure.caused_by == "model" else {})}


def _sample(api: Api, extra: Mapping[str, Any], completion: Completion) -> Sample:
    """The sample that a completion is.

    Raises:
        ValueError: When it is not plain data, or none.
    """
    body = plain(completion.body)
    is_chat = api == "chat"
    found = Sample.from_chat_completion(body) if is_chat else Sample.from_response(body)
    return Sample(
        found.output_text,
        output_tools=found.output_tools,
        choices=found.choices if is_chat else [_choice(found, body, _cause(completion))],
        model=encodable(completion.model),
        output_audio=found.output_audio,
        output_reasoning_summary=found.output_reasoning_summary,
        reasoning_content=found.reasoning_content,
        input_tools=extra.get("tools"),
    )


def _cause(completion: Completion) -> str:
    """Why a completion is no verdict; empty where it could be one."""
    return "" if completion.failure is None else str(completion.failure.failure.details["type"])


def _choice(found: Sample, body: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """A response as the choice of a chat completion, which says why it ended and what it refused."""
    entries = [entry for entry in body["output"] if isinstance(entry, dict)]
    contents = [entry["content"] for entry in entries if isinstance(entry.get("content"), list)]
    parts = [part for content in contents for part in content if isinstance(part, dict)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": found.output_text,
        "refusal": next((part.get("refusal") for part in parts if part.get("type") == "refusal"), None),
        "tool_calls": found.output_tools,
    }
    finish = "tool_calls" if found.output_tools else "stop"
    return {
        "index": 0,
        "message": message,
        "finish_reason": cause if cause in ("length", "content_filter") else finish,
    }


def _unanswered(error: NoVerdict) -> GradingError:
    """The same failure, of a model that does not judge."""
    failure = error.failure
    return GradingError(
        f"no sample: {failure.message.replace('the judge', 'the model', 1)}",
        caused_by="infrastructure",
        details=failure.details,
        retryable=failure.retryable,
    )


def _no_completion(model: str, why: str) -> GradingError:
    return GradingError(
        f"no sample: the server of the model {model!r} sent no completion: {why}",
        caused_by="infrastructure",
        details={"type": FailureType.MALFORMED_RESPONSE},
        retryable=True,
    )
