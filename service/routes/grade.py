"""`grade` and `grade/batch`: our own routes, on which a failed grading is null and never a low reward."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from math import isfinite
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from graders import Grader
from graders.contract import brief
from runtime import BatchResult
from runtime.evaluation.batches import CHUNK
from runtime.explain.explain import explain
from service.auth.admission import Held
from service.auth.keys import Caller
from service.errors import ApiError, invalid_query
from service.http.columns import FIELDS, ColumnsResponse, columns, fields_of
from service.http.disconnect import as_long_as_wanted
from service.http.grade_requests import (
    EXPLAIN,
    ROW_FIELDS,
    BatchRequest,
    GradeRequest,
    Rows,
    deadline_of,
    documented_body,
    read_body,
    rows_of,
    sample_and_item,
    trace_id_of,
    wrong_body,
)
from service.http.idempotency import note_failures, refuse_key
from service.http.openapi import declared
from service.http.responses import (
    BatchResponse,
    ExplainedResponse,
    GradeResponse,
    JsonAnswer,
    RowWriter,
    shown,
    shown_grader,
    written,
)
from service.http.routing import repeatable
from service.routes.named import chosen, series_of
from service.state import State, state_of
from service.store.sums import Series
from service.telemetry.logs import name_trace

GRADE_PATH = "/v1/grade"
BATCH_PATH = "/v1/grade/batch"
LINES = "application/x-ndjson"
POLICIES = ("null", "lowest", "error")
MADE_AT_ONCE = 256
"""Results that are made before other requests get their turn."""
router = APIRouter(prefix="/v1", tags=["grade"])


@router.post(
    "/grade",
    response_model=GradeResponse | ExplainedResponse,
    openapi_extra=documented_body(GradeRequest, EXPLAIN),
)
@repeatable
async def grade(request: Request) -> Response:
    """Grade one sample; an ungraded one has `"reward": null` and a `failure`."""
    wants_explanation = bool(request.scope["query_string"]) and _wants_explanation(request)
    body, has_unreadable = await read_body(request, GradeRequest, but=ROW_FIELDS)
    if has_unreadable:
        sample, item = await asyncio.to_thread(sample_and_item, body, has_unreadable=True)
    else:
        sample, item = sample_and_item(body, has_unreadable=False)
    trace_id, state = trace_id_of(body), state_of(request)
    deadline_s = deadline_of(body, state.settings.request_timeout_s)
    found = await chosen(state, body)
    if wants_explanation and found.origin is not None:
        _check_may_read(request)
    grader, series = found.grader, series_of(body, found)
    name_trace(trace_id)
    laid_open: dict[str, Any] = {}
    with state.queues.enter(grader):
        if wants_explanation:
            explanation = await explain(
                state.evaluator,
                grader,
                sample,
                item,
                deadline_s=deadline_s,
                trace_id=trace_id,
                client=request.state.client,
            )
            result, laid_open = explanation.result, {"explanation_tree": explanation.to_dict()}
        else:
            result = await state.evaluator.grade(
                grader, sample, item, deadline_s=deadline_s, trace_id=trace_id, client=request.state.client
            )
    state.metrics.observe([result])
    note_failures(request, [result])
    if series is not None:
        state.statistics.observe(series, result)
    answer = shown(result, origin=found.origin) | laid_open
    return JsonAnswer(written(answer))


@router.post(
    "/grade/batch",
    response_model=BatchResponse | ColumnsResponse,
    responses={
        200: {"content": {LINES: {"schema": {"type": "string"}}}},
        422: declared('With `"on_failure": "error"`: a row is ungraded, and `param` names it.'),
    },
    openapi_extra=documented_body(BatchRequest, FIELDS),
)
@repeatable
async def grade_batch(request: Request) -> Response:
    """Grade many rows: in one answer, or as NDJSON, a line as soon as a row is graded."""
    body, has_unreadable = await read_body(request, BatchRequest, but=("rows",))
    return await answer_batch(request, body, has_unreadable=has_unreadable)


async def answer_batch(request: Request, body: Mapping[str, Any], *, has_unreadable: bool) -> Response:
    """The answer to a batch.

    Args:
        request: The request.
        body: Its body: the fields of a `BatchRequest`.
        has_unreadable: Whether a row may have a value that cannot be held.
    """
    state = state_of(request)
    settings = state.settings
    policy, fields, lines = _form_of(request, body)
    deadline_s, trace_id = deadline_of(body, settings.batch_timeout_s), trace_id_of(body)
    if has_unreadable:
        rows = await asyncio.to_thread(rows_of, body, settings.batch_rows, has_unreadable=True)
    else:
        rows = rows_of(body, settings.batch_rows, has_unreadable=False)
    found = await chosen(state, body)
    grader, series = found.grader, series_of(body, found)
    lowest = _lowest(grader) if policy == "lowest" else None
    writer = RowWriter(lowest, found.origin)
    name_trace(trace_id)
    waiting = state.queues.enter(grader, len(rows.samples))
    if lines:
        return StreamingResponse(
            _lines(
                state,
                grader,
                rows,
                writer,
                waiting,
                series=series,
                deadline_s=deadline_s,
                trace_id=trace_id,
                client=request.state.client,
            ),
            media_type=LINES,
        )
    with waiting:
        async with as_long_as_wanted(request):
            results = await state.evaluator.grade_many(
                grader,
                rows.samples,
                rows.items,
                deadline_s=deadline_s,
                trace_id=trace_id,
                client=request.state.client,
            )
    await _make_results(results)
    state.metrics.observe_batch(results, rows.items)
    if results.ungraded:
        note_failures(request, (results[int(i)] for i in np.flatnonzero(np.isnan(results.rewards))))
    if series is not None:
        state.statistics.observe_batch(series, results, rows.items)
    if policy == "error" and results.ungraded:
        raise _first_ungraded(results)
    if fields is not None:
        return await columns(results, rows.ids, fields, lowest=lowest, origin=found.origin)
    return await _whole(results, rows, writer, shown_grader(grader.info, found.origin))


def _first_ungraded(results: BatchResult) -> ApiError:
    index, failure = next((i, r.failure) for i, r in enumerate(results) if r.failure and r.reward is None)
    place = "" if failure.message.startswith(f"rows.{index}") else f"rows.{index}: "
    return ApiError(422, f"{place}{failure.message}", param=f"rows.{index}", code="ungraded")


async def _whole(
    results: BatchResult, rows: Rows, writer: RowWriter, shown_info: Mapping[str, str | int]
) -> Response:
    """The answer with all that the results say."""
    parts: list[bytes] = []
    for start in range(0, len(results), CHUNK):
        parts += writer.rows(results, rows.ids, slice(start, start + CHUNK))
        await asyncio.sleep(0)
    answer = b'{"object":"batch.grades","grader":%b,"results":[%b],"counts":%b}' % (
        written(shown_info),
        b",".join(parts),
        to_json(writer.counts()),
    )
    return JsonAnswer(answer)


async def _make_results(results: BatchResult) -> None:
    """Make the results that say more than their reward, some at a time: each takes about 20 µs, and a batch has thousands."""
    for start in range(0, len(results), MADE_AT_ONCE):
        for index in range(start, min(start + MADE_AT_ONCE, len(results))):
            if results.known(index) is None:
                return  # and so are all others that were graded in bulk
        await asyncio.sleep(0)


async def _lines(
    state: State,
    grader: Grader,
    rows: Rows,
    writer: RowWriter,
    waiting: Held,
    *,
    series: Series | None,
    deadline_s: float,
    trace_id: str | None,
    client: str,
) -> AsyncGenerator[bytes, None]:
    """A line for each row as soon as it is graded, then the counts; to close it gives up what is not finished."""
    pairs = zip(rows.samples, rows.items, strict=True)
    stream = state.evaluator.stream(
        grader,
        pairs,
        deadline_s=deadline_s,
        ordered=False,
        trace_id=trace_id,
        client=client,
    )
    rewards = np.full(len(rows.items), np.nan)
    with waiting:
        async with aclosing(stream):
            async for index, result in stream:
                waiting.one_ended()
                state.metrics.observe([result])
                if series is not None:
                    state.statistics.observe(series, result)
                if result.reward is not None:
                    rewards[index] = result.reward
                yield writer.row(index, rows.ids[index], result) + b"\n"
    state.metrics.observe_groups(grader.info, rows.items, rewards)
    if series is not None:
        state.statistics.observe_groups(series, rewards, rows.items)
    yield to_json({"object": "batch.summary", "counts": writer.counts()}) + b"\n"


def _form_of(request: Request, body: Mapping[str, Any]) -> tuple[str, Sequence[str] | None, bool]:
    """What an ungraded row gets, the fields that are wanted alone, and whether the answer is in lines.

    Raises:
        ApiError: 400, when one of these is wrong, or they contradict each other.
    """
    policy = body.get("on_failure", "null")
    if policy not in POLICIES:
        raise wrong_body("on_failure", f"expected {', '.join(map(repr, POLICIES))}")
    fields, lines = fields_of(request), _wants_lines(request)
    if lines:
        refuse_key(request)
        if policy == "error":
            raise wrong_body(
                "on_failure",
                f"'error' needs all results before it answers, which {LINES} does not wait for",
            )
        if fields is not None:
            raise invalid_query(
                "fields", f"columns are one answer; ask for application/json instead of {LINES}"
            )
    return policy, fields, lines


def _wants_explanation(request: Request) -> bool:
    wanted = request.query_params.get("explain", "false")
    if wanted not in ("true", "false"):
        raise wrong_body("explain", f"expected true or false, got {brief(wanted)}")
    return wanted == "true"


def _check_may_read(request: Request) -> None:
    """Raise a 403 where the caller may not read stored graders: an explanation shows what one says."""
    caller: Caller = request.state.caller
    caller.check("GET", "/v1/graders")


def _wants_lines(request: Request) -> bool:
    kinds = ",".join(request.headers.getlist("accept")).lower().split(",")
    return any(kind.partition(";")[0].strip() == LINES for kind in kinds)


def _lowest(grader: Grader) -> float:
    """The lowest reward of a grader.

    Raises:
        ApiError: 400 when it has none.
    """
    low = grader.info.range[0]
    if not isfinite(low):
        raise wrong_body(
            "on_failure", "the rewards of this grader have no lower bound, so 'lowest' is not defined"
        )
    return low
