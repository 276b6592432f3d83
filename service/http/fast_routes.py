"""The routes that trainers call thousands of times a minute, dispatched without FastAPI's overhead.

FastAPI takes longer to find a route, resolve its dependencies and handle its exceptions than most gradings
take. These routes have a fixed address and read their bodies themselves, so a table finds them. They are
registered with FastAPI as well, which documents them and answers requests with the wrong method.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from graders import PluginError
from service.errors import ApiError, Refusal, told

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class FastRoute:
    """What answers a POST to an address.

    Attributes:
        path: The address.
        handler: What answers.
    """

    path: str
    handler: Handler


class FastRequest(Request):
    """A request whose body is read as a whole."""

    _whole: bytes | None = None

    async def body(self) -> bytes:
        """The body.

        Raises:
            ClientDisconnect: When the client left before it had sent all of it.
        """
        if self._whole is None:
            parts, more = list[bytes](), True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._whole = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._whole


class FastRoutes:
    """Answers POSTs to some addresses by itself, and passes everything else on.

    Args:
        app: What everything else is passed on to.
        handlers: What answers, by address.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._routes = {path: FastRoute(path, handler) for path, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        route = self._routes.get(scope["path"])
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.handler(FastRequest(scope, receive))
        except Refusal:
            raise  # its client may have to wait for it
        except (ApiError, PluginError) as error:
            response = told(error)
        await response(scope, receive, send)
