"""How the routes that FastAPI dispatches read bodies and parameters, and write answers and errors.

Handlers declare body models, query parameters and the model of their answer as FastAPI documents it. This module replaces
what FastAPI does with them where this service has stricter rules: bodies are read by its `JsonReader`, answers are written by
`written`, and errors have the published shape.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from graders.wording import in_words
from service.errors import ApiError, invalid_field, invalid_query
from service.http.idempotency import HEADER
from service.http.requests import json_of
from service.http.responses import written
from service.state import state_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

JSON = "application/json"
PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A name for this request: sent again with the same body, it is answered as it was and does nothing.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
"""The header for the OpenAPI document."""
REPEATABLE: dict[str, Any] = {"parameters": [PARAMETER]}
"""The `openapi_extra` of a `Route` that supports `Idempotency-Key`."""


def repeatable(handler: Callable[[Request], Awaitable[Response]]) -> Handler:
    """A handler that supports `Idempotency-Key`; requests without one are answered as before."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        if HEADER.encode() not in request.scope["state"]["headers"]:
            return await handler(request)
        key = request.headers[HEADER]
        return await state_of(request).repeats.answer(request, key, partial(handler, request))

    return answer


class Route(APIRoute):
    """A route of this service; routers get it as `route_class`."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[object]], **options: Any) -> None:
        super().__init__(path, self._writing(endpoint), **options)

    def _writing(self, endpoint: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        """The endpoint, whose models are written as JSON at once; FastAPI fails at NaN and lone surrogates."""

        @wraps(endpoint)
        async def write(**values: Any) -> object:
            answer = await endpoint(**values)
            return as_response(answer, self.status_code or 200) if isinstance(answer, BaseModel) else answer

        return write

    def get_route_handler(self) -> Handler:
        """What answers a request."""
        handle = super().get_route_handler()
        field = self.body_field
        model = None if field is None else cast("type[BaseModel]", field.field_info.annotation)

        async def answer(request: Request) -> Response:
            try:
                return await handle(request if model is None else _Read(request, await self.read(request)))
            except RequestValidationError as error:
                raise _invalid(error, model) from None

        return repeatable(answer) if self.openapi_extra == REPEATABLE else answer

    async def read(self, request: Request) -> dict[str, Any]:
        """The JSON object in a body, whatever the content type; an empty body is an empty object.

        Raises:
            ApiError: 400, when it is not a JSON object; 413 or 503, when it cannot be read.
        """
        return json_object(await json_of(request, empty=b"{}"))


def json_object(data: object) -> dict[str, Any]:
    """The JSON of a body.

    Raises:
        ApiError: 400, when it is not an object.
    """
    if not isinstance(data, dict):
        raise ApiError(400, "body: expected a JSON object", code="invalid_body")
    return data


class _Read(Request):
    """A request whose body is read already, so that FastAPI only validates it."""

    def __init__(self, request: Request, data: dict[str, Any]) -> None:
        others = [header for header in request.scope["headers"] if header[0] != b"content-type"]
        scope = {**request.scope, "headers": [*others, (b"content-type", JSON.encode())]}
        super().__init__(scope, request.receive)
        self._data = data

    async def body(self) -> bytes:
        """Not empty, which is all that FastAPI looks for."""
        return b"{}"

    async def json(self) -> dict[str, Any]:
        """The body."""
        return self._data


def as_response(answer: BaseModel, status: int = 200) -> Response:
    """A model as the answer to a request."""
    return Response(written(answer), status, media_type=JSON)


def _invalid(error: RequestValidationError, model: type[BaseModel] | None) -> ApiError:
    detail = error.errors()[0]
    place, *path = detail["loc"]
    if place == "body" and model is not None:
        return invalid_field({**detail, "loc": tuple(path)}, model)
    return invalid_query(str(path[0]), in_words(detail))


async def _client(request: Request) -> str:
    client: str = request.state.client
    return client


Client = Annotated[str, Depends(_client)]
"""The dependency of routes on who sends a request; empty where the service has no keys."""
