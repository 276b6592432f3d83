"""What the routes for trainers share: their parameters, their bodies, and grading by a stored grader."""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema, from_json

from graders import GraderResult, GradingError, Item
from runtime.data.rows import item_or_failure, sample_or_failure, unreadable_inside
from service.http.disconnect import as_long_as_wanted
from service.http.grade_requests import wrong_body
from service.http.idempotency import note_failures
from service.http.requests import documented, json_with_rows
from service.http.routing import json_object
from service.named_graders import Chosen, checked_name
from service.routes.named import StepNumber, VersionNumber, prepared_by_name, series_of
from service.routes.paging import OneOf
from service.state import State, state_of
from service.store.sums import Series
from service.telemetry.grader_statistics import SPLITS
from service.telemetry.logs import name_trace

PREFIX = "/v1/graders/{name}/for"
"""Where the routes of all trainers are that name a grader."""


class _Seconds:
    """Annotates a query parameter that is a number of seconds above 0."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        """How it is read."""
        return core_schema.no_info_plain_validator_function(_seconds)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.isascii() and "_" not in text and len(text) <= 20 else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise PydanticCustomError("seconds", "expected seconds: a number above 0")
    return seconds


Seconds = Annotated[
    float | None, _Seconds(), WithJsonSchema({"type": "number", "exclusiveMinimum": 0}), Query()
]
Split = Annotated[str | None, OneOf(SPLITS), Query()]


class Parameters(BaseModel):
    """The query parameters of these routes, since their bodies belong to the trainers."""

    model_config = ConfigDict(extra="forbid")

    version: VersionNumber = Field(
        None, description="Which version of the grader; the current one by itself."
    )
    split: Split = Field(None, description="What the statistics count this as: `train` by itself.")
    step: StepNumber = Field(None, description="The training step that the statistics count this for.")
    deadline_s: Seconds = Field(None, description="Seconds after which a sample is ungraded.")
    on_failure: str | None = Field(None, description="What an ungraded sample gets.")


Asked = Annotated[Parameters, Query()]
"""The dependency of routes on their query parameters."""


@dataclass(frozen=True, slots=True)
class Grading:
    """What one request grades with.

    Attributes:
        request: The request.
        state: The parts of the service.
        chosen: The grader.
        series: Where its statistics go.
        deadline_s: Seconds that it may take.
        trace_id: The caller's own name for it.
    """

    request: Request
    state: State
    chosen: Chosen
    series: Series | None
    deadline_s: float
    trace_id: str | None

    async def one(self, sample: object, item: Item) -> GraderResult:
        """Grade one sample; a `GradingError` says why it cannot be read."""
        state, grader = self.state, self.chosen.grader
        with state.queues.enter(grader):
            async with as_long_as_wanted(self.request):
                result = await state.evaluator.grade(
                    grader,
                    sample,
                    item,
                    deadline_s=self.deadline_s,
                    trace_id=self.trace_id,
                    client=self.request.state.client,
                )
        state.metrics.observe([result])
        if self.series is not None:
            state.statistics.observe(self.series, result)
        note_failures(self.request, [result])
        return result

    async def many(self, samples: Sequence[object], items: Sequence[Item]) -> Sequence[GraderResult]:
        """Grade some samples, those of equal items that follow each other as one group."""
        state, grader = self.state, self.chosen.grader
        with state.queues.enter(grader, len(samples)):
            async with as_long_as_wanted(self.request):
                results = await state.evaluator.grade_many(
                    grader,
                    samples,
                    items,
                    deadline_s=self.deadline_s,
                    trace_id=self.trace_id,
                    client=self.request.state.client,
                )
        state.metrics.observe_batch(results, items)
        if self.series is not None:
            state.statistics.observe_batch(self.series, results, items)
        note_failures(self.request, results)
        return results


async def grading_of(
    request: Request, name: str, asked: Parameters, *, trace_id: str | None = None, rows: int = 1
) -> Grading:
    """What a request grades with.

    Args:
        request: The request.
        name: The name of the grader in its path.
        asked: Its query parameters.
        trace_id: The caller's own name for this grading.
        rows: Samples of the request; more than one may take as long as a batch.

    Raises:
        ApiError: 400, when the name or the grader is not valid; 404, when there is no such grader.
    """
    state = state_of(request)
    chosen = await prepared_by_name(state, checked_name(name), asked.version)
    settings = state.settings
    longest = settings.request_timeout_s if rows <= 1 else settings.batch_timeout_s
    name_trace(trace_id)
    return Grading(
        request=request,
        state=state,
        chosen=chosen,
        series=series_of(asked.model_dump(), chosen),
        deadline_s=longest if asked.deadline_s is None else min(longest, asked.deadline_s),
        trace_id=trace_id,
    )


async def body_of(request: Request, needed: Collection[str]) -> tuple[dict[str, Any], bool]:
    """The JSON object in the body of a request, and whether a value in it cannot be held.

    Fields that are not named here are allowed: newer versions of a trainer may send more.

    Args:
        request: The request.
        needed: Fields that it must have.

    Raises:
        ApiError: 400, when it is not a JSON object or lacks a field.
    """
    data, has_unreadable = await json_with_rows(request)
    body = json_object(data)
    for name in needed:
        if name not in body:
            raise wrong_body(name, "this field is required")
    return body, has_unreadable


async def row_of(sample: object, item: Mapping[str, Any], *, has_unreadable: bool) -> tuple[object, Item]:
    """A sample and an item ready to grade; the failure of what cannot be read in place of the sample.

    Args:
        sample: What the model answered, in any form that `/v1/grade` takes.
        item: The dataset row.
        has_unreadable: Whether one of them may have a value that cannot be held.
    """
    failure: GradingError | None = None
    if has_unreadable:
        failure = await asyncio.to_thread(unreadable_inside, {"sample": sample, "item": item})
    if failure is not None:
        return failure, {}
    read = item_or_failure(item)
    return (read, {}) if isinstance(read, GradingError) else (sample_or_failure(sample), read)


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A field of a body that must be a text.

    Raises:
        ApiError: 400, when it is not.
    """
    value = body[name]
    if not isinstance(value, str):
        raise wrong_body(name, "expected a text")
    return value


def labelled(prompt: object, label: object) -> dict[str, Any]:
    """The item of a trainer that sends a prompt and a label.

    It has both by these names. A label that is a JSON object, or the text of one, gives it its fields as well: a label is all
    that these trainers pass on of a dataset row.
    """
    inner = label if isinstance(label, Mapping) else _object_in(label)
    return {**inner, "prompt": prompt, "label": label}


def _object_in(label: object) -> Mapping[str, Any]:
    """The JSON object that a text is; an empty one for anything else."""
    if not isinstance(label, str) or not label.lstrip().startswith("{"):
        return {}
    try:
        found = from_json(label, allow_inf_nan=False)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def body_schema(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """A body for the OpenAPI document, which may be left out where no field of it is required."""
    schema = {"type": "object", "properties": dict(properties), "required": list(required)}
    return documented(schema, required=bool(required))
