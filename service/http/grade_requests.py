"""Bodies of `grade` and `grade/batch`: their fields, and what is read out of them.

They are read by hand: a pydantic model for each row of a batch would take longer than most gradings.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import NoneType
from typing import Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from graders import GradingError, Item, Sample
from graders.contract import brief
from graders.options import no_such_field
from graders.pattern import encodable
from runtime.data.rows import (
    id_or_failure,
    item_or_failure,
    not_an_object,
    sample_or_failure,
    unknown_field,
    unreadable,
    unreadable_inside,
)
from service.errors import ApiError
from service.http.requests import documented, json_with_rows, refuse_unreadable
from service.http.routing import PARAMETER

ROW_FIELDS = ("sample", "item")
"""What of `/v1/grade` is a row, which fails as one of a batch does."""


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


class NamedBatchRequest(BaseModel):
    """`POST /v1/graders/{name}/grade/batch`."""

    model_config = ConfigDict(extra="forbid")

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
    version: int | None = Field(
        None, ge=1, description="Which version of a stored grader; the current one by itself."
    )
    split: Literal["train", "valid"] | None = Field(
        None, description="What the statistics of the name count this as: `train` by itself."
    )
    step: int | None = Field(
        None, ge=0, description="The training step that the statistics of the name count this for."
    )


class BatchRequest(NamedBatchRequest):
    """`POST /v1/grade/batch`."""

    grader: dict[str, Any] | None = Field(None, description="The grader's JSON; this or `name` is required.")
    name: str | None = Field(None, description="The name of a stored grader, in place of `grader`.")


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


def documented_body(body: type[BaseModel], *parameters: dict[str, Any]) -> dict[str, Any]:
    """The body for the OpenAPI document."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    # the document has one place for all schemas, and FastAPI fills it from responses alone: rows are written in place
    inner = schema.pop("$defs", {})
    if "rows" in schema["properties"]:
        schema["properties"]["rows"]["items"] = inner["BatchRow"]
    return {**documented(schema), "parameters": [PARAMETER, *parameters]}


async def read_body(
    request: Request, model: type[BaseModel], *, but: Collection[str]
) -> tuple[dict[str, Any], bool]:
    """The JSON object in the body, with all fields that it must have and no others; and whether a row is unreadable.

    Args:
        request: Whose.
        model: The body's fields.
        but: Fields in which a value that cannot be held is the failure of a row, not of the request.

    Raises:
        ApiError: 400 when it is no such object; says which field is wrong.
    """
    body, has_unreadable = await json_with_rows(request)
    if not isinstance(body, dict):
        raise wrong_body(None, "expected a JSON object")
    for name in body:
        if name not in model.model_fields:
            raise wrong_body(
                brief(encodable(name))[1:-1], no_such_field(name, model.model_fields, "the body has")
            )
    for name, field in model.model_fields.items():
        if field.is_required() and name not in body:
            raise wrong_body(name, "this field is required")
    if has_unreadable:
        await asyncio.to_thread(refuse_unreadable, body, but=but)
    return body, has_unreadable


def sample_and_item(body: Mapping[str, Any], *, has_unreadable: bool) -> tuple[object, Item]:
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


def trace_id_of(body: Mapping[str, Any]) -> str | None:
    """The caller's own name for a request.

    Raises:
        ApiError: 400 when it is no text.
    """
    trace_id = body.get("trace_id")
    if trace_id is not None and not isinstance(trace_id, str):
        raise wrong_body("trace_id", "expected a text")
    return trace_id


def deadline_of(body: Mapping[str, Any], longest: float) -> float:
    """Seconds that a request may take: what it asks for, at most `longest`.

    Raises:
        ApiError: 400 when it is not a number above 0.
    """
    deadline = body.get("deadline_s")
    if deadline is None:
        return longest
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not 0 < deadline < inf:
        raise wrong_body("deadline_s", "expected seconds: a number above 0")
    return min(deadline, longest)


def rows_of(body: Mapping[str, Any], most: int, *, has_unreadable: bool) -> Rows:
    """The rows of a batch; one that cannot be read has its failure in place of its sample.

    Args:
        body: The request's.
        most: Rows that a batch may have.
        has_unreadable: Whether the body has values that cannot be held.

    Raises:
        ApiError: 400 when they are no list, 413 when there are more than `most`.
    """
    rows = body["rows"]
    if not isinstance(rows, list):
        raise wrong_body("rows", "expected a list of rows, each a JSON object with a 'sample'")
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


def wrong_body(where: str | None, message: str) -> ApiError:
    """The error of a request whose body, or field `where` of it, is wrong."""
    return ApiError(400, f"{where or 'body'}: {message}", param=where, code="invalid_body")
