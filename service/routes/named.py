"""Graders by name: to store them, to look at their versions, and what became of their gradings."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from graders import ConfigurationError
from service.errors import ApiError, invalid_grader, invalid_query
from service.http.responses import Answer, ListAnswer
from service.http.routing import Route, as_response
from service.named_graders import MOST_VERSION, Chosen, checked_name, unknown, version_of
from service.routes.graders import prepared
from service.routes.paging import Number, Paging
from service.state import Running, State
from service.store.graders import Stored
from service.store.sums import NO_STEP, Series
from service.telemetry.grader_statistics import SPLITS
from service.telemetry.shown_statistics import shown_statistics

MOST_STEP = 2**63 - 1
VersionNumber = Annotated[int | None, Number(1, MOST_VERSION), Query()]
StepNumber = Annotated[int | None, Number(0, MOST_STEP), Query()]

router = APIRouter(prefix="/v1/graders", tags=["named graders"], route_class=Route)


async def _name(name: str) -> str:
    return checked_name(name)


Name = Annotated[str, Depends(_name)]
"""The dependency of routes on the name in their path, which must be valid."""


class PutRequest(BaseModel):
    """`PUT /v1/graders/{name}`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] = Field(description="The grader's JSON.")
    metadata: dict[str, str] | None = Field(None, description="Whatever belongs to it, in texts.")


class VersionObject(Answer):
    """One version of a named grader."""

    object: Literal["grader"] = "grader"
    id: str
    name: str
    version: int = Field(description="From 1; equal graders have the same one.")
    is_current: bool = Field(description="Whether requests that give the name alone get this version.")
    digest: str = Field(description="Of the grader with its defaults; secrets do not enter it.")
    signature: str = Field(description="When it was stored; that of a result is what made it.")
    grader: dict[str, Any] = Field(description="The grader's JSON; secrets are masked.")
    created_at: int = Field(description="Seconds since 1970.")
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """A stored version, its secrets masked."""
        version = stored.version
        return cls(
            id=stored.id,
            name=stored.grader.name,
            version=version.version,
            is_current=version.version == stored.grader.current,
            digest=version.digest,
            signature=version.signature,
            grader=version.shown,
            created_at=version.created_at,
            metadata=version.labels,
        )


class VersionList(ListAnswer):
    """A page of named graders, or of the versions of one."""

    data: list[VersionObject]


class GraderDeleted(Answer):
    """That a named grader is gone."""

    object: Literal["grader.deleted"] = "grader.deleted"
    name: str
    deleted: Literal[True] = True


Figure = Annotated[int | float | None, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})]
"""A count stays a whole number in the answer."""


class Groups(BaseModel):
    """Rows with equal items that follow each other in a batch; each has a reward."""

    count: int
    equal: int = Field(description="Those whose rewards are all equal.")
    frac_reward_zero_std: float | None = Field(description="Their share.")


class FailedGradings(BaseModel):
    """Gradings that one of the three made fail, by what their samples got."""

    flagged: int = Field(description="A reward all the same: the lowest, or what the grader gave.")
    substituted: int = Field(description="The grader's `invalid_grade`, or that of a grader inside it.")
    ungraded: int = Field(description="No reward.")


class Failures(BaseModel):
    """Gradings that failed, by who made them fail."""

    model: FailedGradings = Field(description="The sample could not be graded, by its own doing.")
    grader: FailedGradings = Field(description="The grader, or the item, is broken.")
    infrastructure: FailedGradings = Field(
        description="A judge, an endpoint, the sandbox or time was missing."
    )


class GradingStatistics(BaseModel):
    """What became of some gradings by one grader; a mean of nothing is null."""

    gradings: int
    graded: int
    ungraded: int = Field(description="Gradings without a reward, which enter no mean of rewards.")
    ungraded_causes: dict[str, int]
    failures: Failures
    reward_mean: float | None
    reward_std: float | None
    errors: dict[str, int] = Field(description="Gradings with an error flag, by flag.")
    execution_latency_mean: float | None = Field(description="Seconds.")
    tokens: dict[str, dict[str, int]] = Field(description="Judge tokens by model.")


class SplitStatistics(GradingStatistics):
    """What became of the gradings of one split."""

    groups: Groups
    graders: dict[str, GradingStatistics] = Field(description="The graders inside, by key.")


class StatisticsObject(Answer):
    """What became of the gradings by one version of a named grader."""

    object: Literal["grader.stats"] = "grader.stats"
    name: str
    version: int
    step: int | None = Field(description="Null: all steps.")
    metrics: dict[str, Figure] = Field(description="By their published names.")
    model_graders_token_usage: dict[str, dict[str, int]]
    splits: dict[str, SplitStatistics]


async def chosen(state: State, body: Mapping[str, Any]) -> Chosen:
    """What the `grader`, or the `name` and perhaps `version`, of a body stand for.

    Raises:
        ApiError: 400, when they contradict each other or are wrong; 404, when there is no such name or version.
    """
    config, name, version = body.get("grader"), body.get("name"), body.get("version")
    if name is None:
        for needless in ("version", "split", "step"):
            if body.get(needless) is not None:
                raise _wrong(
                    needless, "this belongs to a stored grader; give its 'name' in place of 'grader'"
                )
        if "grader" not in body:
            raise _wrong("grader", "this field is required, or 'name' with the name of a stored grader")
        if not isinstance(config, dict):
            raise _wrong("grader", "expected a grader: a JSON object with a 'type'")
        return Chosen(await prepared(state.evaluator, config))
    if config is not None:
        raise _wrong("name", "there is a 'grader' too; give one of them")
    if not isinstance(name, str):
        raise _wrong("name", "expected the name of a stored grader")
    if version is not None and not _is_whole(version, 1, MOST_VERSION):
        raise _wrong("version", "expected the number of a version, from 1")
    checked_name(name)
    return await prepared_by_name(state, name, version)


def series_of(body: Mapping[str, Any], grader: Chosen) -> Series | None:
    """Where the gradings of a request are summed up; None for a grader that has no name.

    Raises:
        ApiError: 400, when `split` or `step` is wrong.
    """
    if not grader.grader_id:
        return None
    split, step = body.get("split"), body.get("step")
    if split is not None and split not in SPLITS:
        raise _wrong("split", f"expected {' or '.join(map(repr, SPLITS))}")
    if step is not None and not _is_whole(step, 0, MOST_STEP):
        raise _wrong("step", "expected the number of a training step, from 0")
    return Series(grader.grader_id, grader.version, split or "train", NO_STEP if step is None else step)


async def prepared_by_name(state: State, name: str, version: int | None) -> Chosen:
    """A stored grader, ready to grade.

    Raises:
        ApiError: 404, if it does not exist; 400, if it is not valid any more, as when its type is no longer
            installed.
    """
    try:
        found = await state.named.find(name, version)
        await state.evaluator.prepare(found.grader)
    except ConfigurationError as error:
        raise invalid_grader(error) from None
    return found


@router.put(
    "/{name}",
    response_model=VersionObject,
    responses={201: {"model": VersionObject, "description": "A new version."}},
)
async def put(state: Running, name: Name, body: PutRequest) -> Response:
    """Store a grader under a name; what equals a version that is there is that version, and is the current one again."""
    # results would otherwise be called by a digest, which changes with the versions of libraries
    grader = await prepared(state.evaluator, {"name": name, **body.grader})
    stored, is_new = await state.named.stored.put(name, version_of(grader, body.metadata))
    state.named.forget(name)
    return as_response(VersionObject.of(stored), 201 if is_new else 200)


@router.get("")
async def page(state: Running, paging: Annotated[Paging, Query()]) -> VersionList:
    """List named graders in their current versions, oldest name first unless `order` is `desc`."""
    found = await state.named.stored.page(after=paging.after, limit=paging.limit, order=paging.order)
    return _listed(found)


@router.get("/{name}")
async def retrieve(state: Running, name: Name, version: VersionNumber = None) -> VersionObject:
    """The current version of a grader, or the one that is asked for."""
    return VersionObject.of(await _found(state, name, version))


@router.get("/{name}/versions")
async def versions(state: Running, name: Name, paging: Annotated[Paging, Query()]) -> VersionList:
    """List the versions of a grader, the first one first unless `order` is `desc`."""
    after = None
    if paging.after is not None:
        digits = paging.after.rpartition("-")[2]
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
            raise invalid_query("after", "expected the id of a version")
        after = int(digits)
    found = await state.named.stored.versions(name, after=after, limit=paging.limit, order=paging.order)
    if found is None:
        raise unknown(name)
    return _listed(found)


@router.delete("/{name}")
async def delete(state: Running, name: Name) -> GraderDeleted:
    """Delete a grader with all its versions and statistics."""
    gone = await state.named.stored.delete(name)
    state.named.forget(name)
    if not gone:
        raise unknown(name)
    return GraderDeleted(name=name)


@router.get("/{name}/stats")
async def stats(
    state: Running, name: Name, version: VersionNumber = None, step: StepNumber = None
) -> StatisticsObject:
    """What became of the gradings by the current version, or the one that is asked for."""
    stored = await _found(state, name, version)
    number = stored.version.version
    sums = await state.statistics.read(stored.grader.id, number, step)
    shown = shown_statistics(stored.version.shown, sums)
    return StatisticsObject(name=name, version=number, step=step, **shown)


def _listed(found: tuple[Sequence[Stored], bool]) -> VersionList:
    rows, has_more = found
    return VersionList.of([VersionObject.of(row) for row in rows], has_more)


async def _found(state: State, name: str, version: int | None) -> Stored:
    found = await state.named.stored.find(name, version)
    if found is None:
        raise unknown(name, version)
    return found


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _wrong(where: str, message: str) -> ApiError:
    return ApiError(400, f"{where}: {message}", param=where, code="invalid_body")
