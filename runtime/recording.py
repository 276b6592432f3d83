"""Services that note what one grading asks of them and what they answer; what they do is what they always did."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from graders import Embedder, Failure, GradingError, HttpClient, HttpReply, Judge, Sandbox, Verdict
from graders.bound import MASK
from graders.context import Ended, Given, Isolation, Process
from graders.endpoint import secrets_in, without_secrets
from runtime.explanation import Book, Call, Service


class Asking:
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


class Log:
    """What one grading asks of the world.

    Attributes:
        book: Where everything that is kept is written down.
        left_out: Calls for which it had no room.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self.left_out = 0
        self._calls: list[Asking] = []

    @contextmanager
    def asking(self, service: Service, **asked: Any) -> Iterator[Asking]:
        """One call; what is asked and None is left out."""
        if not self.book.has_room():
            self.left_out += 1
            yield Asking(service, {})
            return
        call = Asking(service, self.book.plain({k: v for k, v in asked.items() if v is not None}))
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

    def calls(self) -> tuple[Call, ...]:
        """The calls, in the order in which they were begun."""
        return tuple(call.call() for call in self._calls)


class RecordedJudge:
    """Judges whose answers are noted."""

    def __init__(self, judge: Judge, log: Log) -> None:
        self._judge, self._log = judge, log

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """See `graders.Judge.ask`."""
        asked = {"model": model, "messages": messages, "schema_name": name, "sampling": sampling}
        with self._log.asking("judge", **asked) as call:
            verdict = await self._judge.ask(
                model=model, messages=messages, schema=schema, sampling=sampling, name=name
            )
            call.usage = dict(verdict.usage)
            answer = {"output": verdict.output, "model": verdict.model}
            call.answered = self._log.book.plain(
                {**answer, "retries": verdict.retries, "cached": verdict.cached}
            )
            return verdict


class RecordedEmbedder:
    """Models that embed, whose calls are noted: of the vectors only how many there are, and how long."""

    def __init__(self, embedder: Embedder, log: Log) -> None:
        self._embedder, self._log = embedder, log

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """See `graders.Embedder.embed`."""
        with self._log.asking("embedder", model=model, texts=list(texts)) as call:
            vectors = await self._embedder.embed(texts, model=model)
            call.answered = {"vectors": len(vectors), "dimensions": len(vectors[0]) if len(vectors) else 0}
            return vectors


class RecordedHttp:
    """The network, whose answers are noted: without the values of headers, wherever they stand, and what `?` precedes."""

    def __init__(self, http: HttpClient, log: Log) -> None:
        self._http, self._log = http, log

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
        """See `graders.HttpClient.post`."""
        shown = {"url": _without_query(url), "headers": dict.fromkeys(headers, MASK)}
        limits = {"timeout_s": timeout_s, "retries": retries, "rate_limit": rate_limit}
        with self._log.asking("http", **shown, **limits) as call:
            reply = await self._http.post(
                url, body=body, headers=headers, timeout_s=timeout_s, retries=retries, rate_limit=rate_limit
            )
            answer = without_secrets(reply.body, secrets_in(headers))
            call.answered = self._log.book.plain({"status": reply.status, "body": answer})
            return reply


class RecordedSandbox:
    """The sandbox, what runs in which is noted."""

    def __init__(self, sandbox: Sandbox, log: Log) -> None:
        self._sandbox, self._log = sandbox, log

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        """See `graders.Sandbox.check`."""
        await self._sandbox.check(source, image=image)

    async def grade(
        self,
        source: str,
        rows: Sequence[tuple[Any, Any]],
        *,
        image: str | None = None,
        isolation: Isolation | None = None,
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        given: Given | None = None,
    ) -> list[float | GradingError]:
        """See `graders.Sandbox.grade`."""
        limits: dict[str, Any] = {"image": image, "isolation": isolation}
        limits |= {"timeout_s": timeout_s, "memory_mb": memory_mb}
        with self._log.asking("sandbox", role="grade", **limits) as call:
            answers = await self._sandbox.grade(
                source,
                rows,
                image=image,
                isolation=isolation,
                timeout_s=timeout_s,
                memory_mb=memory_mb,
                given=given,
            )
            (answer,) = answers  # a grading that is watched has one sample
            if isinstance(answer, GradingError):
                call.failed(answer)
            else:
                call.answered = answer
            return answers

    def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None
    ) -> AbstractAsyncContextManager[Process]:
        """See `graders.Sandbox.process`."""
        return self._process(role, image, memory_mb)

    @asynccontextmanager
    async def _process(self, role: str, image: str | None, memory_mb: int | None) -> AsyncGenerator[Process]:
        async with self._sandbox.process(role, image=image, memory_mb=memory_mb) as process:
            yield RecordedProcess(process, self._log, role)


class RecordedProcess:
    """A process of the sandbox, whose answers are noted."""

    def __init__(self, process: Process, log: Log, role: str) -> None:
        self._process, self._log, self._role = process, log, role

    @property
    def seconds(self) -> float:
        """See `graders.Process.seconds`."""
        return self._process.seconds

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """See `graders.Process.ask`."""
        with self._log.asking("sandbox", role=self._role, message=message, timeout_s=timeout_s) as call:
            answer = await self._process.ask(message, timeout_s=timeout_s)
            call.answered = self._log.book.plain(answer)
            return answer

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """See `graders.Process.finish`."""
        with self._log.asking("sandbox", role=self._role, message=message, timeout_s=timeout_s) as call:
            ended = await self._process.finish(message, timeout_s=timeout_s)
            call.answered = self._log.book.plain(asdict(ended))
            return ended


def _without_query(url: str) -> str:
    """A URL without what stands behind its `?`, where some services want a key."""
    parts = urlsplit(url)
    query = MASK if parts.query else ""
    return parts._replace(query=query, fragment="").geturl()
