"""A resources server of NeMo-Gym (0.7): `/verify` and what its agents call around it.

The body of `/verify` is the dataset row with `responses_create_params` and a `response`, which is a Responses object; the
answer repeats it and adds the reward. `mask_sample` keeps an ungraded sample out of scores and training, for which `reward`,
which is required, is 0. Sessions have no state here, and no sandbox is lent.
"""

from fastapi import APIRouter, Request, Response

from graders import Failure, FailureKind, FailureType, GraderResult
from service.errors import ApiError
from service.http.grade_requests import wrong_body
from service.http.responses import Answer, JsonAnswer, written
from service.http.routing import Route
from service.routes.trainers.grading import PREFIX, Asked, body_of, body_schema, grading_of, row_of
from service.routes.trainers.nemo_gym_metrics import Metrics, aggregated
from service.routes.trainers.ungraded import outcome, policy_of

TRAINER = "nemo-gym"

router = APIRouter(prefix=f"{PREFIX}/nemo-gym", tags=["trainers"], route_class=Route)

_OBJECT = {"type": "object"}
_VERIFY = body_schema({"responses_create_params": _OBJECT, "response": _OBJECT}, ["response"])
_SESSION = body_schema({"resources_session_id": {"type": ["string", "null"]}}, [])
_AGGREGATE = body_schema({"verify_responses": {"type": "array", "items": _OBJECT}}, ["verify_responses"])

JUDGE_FAILED = "judge_failed"
UNAVAILABLE = "provider_unavailable"
_BY_TYPE = {
    FailureType.BUDGET_SPENT: "provider_quota_exhausted",
    FailureType.EMBEDDER_UNAVAILABLE: UNAVAILABLE,
    FailureType.HTTP_UNAVAILABLE: UNAVAILABLE,
    FailureType.JUDGE_STORE_UNAVAILABLE: UNAVAILABLE,
    FailureType.MACHINE_BUSY: UNAVAILABLE,
    FailureType.SANDBOX_DIED: UNAVAILABLE,
    FailureType.SANDBOX_UNAVAILABLE: UNAVAILABLE,
    FailureType.WORKER_START: UNAVAILABLE,
}
_BY_KIND = {
    FailureKind.MODEL_GRADER_PARSE: "judge_unparseable",
    FailureKind.MODEL_GRADER_SERVER: JUDGE_FAILED,
    FailureKind.MODEL_GRADER_REFUSAL: JUDGE_FAILED,
    FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS: JUDGE_FAILED,
    FailureKind.PYTHON_GRADER_SERVER: UNAVAILABLE,
    FailureKind.ENDPOINT_GRADER_SERVER: UNAVAILABLE,
}


class Verified(Answer):
    """What `/verify` adds to its request."""

    reward: float
    mask_sample: bool
    failure_kind: str | None
    failure_reason: str | None
    reward_components: dict[str, float]


class Session(Answer):
    """A session that is known by the caller's name for it, and has nothing else."""

    resources_session_id: str | None = None


class SeededSession(Session):
    """A session that has begun, without tools and without a sandbox."""

    resources_tools: None = None
    sandbox_access: None = None


class NoSession(Answer):
    """A session that its caller, of an older version, did not name."""


@router.post("/verify", response_model=Verified, openapi_extra=_VERIFY)
async def verify(request: Request, name: str, asked: Asked) -> Response:
    """Grade one sample of NeMo-Gym's."""
    policy_of(TRAINER, asked.on_failure)
    body, has_unreadable = await body_of(request, ["response"])
    row = {key: value for key, value in body.items() if key != "response"}
    sample, item = await row_of(body["response"], row, has_unreadable=has_unreadable)
    grading = await grading_of(request, name, asked)
    verified = _verified(await grading.one(sample, item))
    # versions up to 0.5 look for the kind of what is masked under this name
    old = {"_ng_failure_class": verified.failure_kind} if verified.mask_sample else {}
    return JsonAnswer(written({**body, **verified.model_dump(), **old}))


@router.post("/seed_session", response_model=SeededSession | NoSession, openapi_extra=_SESSION)
async def seed_session(request: Request, name: str) -> Response:
    """Begin a session, which keeps nothing here."""
    session_id = await _session_id(request)
    if session_id is None:
        return JsonAnswer(b"{}")
    said = {"resources_session_id": session_id, "resources_tools": None, "sandbox_access": None}
    return JsonAnswer(written(said))


@router.post("/close_session", openapi_extra=_SESSION)
async def close_session(request: Request, name: str) -> Session:
    """End a session, whether or not it was begun."""
    return Session(resources_session_id=await _session_id(request))


@router.post("/sandbox_access", openapi_extra=_SESSION)
async def sandbox_access(request: Request, name: str) -> Session:
    """Say that a session has no sandbox to lend."""
    raise ApiError(404, "this session has no sandbox access", code="not_found")


@router.post("/aggregate_metrics", openapi_extra=_AGGREGATE)
async def aggregate_metrics(request: Request, name: str) -> Metrics:
    """Sum up answers of `/verify`; what is masked enters nothing."""
    body, _ = await body_of(request, ["verify_responses"])
    return aggregated(body["verify_responses"])


@router.get("/reverify_mode")
async def reverify_mode(name: str) -> str:
    """Say that a sample may be verified again at any time."""
    return "stateless"


async def _session_id(request: Request) -> str | None:
    """The caller's name for a session; older versions send an empty body, or none."""
    if not await request.body():
        return None
    body, _ = await body_of(request, [])
    given = body.get("resources_session_id")
    if given is not None and not isinstance(given, str):
        raise wrong_body("resources_session_id", "expected a text")
    return given


def _verified(result: GraderResult) -> Verified:
    found = outcome(result, TRAINER)
    failure = found if isinstance(found, Failure) else result.failure
    return Verified(
        reward=0.0 if isinstance(found, Failure) else found,
        mask_sample=isinstance(found, Failure),
        failure_kind=None if failure is None else failure_kind(failure),
        failure_reason=None if failure is None else failure.message,
        reward_components={key: value for key, value in result.sub_rewards.items() if value is not None},
    )


def failure_kind(failure: Failure) -> str:
    """The word of NeMo-Gym's vocabulary for a failure; where it has none, our own flag with our name before it."""
    known = _BY_TYPE.get(failure.details.get("type", "")) or _BY_KIND.get(failure.kind)
    if failure.caused_by == "model":
        return f"graders:{failure.kind.value}"
    if known is not None:
        return known
    return "verifier_error" if failure.caused_by == "grader" else f"graders:{failure.kind.value}"
