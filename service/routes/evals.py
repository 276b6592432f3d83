"""The routes of evals, as the official client uses them."""

import time
from typing import Annotated, Any, Literal, TypeAlias, get_args

from fastapi import APIRouter, Body, Depends, Query

from service.errors import ApiError, invalid_query
from service.evals import criteria
from service.evals.responses import EvalDeleted, EvalList, EvalObject
from service.evals.schemas import CreateEval, UpdateEval, data_source_config
from service.http.routing import REPEATABLE, Client, Route
from service.routes.paging import OneOf, Paging
from service.state import Running
from service.store.capacity import Full
from service.store.evals import Eval
from service.store.paging import new_id
from service.store.storable import storable

UNCHANGED = UpdateEval()
"""What an empty body means."""
EvalOrder: TypeAlias = Literal["created_at", "updated_at"]

router = APIRouter(prefix="/evals", tags=["evals"], route_class=Route)


class EvalPaging(Paging):
    """The query parameters of the list of evals."""

    order_by: Annotated[EvalOrder, OneOf(get_args(EvalOrder))] = "created_at"


async def _found(state: Running, eval_id: str) -> Eval:
    found = await state.evals.find(eval_id)
    if found is None:
        raise unknown("eval", eval_id)
    return found


FoundEval = Annotated[Eval, Depends(_found)]
"""The dependency of routes on the eval in their path, which must exist."""


@router.post("", status_code=201, openapi_extra=REPEATABLE)
async def create(state: Running, client: Client, body: CreateEval) -> EvalObject:
    """Make an eval."""
    config = await data_source_config(body.data_source_config, state.evaluator.schemas, client)
    item_schema = config["schema"]["properties"]["item"]
    accepted = await criteria.accept(state.evaluator, body.testing_criteria, item_schema)
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
        await state.evals.add(made, most=state.settings.evals_kept)
    except Full as full:
        message = f"there are {full.most:,} evals, as many as are kept here (evals_kept): delete some"
        raise ApiError(403, message, code="too_many_evals") from None
    return EvalObject.of(made)


@router.get("")
async def page(state: Running, paging: Annotated[EvalPaging, Query()]) -> EvalList:
    """List evals, oldest first unless `order` is `desc`."""
    by_update = paging.order_by == "updated_at"
    try:
        rows, has_more = await state.evals.page(
            after=paging.after, limit=paging.limit, order=paging.order, by_update=by_update
        )
    except LookupError:
        raise invalid_query(
            "after", "there is no such eval, whose last change would say where to go on"
        ) from None
    return EvalList.of([EvalObject.of(row) for row in rows], has_more)


@router.get("/{eval_id}")
async def retrieve(found: FoundEval) -> EvalObject:
    """What is known of an eval."""
    return EvalObject.of(found)


@router.post("/{eval_id}")
async def change(state: Running, eval_id: str, body: Annotated[UpdateEval, Body()] = UNCHANGED) -> EvalObject:
    """Change the name or the metadata of an eval, the only things that can change."""
    values: dict[str, Any] = {} if body.name is None else {"name": storable(body.name or "eval")}
    if "metadata" in body.model_fields_set:
        values["labels"] = body.metadata
    changed = await state.evals.change(eval_id, **values)
    if changed is None:
        raise unknown("eval", eval_id)
    return EvalObject.of(changed)


@router.delete("/{eval_id}")
async def delete(state: Running, eval_id: str) -> EvalDeleted:
    """Delete an eval with its runs."""
    if not await state.evals.delete(eval_id):
        raise unknown("eval", eval_id)
    state.eval_engine.stop_all_of(eval_id)
    return EvalDeleted(eval_id=eval_id)


def unknown(what: str, given: str) -> ApiError:
    """The answer to a request for what is not there."""
    return ApiError(404, f"there is no {what} {given}", param="id", code="not_found")
