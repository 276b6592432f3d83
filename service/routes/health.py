"""Whether the service lives, and whether it takes requests."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.http.openapi import ERROR
from service.state import State

router = APIRouter(tags=["health"])


def _status(word: str) -> dict[str, Any]:
    return {"type": "object", "required": ["status"], "properties": {"status": {"const": word}}}


_READY = _status("ready")
_READY["properties"]["warnings"] = {"type": "array", "items": {"type": "string"}}


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses={200: {"content": {"application/json": {"schema": _status("ok")}}}})
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    responses={
        200: {"content": {"application/json": {"schema": _READY}}},
        503: {
            "description": "It still loads, is ending, or cannot store: `storage_full`, `storage_unavailable`.",
            "content": {"application/json": {"schema": {"anyOf": [_status("starting"), ERROR]}}},
        },
    },
)
async def readyz(request: Request) -> JSONResponse:
    """The service has loaded what it needs, grades, and can store."""
    state: State | None = request.app.running
    if state is None:
        return JSONResponse({"status": "starting"}, 503)
    failed = await state.storage.look()
    if failed is not None:
        response = failed.response()
        response.status_code = 503  # what a probe looks for, whatever is the reason
        return response
    # what an operator should mend, though requests are taken
    return JSONResponse({"status": "ready", **({"warnings": state.warnings} if state.warnings else {})})
