"""What happens to every request before a route sees it: an identity, a key and what it allows, limits."""

import logging
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs
from service.draining import Intake
from service.errors import ApiError
from service.keys import Keyring, Limits
from service.metrics import OTHER, Metrics

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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = sent = 0

        async def send_watched(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        began = time.perf_counter()
        with logs.request():
            try:
                await self._app(scope, receive, send_watched)
            finally:
                seconds = time.perf_counter() - began
                route, method = _template(scope), scope["method"]
                self._metrics.answered(route, method, status, seconds)
                fields = {
                    "method": method,
                    "route": route,
                    "status": status,
                    "seconds": round(seconds, 6),
                    "bytes": sent,
                    "client": scope.get("state", {}).get("client", ""),
                }
                logger.info("request", extra={"fields": fields})


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
        keyring: Keyring,
        intake: Intake,
    ) -> None:
        self._app, self._body_limit, self._body_limits = app, body_limit, body_limits
        self._keyring, self._intake, self._limits = keyring, intake, Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"

        logs.name_request(request_id)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        limit = self._body_limits.get(scope["path"], self._body_limit)
        scope.setdefault("state", {}).update(client="", body_limit=limit)
        try:
            with ExitStack() as held:
                try:
                    await self._enter(scope, headers, held)
                except ApiError as refusal:
                    await refusal.response()(scope, receive, send_with_id)
                    return
                await self._app(scope, _counted(receive, limit), send_with_id)
        except Exception:
            logger.exception("request %s failed", request_id)
            if started:
                raise
            failed = ApiError(
                500, f"the service failed; its log says why under {request_id}", code="internal_error"
            )
            await failed.response()(scope, receive, send_with_id)

    async def _enter(self, scope: Scope, headers: Headers, held: ExitStack) -> None:
        """Have a request count as running until `held` is closed, or raise what it is answered with instead."""
        path, state = scope["path"], scope["state"]
        if path in OPEN_PATHS:
            if path == READY_PATH:
                self._intake.check()
            return
        # before the key is looked up: the process must not end meanwhile
        held.enter_context(self._intake.running())
        caller = await self._keyring.caller(_given_key(headers))
        state["client"] = caller.client
        caller.check(scope["method"], path)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > state["body_limit"]:
            raise body_too_large(state["body_limit"])
        held.enter_context(self._limits.hold(caller))


def body_too_large(limit: int) -> ApiError:
    """The answer to a body of more bytes than the limit."""
    return ApiError(413, f"the body is longer than {limit:,} bytes", code="body_too_large")


def _counted(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise body_too_large(limit)
        return message

    return receive_counted


def _template(scope: Scope) -> str:
    """The route that a request took, as it is written, never the address itself."""
    # FastAPI's routes of an included router do not know its prefix; what it keeps beside them does
    effective = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(effective or scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER


def _given_key(headers: Headers) -> bytes:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return (bearer if scheme.lower() == "bearer" else headers.get("api-key", "")).strip().encode()
