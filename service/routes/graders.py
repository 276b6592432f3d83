"""`run` and `validate`: the published grader API."""

import asyncio
from types import NoneType
from typing import Any

from fastapi import APIRouter, Request, Response

from graders import ConfigurationError, Grader, GradingError, Sample
from runtime import Evaluator
from runtime.data.rows import sample_or_failure, unreadable_inside
from service.errors import invalid_grader
from service.http.idempotency import note_failures
from service.http.requests import (
    RunRequest,
    RunResponse,
    ValidateRequest,
    ValidateResponse,
    checked,
    documented,
    json_with_rows,
    read,
    refuse_unreadable,
    run_response,
)
from service.http.responses import JsonAnswer, written
from service.http.routing import REPEATABLE, repeatable
from service.state import state_of
from service.telemetry import logs

ROW_FIELDS = ("model_sample", "item")
"""What of `run` is a row, whose failure is a result."""

router = APIRouter(prefix="/fine_tuning/alpha/graders", tags=["graders"])

_RUN = {**documented(RunRequest.model_json_schema()), **REPEATABLE}


async def prepared(evaluator: Evaluator, config: dict[str, Any]) -> Grader:
    """The grader of a request, ready to grade.

    Raises:
        ApiError: 400, naming each field that is wrong.
    """
    try:
        return await evaluator.prepare(config)
    except ConfigurationError as error:
        raise invalid_grader(error) from None


@router.post("/run", response_model=RunResponse, openapi_extra=_RUN)
@repeatable
async def run(request: Request) -> Response:
    """Grade one sample."""
    body, sample = await _run_body(request)
    trace_id = body.get("trace_id")
    logs.name_trace(trace_id)
    state = state_of(request)
    grader = await prepared(state.evaluator, body["grader"])
    with state.queues.enter(grader):
        result = await state.evaluator.grade(
            grader,
            sample,
            body.get("item"),
            deadline_s=state.settings.request_timeout_s,
            trace_id=trace_id,
            client=request.scope["state"]["client"],
        )
    state.metrics.observe([result])
    note_failures(request, [result])
    return JsonAnswer(run_response(result))


async def _run_body(request: Request) -> tuple[dict[str, Any], Sample | GradingError]:
    """The body of `run` with its sample; what is wrong with it only pydantic says, which takes longer to look.

    A sample or an item in which something cannot be read is a grading that fails, not a wrong request.
    """
    data, has_unreadable = await json_with_rows(request)
    if (
        type(data) is not dict
        or not data.keys() <= RunRequest.model_fields.keys()
        or type(data.get("grader")) is not dict
        or type(data.get("model_sample")) not in (str, dict, list)
        or type(data.get("item")) not in (dict, NoneType)
        or type(data.get("trace_id")) not in (str, NoneType)
    ):
        checked(data, RunRequest)
    body: dict[str, Any] = data
    failure = None
    if has_unreadable:
        await asyncio.to_thread(refuse_unreadable, body, but=ROW_FIELDS)
        row = {name: body[name] for name in ROW_FIELDS if name in body}
        failure = await asyncio.to_thread(unreadable_inside, row)
    return body, sample_or_failure(body["model_sample"] if failure is None else failure, field="model_sample")


@router.post(
    "/validate",
    response_model=ValidateResponse,
    openapi_extra=documented(ValidateRequest.model_json_schema()),
)
async def validate(request: Request) -> Response:
    """Check a grader and fill in its name."""
    body = await read(request, ValidateRequest)
    grader = await prepared(state_of(request).evaluator, body.grader)
    return JsonAnswer(written({"grader": grader.echo}))
