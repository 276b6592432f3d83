"""`GET /v1/graders/schema`: the JSON Schema of the graders that this service takes."""

import asyncio
import json

from fastapi import APIRouter, Request, Response

from graders.schema import grader_schema
from service.routes.graders import evaluator_of

router = APIRouter(prefix="/v1/graders", tags=["graders"])

_SCHEMA = {"type": "object", "required": ["$schema", "$ref", "$defs"]}
_ANSWER = {200: {"content": {"application/json": {"schema": _SCHEMA}}}}


@router.get("/schema", response_class=Response, responses=_ANSWER)  # type: ignore[arg-type]  # FastAPI's wider keys
async def schema(request: Request) -> Response:
    """The JSON Schema (2020-12) of a grader of any installed type, for editors and for programs that write graders."""
    state = request.app.state
    if not state.grader_schema:  # every plugin is imported for it, which may take a while
        found = await asyncio.to_thread(grader_schema, evaluator_of(request).registry)
        state.grader_schema = json.dumps(found, ensure_ascii=False).encode()
    return Response(state.grader_schema, media_type="application/json")
