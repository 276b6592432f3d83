"""One request and its answer: what is tried again, when, and until when.

Tried again until the deadline are connections that cannot be made or that break off, and answers that say to come again. A
request whose answer was lost comes again with the same `Idempotency-Key` and the same bytes, so that the service does not
grade its rows twice.
"""

from __future__ import annotations

import email.utils
import gzip
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graders_client.connection import Answer, Connection, Lost, NotSent, TimeUp
from graders_client.errors import RequestRefused
from graders_client.graded import Graded, late, ungraded

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Statuses after which the same request may succeed."""
TRIES_OF_500 = 3
"""Internal errors of the service after which a request is cut in two: they come again for the same rows."""
LAST_TRIES_OF_500 = 8
"""Internal errors after which a request that cannot be cut has no answer: some seconds, and not all of the time."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
ANSWERING_S = 1.0
"""Seconds of the deadline, at most a tenth of it, that are kept for the way of the answer."""
COMPRESSED_FROM = 4_096
"""Bytes of a body from which on it is compressed."""


class TooMuch(Exception):
    """The service cannot grade these rows in one request; fewer may succeed.

    Attributes:
        graded: What each row is if there is no smaller request.
    """

    def __init__(self, graded: Graded) -> None:
        super().__init__(graded.reason.message)
        self.graded = graded


class NoAnswer(Exception):
    """No row of the request could be graded.

    Attributes:
        graded: What each row is.
    """

    def __init__(self, graded: Graded) -> None:
        super().__init__(graded.reason.message)
        self.graded = graded


@dataclass(frozen=True)
class Request:
    """A request that may be sent several times.

    Attributes:
        path: With its query.
        head: The fields of the body besides the rows and the deadline, as JSON members.
        rows: The rows, as JSON, with commas between them.
        divisible: Whether there are smaller requests.
        deadline: When to give up, by `time.monotonic`.
        abandoned: Whether nobody waits for it any more.
    """

    path: str
    head: str
    rows: str
    divisible: bool
    deadline: float
    abandoned: Callable[[], bool]


class Exchange:
    """Sends requests and tries them again.

    Args:
        api_key: Sent as a bearer token; None sends none.
        compress: Whether long bodies and answers are compressed.
    """

    def __init__(self, api_key: str | None, *, compress: bool) -> None:
        self._compress = compress
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._headers["Accept-Encoding"] = "gzip" if compress else "identity"
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def answer(self, request: Request, connection: Connection) -> Any:
        """The JSON of the answer to a request.

        Raises:
            RequestRefused: When the service refuses it whatever its rows are.
            TooMuch: When fewer rows may succeed.
            NoAnswer: When there is none until the deadline.
        """
        attempt = _Attempt(self._headers, compress=self._compress)
        tries, internal_errors, trouble = 0, 0, "it was not sent"
        while True:
            if request.abandoned():
                raise NoAnswer(late("nobody waits for the answer any more"))
            attempt.prepare(request, f"the time was up; before that: {trouble}")
            try:
                answer = connection.post(request.path, attempt.body, attempt.headers, request.deadline)
            except TimeUp as error:
                raise NoAnswer(
                    late(f"no answer before the deadline: {error}; before that: {trouble}")
                ) from None
            except NotSent as error:
                trouble, wait_s = str(error), _wait_s(tries)
                attempt.forget()
            except Lost as error:
                trouble, wait_s = str(error), 0.0 if error.stale else _wait_s(tries)
            else:
                if answer.status == 200 and (value := _json_of(answer)) is not None:
                    return value
                trouble, wait_s = _trouble(answer), _wait_s(tries, answer)
                internal_errors += answer.status == 500
                most = TRIES_OF_500 if request.divisible else LAST_TRIES_OF_500
                self._judge(answer, trouble, again=internal_errors < most)
                attempt.after(answer)
            tries += 1
            if time.monotonic() + wait_s >= request.deadline:
                raise NoAnswer(ungraded(f"no answer before the deadline; at last: {trouble}", "no_answer"))
            time.sleep(wait_s)

    @staticmethod
    def _judge(answer: Answer, trouble: str, *, again: bool) -> None:
        """Raise if it makes no sense to send the request again.

        Args:
            answer: Without results.
            trouble: What it says.
            again: Whether to try again after an internal error of the service.

        Raises:
            RequestRefused: When the service refuses it whatever its rows are.
            TooMuch: When fewer rows may succeed.
        """
        status = answer.status
        if status == 413 or (status == 500 and not again):
            raise TooMuch(ungraded(trouble, "status", retryable=status == 500))
        if status not in AGAIN and status != 200:
            error = _error_of(answer)
            raise RequestRefused(trouble, status, code=error.get("code"), param=error.get("param"))


class _Attempt:
    """The bytes of a request, which stay the same while the service may have seen them.

    Attributes:
        body: What is sent.
        headers: With it.
    """

    def __init__(self, headers: dict[str, str], *, compress: bool) -> None:
        self._usual, self._compress = headers, compress
        self._keyed = True
        self.body = b""
        self.headers: dict[str, str] = {}

    def prepare(self, request: Request, when_late: str) -> None:
        """Make the bytes, with what is left of the time, if there are none.

        Raises:
            NoAnswer: When no time is left.
        """
        if self.body:
            return
        remaining = request.deadline - time.monotonic()
        if remaining <= 0:
            raise NoAnswer(late(when_late))
        seconds = round(remaining - min(ANSWERING_S, remaining / 10), 3)
        body = f'{{{request.head}"deadline_s":{max(seconds, 0.001)},"rows":[{request.rows}]}}'.encode()
        self.headers = dict(self._usual)
        if self._compress and len(body) >= COMPRESSED_FROM:
            body = gzip.compress(body, 1)
            self.headers["Content-Encoding"] = "gzip"
        if self._keyed:
            self.headers["Idempotency-Key"] = os.urandom(16).hex()
        self.body = body

    def forget(self) -> None:
        """Have the next attempt made anew, since the service has not carried this one out."""
        self.body = b""

    def after(self, answer: Answer) -> None:
        """Have the next attempt made anew, since the answer says that nothing was kept of this one."""
        if answer.status in (503, 507) and str(_error_of(answer).get("code", "")).startswith("storage_"):
            self._keyed = False  # what the key promises needs the storage that fails; grading may not
        self.forget()


def _json_of(answer: Answer) -> Any:
    """The object in an answer; None if there is none."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _error_of(answer: Answer) -> dict[str, Any]:
    found = (_json_of(answer) or {}).get("error")
    return found if isinstance(found, dict) else {}


def _trouble(answer: Answer) -> str:
    """What an answer without results says, in one line."""
    if answer.status == 200:
        return "the answer is not a JSON object: is something else at this address?"
    message = _error_of(answer).get("message")
    if 300 <= answer.status < 400:
        message = (
            f"it redirects to {answer.headers.get('location', 'nowhere')!r:.200}; give that as the `url`"
        )
    return f"the service answered {answer.status}: {message or repr(answer.body[:200])}"


def _wait_s(tries: int, answer: Answer | None = None) -> float:
    """Seconds to wait before the next attempt, of which a part is random so that many clients do not come at once."""
    asked = None if answer is None else _retry_after(answer.headers.get("retry-after"))
    if asked is not None:
        return asked + random.uniform(0.0, 0.1 + asked / 4)  # noqa: S311  # no secret
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 10))
    return random.uniform(longest / 4, longest)  # noqa: S311  # no secret


def _retry_after(value: str | None) -> float | None:
    """Seconds in a `Retry-After`, which may be a number or a date; None if it has none."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
