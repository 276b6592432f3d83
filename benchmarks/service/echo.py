"""The least that a service in Starlette can do: a body comes back as it is."""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.service.serving import RUN
from service.cli.serve import LOOP


async def _echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")


def main() -> None:
    """Serve at a free port, until a signal ends it."""
    app = Starlette(routes=[Route(RUN, _echo, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=0, access_log=False, loop=LOOP)


if __name__ == "__main__":
    main()
