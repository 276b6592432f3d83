"""Requests that come again with the same `Idempotency-Key`: they are answered as the first one was, and do nothing.

A key is of one caller and one route, and all processes know it through the store. While the first request runs, the others
wait for it, in whatever process they are. What is kept is an answer that a repetition would only give again: never one that
says to come again (429, 5xx), nor one with a measurement that failed and may succeed when it is made again.
"""

import asyncio
import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import zstandard
from fastapi import Request, Response

from graders import FailureType, GraderResult
from service.errors import ApiError
from service.store.answers import Answer, Answers
from service.store.failures import StorageFailed

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
KEPT_BYTES = 256_000_000
"""Bytes of all kept answers together, compressed."""
ANSWER_BYTES = 16_000_000
"""Bytes of one kept answer, compressed."""
LEASE_S = 15.0
"""Seconds without a sign of life after which another process carries a request out."""
BEAT_S = 5.0
TIDY_S = 60.0
POLL_S = (0.02, 0.5)
"""Seconds between two looks at what another process carries out: at first, and at the most."""
ASIDE_BYTES = 1_000_000
"""Bytes of a body beyond which it is digested or compressed beside the event loop."""

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)

Carry = Callable[[], Awaitable[Response]]


@dataclass(slots=True)
class _Running:
    fingerprint: str
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Repeats:
    """The requests with a key that this process carries out, and the answers that are kept.

    Args:
        stored: Where the answers are.
        lease_s: Seconds without a sign of life after which another process carries a request out.
    """

    def __init__(self, stored: Answers, *, lease_s: float = LEASE_S) -> None:
        self._stored, self._lease_s = stored, lease_s
        self._owner = uuid.uuid4().hex
        self._running: dict[str, _Running] = {}
        self._written = 0
        self._beating: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Keep what is carried out here from other processes, from now on."""
        self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Give no sign of life any more."""
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating

    async def answer(self, request: Request, key: str, carry_out: Carry) -> Response:
        """The answer to a request with a key: the first one's, or its own where it is the first.

        Raises:
            ApiError: 400, if the key is not valid; 409, if it belongs to another body.
        """
        if not _KEY.fullmatch(key):
            raise _wrong(400, "expected 1 to 255 visible ASCII characters", "invalid_header")
        target = request.url.path
        if query := request.scope["query_string"]:  # it asks for another answer
            target += f"?{query.decode('latin-1')}"
        place = (request.state.client, request.method, target, key)
        answer_id = hashlib.sha256("\n".join(place).encode()).hexdigest()
        body = await request.body()
        fingerprint = (await _aside(len(body), hashlib.sha256, body)).hexdigest()
        while (running := self._running.get(answer_id)) is not None:
            _check(running.fingerprint, fingerprint)
            await running.done.wait()
        running = self._running[answer_id] = _Running(fingerprint)
        try:
            kept = await self._claim(answer_id, fingerprint)
            if kept is not None:
                plain = await _aside(len(kept.body), zstandard.decompress, kept.body)
                return Response(plain, kept.status, {REPLAYED: "true"}, kept.content_type)
            return await self._first(request, answer_id, carry_out)
        finally:
            del self._running[answer_id]
            running.done.set()

    async def _claim(self, answer_id: str, fingerprint: str) -> Answer | None:
        """The kept answer; None when this process is to find one."""
        wait_s, longest_s = POLL_S
        while (
            found := await self._stored.claim(answer_id, fingerprint, self._owner, self._lease_s)
        ) is not None:
            _check(found.fingerprint, fingerprint)
            if found.answer is not None:
                return found.answer
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)
        return None

    async def _first(self, request: Request, answer_id: str, carry_out: Carry) -> Response:
        kept = False
        try:
            try:
                response = await carry_out()
            except ApiError as error:
                if not _lasts(error.status):
                    raise
                response = error.response()
            if _lasts(response.status_code) and not getattr(request.state, "measure_again", False):
                kept = await self._keep(answer_id, response)
            return response
        finally:
            if not kept:
                await self._let_go(answer_id)

    async def _keep(self, answer_id: str, response: Response) -> bool:
        plain = bytes(response.body)
        body = await _aside(len(plain), zstandard.compress, plain, 3)
        if len(body) > ANSWER_BYTES:
            return False
        answer = Answer(response.status_code, response.headers.get("content-type", ""), body)
        try:
            await self._stored.keep(answer_id, self._owner, answer)
        except StorageFailed:  # the request is carried out all the same; the failure was noted
            return False
        self._written += len(body)
        if self._written > KEPT_BYTES // 8:
            self._written = 0
            await self._stored.tidy()
        return True

    async def _let_go(self, answer_id: str) -> None:
        with suppress(StorageFailed):  # others have the key when the lease ends
            await self._stored.release(answer_id, self._owner)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        tidied = 0.0
        while True:
            await asyncio.sleep(min(BEAT_S, self._lease_s / 3))
            with suppress(StorageFailed):
                if self._running:
                    await self._stored.renew(self._owner, self._lease_s)
                if self._written and loop.time() - tidied > TIDY_S:
                    self._written, tidied = 0, loop.time()
                    await self._stored.tidy()


def note_failures(request: Request, results: Iterable[GraderResult]) -> None:
    """Have an answer not kept in which a measurement failed that may succeed when it is made again.

    One that failed because of the grader, such as an item without a field, would only fail again.
    """
    if any(map(_may_succeed, results)):
        request.state.measure_again = True


def refuse_key(request: Request) -> None:
    """Raise a 400 where a request has a key whose answer is not kept, because it is sent while it is made."""
    if HEADER in request.headers:
        message = "an answer in lines is not kept; leave this header out, or ask for application/json"
        raise _wrong(400, message, "invalid_header")


def _may_succeed(result: GraderResult) -> bool:
    failure = result.failure
    if failure is None or not (result.reward is None or result.substituted):
        return False
    if failure.details.get("type") == FailureType.UNREADABLE_ROW:
        return False  # the same row cannot be read the next time either
    return failure.retryable or failure.caused_by == "infrastructure"


def _lasts(status: int) -> bool:
    """Whether a repetition would be answered the same; 403, 408 and 429 say nothing of the request itself."""
    return 200 <= status < 500 and status not in {403, 408, 429}


def _check(first: str, second: str) -> None:
    if first != second:
        message = "this key belongs to a request with another body; a new request needs a new key"
        raise _wrong(409, message, "idempotency_key_reused")


def _wrong(status: int, message: str, code: str) -> ApiError:
    return ApiError(status, f"{HEADER}: {message}", param=HEADER, code=code)


async def _aside(size: int, work: Callable[..., Any], *args: Any) -> Any:
    """What some work gives, done in a thread where it takes long."""
    return await asyncio.to_thread(work, *args) if size > ASIDE_BYTES else work(*args)
