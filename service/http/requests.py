"""The bodies of the grader API, and how a result is shown on it."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from graders import Failure, FailureKind, GraderResult
from graders.options import no_such_field
from graders.pattern import encodable
from graders.usage import all_models
from runtime.data.json_process import TooMuch
from runtime.data.json_reader import ReadFailed
from runtime.data.json_text import NotJson, named_path, unreadable_parts
from service.errors import ApiError, Refusal
from service.http.responses import plain, written
from service.state import state_of

Body = TypeVar("Body", bound=BaseModel)


class RunRequest(BaseModel):
    """`POST /v1/fine_tuning/alpha/graders/run`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] = Field(description="The grader's JSON.")
    model_sample: str | dict[str, Any] | list[Any] = Field(
        description="The model's answer: its text, a stored sample, a chat completion, or a list of messages."
    )
    item: dict[str, Any] | None = Field(None, description="The dataset row; the `item` of templates.")
    trace_id: str | None = Field(None, description="The caller's own name for this grading.")


class ValidateRequest(BaseModel):
    """`POST /v1/fine_tuning/alpha/graders/validate`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] = Field(description="The grader's JSON.")


class Metadata(BaseModel):
    """How a reward came about; beside the published fields what the grader has to say, such as a judge's `steps`."""

    model_config = ConfigDict(extra="allow")

    name: str
    type: str
    errors: dict[str, bool | str | None]
    execution_time: float = Field(description="Seconds.")
    scores: dict[str, float]
    token_usage: dict[str, int] | None
    sampled_model_name: str | None


class RunResponse(BaseModel):
    """The published answer: a failed grading is a reward of 0.0 with its error flag."""

    reward: float
    metadata: Metadata
    sub_rewards: dict[str, float]
    model_grader_token_usage_per_model: dict[str, dict[str, int]]


class ValidateResponse(BaseModel):
    """The grader, with its name filled in."""

    grader: dict[str, Any]


async def json_of(request: Request, *, empty: bytes = b"") -> Any:
    """The JSON in the body of a request.

    Args:
        request: Whose.
        empty: What an empty body stands for.

    Raises:
        ApiError: 400, when it is not JSON, or has a value that cannot be held, such as a number that is too large.
    """
    data, has_unreadable = await json_with_rows(request, empty=empty)
    if has_unreadable:
        await asyncio.to_thread(refuse_unreadable, data)
    return data


async def json_with_rows(request: Request, *, empty: bytes = b"") -> tuple[Any, bool]:
    """The JSON in the body of a request that has rows, each of which fails by itself.

    Args:
        request: Whose.
        empty: What an empty body stands for.

    Returns:
        The value, in which an `Unreadable` stands for each part that cannot be held; and whether there is one.

    Raises:
        ApiError: 400, when it is not JSON; 413, when it has too many values; 503, when the machine could not read it.
    """
    reader = state_of(request).json_reader
    try:
        return await reader.read(await request.body() or empty, client=request.state.client)
    except TooMuch as error:
        raise ApiError(413, f"the body cannot be read: {error}", code="body_too_large") from None
    except ReadFailed as error:
        raise Refusal(503, f"the body could not be read: {error}", code="body_not_read", after_s=1) from None
    except NotJson as error:
        message = f"the body is not JSON: {str(error).removeprefix('not JSON: ')}"
        raise ApiError(400, encodable(message), code="invalid_json") from None


def refuse_unreadable(data: object, *, but: Collection[str] = ()) -> None:
    """Refuse a body for a value in it that cannot be held.

    Args:
        data: The body.
        but: Its fields that are rows, or belong to one.

    Raises:
        ApiError: 400, naming the value.
    """
    if but and isinstance(data, dict):
        data = {name: part for name, part in data.items() if name not in but}
    for path, part in unreadable_parts(data):
        where = encodable(named_path(path))
        raise ApiError(400, f"{where or 'body'}: {part.reason}", param=where or None, code="invalid_body")


def documented(schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A body for the OpenAPI document; routes read it themselves, to answer errors in the published shape."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


async def read(request: Request, model: type[Body]) -> Body:
    """The body of a request.

    Raises:
        ApiError: 400, naming the field, when it is not JSON or not what is wanted.
    """
    return checked(await json_of(request), model)


def checked(data: object, model: type[Body]) -> Body:
    """The JSON of a body.

    Raises:
        ApiError: 400, naming the field, when it is not what is wanted.
    """
    for name in data if isinstance(data, dict) else ():
        if name not in model.model_fields:
            message = f"{name}: {_expected(model, name, 'extra_forbidden')}"
            raise ApiError(400, message, param=name, code="invalid_body")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors()[0]
        param = str(details["loc"][0]) if details["loc"] else None
        expected = _expected(model, param, details["type"])
        raise ApiError(400, f"{param or 'body'}: {expected}", param=param, code="invalid_body") from None


def _expected(model: type[BaseModel], param: str | None, kind: str) -> str:
    if kind == "missing":
        return "this field is required"
    if kind == "extra_forbidden":
        return no_such_field(param, model.model_fields, "the body has")
    field = model.model_fields.get(param or "")
    return f"expected {_JSON_NAMES[param or '']}" if field is not None else "expected a JSON object"


_JSON_NAMES = {
    "grader": "a grader: a JSON object with a 'type'",
    "model_sample": "the model's answer: a text (or a stored sample, a chat completion, a list of messages)",
    "item": "the dataset row: a JSON object",
    "trace_id": "a text",
}

_WITH_DETAILS = (
    FailureKind.SAMPLE_PARSE,
    FailureKind.INVALID_VARIABLE,
    FailureKind.PYTHON_GRADER_RUNTIME,
    FailureKind.MODEL_GRADER_SERVER,
    FailureKind.MODEL_GRADER_REFUSAL,
    FailureKind.MODEL_GRADER_PARSE,
    FailureKind.ENDPOINT_GRADER_INTERNAL,
    FailureKind.ENDPOINT_GRADER_SERVER,
)
"""The flags that the published API has a `…_details` for."""


MAX_TRACEBACK = 4_000
"""Characters of a traceback in a flag's details."""


def _clear_flags() -> dict[str, bool | str | None]:
    flags: dict[str, bool | str | None] = {}
    for kind in FailureKind:
        flags[kind.value] = False
        if kind in _WITH_DETAILS:
            flags[f"{kind.value}_details"] = None
        if kind is FailureKind.PYTHON_GRADER_SERVER:
            flags[f"{kind.value}_type"] = None
    return flags


_CLEAR = _clear_flags()


def error_flags(result: GraderResult) -> Mapping[str, bool | str | None]:
    """Every published error flag: those of the result and of its parts are set, with the first one's message."""
    if result.failure is None and not result.parts:
        return _CLEAR
    flags = _CLEAR.copy()
    for failure in result.failures():
        kind = failure.kind
        if not flags[kind.value]:
            flags[kind.value] = True
            if kind in _WITH_DETAILS:
                flags[f"{kind.value}_details"] = _details(failure)
            if kind is FailureKind.PYTHON_GRADER_SERVER:
                flags[f"{kind.value}_type"] = encodable(str(failure.details.get("type", "error")))
    return flags


def _details(failure: Failure) -> str:
    """The message of a failure; of a grader's source that raised with the traceback, in the source's own line numbers."""
    message, traceback = failure.message, failure.details.get("traceback")
    if failure.kind is FailureKind.PYTHON_GRADER_RUNTIME and isinstance(traceback, str) and traceback:
        if len(traceback) > MAX_TRACEBACK:  # its end is where it was raised
            traceback = f"…{traceback[-MAX_TRACEBACK:]}"
        message = f"{message}\n{traceback}"
    return encodable(message)


def run_response(result: GraderResult) -> bytes:
    """A result as a `RunResponse`: what is ungraded becomes 0.0 and a flag, as the API's clients expect."""
    grader = result.grader
    if grader is None:
        raise ValueError("only a result that an evaluator has completed can be shown")
    if result.is_bare:
        name = to_json(encodable(grader.name))
        return _PLAIN % (to_json(result.reward), name, to_json(grader.type), to_json(result.execution_time))
    model = result.metadata.get("model")
    metadata = {
        **_said(result),
        "name": encodable(grader.name),
        "type": grader.type,
        "errors": error_flags(result),
        "execution_time": result.execution_time,
        "scores": {},
        "token_usage": all_models(result.usage) if any(result.usage.values()) else None,
        "sampled_model_name": model if isinstance(model, str) else next(iter(result.usage), None),
    }
    return written(
        {
            "reward": _or_zero(result.reward),
            "metadata": metadata,
            "sub_rewards": {key: _or_zero(reward) for key, reward in result.sub_rewards.items()},
            "model_grader_token_usage_per_model": result.usage,
        }
    )


_PLAIN = (
    b'{"reward":%b,"metadata":{"name":%b,"type":%b,"errors":'
    + to_json(_CLEAR).replace(b"%", b"%%")
    + b',"execution_time":%b,"scores":{},"token_usage":null,"sampled_model_name":null},'
    b'"sub_rewards":{},"model_grader_token_usage_per_model":{}}'
)
"""A result that says nothing but a reward, as most do: writing it out takes a third of the time."""


def _said(result: GraderResult) -> dict[str, Any]:
    """What a grader has to say beside the published fields, none of which it can take."""
    said = {**result.metadata, **({} if result.explanation is None else {"explanation": result.explanation})}
    return {encodable(key): plain(value) for key, value in said.items() if key not in Metadata.model_fields}


def _or_zero(reward: float | None) -> float:
    return 0.0 if reward is None else reward
