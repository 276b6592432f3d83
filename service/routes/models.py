"""`/v1/models`: the judges that are configured by name, and the named graders, in the published shape."""

from collections.abc import Iterator
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from runtime import Settings
from runtime.judge.configuration import find_judge
from service.errors import ApiError
from service.results import JsonAnswer, written
from service.routes.named import named_of

router = APIRouter(prefix="/models", tags=["models"])

_PATTERN = frozenset("*?[")
"""Characters that make a judge's name a pattern of names."""
UNKNOWN_TIME = 0
"""`created` of judges, of which nobody knows when they were made."""


class ModelObject(BaseModel):
    """A judge or a named grader, as the published API shows a model."""

    id: str
    object: Literal["model"]
    created: int = Field(description="Seconds since 1970; 0 for a judge.")
    owned_by: Literal["judge", "grader"]


class ModelList(BaseModel):
    """All judges and named graders; the published list has no pages."""

    object: Literal["list"]
    data: list[ModelObject]


@router.get("", response_model=ModelList)
async def page(request: Request) -> Response:
    """List the judges that have a name of their own, and then the named graders.

    A judge that is configured by a pattern, such as `gpt-*`, is not listed: its models are not known.
    """
    settings: Settings = request.app.state.settings
    graders = await named_of(request).stored.names()
    shown = [*_judges(settings), *(_shown(name, created, "grader") for name, created in graders)]
    return JsonAnswer(written({"object": "list", "data": shown}))


@router.get("/{model:path}", response_model=ModelObject)
async def retrieve(request: Request, model: str) -> Response:
    """A judge, also one whose name a pattern admits, or a named grader."""
    settings: Settings = request.app.state.settings
    if find_judge(settings.judges, model) is not None:
        return JsonAnswer(written(_shown(model, UNKNOWN_TIME, "judge")))
    found = await named_of(request).stored.find(model)
    if found is None:
        message = f"there is no judge and no named grader {model!r}; GET /v1/models lists them"
        raise ApiError(404, message, param="model", code="model_not_found")
    return JsonAnswer(written(_shown(model, found.grader.created_at, "grader")))


def _judges(settings: Settings) -> Iterator[dict[str, Any]]:
    return (_shown(name, UNKNOWN_TIME, "judge") for name in settings.judges if not _PATTERN & set(name))


def _shown(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
