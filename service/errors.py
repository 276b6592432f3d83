"""Errors of the HTTP API, in the published shape `{"error": {"message", "type", "param", "code"}}`."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from graders import ConfigurationError, PluginError

_CODES = {404: "not_found", 405: "method_not_allowed"}


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
        body = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return JSONResponse({"error": body}, self.status, headers)


def invalid_grader(error: ConfigurationError) -> ApiError:
    """A 400 that names every wrong field as the client sees it: `grader.graders.a.operation: …`."""
    problems = [problem.under("grader") for problem in error.problems]
    return ApiError(400, "; ".join(map(str, problems)), param=problems[0].where, code="invalid_grader")


def install(app: FastAPI) -> None:
    """Answer every error in the published shape."""

    async def answer_api_error(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, PluginError):
            error = ApiError(503, str(error), param="grader", code="plugin_unavailable")
        elif isinstance(error, HTTPException):
            code = _CODES.get(error.status_code)
            error = ApiError(
                error.status_code, f"{error.detail}: {request.method} {request.url.path}", code=code
            )
        if not isinstance(error, ApiError):
            raise error
        return error.response()

    for kind in (ApiError, PluginError, HTTPException):
        app.add_exception_handler(kind, answer_api_error)
