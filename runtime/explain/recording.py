"""Notes what one grading asks of services, and what they answer."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from graders import Failure, GradingError, Verdict
from graders.bound_grader import MASK
from graders.context import Ended
from graders.kinds.endpoint import secrets_in, without_secrets
from runtime.explain.explanation import BoundedJson, Call
from runtime.telemetry.observed import Answered, Service, ServiceCall


class OpenCall:
    """A call that may not have ended yet.

    Attributes:
        answered: The answer, as plain data.
        usage: Tokens that were paid for.
    """

    def __init__(self, service: Service, asked: Mapping[str, Any]) -> None:
        self._service, self._asked = service, asked
        self._began = time.perf_counter()
        self._seconds: float | None = None
        self._failure: Failure | None = None
        self.answered: Any = None
        self.usage: Mapping[str, int] = {}

    def failed(self, error: GradingError) -> None:
        """There is no answer."""
        self._failure = error.failure
        for tokens in error.usage.values():
            self.usage = tokens

    def end(self) -> None:
        """It was waited for until now."""
        self._seconds = time.perf_counter() - self._began

    def call(self) -> Call:
        """What is known of it by now."""
        finished = self._seconds is not None
        seconds = time.perf_counter() - self._began if self._seconds is None else self._seconds
        return Call(self._service, self._asked, self.answered, seconds, self.usage, self._failure, finished)


class CallLog:
    """The calls that one grading makes through its context.

    Attributes:
        book: Where everything that is kept is written down.
        left_out: Calls for which it had no room.
    """

    def __init__(self, book: BoundedJson) -> None:
        self.book = book
        self.left_out = 0
        self._calls: list[OpenCall] = []

    @contextmanager
    def asking(self, service: Service, **asked: Any) -> Iterator[OpenCall]:
        """One call; what is asked and None is left out."""
        if not self.book.has_room():
            self.left_out += 1
            yield OpenCall(service, {})
            return
        call = OpenCall(service, self.book.plain({k: v for k, v in asked.items() if v is not None}))
        self._calls.append(call)
        try:
            yield call
        except GradingError as error:
            call.failed(error)
            call.end()
            raise
        except asyncio.CancelledError:
            raise  # nobody waits for it any more
        else:
            call.end()

    @contextmanager
    def observing(self, call: ServiceCall) -> Iterator[Answered]:
        """Note a call and its answer; see `runtime.telemetry.observed.Observer`."""
        if call.action == "process":  # what is said to it is noted
            yield lambda answer: None
            return
        with self.asking(call.service, **_asked(call)) as asking:
            yield partial(self._note, call, asking)

    def _note(self, call: ServiceCall, asking: OpenCall, answer: Any) -> None:
        if call.action == "grade":
            (answer,) = answer  # a grading that is watched has one sample
        if isinstance(answer, GradingError):
            asking.failed(answer)
            return
        if isinstance(answer, Verdict):
            asking.usage = dict(answer.usage)
        asking.answered = self.book.plain(_answered(call, answer))

    def calls(self) -> tuple[Call, ...]:
        """The calls, in the order in which they were begun."""
        return tuple(call.call() for call in self._calls)


def _asked(call: ServiceCall) -> dict[str, Any]:
    """What is kept of a call: of headers only the names, of a URL nothing behind its `?`."""
    asked = dict(call.arguments)
    match call.action:
        case "ask":
            shown = {"model": asked["model"], "messages": asked["messages"]}
            return {**shown, "schema_name": asked["name"], "sampling": asked["sampling"]}
        case "embed":
            return {"model": asked["model"], "texts": list(asked["texts"])}
        case "post":
            shown = {"url": _without_query(asked["url"]), "headers": dict.fromkeys(asked["headers"], MASK)}
            return shown | {name: asked[name] for name in ("timeout_s", "retries", "rate_limit")}
        case "grade":
            limits = ("image", "isolation", "timeout_s", "memory_mb")
            return {"role": "grade", **{name: asked[name] for name in limits}}
        case _:
            return {"role": call.role, **asked}


def _answered(call: ServiceCall, answer: Any) -> Any:
    """What is kept of an answer: of vectors only how many there are, and how long, and no value of a header."""
    match call.action:
        case "ask":
            return {name: getattr(answer, name) for name in ("output", "model", "retries", "cached")}
        case "embed":
            return {"vectors": len(answer), "dimensions": len(answer[0]) if len(answer) else 0}
        case "post":
            secrets = secrets_in(call.arguments["headers"])
            return {"status": answer.status, "body": without_secrets(answer.body, secrets)}
        case _:
            return asdict(answer) if isinstance(answer, Ended) else answer


def _without_query(url: str) -> str:
    """A URL without what stands behind its `?`, where some services want a key."""
    parts = urlsplit(url)
    query = MASK if parts.query else ""
    return parts._replace(query=query, fragment="").geturl()
