"""`run` and `validate`: the published grader API."""

from typing import Any

from fastapi import APIRouter, Request, Response

from graders import ConfigurationError, Grader, Sample
from runtime import Evaluator
from service import logs
from service.errors import ApiError, invalid_grader
from service.metrics import Metrics
from service.schemas import (
    RunRequest,
    RunResponse,
    ValidateRequest,
    ValidateResponse,
    documented,
    read,
    run_response,
)

router = APIRouter(prefix="/fine_tuning/alpha/graders", tags=["graders"])


def evaluator_of(request: Request) -> Evaluator:
    """The evaluator of the running service (no dependency of FastAPI's: it would call this in a thread)."""
    evaluator: Evaluator = request.app.state.evaluator
    return evaluator


async def prepared(request: Request, config: dict[str, Any]) -> Grader:
    """The grader of a request, ready to grade.

    Raises:
        ApiError: 400, naming each field that is wrong.
    """
    try:
        return await evaluator_of(request).prepare(config)
    except ConfigurationError as error:
        raise invalid_grader(error) from None


@router.post("/run", response_model=RunResponse, openapi_extra=documented(RunRequest.model_json_schema()))
async def run(request: Request) -> Response:
    """Grade one sample."""
    body = await read(request, RunRequest)
    logs.name_trace(body.trace_id)
    try:
        sample = Sample.load(body.model_sample)
    except ConfigurationError as error:
        raise ApiError(400, f"model_sample: {error}", param="model_sample", code="invalid_body") from None
    grader = await prepared(request, body.grader)
    deadline = request.app.state.settings.request_timeout_s
    metrics: Metrics = request.app.state.metrics
    with metrics.in_flight():
        result = await evaluator_of(request).grade(
            grader,
            sample,
            body.item,
            deadline_s=deadline,
            trace_id=body.trace_id,
            client=request.state.client,
        )
    metrics.observe([result])
    # written out here: FastAPI would check our own answer again, which takes longer than most gradings
    return Response(run_response(result).model_dump_json(), media_type="application/json")


@router.post("/validate", openapi_extra=documented(ValidateRequest.model_json_schema()))
async def validate(request: Request) -> ValidateResponse:
    """Check a grader and fill in its name."""
    body = await read(request, ValidateRequest)
    grader = await prepared(request, body.grader)
    return ValidateResponse(grader=dict(grader.echo))
