"""`grade` and `grade/batch`: our own routes, on which a failed grading is null and never a low reward.

A batch is read by hand: a pydantic model for each row would take longer than most gradings.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf, isfinite
from types import NoneType
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from graders import Grader, GradingError, Item, Sample
from graders.contract import brief
from graders.options import no_such_field
from graders.pattern import encodable
from runtime import BatchResult
from runtime.data.rows import (
    id_or_failure,
    item_or_failure,
    not_an_object,
    sample_or_failure,
    unknown_field,
    unreadable,
    unreadable_inside,
)
from runtime.evaluation.batches import CHUNK
from runtime.explain.explain import explain
from service.auth.admission import Held
from service.auth.keys import Caller
from service.errors import ApiError
from service.http.disconnect import as_long_as_wanted
from service.http.idempotency import note_failures, refuse_key
from service.http.openapi import declared
from service.http.requests import documented, json_with_rows, refuse_unreadable
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
from service.http.routing import PARAMETER, repeatable
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
ROW_FIELDS = ("sample", "item")
"""What of `/v1/grade` is a row, which fails as one of a batch does."""

router = APIRouter(prefix="/v1", tags=["grade"])


class GradeRequest(BaseModel):
    """`POST /v1/grade`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] | None = Field(None, description="The grader's JSON; this or `name` is required.")
    sample: str | dict[str, Any] | list[Any] = Field(
        description="The model's answer: its text, a stored sample, a chat completion, or a list of messages. "
        "Anything else is ungraded."
    )
    item: dict[str, Any] | None = Field(None, description="The dataset row; the `item` of templates.")
    trace_id: str | None = Field(None, description="The caller's own name for this grading.")
    deadline_s: float | None = Field(
        None, gt=0, description="Seconds after which the sample is ungraded; at most `request_timeout_s`."
    )
    name: str | None = Field(None, description="The name of a stored grader, in place of `grader`.")
    version: int | None = Field(None, ge=1, description="Which version of it; the current one by itself.")
    split: Literal["train", "valid"] | None = Field(
        None, description="What the statistics of the name count this as: `train` by itself."
    )
    step: int | None = Field(
        None, ge=0, description="The training step that the statistics of the name count this for."
    )


class BatchRow(BaseModel):
    """One row of a batch; one that is anything else is ungraded, and the others are graded."""

    model_config = ConfigDict(extra="forbid")

    sample: str | dict[str, Any] | list[Any] = Field(description="The model's answer, as in `/v1/grade`.")
    item: dict[str, Any] | None = Field(None, description="The dataset row; the `item` of templates.")
    id: str | int | float | None = Field(None, description="The caller's own name for the row.")


class BatchRequest(BaseModel):
    """`POST /v1/grade/batch`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] | None = Field(None, description="The grader's JSON; this or `name` is required.")
    rows: list[BatchRow] = Field(description="What to grade; at most `batch_rows`.")
    trace_id: str | None = Field(None, description="The caller's own name for this batch.")
    deadline_s: float | None = Field(
        None,
        gt=0,
        description="Seconds after which rows that are not done are ungraded; at most `batch_timeout_s`.",
    )
    on_failure: Literal["null", "lowest", "error"] = Field(
        "null",
        description="What an ungraded row gets: null, the grader's lowest reward, or a 422 for the batch.",
    )
    name: str | None = Field(None, description="The name of a stored grader, in place of `grader`.")
    version: int | None = Field(None, ge=1, description="Which version of it; the current one by itself.")
    split: Literal["train", "valid"] | None = Field(
        None, description="What the statistics of the name count this as: `train` by itself."
    )
    step: int | None = Field(
        None, ge=0, description="The training step that the statistics of the name count this for."
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a batch, column by column.

    Attributes:
        samples: What was sent as the sample, or the failure of a row that cannot be read.
        items: None where it cannot be read.
        ids: The caller's own names.
    """

    samples: Sequence[object]
    items: Sequence[Item | None]
    ids: Sequence[str | float | None]


EXPLAIN: dict[str, Any] = {
    "name": "explain",
    "in": "query",
    "description": "Lay the grading open in `explanation_tree`.",
    "schema": {"type": "boolean", "default": False},
}
"""The parameter for the OpenAPI document."""


def _documented(body: type[BaseModel], *parameters: dict[str, Any]) -> dict[str, Any]:
    """The body for the OpenAPI document."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    # the document has one place for all schemas, and FastAPI fills it from responses alone: rows are written in place
    inner = schema.pop("$defs", {})
    if "rows" in schema["properties"]:
        schema["properties"]["rows"]["items"] = inner["BatchRow"]
    return {**documented(schema), "parameters": [PARAMETER, *parameters]}


@router.post(
    "/grade",
    response_model=GradeResponse | ExplainedResponse,
    openapi_extra=_documented(GradeRequest, EXPLAIN),
)
@repeatable
async def grade(request: Request) -> Response:
    """Grade one sample; an ungraded one has `"reward": null` and a `failure`."""
    wants_explanation = bool(request.scope["query_string"]) and _wants_explanation(request)
    body, has_unreadable = await _read(request, GradeRequest, but=ROW_FIELDS)
    if has_unreadable:
        sample, item = await asyncio.to_thread(_sample_and_item, body, has_unreadable=True)
    else:
        sample, item = _sample_and_item(body, has_unreadable=False)
    trace_id, state = _trace_id(body), state_of(request)
    deadline_s = _deadline(body, state.settings.request_timeout_s)
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
    response_model=BatchResponse,
    responses={
        200: {"content": {LINES: {"schema": {"type": "string"}}}},
        422: declared('With `"on_failure": "error"`: a row is ungraded, and `param` names it.'),
    },
    openapi_extra=_documented(BatchRequest),
)
@repeatable
async def grade_batch(request: Request) -> Response:
    """Grade many rows: in one answer, or as NDJSON, a line as soon as a row is graded."""
    state = state_of(request)
    settings = state.settings
    body, has_unreadable = await _read(request, BatchRequest, but=("rows",))
    policy = body.get("on_failure", "null")
    if policy not in POLICIES:
        raise _wrong("on_failure", f"expected {', '.join(map(repr, POLICIES))}")
    lines = _wants_lines(request)
    if lines:
        refuse_key(request)
    if lines and policy == "error":
        raise _wrong(
            "on_failure", f"'error' needs all results before it answers, which {LINES} does not wait for"
        )
    deadline_s, trace_id = _deadline(body, settings.batch_timeout_s), _trace_id(body)
    if has_unreadable:
        rows = await asyncio.to_thread(_rows, body, settings.batch_rows, has_unreadable=True)
    else:
        rows = _rows(body, settings.batch_rows, has_unreadable=False)
    found = await chosen(state, body)
    grader, series = found.grader, series_of(body, found)
    writer = RowWriter(_lowest(grader) if policy == "lowest" else None, found.origin)
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
        index, failure = next((i, r.failure) for i, r in enumerate(results) if r.failure and r.reward is None)
        place = "" if failure.message.startswith(f"rows.{index}") else f"rows.{index}: "
        message = f"{place}{failure.message}"
        raise ApiError(422, message, param=f"rows.{index}", code="ungraded")
    parts: list[bytes] = []
    for start in range(0, len(results), CHUNK):
        parts += writer.rows(results, rows.ids, slice(start, start + CHUNK))
        await asyncio.sleep(0)
    info, counts = written(shown_grader(grader.info, found.origin)), to_json(writer.counts())
    answer = b'{"object":"batch.grades","grader":%b,"results":[%b],"counts":%b}' % (
        info,
        b",".join(parts),
        counts,
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


def _wants_explanation(request: Request) -> bool:
    wanted = request.query_params.get("explain", "false")
    if wanted not in ("true", "false"):
        raise _wrong("explain", f"expected true or false, got {brief(wanted)}")
    return wanted == "true"


def _check_may_read(request: Request) -> None:
    """Raise a 403 where the caller may not read stored graders: an explanation shows what one says."""
    caller: Caller = request.state.caller
    caller.check("GET", "/v1/graders")


def _wants_lines(request: Request) -> bool:
    kinds = ",".join(request.headers.getlist("accept")).lower().split(",")
    return any(kind.partition(";")[0].strip() == LINES for kind in kinds)


async def _read(
    request: Request, model: type[BaseModel], *, but: Collection[str]
) -> tuple[dict[str, Any], bool]:
    """The JSON object in the body, with all fields that it must have and no others; and whether a row is unreadable.

    Args:
        request: Whose.
        model: The body's fields.
        but: Fields in which a value that cannot be held is the failure of a row, not of the request.
    """
    body, has_unreadable = await json_with_rows(request)
    if not isinstance(body, dict):
        raise _wrong(None, "expected a JSON object")
    for name in body:
        if name not in model.model_fields:
            raise _wrong(
                brief(encodable(name))[1:-1], no_such_field(name, model.model_fields, "the body has")
            )
    for name, field in model.model_fields.items():
        if field.is_required() and name not in body:
            raise _wrong(name, "this field is required")
    if has_unreadable:
        await asyncio.to_thread(refuse_unreadable, body, but=but)
    return body, has_unreadable


def _sample_and_item(body: Mapping[str, Any], *, has_unreadable: bool) -> tuple[object, Item]:
    """The sample and the item of a request, or their failure and an empty item."""
    failure = None
    if has_unreadable:
        failure = unreadable_inside({name: body[name] for name in ROW_FIELDS if name in body})
    item = item_or_failure(body.get("item"))
    if failure is None and isinstance(item, GradingError):
        failure = item
    if failure is not None or isinstance(item, GradingError):
        return failure, {}
    return sample_or_failure(body["sample"]), item


def _trace_id(body: Mapping[str, Any]) -> str | None:
    trace_id = body.get("trace_id")
    if trace_id is not None and not isinstance(trace_id, str):
        raise _wrong("trace_id", "expected a text")
    return trace_id


def _deadline(body: Mapping[str, Any], longest: float) -> float:
    deadline = body.get("deadline_s")
    if deadline is None:
        return longest
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not 0 < deadline < inf:
        raise _wrong("deadline_s", "expected seconds: a number above 0")
    return min(deadline, longest)


def _rows(body: Mapping[str, Any], most: int, *, has_unreadable: bool) -> Rows:
    rows = body["rows"]
    if not isinstance(rows, list):
        raise _wrong("rows", "expected a list of rows, each a JSON object with a 'sample'")
    if len(rows) > most:
        message = f"rows: {len(rows):,} rows are more than the {most:,} that one batch may have"
        raise ApiError(413, message, param="rows", code="too_many_rows")
    samples: list[object] = []
    items: list[Item | None] = []
    ids: list[str | float | None] = []
    for index, row in enumerate(rows):
        if has_unreadable or _is_odd(row):
            sample, item, row_id = _odd_row(row, f"rows.{index}")
        else:
            sample, item, row_id = row["sample"], row.get("item") or {}, row.get("id")
        samples.append(sample)
        items.append(item)
        ids.append(row_id)
    return Rows(samples, items, ids)


def _is_odd(row: object) -> bool:
    """Whether a row is worth a second look: most have a text, an object and perhaps a text as their name."""
    if type(row) is not dict or type(row.get("sample")) is not str:
        return True
    return (
        len(row) != 1 + ("item" in row) + ("id" in row)
        or type(row.get("item")) not in (dict, NoneType)
        or type(row.get("id")) not in (str, NoneType)
    )


def _odd_row(row: Any, place: str) -> tuple[Sample | GradingError, Item | None, str | float | None]:
    """The sample, the item and the id of a row; the failure of a row that cannot be read stands for its sample."""
    failure = not_an_object(row, place=place)
    if failure is not None:
        return failure, None, None
    row_id = id_or_failure(row.get("id"), place=place)
    item = item_or_failure(row.get("item"), place=place)
    failure = unknown_field(row, BatchRow.model_fields, place=place) or unreadable_inside(row, place=place)
    if failure is None:
        failure = next((each for each in (item, row_id) if isinstance(each, GradingError)), None)
    if failure is None and "sample" not in row:
        failure = unreadable("sample", "this field is required", place=place)
    return (
        sample_or_failure(row["sample"], place=place) if failure is None else failure,
        None if isinstance(item, GradingError) else item,
        None if isinstance(row_id, GradingError) else row_id,
    )


def _lowest(grader: Grader) -> float:
    """The lowest reward of a grader.

    Raises:
        ApiError: 400 when it has none.
    """
    low = grader.info.range[0]
    if not isfinite(low):
        raise _wrong(
            "on_failure", "the rewards of this grader have no lower end, so that there is no 'lowest'"
        )
    return low


def _wrong(where: str | None, message: str) -> ApiError:
    return ApiError(400, f"{where or 'body'}: {message}", param=where, code="invalid_body")
