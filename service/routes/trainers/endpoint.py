"""The `endpoint` grader of OpenAI and Foundry, asked by them: `{"sample", "item", "trace_id"}` → `{"score": number}`.

An ungraded sample is answered with a 5xx, so that the rollout is discarded and not scored.
"""

from typing import Any

from fastapi import APIRouter, Request

from service.http.grade_requests import trace_id_of, wrong_body
from service.http.responses import Answer
from service.http.routing import Route
from service.routes.trainers.grading import PREFIX, Asked, body_of, body_schema, grading_of, row_of
from service.routes.trainers.ungraded import measured, policy_of

TRAINER = "endpoint"

router = APIRouter(prefix=PREFIX, tags=["trainers"], route_class=Route)

_OBJECT: dict[str, Any] = {"type": "object"}
_PROPERTIES = {
    "sample": {"anyOf": [{"type": "string"}, _OBJECT, {"type": "array", "items": {}}]},
    "item": {"anyOf": [_OBJECT, {"type": "null"}]},
    "trace_id": {"type": ["string", "null"]},
}


class Score(Answer):
    """The reward."""

    score: float


@router.post("/endpoint", openapi_extra=body_schema(_PROPERTIES, ["sample"]))
async def grade(request: Request, name: str, asked: Asked) -> Score:
    """Grade one sample for an `endpoint` grader."""
    policy_of(TRAINER, asked.on_failure)
    body, has_unreadable = await body_of(request, ["sample"])
    item = body.get("item")
    if item is not None and not isinstance(item, dict):
        raise wrong_body("item", "expected the dataset row: a JSON object")
    sample, row = await row_of(body["sample"], item or {}, has_unreadable=has_unreadable)
    grading = await grading_of(request, name, asked, trace_id=trace_id_of(body))
    return Score(score=measured(await grading.one(sample, row), TRAINER))
