"""The figures of the service, for Prometheus."""

import asyncio

from fastapi import APIRouter, Request, Response

from service.metrics import Metrics

KINDS = ("text/plain", "application/openmetrics-text")

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in KINDS}}},
)
async def metrics(request: Request) -> Response:
    """Gradings, rewards, judges and requests, as Prometheus reads them; with keys configured it needs one."""
    counted: Metrics = request.app.state.metrics
    counted.catch_up()
    # a service of many processes reads their files
    text, content_type = await asyncio.to_thread(counted.show, request.headers.get("accept", ""))
    return Response(text, media_type=content_type)
