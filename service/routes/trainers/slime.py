"""slime with `--rm-type remote_rm`: one sample a request, and the whole JSON of the answer is the reward.

The body is `{"prompt", "response", "label"}`. By itself the answer is a bare number. With `?form=object` it is an object, of
which slime's `--reward-key reward` takes the reward.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from pydantic_core import to_json

from graders import Failure
from service.http.responses import Answer, JsonAnswer, written
from service.http.routing import Route
from service.routes.paging import OneOf
from service.routes.trainers.grading import (
    PREFIX,
    Parameters,
    body_of,
    body_schema,
    grading_of,
    labelled,
    row_of,
    text_of,
)
from service.routes.trainers.ungraded import measured, outcome, policy_of

TRAINER = "slime"
FORMS = ("number", "object")

router = APIRouter(prefix=PREFIX, tags=["trainers"], route_class=Route)

_PROPERTIES = {
    "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
    "response": {"type": "string"},
    "label": {},
}


class SlimeParameters(Parameters):
    """The query parameters of this route."""

    form: Annotated[Literal["number", "object"], OneOf(FORMS)] = Field(
        "number", description="A bare number, or an object with it under `reward`."
    )


class Reward(Answer):
    """The answer with `form=object`."""

    reward: float
    graded: bool
    sub_rewards: dict[str, float | None]


@router.post("/slime", response_model=float | Reward, openapi_extra=body_schema(_PROPERTIES, ["response"]))
async def remote_rm(request: Request, name: str, asked: Annotated[SlimeParameters, Query()]) -> Response:
    """Grade one sample of slime's."""
    policy = policy_of(TRAINER, asked.on_failure)
    body, has_unreadable = await body_of(request, ["response"])
    item = labelled(body.get("prompt"), body.get("label"))
    row = await row_of(text_of(body, "response"), item, has_unreadable=has_unreadable)
    grading = await grading_of(request, name, asked)
    result = await grading.one(*row)
    found = outcome(result, TRAINER)
    reward = policy if isinstance(found, Failure) and isinstance(policy, float) else measured(result, TRAINER)
    if asked.form == "number":
        return JsonAnswer(to_json(reward))
    return JsonAnswer(
        written(Reward(reward=reward, graded=isinstance(found, float), sub_rewards=dict(result.sub_rewards)))
    )
