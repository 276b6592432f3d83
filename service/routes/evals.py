"""The routes of evals, their runs and output items, as the official client asks for them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from service.draining import Refusal
from service.errors import ApiError, in_use
from service.evals import criteria, sources
from service.evals.engine import Engine
from service.evals.schemas import (
    CreateEval,
    CreateRun,
    EvalDeleted,
    EvalList,
    EvalObject,
    ItemList,
    ItemObject,
    Regrade,
    RunDeleted,
    RunList,
    RunObject,
    UpdateEval,
    data_source_config,
    parsed,
    read,
    shown_eval,
    shown_item,
    shown_run,
)
from service.idempotency import PARAMETER, repeatable
from service.openapi import declared
from service.results import written
from service.routes.graders import evaluator_of
from service.routes.lists import (
    invalid_query,
    one_of,
    one_of_parameter,
    page_parameters,
    paging,
    shown_page,
)
from service.schemas import documented, json_with_rows, refuse_unreadable
from service.store.evals import REGRADE, UNFINISHED, Eval, EvalRun, Evals, InUse, Missing, OutputItem
from service.store.files import is_file_id
from service.store.paging import new_id
from service.store.room import Full
from service.store.storable import storable

router = APIRouter(prefix="/evals", tags=["evals"])

Row = TypeVar("Row", Eval, EvalRun, OutputItem)

RUNS_AGAIN_S = 10
"""Seconds after which some of too many runs may have ended."""
RUN_STATUSES = ("queued", "in_progress", "completed", "canceled", "failed")
ITEM_STATUSES = {"pass": "pass", "fail": "fail", "failed": "fail", "error": "error"}
"""The client's documentation calls one of them both `fail` and `failed`."""


def evals_of(request: Request) -> Evals:
    """The evals of the running service."""
    evals: Evals = request.app.state.evals
    return evals


def engine_of(request: Request) -> Engine:
    """What grades runs in this process."""
    engine: Engine = request.app.state.eval_engine
    return engine


def _parameters(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"parameters": [*page_parameters(), one_of_parameter(name, values)]}


@router.post(
    "",
    status_code=201,
    response_model=EvalObject,
    openapi_extra={**documented(CreateEval.model_json_schema()), "parameters": [PARAMETER]},
)
@repeatable
async def create(request: Request) -> Response:
    """Make an eval."""
    body = await read(request, CreateEval)
    schemas = evaluator_of(request).schemas
    config = await data_source_config(body.data_source_config, schemas, request.state.client)
    accepted = await criteria.accept(evaluator_of(request), body.testing_criteria)
    now = int(time.time())
    made = Eval(
        id=new_id("eval_"),
        name=storable(body.name or "eval"),
        labels=body.metadata,
        data_source_config=config,
        criteria=accepted,
        created_at=now,
        updated_at=now,
    )
    try:
        await evals_of(request).add(made, most=request.app.state.settings.evals_kept)
    except Full as full:
        message = f"there are {full.most:,} evals, as many as are kept here (evals_kept): delete some"
        raise ApiError(403, message, code="too_many_evals") from None
    return _answered(shown_eval(made), 201)


@router.get("", response_model=EvalList, openapi_extra=_parameters("order_by", ["created_at", "updated_at"]))
async def page(request: Request) -> Response:
    """List evals, oldest first unless `order` is `desc`."""
    after, limit, order = paging(request)
    by = one_of(request, "order_by", {"created_at": False, "updated_at": True}) or False
    try:
        found = await evals_of(request).page(after=after, limit=limit, order=order, by_update=by)
    except LookupError:
        raise invalid_query(
            "after", "there is no such eval, whose last change would say where to go on"
        ) from None
    return _listed(found, shown_eval)


@router.get("/{eval_id}", response_model=EvalObject)
async def retrieve(request: Request, eval_id: str) -> Response:
    """What is known of an eval."""
    return _answered(shown_eval(await found_eval(request, eval_id)))


@router.post(
    "/{eval_id}",
    response_model=EvalObject,
    openapi_extra=documented(UpdateEval.model_json_schema(), required=False),
)
async def change(request: Request, eval_id: str) -> Response:
    """Change the name or the metadata of an eval, the only things that can change."""
    body = await read(request, UpdateEval)
    values: dict[str, Any] = {} if body.name is None else {"name": storable(body.name or "eval")}
    if "metadata" in body.model_fields_set:
        values["labels"] = body.metadata
    changed = await evals_of(request).change(eval_id, **values)
    if changed is None:
        raise _unknown("eval", eval_id)
    return _answered(shown_eval(changed))


@router.delete("/{eval_id}", response_model=EvalDeleted)
async def delete(request: Request, eval_id: str) -> Response:
    """Delete an eval with its runs."""
    if not await evals_of(request).delete(eval_id):
        raise _unknown("eval", eval_id)
    engine_of(request).stop_all_of(eval_id)
    return _answered({"object": "eval.deleted", "deleted": True, "eval_id": eval_id})


@router.post(
    "/{eval_id}/runs",
    status_code=201,
    response_model=RunObject,
    openapi_extra={**documented(CreateRun.model_json_schema()), "parameters": [PARAMETER]},
)
@repeatable
async def create_run(request: Request, eval_id: str) -> Response:
    """Begin to measure rows."""
    of = await found_eval(request, eval_id)
    data, has_unreadable = await json_with_rows(request, empty=b"{}")
    if has_unreadable:
        await asyncio.to_thread(sources.keep_unreadable, data)
        await asyncio.to_thread(refuse_unreadable, data)
    body = parsed(CreateRun, data)
    schemas, client = evaluator_of(request).schemas, request.state.client
    reads_sample = await criteria.any_reads_sample(evaluator_of(request), of.criteria)
    await sources.accept(body.data_source, of.data_source_config, schemas, client, reads_sample=reads_sample)
    return await _begun(request, of, body, body.data_source, of.criteria)


@router.post(
    "/{eval_id}/runs/{run_id}/regrade",
    status_code=201,
    response_model=RunObject,
    openapi_extra=documented(Regrade.model_json_schema()),
)
async def regrade(request: Request, eval_id: str, run_id: str) -> Response:
    """Measure the stored samples of a run by other criteria; the published API has nothing like it."""
    of, old = await found_eval(request, eval_id), await found_run(request, eval_id, run_id)
    body = await read(request, Regrade)
    if old.status in UNFINISHED:
        raise ApiError(400, f"{run_id} is not finished", param="run_id", code="run_not_finished")
    accepted = await criteria.accept(evaluator_of(request), body.testing_criteria)
    source = {"type": REGRADE, "run_id": run_id}
    return await _begun(request, of, body, source, accepted)


@router.get("/{eval_id}/runs", response_model=RunList, openapi_extra=_parameters("status", RUN_STATUSES))
async def page_of_runs(request: Request, eval_id: str) -> Response:
    """List the runs of an eval, oldest first unless `order` is `desc`."""
    after, limit, order = paging(request)
    status = one_of(request, "status", {name: name for name in RUN_STATUSES})
    await found_eval(request, eval_id)
    found = await evals_of(request).runs(eval_id, after=after, limit=limit, order=order, status=status)
    address = _address(request, eval_id)
    return _listed(found, lambda row: shown_run(row, address))


@router.get("/{eval_id}/runs/{run_id}", response_model=RunObject)
async def retrieve_run(request: Request, eval_id: str, run_id: str) -> Response:
    """How far a run is."""
    return _shown(request, await found_run(request, eval_id, run_id))


@router.post("/{eval_id}/runs/{run_id}", response_model=RunObject, deprecated=True)
@router.post("/{eval_id}/runs/{run_id}/cancel", response_model=RunObject)
async def cancel(request: Request, eval_id: str, run_id: str) -> Response:
    """End a run; what is written of it stays. The client's older versions ask without `/cancel`."""
    canceled = await evals_of(request).cancel(eval_id, run_id)
    if canceled is None:
        raise _unknown("run", run_id)
    engine_of(request).stop(run_id)
    return _shown(request, canceled)


@router.delete(
    "/{eval_id}/runs/{run_id}",
    response_model=RunDeleted,
    responses={409: declared("Runs that have not ended grade the samples of this one again.")},
)
async def delete_run(request: Request, eval_id: str, run_id: str) -> Response:
    """Delete a run with its output items, unless a run that has not ended grades its samples again."""
    try:
        found = await evals_of(request).delete_run(eval_id, run_id)
    except InUse as use:
        raise in_use("run", run_id, use.runs) from None
    if not found:
        raise _unknown("run", run_id)
    engine_of(request).stop(run_id)
    return _answered({"object": "eval.run.deleted", "deleted": True, "run_id": run_id})


@router.get(
    "/{eval_id}/runs/{run_id}/output_items",
    response_model=ItemList,
    openapi_extra=_parameters("status", list(ITEM_STATUSES)),
)
async def page_of_items(request: Request, eval_id: str, run_id: str) -> Response:
    """List the output items of a run in the order of its rows."""
    after, limit, order = paging(request)
    status = one_of(request, "status", ITEM_STATUSES)
    await found_run(request, eval_id, run_id)
    found = await evals_of(request).items(run_id, after=after, limit=limit, order=order, status=status)
    return _listed(found, lambda row: shown_item(row, eval_id))


@router.get("/{eval_id}/runs/{run_id}/output_items/{output_item_id}", response_model=ItemObject)
async def retrieve_item(request: Request, eval_id: str, run_id: str, output_item_id: str) -> Response:
    """What became of one row."""
    await found_run(request, eval_id, run_id)
    found = await evals_of(request).find_item(run_id, output_item_id)
    if found is None:
        raise _unknown("output item", output_item_id)
    return _answered(shown_item(found, eval_id))


async def _begun(
    request: Request,
    of: Eval,
    body: CreateRun | Regrade,
    source: dict[str, Any],
    chosen: list[dict[str, Any]],
) -> Response:
    run = EvalRun(
        id=new_id("evalrun_"),
        eval_id=of.id,
        name=storable(body.name or "run"),
        labels=body.metadata,
        data_source=source,
        criteria=chosen,
        client=request.state.client,
        status="queued",
        error=None,
        total=0,
        tally={},
        created_at=int(time.time()),
        owner=None,
        leased_until=0.0,
    )
    try:
        await evals_of(request).add_run(run, most=request.app.state.settings.eval_runs_queued)
    except Missing as missing:
        if is_file_id(missing.id):
            raise sources.no_file(missing.id) from None
        raise _unknown("eval" if missing.id == of.id else "run", missing.id) from None
    except Full as full:
        message = (
            f"{full.most:,} of your runs are queued or in progress, as many as may be (eval_runs_queued): "
            "wait until some have ended, or cancel some"
        )
        raise Refusal(429, message, code="too_many_runs", after_s=RUNS_AGAIN_S) from None
    engine_of(request).wake()
    return _answered(shown_run(run, _address(request, of.id)), 201)


async def found_eval(request: Request, eval_id: str) -> Eval:
    """An eval; raises a 404 if it does not exist."""
    found = await evals_of(request).find(eval_id)
    if found is None:
        raise _unknown("eval", eval_id)
    return found


async def found_run(request: Request, eval_id: str, run_id: str) -> EvalRun:
    """A run of an eval; raises a 404 if it does not exist."""
    found = await evals_of(request).find_run(eval_id, run_id)
    if found is None:
        raise _unknown("run", run_id)
    return found


def _shown(request: Request, run: EvalRun) -> Response:
    return _answered(shown_run(run, _address(request, run.eval_id)))


def _address(request: Request, eval_id: str) -> str:
    return f"{request.base_url}evals/{eval_id}/runs"


def _listed(found: tuple[Sequence[Row], bool], show: Callable[[Row], Mapping[str, Any]]) -> Response:
    return _answered(shown_page(found, show))


def _answered(content: Mapping[str, Any], status: int = 200) -> Response:
    return Response(written(content), status, media_type="application/json")


def _unknown(what: str, given: str) -> ApiError:
    return ApiError(404, f"there is no {what} {given}", param="id", code="not_found")
