"""A Cloud Run reward of Gemini's reinforcement tuning: `{"example", "response", "metadata"}` → `{"reward"}`.

The item of the grader is the example as it stands, so that templates read `{{item.references.answer}}`. Google clips rewards to
[-1, 1]; here they are as the grader gives them.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from runtime.data.formats.google_contents import turn_of
from service.http.grade_requests import wrong_body
from service.http.responses import Answer
from service.http.routing import Route
from service.routes.trainers.grading import PREFIX, Asked, body_of, body_schema, grading_of, row_of
from service.routes.trainers.ungraded import measured, policy_of

TRAINER = "google"

router = APIRouter(prefix=PREFIX, tags=["trainers"], route_class=Route)

_OBJECT = {"type": "object"}
_BODY = body_schema({"example": _OBJECT, "response": _OBJECT, "metadata": _OBJECT}, ["example", "response"])


class Reward(Answer):
    """The reward, and one line that says how it came to be."""

    reward: float
    user_requested_aux_info: str


@router.post("/google", openapi_extra=_BODY)
async def grade(request: Request, name: str, asked: Asked) -> Reward:
    """Grade one sample of Google's."""
    policy_of(TRAINER, asked.on_failure)
    body, has_unreadable = await body_of(request, ["example", "response"])
    example = body["example"]
    if not isinstance(example, dict):
        raise wrong_body("example", "expected the dataset row: a JSON object")
    sample, item = await row_of(sample_of(body["response"]), example, has_unreadable=has_unreadable)
    grading = await grading_of(request, name, asked, trace_id=_trace_id(body.get("metadata")))
    result = await grading.one(sample, item)
    return Reward(reward=measured(result, TRAINER), user_requested_aux_info=result.explanation or "")


def sample_of(response: object) -> list[dict[str, Any]]:
    """The model's turn of a Content, `{"role", "parts": […]}`, as a list of messages.

    Raises:
        ApiError: 400, when it is no Content.
    """
    if not isinstance(response, Mapping) or not isinstance(response.get("parts"), list):
        raise wrong_body("response", 'expected a Content such as {"parts": [{"text": "…"}]}')
    return turn_of({**response, "role": "model"})[-1:]


def _trace_id(metadata: object) -> str | None:
    """The tuning job, which is a number in their body."""
    job = metadata.get("tuning_job_id") if isinstance(metadata, Mapping) else None
    return f"tuning-job-{job}" if isinstance(job, (int, str)) and not isinstance(job, bool) else None
