"""The pages for people, and the OpenAPI document that one of them is made of."""

import asyncio
import json

from fastapi import APIRouter, FastAPI, Request, Response

from service.pages.index import index
from service.pages.markup import answer
from service.pages.reference import reference
from service.pages.run_report import run_report
from service.routes.evals import evals_of, found_eval, found_run

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
async def docs(request: Request) -> Response:
    """The HTTP API as a page."""
    pages = request.app.state.pages
    if "docs" not in pages:  # it is the same as long as the process lives
        pages["docs"] = await asyncio.to_thread(_reference, request.app)
    return answer(pages["docs"])


@router.head("/openapi.json")
@router.get("/openapi.json")
async def document(request: Request) -> Response:
    """The HTTP API for programs."""
    pages = request.app.state.pages
    if "openapi" not in pages:
        pages["openapi"] = await asyncio.to_thread(_document, request.app)
    return Response(pages["openapi"], media_type="application/json")


@router.head("/evals/{eval_id}/runs/{run_id}")
@router.get("/evals/{eval_id}/runs/{run_id}")
async def report(request: Request, eval_id: str, run_id: str) -> Response:
    """What became of a run, a hundred rows at a time."""
    of, run = await found_eval(request, eval_id), await found_run(request, eval_id, run_id)
    after = request.query_params.get("after")
    items, has_more = await evals_of(request).items(run_id, after=after, limit=ROWS)
    return answer(await asyncio.to_thread(run_report, of, run, items, has_more=has_more))


def _reference(app: FastAPI) -> bytes:
    return reference(app.openapi())


def _document(app: FastAPI) -> bytes:
    return json.dumps(app.openapi(), ensure_ascii=False).encode()
