"""The pages for people, and the OpenAPI document that one of them is made of."""

import asyncio
import json

from fastapi import APIRouter, FastAPI, Request, Response

from service.pages.index import index
from service.pages.markup import answer
from service.pages.reference import reference
from service.pages.run_report import run_report
from service.routes.eval_runs import FoundRun
from service.routes.evals import FoundEval
from service.state import Running

ROWS = 100
"""Rows of a run on one page."""

router = APIRouter(include_in_schema=False)


@router.head("/")
@router.get("/")
async def first(request: Request) -> Response:
    """What this service is, and where its parts are."""
    return answer(index(request.app.version))


@router.head("/docs")
@router.get("/docs")
async def docs(request: Request, state: Running) -> Response:
    """The HTTP API as a page."""
    app: FastAPI = request.app
    return answer(await state.documents.get("reference", lambda: reference(app.openapi())))


@router.head("/openapi.json")
@router.get("/openapi.json")
async def document(request: Request, state: Running) -> Response:
    """The HTTP API for programs."""
    app: FastAPI = request.app
    return Response(
        await state.documents.get("OpenAPI", lambda: _document(app)), media_type="application/json"
    )


@router.head("/evals/{eval_id}/runs/{run_id}")
@router.get("/evals/{eval_id}/runs/{run_id}")
async def report(state: Running, of: FoundEval, run: FoundRun, after: str | None = None) -> Response:
    """What became of a run, a hundred rows at a time."""
    items, has_more = await state.evals.items(run.id, after=after, limit=ROWS)
    return answer(await asyncio.to_thread(run_report, of, run, items, has_more=has_more))


def _document(app: FastAPI) -> bytes:
    return json.dumps(app.openapi(), ensure_ascii=False).encode()
