"""Graders by name: to store them, to look at their versions, and what became of their gradings."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from graders import ConfigurationError
from service.errors import ApiError, invalid_grader
from service.evals.schemas import read
from service.named import (
    MOST_VERSION,
    Chosen,
    NamedInUse,
    checked_name,
    shown_version,
    unknown,
    version_of,
)
from service.results import written
from service.routes.graders import evaluator_of, prepared
from service.routes.lists import invalid_query, number, page_parameters, paging, shown_page
from service.schemas import documented
from service.stats import SPLITS, Statistics, shown_statistics
from service.store.graders import Stored
from service.store.sums import NO_STEP, Series

MOST_STEP = 2**63 - 1
_VERSION = {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1}}
_STEP = {"name": "step", "in": "query", "schema": {"type": "integer", "minimum": 0}}

router = APIRouter(prefix="/v1/graders", tags=["named graders"])


class PutRequest(BaseModel):
    """`PUT /v1/graders/{name}`."""

    model_config = ConfigDict(extra="forbid")

    grader: dict[str, Any] = Field(description="The grader's JSON.")
    metadata: dict[str, str] | None = Field(None, description="Whatever belongs to it, in texts.")


class VersionObject(BaseModel):
    """One version of a named grader."""

    object: Literal["grader"]
    id: str
    name: str
    version: int = Field(description="From 1; equal graders have the same one.")
    is_current: bool = Field(description="Whether requests that give the name alone get this version.")
    digest: str = Field(description="Of the grader with its defaults; secrets do not enter it.")
    signature: str = Field(description="When it was stored; that of a result is what made it.")
    grader: dict[str, Any] = Field(description="The grader's JSON; secrets are masked.")
    created_at: int = Field(description="Seconds since 1970.")
    metadata: dict[str, str] | None


class VersionList(BaseModel):
    """A page of named graders, or of the versions of one."""

    object: Literal["list"]
    data: list[VersionObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class GraderDeleted(BaseModel):
    """That a named grader is gone."""

    object: Literal["grader.deleted"]
    name: str
    deleted: Literal[True]


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


class StatisticsObject(BaseModel):
    """What became of the gradings by one version of a named grader."""

    object: Literal["grader.stats"]
    name: str
    version: int
    step: int | None = Field(description="Null: all steps.")
    metrics: dict[str, float | None] = Field(description="By their published names.")
    model_graders_token_usage: dict[str, dict[str, int]]
    splits: dict[str, SplitStatistics]


def named_of(request: Request) -> NamedInUse:
    """The named graders of the running service."""
    named: NamedInUse = request.app.state.named
    return named


def statistics_of(request: Request) -> Statistics:
    """What this process counts of their gradings."""
    statistics: Statistics = request.app.state.statistics
    return statistics


async def chosen(request: Request, body: Mapping[str, Any]) -> Chosen:
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
        return Chosen(await prepared(request, config))
    if config is not None:
        raise _wrong("name", "there is a 'grader' too; give one of them")
    if not isinstance(name, str):
        raise _wrong("name", "expected the name of a stored grader")
    if version is not None and not _is_whole(version, 1, MOST_VERSION):
        raise _wrong("version", "expected the number of a version, from 1")
    checked_name(name)
    return await prepared_by_name(request, name, version)


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


async def prepared_by_name(request: Request, name: str, version: int | None) -> Chosen:
    """A stored grader, ready to grade.

    Raises:
        ApiError: 404, if it does not exist; 400, if it is not valid any more, as when its type is no longer
            installed.
    """
    try:
        found = await named_of(request).find(name, version)
        await evaluator_of(request).prepare(found.grader)
    except ConfigurationError as error:
        raise invalid_grader(error) from None
    return found


@router.put(
    "/{name}",
    response_model=VersionObject,
    responses={201: {"model": VersionObject, "description": "A new version."}},
    openapi_extra=documented(PutRequest.model_json_schema()),
)
async def put(request: Request, name: str) -> Response:
    """Store a grader under a name; what equals a version that is there is that version, and is the current one again."""
    checked_name(name)
    body = await read(request, PutRequest)
    # results would otherwise be called by a digest, which changes with the versions of libraries
    grader = await prepared(request, {"name": name, **body.grader})
    stored, is_new = await named_of(request).stored.put(name, version_of(grader, body.metadata))
    named_of(request).forget(name)
    return _answered(shown_version(stored), 201 if is_new else 200)


@router.get("", response_model=VersionList, openapi_extra={"parameters": page_parameters()})
async def page(request: Request) -> Response:
    """List named graders in their current versions, oldest name first unless `order` is `desc`."""
    after, limit, order = paging(request)
    return _listed(await named_of(request).stored.page(after=after, limit=limit, order=order))


@router.get("/{name}", response_model=VersionObject, openapi_extra={"parameters": [_VERSION]})
async def retrieve(request: Request, name: str) -> Response:
    """The current version of a grader, or the one that is asked for."""
    return _answered(shown_version(await _found(request, name)))


@router.get("/{name}/versions", response_model=VersionList, openapi_extra={"parameters": page_parameters()})
async def versions(request: Request, name: str) -> Response:
    """List the versions of a grader, the first one first unless `order` is `desc`."""
    after, limit, order = paging(request)
    number_after = None
    if after is not None:
        digits = after.rpartition("-")[2]
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
            raise invalid_query("after", "expected the id of a version")
        number_after = int(digits)
    checked_name(name)
    found = await named_of(request).stored.versions(name, after=number_after, limit=limit, order=order)
    if found is None:
        raise unknown(name)
    return _listed(found)


@router.delete("/{name}", response_model=GraderDeleted)
async def delete(request: Request, name: str) -> Response:
    """Delete a grader with all its versions and statistics."""
    checked_name(name)
    gone = await named_of(request).stored.delete(name)
    named_of(request).forget(name)
    if not gone:
        raise unknown(name)
    return _answered({"object": "grader.deleted", "name": name, "deleted": True})


@router.get("/{name}/stats", response_model=StatisticsObject, openapi_extra={"parameters": [_VERSION, _STEP]})
async def stats(request: Request, name: str) -> Response:
    """What became of the gradings by the current version, or the one that is asked for."""
    step = number(request, "step", least=0, most=MOST_STEP)
    stored = await _found(request, name)
    sums = await statistics_of(request).read(stored.grader.id, stored.version.version, step)
    head = {"object": "grader.stats", "name": name, "version": stored.version.version, "step": step}
    return _answered({**head, **shown_statistics(stored.version.shown, sums)})


async def _found(request: Request, name: str) -> Stored:
    version = number(request, "version", least=1, most=MOST_VERSION)
    found = await named_of(request).stored.find(checked_name(name), version)
    if found is None:
        raise unknown(name, version)
    return found


def _listed(found: tuple[Sequence[Stored], bool]) -> Response:
    return _answered(shown_page(found, shown_version))


def _answered(content: Mapping[str, Any], status: int = 200) -> Response:
    return Response(written(content), status, media_type="application/json")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _wrong(where: str, message: str) -> ApiError:
    return ApiError(400, f"{where}: {message}", param=where, code="invalid_body")
