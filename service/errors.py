"""Errors of the HTTP API, in the published shape `{"error": {"message", "type", "param", "code"}}`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from graders import ConfigurationError, PluginError
from graders.options import no_such_field
from graders.pattern import encodable
from graders.wording import in_words
from service.http.paths import shown_path

_CODES = {404: "not_found", 405: "method_not_allowed"}
_HEADERS = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},  # the rest of the body may still come
}
_NAMED = 3
"""Runs that a message names; it says how many more there are."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class ApiError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        param: The field of the request that is wrong.
        code: A word for programs.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def response(self) -> JSONResponse:
        """The error as a response."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        param = None if self.param is None else encodable(self.param)
        body = {"message": encodable(self.message), "type": kind, "param": param, "code": self.code}
        return JSONResponse({"error": body}, self.status, _HEADERS.get(self.status))


class Refusal(ApiError):
    """A request that may be sent again later.

    Attributes:
        after_s: Seconds to wait before.
    """

    def __init__(self, status: int, message: str, *, code: str, after_s: float) -> None:
        super().__init__(status, message, code=code)
        self.after_s = max(1, math.ceil(after_s))

    def response(self) -> JSONResponse:
        """The error as a response, with `Retry-After`."""
        response = super().response()
        response.headers["retry-after"] = str(self.after_s)
        return response


def invalid_grader(error: ConfigurationError) -> ApiError:
    """A 400 that names every wrong field as the client sees it: `grader.graders.a.operation: …`."""
    problems = [problem.under("grader") for problem in error.problems]
    return ApiError(400, "; ".join(map(str, problems)), param=problems[0].where, code="invalid_grader")


def invalid_field(detail: Mapping[str, Any], model: type[BaseModel], *where: str) -> ApiError:
    """A 400 for a field of a body.

    Args:
        detail: What pydantic says of it.
        model: The model that it says it of.
        where: The place of the model in the body.
    """
    path, said = ".".join([*where, *map(str, detail["loc"])]), in_words(detail)
    if detail["type"] == "extra_forbidden":
        said = no_such_field(detail["loc"][-1], model.model_fields, "here are")
    return ApiError(400, f"{path or 'body'}: {encodable(said)}", param=path or None, code="invalid_body")


def invalid_query(param: str, message: str) -> ApiError:
    """A 400 for a query parameter."""
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_query")


def in_use(what: str, deleted: str, runs: Sequence[str]) -> ApiError:
    """The 409 to a request that deletes what runs read.

    Args:
        what: `file` or `run`.
        deleted: Its id.
        runs: The ids of the runs that have not ended and read it, at least one.
    """
    named = ", ".join(runs[:_NAMED])
    more = f" and {len(runs) - _NAMED:,} more" if len(runs) > _NAMED else ""
    message = f"the {what} {deleted} is read by runs that have not ended: {named}{more}; wait until they have, or cancel them"
    return ApiError(409, message, param="id", code=f"{what}_in_use")


def told(error: Exception) -> JSONResponse:
    """The answer to a request whose route raised an error that is the client's affair; any other is raised again."""
    if isinstance(error, PluginError):
        error = ApiError(503, str(error), param="grader", code="plugin_unavailable")
    if not isinstance(error, ApiError):
        raise error
    return error.response()


def install(app: FastAPI) -> None:
    """Answer every error in the published shape."""

    async def answer_api_error(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException):
            code = _CODES.get(error.status_code)
            what = f"{error.detail}: {request.method} {shown_path(request.url.path)}"
            response = ApiError(error.status_code, what, code=code).response()
            if error.status_code == 405:
                response.headers["allow"] = ", ".join(_allowed(request))
            return response
        return told(error)

    for kind in (ApiError, PluginError, HTTPException):
        app.add_exception_handler(kind, answer_api_error)


def _allowed(request: Request) -> list[str]:
    """The methods that an address takes; Starlette itself names those of the first route alone."""
    app, scope = request.app, request.scope
    # a fixed address, such as /v1/graders/schema, is not part of /v1/graders/{name}, which also matches it
    documented = app.openapi()["paths"].get(scope["path"])
    if documented is not None:
        return [method for method in _METHODS if method.lower() in documented]
    same = {name: scope[name] for name in ("type", "path", "root_path", "headers")}
    return [
        method
        for method in _METHODS
        if any(route.matches({**same, "method": method})[0] is Match.FULL for route in app.routes)
    ]
