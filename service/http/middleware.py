"""What happens to every request before a route sees it: an identity, a key and what it allows, limits.

Nothing here is dear: these run before gradings that take less than any of them might.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from random import getrandbits, uniform
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth import path_keys
from service.auth.keys import ANYONE, Caller, Keyring, Limits
from service.errors import ApiError
from service.http.paths import OPEN_PATHS, READY_PATH, route_of
from service.http.same_origin import SameOrigin
from service.http.shutdown import GracefulShutdown, Task, ending
from service.pages import access
from service.telemetry import logs
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
TOLD_S = 0.1
_FIELDS = ("method", "route", "status", "seconds", "bytes", "client")
TOO_MANY = 429
WRONG_KEY = 401
HELD_BACK_S = (0.5, 1.0)
"""Seconds that a client waits, at the least and at the most, for the answer that it asks too much; by chance, so that many do
not come back in the same moment."""
HELD_BACK = 10_000
"""So many wait for it at most; what comes beyond is refused at once."""


class AccessLog:
    """Counts each request, and logs one line of it, which tells nothing that the request holds.

    Lines are written a tenth of a second later, all together: one by one they would take three times as long.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._untold: list[logs.RequestRecord] = []

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
        with logs.Request() as identity:
            try:
                await self._app(scope, receive, send_watched)
            finally:
                seconds = time.perf_counter() - began
                route, method = route_of(scope), scope["method"]
                self._metrics.answered(route, method, status, seconds)
                if logger.isEnabledFor(logging.INFO):
                    client = scope["state"].get("client", "")
                    self._note(identity, (method, route, status, round(seconds, 6), sent, client))

    def _note(self, identity: Mapping[str, str], values: tuple[object, ...]) -> None:
        if not self._untold:
            asyncio.get_running_loop().call_later(TOLD_S, self.tell)
        self._untold.append(
            logs.RequestRecord(logger.name, identity, dict(zip(_FIELDS, values, strict=True)))
        )

    def tell(self) -> None:
        """Log what was answered."""
        untold, self._untold = self._untold, []
        for record in untold:
            logger.handle(record)


class AccessControl:
    """Gives each response an `x-request-id`, and refuses what nobody may ask, or not now, and bodies that are too long.

    A body is counted while it arrives, so that one without a `content-length` is bounded too; `body_limit` gives the bytes that it
    may have, by path. Routes find in their
    request's state the `client` and the `headers`, by their names in lower case, and middleware the `body_limit`, in bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: Callable[[str], int],
        body_timeout_s: float,
        keyring: Keyring,
        graceful_shutdown: GracefulShutdown,
        same_origin: SameOrigin,
    ) -> None:
        self._app, self._body_limit, self._same_origin = app, body_limit, same_origin
        self._arrivals = BodyTimeout(body_timeout_s)
        self._keyring, self._shutdown, self._limits = keyring, graceful_shutdown, Limits()
        self._held_back = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        headers = dict(scope["headers"][::-1])  # of two of one name the first counts
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if given and _REQUEST_ID.fullmatch(given) else f"req_{getrandbits(128):032x}"
        shown = (b"x-request-id", request_id.encode())
        logs.name_request(request_id)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), shown]
            await send(message)

        scope["state"]["client"], scope["state"]["headers"] = "", headers
        try:
            await self._enter(scope, headers, receive, send_with_id)
        except ApiError as refusal:
            if refusal.status == TOO_MANY:
                await self._hold_back()
            await refusal.response()(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except asyncio.CancelledError:
            if started or not self._shutdown.cuts_off():
                raise
            await ending().response()(scope, receive, send_with_id)
        except Exception:
            logger.exception("request %s failed", request_id)
            if started:
                raise
            failed = ApiError(
                500, f"the service failed; its log says why under {request_id}", code="internal_error"
            )
            await failed.response()(scope, receive, send_with_id)

    async def _enter(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Count a request as running while it is answered, or raise the error that refuses it."""
        path = scope["path"]
        task = cast("Task", asyncio.current_task())  # None only outside the loop
        limit = scope["state"]["body_limit"] = self._body_limit(path)
        if path in OPEN_PATHS and path_keys.STATE not in scope["state"]:
            if path == READY_PATH:
                self._shutdown.check()
            await self._app(scope, receive, send)
            return
        self._shutdown.enter(task)  # before the key is looked up: the process must not end in between
        try:
            await self._let_in(scope, headers, self._arrivals.bounded(receive, limit, task), send)
        finally:
            self._shutdown.leave(task)

    async def _hold_back(self) -> None:
        """Let a client wait for a refusal: one that asks again at once would keep the others waiting with refusals alone."""
        if self._held_back >= HELD_BACK:
            return
        self._held_back += 1
        try:
            await asyncio.sleep(uniform(*HELD_BACK_S))  # noqa: S311  # no secret
        finally:
            self._held_back -= 1

    async def _caller(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> Caller:
        """Who sends a request.

        Raises:
            ApiError: A 401, when it needs a key that counts and has none.
        """
        key = _given_key(headers)
        if access.is_page(method, path):
            key = key or access.password(headers)
        try:
            return await self._keyring.caller(key)
        except ApiError as error:
            if error.status == WRONG_KEY and access.is_open(method, path):
                return access.VISITOR
            if error.status == WRONG_KEY and access.is_page(method, path):
                raise access.PasswordWanted from None
            raise

    async def _let_in(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Pass a request on that its caller may make, or raise what it is answered with instead."""
        state = scope["state"]
        caller = await path_keys.caller(scope, self._keyring)
        if caller is None:
            caller = await self._caller(scope["method"], scope["path"], headers)
        state["client"], state["caller"] = caller.client, caller
        if caller is ANYONE:
            self._same_origin.check(scope)
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


class BodyTimeout:
    """The bodies that are still on their way; those that take too long are given up.

    All are looked at together, some times within their time: a timer of its own takes longer than most bodies.

    Args:
        timeout_s: Seconds that a body may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._since: dict[Task, float] = {}
        self._late: set[Task] = set()
        self._looking = False

    def bounded(self, receive: Receive, limit: int, task: Task) -> Receive:
        """A request's body, as long as it is neither too long nor too late.

        Args:
            receive: Gives it.
            limit: Bytes that it may have.
            task: What reads it, and answers the request.
        """
        seen, complete = 0, False
        began = time.monotonic()

        async def receive_bounded() -> Message:
            nonlocal seen, complete
            if complete:  # what comes now is the client's leave
                return await receive()
            self._since[task] = began
            if not self._looking:
                self._look_later(task.get_loop())
            try:
                message = await receive()
            except asyncio.CancelledError:
                if task in self._late and task.uncancel() == 0:
                    why = f"the body did not arrive within {self._timeout_s:g} s"
                    raise ApiError(408, why, code="body_too_slow") from None
                raise
            finally:
                del self._since[task]
                self._late.discard(task)
            seen += len(message.get("body", b""))
            if seen > limit:
                raise body_too_large(limit)
            complete = not message.get("more_body", False)
            return message

        return receive_bounded

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        loop.call_later(self._timeout_s / 16, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up what is late; looks again as long as something is on its way."""
        now = time.monotonic()
        for task, since in self._since.items():
            if now - since > self._timeout_s and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._looking = False
        if self._since:
            self._look_later(loop)


def _given_key(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return bearer.strip()
    # Google's client sends its key under the second name
    return next((headers[name] for name in (b"api-key", b"x-goog-api-key") if name in headers), b"").strip()
