"""The network, as graders may use it: one JSON document is sent, one comes back."""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from graders import FailureKind, FailureType, GradingError, HttpReply
from graders.pattern import encodable
from runtime.net.address_guard import GuardedNetwork, Hosts, Resolve, not_allowed
from runtime.net.rate_limit import RateLimiter
from runtime.net.retries import may_pass, pause_after, retry_after
from runtime.net.strict_json import read_json
from runtime.telemetry.tracing import Tracer, spanning, text

MAX_ANSWER = 1_000_000
"""Bytes of an answer."""
SHOWN = 2_000
"""Characters of an error that is not JSON."""
KEPT_CONNECTIONS = 64
KEPT_S = 30.0

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class GuardedHttp:
    """The network of graders; belongs to one event loop, and opens nothing before it is asked.

    Only `https://` and only public addresses, but for the hosts that the operator trusts. No redirect is followed, no proxy
    and no cookie is used, and an answer is at most 1,000,000 bytes that are not compressed. Rates are kept by each process
    for itself: several processes of one service send that many times as much.
    """

    def __init__(
        self,
        trusted: Collection[str] = (),
        *,
        resolve: Resolve | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
        certificates: ssl.SSLContext | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
        tracer: Tracer | None = None,
        traced: Collection[str] = (),
    ) -> None:
        """Open nothing yet.

        Args:
            trusted: Hosts, or `host:port`, that may have any address, and be asked without TLS.
            resolve: Looks up names; None for the system's resolver.
            network: Connects to addresses; None for the system's network.
            certificates: Whom to believe; None for those whom the system believes.
            sleep: Waits.
            clock: Seconds, of a clock that never goes back.
            tracer: Takes a span of each try; None traces nothing.
            traced: Hosts, or `host:port`, that are told of it in a header.
        """
        self._network = GuardedNetwork(trusted, resolve=resolve, network=network)
        self._certificates = certificates
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._pace = RateLimiter(sleep, clock)
        self._sleep, self._clock = sleep, clock
        self._tracer, self._traced = tracer, Hosts(traced)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def post(
        self,
        url: str,
        *,
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
        retries: int = 0,
        rate_limit: float | None = None,
    ) -> HttpReply:
        """POST a JSON body and read the JSON that comes back.

        A try is repeated after a pause that doubles and is random (full jitter), or as long as the server's `Retry-After`
        says; when that is longer than what is left of the time, the last answer is the answer.

        Args:
            url: Where to.
            body: Plain data, which is sent as JSON.
            headers: Sent with it.
            timeout_s: Seconds for all of it, retries included, from when it is its turn: waiting for the rate takes none.
            retries: How many times more it is tried when no answer came, or one of status 408, 409, 429 or 5xx.
            rate_limit: Requests in a second, over all gradings of this process that ask the same URL; evenly spaced.

        Returns:
            Any status. The body is JSON; that of an error may be a text, when it is not JSON.

        Raises:
            GradingError: When the operator does not allow the address, or there was no answer, or one that says it is
                none and is not JSON; always ungraded.
        """
        request = self._request(url, body, headers)
        await self._pace.wait(url, rate_limit)
        end = self._clock() + timeout_s
        tried = 0
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    answer = await self._try(request, tried)
                    tried += 1
                    if tried > retries or not answer.may_pass:
                        return answer.reply()
                    pause = pause_after(tried) if answer.pause is None else answer.pause
                    if self._clock() + pause >= end:
                        return answer.reply()
                    await self._sleep(pause)
                    await self._pace.wait(url, rate_limit)
        except TimeoutError:
            raise _no_answer(f"none within {timeout_s:g} s", FailureType.TIMEOUT) from None

    def _request(self, url: str, body: Any, headers: Mapping[str, str]) -> httpcore2.Request:
        """The request, if it may be sent at all.

        Raises:
            GradingError: When not.
        """
        try:
            parsed = httpx2.URL(url)
            # many a server refuses a lone surrogate, also as an escape; then the sample would be ungraded
            content = encodable(json.dumps(body, ensure_ascii=False, allow_nan=False)).encode()
        except (httpx2.InvalidURL, TypeError, ValueError, RecursionError) as error:
            raise GradingError(
                f"the endpoint cannot be asked: {error}", details={"type": FailureType.NOT_PLAIN}
            ) from None
        host, port = parsed.raw_host.decode(), parsed.port or (443 if parsed.scheme == "https" else 80)
        if parsed.scheme not in ("http", "https") or not host:
            raise not_allowed("its URL does not begin with https:// and a host", host, port)
        if parsed.scheme == "http" and not self._network.trusts(host, port):
            raise not_allowed("its URL does not begin with https://", host, port)
        sent = httpx2.Headers({"Content-Type": "application/json", "Accept": "application/json"})
        sent.update(headers)
        sent.update(
            {
                "Host": parsed.netloc.decode(),
                "Content-Length": str(len(content)),
                "Accept-Encoding": "identity",
            }
        )
        target = httpcore2.URL(
            scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
        )
        return httpcore2.Request("POST", target, headers=sent.raw, content=content)

    async def _try(self, request: httpcore2.Request, tried: int) -> "_Attempt":
        """Send a request, with a span of its own where somebody traces."""
        if self._tracer is None:
            return await self._once(request)
        host, port = request.url.host.decode(), request.url.origin.port
        said: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": text(host),
            "server.port": port,
        }
        if tried:
            said["http.request.resend_count"] = tried
        with spanning(self._tracer, "POST", "client", said) as span:
            if self._traced.have(host, port):
                request = _with_header(request, b"traceparent", self._tracer.traceparent().encode())
            answer = await self._once(request)
            if answer.status is None:
                span.fail(FailureType.NO_ANSWER)
            else:
                span.set({"http.response.status_code": answer.status})
                if answer.status >= 400:
                    span.fail(str(answer.status))
            return answer

    async def _once(self, request: httpcore2.Request) -> "_Attempt":
        """Send a request and read what comes back.

        Raises:
            GradingError: When its address is not allowed.
        """
        if self._pool is None:
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._certificates or httpx2.create_ssl_context(),
                max_connections=None,
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=KEPT_S,
                network_backend=self._network,
            )
        try:
            response = await self._pool.handle_async_request(request)
            try:
                return await _Attempt.read(response)
            finally:
                await response.aclose()
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
            return _Attempt(why=str(error) or type(error).__name__)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of one try.

    Attributes:
        status: The status; None when there was no answer.
        headers: By their names in lower case.
        content: The first bytes of the body.
        is_cut: Whether there were more of them than may be.
        why: Why there was no answer.
    """

    status: int | None = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    content: bytes = b""
    is_cut: bool = False
    why: str = ""

    @classmethod
    async def read(cls, response: httpcore2.Response) -> "_Attempt":
        """Read as much of an answer as may be."""
        content = bytearray()
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > MAX_ANSWER:
                break
        headers = {name.lower(): value for name, value in response.headers}
        return cls(response.status, headers, bytes(content[:MAX_ANSWER]), len(content) > MAX_ANSWER)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered a moment later."""
        return self.status is None or may_pass(self.status)

    @property
    def pause(self) -> float | None:
        """Seconds that the server asks to wait; None when it does not say, or says what nobody understands."""
        return retry_after(self.headers.get(b"retry-after", b"").decode("latin-1"))

    def reply(self) -> HttpReply:
        """The answer as it is given to a grader.

        Raises:
            GradingError: If there is no answer, or it has a successful status and is not JSON.
        """
        if self.status is None:
            raise _no_answer(self.why, FailureType.NO_ANSWER)
        try:
            return HttpReply(self.status, self._json())
        except ValueError as error:
            if 200 <= self.status < 300:
                raise GradingError(
                    f"the endpoint answered with status {self.status}, but {error}",
                    kind=FailureKind.ENDPOINT_GRADER_INTERNAL,
                    caused_by="infrastructure",
                    details={"type": FailureType.MALFORMED_RESPONSE, "status": self.status},
                ) from None
            said = self.content.decode(errors="replace").strip()[:SHOWN]
            return HttpReply(self.status, said or None)

    def _json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is not JSON; says why.
        """
        if self.is_cut:
            raise ValueError(f"its answer is longer than {MAX_ANSWER:,} bytes")
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ValueError("its answer is compressed, which was not asked for")
        try:
            return read_json(self.content)
        except ValueError as error:
            raise ValueError(f"its answer is no plain JSON: {error}") from None


def _with_header(request: httpcore2.Request, name: bytes, value: bytes) -> httpcore2.Request:
    """A request with one more header, unless the grader sends one of that name itself."""
    if not value or any(known.lower() == name for known, _ in request.headers):
        return request
    headers = [*request.headers, (name, value)]
    return httpcore2.Request(request.method, request.url, headers=headers, content=request.stream)


def _no_answer(why: str, cause: FailureType) -> GradingError:
    return GradingError(
        f"the endpoint gave no answer: {why}",
        kind=FailureKind.ENDPOINT_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": cause},
        retryable=True,
    )
