"""The routes of the runs of evals and of their output items, as the official client uses them."""

import asyncio
import time
from typing import Annotated, Any, Literal, TypeAlias, get_args

from fastapi import APIRouter, Depends, Query, Request

from service.errors import ApiError, Refusal, in_use
from service.evals import criteria, sources
from service.evals.responses import (
    ItemList,
    ItemObject,
    ItemStatus,
    RunDeleted,
    RunList,
    RunObject,
    RunStatus,
)
from service.evals.schemas import CreateRun, Regrade
from service.http.openapi import declared
from service.http.requests import json_with_rows, refuse_unreadable
from service.http.routing import REPEATABLE, Client, Route, json_object
from service.routes.evals import FoundEval, unknown
from service.routes.paging import OneOf, Paging
from service.state import Running, State
from service.store.capacity import Full
from service.store.evals import REGRADE, UNFINISHED, EvalRun, InUse, Missing
from service.store.files import is_file_id
from service.store.paging import new_id
from service.store.storable import storable

RUNS_AGAIN_S = 10
"""Seconds after which some of too many runs may have ended."""
AskedStatus: TypeAlias = Literal["pass", "fail", "failed", "error"]
"""The client's documentation calls one of them both `fail` and `failed`."""


class RunRoute(Route):
    """A route whose body may have rows; one that cannot be read is an output item that says why."""

    async def read(self, request: Request) -> dict[str, Any]:
        """The JSON object in a body."""
        data, has_unreadable = await json_with_rows(request, empty=b"{}")
        if has_unreadable:
            await asyncio.to_thread(sources.keep_unreadable, data)
            await asyncio.to_thread(refuse_unreadable, data)
        return json_object(data)


router = APIRouter(prefix="/evals/{eval_id}/runs", tags=["evals"], route_class=RunRoute)


class RunPaging(Paging):
    """The query parameters of the list of runs."""

    status: Annotated[RunStatus | None, OneOf(get_args(RunStatus))] = None


class ItemPaging(Paging):
    """The query parameters of the list of output items."""

    status: Annotated[AskedStatus | None, OneOf(get_args(AskedStatus))] = None

    @property
    def stored_status(self) -> ItemStatus | None:
        """The status as it is stored."""
        return "fail" if self.status == "failed" else self.status


async def _found(state: Running, eval_id: str, run_id: str) -> EvalRun:
    found = await state.evals.find_run(eval_id, run_id)
    if found is None:
        raise unknown("run", run_id)
    return found


async def _pages(request: Request, eval_id: str) -> str:
    return f"{request.base_url}evals/{eval_id}/runs"


FoundRun = Annotated[EvalRun, Depends(_found)]
"""The dependency of routes on the run in their path, which must exist."""
Pages = Annotated[str, Depends(_pages)]
"""The dependency of routes on the address of the pages of an eval's runs."""


@router.post("", status_code=201, openapi_extra=REPEATABLE)
async def create_run(
    state: Running, client: Client, of: FoundEval, body: CreateRun, pages: Pages
) -> RunObject:
    """Begin to measure rows."""
    evaluator, source = state.evaluator, body.data_source
    reads_sample = await criteria.any_reads_sample(evaluator, of.criteria)
    await sources.accept(source, of.data_source_config, evaluator.schemas, client, reads_sample=reads_sample)
    run = _queued(of.id, client, body, source, of.criteria)
    return await _begun(state, run, pages)


@router.post("/{run_id}/regrade", status_code=201)
async def regrade(
    *, state: Running, client: Client, of: FoundEval, old: FoundRun, body: Regrade, pages: Pages
) -> RunObject:
    """Measure the stored samples of a run by other criteria; the published API has nothing like it."""
    if old.status in UNFINISHED:
        raise ApiError(400, f"{old.id} is not finished", param="run_id", code="run_not_finished")
    item_schema = of.data_source_config["schema"]["properties"]["item"]
    accepted = await criteria.accept(state.evaluator, body.testing_criteria, item_schema)
    run = _queued(of.id, client, body, {"type": REGRADE, "run_id": old.id}, accepted)
    return await _begun(state, run, pages)


@router.get("")
async def page_of_runs(
    state: Running, of: FoundEval, paging: Annotated[RunPaging, Query()], pages: Pages
) -> RunList:
    """List the runs of an eval, oldest first unless `order` is `desc`."""
    rows, has_more = await state.evals.runs(
        of.id, after=paging.after, limit=paging.limit, order=paging.order, status=paging.status
    )
    return RunList.of([RunObject.of(row, pages) for row in rows], has_more)


@router.get("/{run_id}")
async def retrieve_run(found: FoundRun, pages: Pages) -> RunObject:
    """How far a run is."""
    return RunObject.of(found, pages)


@router.post("/{run_id}", deprecated=True)
@router.post("/{run_id}/cancel")
async def cancel(state: Running, eval_id: str, run_id: str, pages: Pages) -> RunObject:
    """End a run; what is written of it stays. The client's older versions ask without `/cancel`."""
    canceled = await state.evals.cancel(eval_id, run_id)
    if canceled is None:
        raise unknown("run", run_id)
    state.eval_engine.stop(run_id)
    return RunObject.of(canceled, pages)


@router.delete(
    "/{run_id}",
    responses={409: declared("Runs that have not ended grade the samples of this one again.")},
)
async def delete_run(state: Running, eval_id: str, run_id: str) -> RunDeleted:
    """Delete a run with its output items, unless a run that has not ended grades its samples again."""
    try:
        found = await state.evals.delete_run(eval_id, run_id)
    except InUse as use:
        raise in_use("run", run_id, use.runs) from None
    if not found:
        raise unknown("run", run_id)
    state.eval_engine.stop(run_id)
    return RunDeleted(run_id=run_id)


@router.get("/{run_id}/output_items")
async def page_of_items(state: Running, run: FoundRun, paging: Annotated[ItemPaging, Query()]) -> ItemList:
    """List the output items of a run in the order of its rows."""
    rows, has_more = await state.evals.items(
        run.id, after=paging.after, limit=paging.limit, order=paging.order, status=paging.stored_status
    )
    return ItemList.of([ItemObject.of(row, run.eval_id) for row in rows], has_more)


@router.get("/{run_id}/output_items/{output_item_id}")
async def retrieve_item(state: Running, run: FoundRun, output_item_id: str) -> ItemObject:
    """What became of one row."""
    found = await state.evals.find_item(run.id, output_item_id)
    if found is None:
        raise unknown("output item", output_item_id)
    return ItemObject.of(found, run.eval_id)


def _queued(
    eval_id: str,
    client: str,
    body: CreateRun | Regrade,
    source: dict[str, Any],
    chosen: list[dict[str, Any]],
) -> EvalRun:
    return EvalRun(
        id=new_id("evalrun_"),
        eval_id=eval_id,
        name=storable(body.name or "run"),
        labels=body.metadata,
        data_source=source,
        criteria=chosen,
        client=client,
        status="queued",
        error=None,
        total=0,
        tally={},
        created_at=int(time.time()),
        owner=None,
        leased_until=0.0,
    )


async def _begun(state: State, run: EvalRun, pages: str) -> RunObject:
    try:
        await state.evals.add_run(run, most=state.settings.eval_runs_queued)
    except Missing as missing:
        if is_file_id(missing.id):
            raise sources.no_file(missing.id) from None
        raise unknown("eval" if missing.id == run.eval_id else "run", missing.id) from None
    except Full as full:
        message = (
            f"{full.most:,} of your runs are queued or in progress, as many as may be (eval_runs_queued): "
            "wait until some have ended, or cancel some"
        )
        raise Refusal(429, message, code="too_many_runs", after_s=RUNS_AGAIN_S) from None
    state.eval_engine.wake()
    return RunObject.of(run, pages)
