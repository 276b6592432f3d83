"""Whether the service lives, and whether it takes requests."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """The service has loaded what it needs, and grades."""
    ready = request.app.state.ready
    return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)
