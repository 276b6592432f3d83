"""The figures of the service, for Prometheus."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Response

from service.state import Running

KINDS = ("text/plain", "application/openmetrics-text")

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in KINDS}}},
)
async def metrics(state: Running, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Gradings, rewards, judges and requests, as Prometheus reads them; with keys configured it needs one."""
    state.metrics.catch_up()
    # a service of many processes reads their files
    text, content_type = await asyncio.to_thread(state.metrics.show, accept)
    return Response(text, media_type=content_type)
