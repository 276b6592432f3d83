"""What happens to every request before a route sees it: an identity, a key and what it allows, limits.

Nothing here is dear: these run before gradings that take less than any of them might.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.causes import OTHER
from service import logs
from service.draining import Intake, Task
from service.errors import ApiError
from service.keys import Keyring, Limits
from service.metrics import Metrics

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
READY_PATH = "/readyz"
OPEN_PATHS = frozenset({"/healthz", READY_PATH})
"""Paths that a load balancer may ask without a key, and as often as it likes."""


class Watch:
    """Counts each request, and logs one line of it, which tells nothing that the request holds."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what comes back."""
        status = sent = 0

        async def send_watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        began = time.perf_counter()
        with logs.Request():
            try:
                await self._app(scope, receive, send_watched)
            finally:
                seconds = time.perf_counter() - began
                route, method = route_of(scope), scope["method"]
                self._metrics.answered(route, method, status, seconds)
                if logger.isEnabledFor(logging.INFO):
                    fields = {
                        "method": method,
                        "route": route,
                        "status": status,
                        "seconds": round(seconds, 6),
                        "bytes": sent,
                        "client": scope["state"].get("client", ""),
                    }
                    logger.handle(logs.RequestRecord(logger.name, fields))


class Gate:
    """Gives each response an `x-request-id`, and refuses what nobody may ask, or not now, and bodies that are too long.

    A body is counted while it arrives, so that one without a `content-length` is bounded too. Routes find in their
    request's state the `client`, and middleware the `body_limit`, in bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int,
        body_limits: Mapping[str, int],
        body_timeout_s: float,
        keyring: Keyring,
        intake: Intake,
    ) -> None:
        self._app, self._body_limit, self._body_limits = app, body_limit, body_limits
        self._body_timeout_s = body_timeout_s
        self._keyring, self._intake, self._limits = keyring, intake, Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        headers = dict(scope["headers"][::-1])  # of two of one name the first counts
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if given and _REQUEST_ID.fullmatch(given) else f"req_{os.urandom(16).hex()}"
        shown = (b"x-request-id", request_id.encode())
        logs.name_request(request_id)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), shown]
            await send(message)

        path, state = scope["path"], scope["state"]
        task = cast("Task", asyncio.current_task())  # there is none only outside the loop
        limit = state["body_limit"] = self._body_limits.get(path, self._body_limit)
        state["client"] = ""
        try:
            if path in OPEN_PATHS:
                if path == READY_PATH:
                    self._intake.check()
                await self._app(scope, receive, send_with_id)
                return
            self._intake.enter(task)  # before the key is looked up: the process must not end meanwhile
            try:
                await self._let_in(
                    scope, headers, _bounded(receive, limit, self._body_timeout_s, task), send_with_id
                )
            finally:
                self._intake.leave(task)
        except ApiError as refusal:
            await refusal.response()(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception:
            logger.exception("request %s failed", request_id)
            if started:
                raise
            failed = ApiError(
                500, f"the service failed; its log says why under {request_id}", code="internal_error"
            )
            await failed.response()(scope, receive, send_with_id)

    async def _let_in(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Pass a request on that its caller may make, or raise what it is answered with instead."""
        state = scope["state"]
        caller = await self._keyring.caller(_given_key(headers))
        state["client"] = caller.client
        caller.check(scope["method"], scope["path"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > state["body_limit"]:
            raise body_too_large(state["body_limit"])
        self._limits.enter(caller)
        try:
            await self._app(scope, receive, send)
        finally:
            self._limits.leave(caller)


def body_too_large(limit: int) -> ApiError:
    """The answer to a body of more bytes than the limit."""
    return ApiError(413, f"the body is longer than {limit:,} bytes", code="body_too_large")


def _bounded(receive: Receive, limit: int, timeout_s: float, task: Task) -> Receive:
    """A request's body, as long as it is neither too long nor too late; read by the task that answers the request."""
    seen, complete, late = 0, False, False
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s

    def give_up() -> None:
        nonlocal late
        late = True
        task.cancel()

    async def receive_bounded() -> Message:
        nonlocal seen, complete
        if complete:  # what comes now is the client's leave
            return await receive()
        timer = loop.call_at(until, give_up)  # a third of what asyncio.timeout takes
        try:
            message = await receive()
        except asyncio.CancelledError:
            if late and task.uncancel() == 0:
                why = f"the body did not arrive within {timeout_s:g} s"
                raise ApiError(408, why, code="body_too_slow") from None
            raise
        finally:
            timer.cancel()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise body_too_large(limit)
        complete = not message.get("more_body", False)
        return message

    return receive_bounded


def route_of(scope: Scope) -> str:
    """The route that a request took, as it is written, never the address itself."""
    # FastAPI's routes of an included router do not know its prefix; what it keeps beside them does
    effective = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(effective or scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER


def _given_key(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    return (bearer if scheme.lower() == b"bearer" else headers.get(b"api-key", b"")).strip()
