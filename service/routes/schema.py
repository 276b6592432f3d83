"""`GET /v1/graders/schema`: the JSON Schema of the graders that this service takes."""

import json

from fastapi import APIRouter, Response

from graders import Registry
from graders.schema import grader_schema
from service.state import Running

router = APIRouter(prefix="/v1/graders", tags=["graders"])

_SCHEMA = {"type": "object", "required": ["$schema", "$ref", "$defs"]}
_ANSWER = {200: {"content": {"application/json": {"schema": _SCHEMA}}}}


@router.get("/schema", response_class=Response, responses=_ANSWER)  # type: ignore[arg-type]  # FastAPI's wider keys
async def schema(state: Running) -> Response:
    """The JSON Schema (2020-12) of a grader of any installed type, for editors and for programs that write graders."""
    # every plugin is imported for it, which may take a while
    found = await state.documents.get("grader schema", lambda: _schema(state.evaluator.registry))
    return Response(found, media_type="application/json")


def _schema(registry: Registry) -> bytes:
    return json.dumps(grader_schema(registry), ensure_ascii=False).encode()
