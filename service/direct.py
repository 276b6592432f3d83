"""The routes that trainers ask thousands of times a minute, reached without a framework's detours.

To find a route, to resolve what it depends on and to look after its exceptions takes FastAPI longer than most gradings take.
These routes have a fixed address and read their bodies themselves: a look into a table finds them. FastAPI has them all the
same; it documents them, and answers whoever asks with the wrong method.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from graders import PluginError
from service.errors import ApiError, told

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """What answers a POST to an address.

    Attributes:
        path: The address.
        handler: What answers.
    """

    path: str
    handler: Handler


class Direct:
    """Answers POSTs to some addresses by itself, and passes everything else on.

    Args:
        app: What everything else is passed on to.
        handlers: What answers, by address.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._routes = {path: DirectRoute(path, handler) for path, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        route = self._routes.get(scope["path"])
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.handler(Request(scope, receive))
        except (ApiError, PluginError) as error:
            response = told(error)
        await response(scope, receive, send)
