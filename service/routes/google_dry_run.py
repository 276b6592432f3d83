"""Google's dry run of a reward: `POST /v1beta1/{parent}/tuningJobs:validateReinforcementTuningReward`.

It is answered as the `google-genai` client reads it, so that a reward configuration can be tried here before a tuning job costs
anything. As there, an error is told apart from a reward.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from graders import GraderResult
from runtime.data.rows import item_or_failure, sample_or_failure, unreadable_inside
from service.errors import ApiError
from service.http.grade_requests import wrong_body
from service.http.idempotency import note_failures
from service.http.requests import documented, json_with_rows
from service.http.responses import JsonAnswer, written
from service.http.routing import Route, json_object
from service.routes.graders import prepared
from service.routes.trainers.google import sample_of
from service.state import state_of

CONFIGS = ("singleRewardConfig", "compositeRewardConfig")
METHOD = "tuningJobs:validateReinforcementTuningReward"
INVALID_ARGUMENT, UNAVAILABLE = 3, 14
"""Codes of `google.rpc.Status`."""

router = APIRouter(tags=["google"], route_class=Route)

_OBJECT = {"type": "object"}
_BODY = documented(
    {
        "type": "object",
        "properties": {
            "sampleResponse": _OBJECT,
            "example": _OBJECT,
            **{name: {"type": ["object", "null"]} for name in CONFIGS},
        },
        "required": ["sampleResponse", "example"],
        "additionalProperties": False,
    }
)


class DryRun(BaseModel):
    """The reward or its error, overall and by reward name; fields that are not set are left out, as in ProtoJSON."""

    overallReward: float | None = None  # noqa: N815  # the published names, here and below
    error: str | None = None
    rewardInfoDetails: dict[str, dict[str, Any]]  # noqa: N815


@router.post(
    f"/v1beta1/projects/{{project}}/locations/{{location}}/{METHOD}",
    response_model=DryRun,
    openapi_extra=_BODY,
)
@router.post(f"/v1/projects/{{project}}/locations/{{location}}/{METHOD}", include_in_schema=False)
async def validate_reward(request: Request, project: str, location: str) -> Response:
    """Grade one sample by a reward configuration of Google's; `project` and `location` are not looked at."""
    data, has_unreadable = await json_with_rows(request)
    body = json_object(data)
    for name in body:
        if name not in ("sampleResponse", "example", *CONFIGS):
            raise wrong_body(
                name, f"no such field; the body has sampleResponse, example and {' or '.join(CONFIGS)}"
            )
    for name in ("sampleResponse", "example"):
        if not isinstance(body.get(name), Mapping):
            raise wrong_body(name, "this field is required: an object")
    config = {name: body[name] for name in CONFIGS if body.get(name) is not None}
    state = state_of(request)
    grader = await prepared(state.evaluator, {"type": "google_reward", **config})
    try:
        sample: object = sample_of(body["sampleResponse"])
    except ApiError:
        raise wrong_body("sampleResponse", 'expected a Content such as {"parts": [{"text": "…"}]}') from None
    failure = unreadable_inside({"sample": sample, "item": body["example"]}) if has_unreadable else None
    with state.queues.enter(grader):
        result = await state.evaluator.grade(
            grader,
            failure or sample_or_failure(sample),
            {} if failure else item_or_failure(body["example"]),  # type: ignore[arg-type]  # an error has its own result
            deadline_s=state.settings.request_timeout_s,
            client=request.state.client,
        )
    state.metrics.observe([result])
    note_failures(request, [result])
    answer = DryRun(
        overallReward=result.reward,
        error=None if result.failure is None else result.failure.message,
        rewardInfoDetails=_details(config, result),
    )
    # ProtoJSON leaves out what is not set
    return JsonAnswer(
        written({name: value for name, value in answer.model_dump().items() if value is not None})
    )


def _details(config: Mapping[str, Any], result: GraderResult) -> dict[str, dict[str, Any]]:
    """What each reward came to."""
    if result.parts:
        return {name: _info(part) for name, part in result.parts.items()}
    single = config.get("singleRewardConfig")
    name = single.get("rewardName") if isinstance(single, Mapping) else None
    return {} if "compositeRewardConfig" in config else {str(name or "reward"): _info(result)}


def _info(result: GraderResult) -> dict[str, Any]:
    aux = result.metadata.get("user_requested_aux_info")
    said = {} if aux is None else {"userRequestedAuxInfo": aux}
    failure = result.failure
    if result.reward is not None or failure is None:
        return {"reward": result.reward, **said}
    code = INVALID_ARGUMENT if failure.caused_by == "grader" else UNAVAILABLE
    return {"errorStatus": {"code": code, "message": failure.message}, **said}
