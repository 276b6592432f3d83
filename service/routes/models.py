"""`/v1/models`: the judges that are configured by name, and the named graders, in the published shape."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from runtime.settings.judges import find_judge
from service.errors import ApiError
from service.http.responses import Answer
from service.http.routing import Route
from service.state import Running

router = APIRouter(prefix="/models", tags=["models"], route_class=Route)

_PATTERN = frozenset("*?[")
"""Characters that make a judge's name a pattern of names."""
UNKNOWN_TIME = 0
"""`created` of judges, of which nobody knows when they were made."""


class ModelObject(Answer):
    """A judge or a named grader, as the published API shows a model."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970; 0 for a judge.")
    owned_by: Literal["judge", "grader"]


class ModelList(Answer):
    """All judges and named graders; the published list has no pages."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


@router.get("")
async def page(state: Running) -> ModelList:
    """List the judges that have a name of their own, and then the named graders.

    A judge that is configured by a pattern, such as `gpt-*`, is not listed: its models are not known.
    """
    judges = [_judge(name) for name in state.settings.judges if not _PATTERN & set(name)]
    graders = [_grader(name, created) for name, created in await state.named.stored.names()]
    return ModelList(data=[*judges, *graders])


@router.get("/{model:path}")
async def retrieve(state: Running, model: str) -> ModelObject:
    """A judge, also one whose name a pattern admits, or a named grader."""
    if find_judge(state.settings.judges, model) is not None:
        return _judge(model)
    found = await state.named.stored.find(model)
    if found is None:
        message = f"there is no judge and no named grader {model!r}; GET /v1/models lists them"
        raise ApiError(404, message, param="model", code="model_not_found")
    return _grader(model, found.grader.created_at)


def _judge(name: str) -> ModelObject:
    return ModelObject(id=name, created=UNKNOWN_TIME, owned_by="judge")


def _grader(name: str, created: int) -> ModelObject:
    return ModelObject(id=name, created=created, owned_by="grader")
