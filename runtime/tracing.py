"""Where gradings say what they do and how long it takes, for those who trace; nobody does unless a `Tracer` is given.

A span has closed words, names of graders and models, numbers and the caller's own `trace_id`: never a sample, an item, a
prompt, a header, an address beyond its host, or an exception's message.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from graders import (
    Embedder,
    Grader,
    GraderResult,
    GradingError,
    HttpClient,
    HttpReply,
    Judge,
    Sandbox,
    Verdict,
)
from graders.context import Given, Isolation, Process
from graders.pattern import encodable
from runtime.causes import cause_of, failed_by, outcome_of

CHARACTERS = 128
"""Of a text in a span that somebody else has chosen."""

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Kind: TypeAlias = Literal["internal", "client", "server"]


class Span(Protocol):
    """One thing that is done, from its beginning to its end."""

    def set(self, attributes: Attributes) -> None:
        """Say more of it."""
        ...

    def fail(self, cause: str) -> None:
        """Say that it failed, in one word; of several the first counts."""
        ...

    def current(self) -> AbstractContextManager[object]:
        """While this lasts, spans that are begun without a parent belong to it."""
        ...

    def end(self) -> None:
        """It is done."""
        ...


class Tracer(Protocol):
    """Exports spans."""

    def begin(
        self, name: str, kind: Kind = "internal", attributes: Attributes = ..., *, parent: Span | None = None
    ) -> Span:
        """Begin a span.

        Args:
            name: One of few.
            kind: Whether it asks another service, or answers one.
            attributes: What is known of it.
            parent: What it is a part of; None for what is current.
        """
        ...

    def traceparent(self) -> str:
        """The value of the W3C header `traceparent` for the current span; empty without a span."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the spans of a grading go.

    Attributes:
        tracer: Takes them.
        span: What they are a part of; None for what is current.
    """

    tracer: Tracer
    span: Span | None = None


@contextmanager
def ending(span: Span) -> Iterator[Span]:
    """A span that ends with this, and fails with it."""
    try:
        yield span
    except GradingError as error:
        span.fail(cause_of(error.failure))
        raise
    except (asyncio.CancelledError, GeneratorExit):
        span.fail("cancelled")
        raise
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


@contextmanager
def spanning(
    tracer: Tracer,
    name: str,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    *,
    parent: Span | None = None,
) -> Iterator[Span]:
    """A span that is current, ends with this, and fails with it; see `Tracer.begin`."""
    with ending(tracer.begin(name, kind, attributes or {}, parent=parent)) as span, span.current():
        yield span


def grading(trace: Trace, grader: Grader, trace_id: str | None) -> AbstractContextManager[Span]:
    """The span of one grading; `tell` says how it came out."""
    said = _of_grader(grader, trace_id)
    return spanning(trace.tracer, f"grade {grader.info.type}", attributes=said, parent=trace.span)


def batch(trace: Trace, grader: Grader, trace_id: str | None) -> AbstractContextManager[Span]:
    """The span of many rows, which is not current: a generator that yields inside it has no context of its own."""
    said = _of_grader(grader, trace_id)
    return ending(trace.tracer.begin("grade batch", attributes=said, parent=trace.span))


def _of_grader(grader: Grader, trace_id: str | None) -> dict[str, str]:
    info = grader.info
    said = {
        "graders.grader.name": text(info.name),
        "graders.grader.type": info.type,
        "graders.grader.signature": info.signature,
    }
    return said if trace_id is None else {**said, "graders.trace_id": text(trace_id)}


def tell(span: Span, results: Sequence[GraderResult]) -> None:
    """Say how a grading came out: of one sample its outcome, cause and reward, of several how many there are."""
    if len(results) != 1:
        tell_counts(span, len(results), sum(result.reward is None for result in results))
        return
    (result,) = results
    outcome, cause = outcome_of(result)
    said: dict[str, str | float | bool] = {"graders.outcome": outcome}
    if cause:
        said["graders.cause"] = cause
    if failed := failed_by(result):
        said["graders.caused_by"] = failed[0]
        said["graders.substituted"] = failed[1] == "substituted"
    if result.reward is not None:
        said["graders.reward"] = result.reward
    span.set(said)
    if outcome == "ungraded":
        span.fail(cause)


def tell_counts(span: Span, rows: int, ungraded: int) -> None:
    """Say how many rows were graded."""
    span.set({"graders.rows": rows, "graders.graded": rows - ungraded, "graders.ungraded": ungraded})


def text(said: str) -> str:
    """A text that somebody else has chosen, as a span may have it."""
    return encodable(said[:CHARACTERS])


class TracedJudge:
    """Judges whose requests belong to a grading, also when a worker asks on its behalf."""

    def __init__(self, judge: Judge, span: Span) -> None:
        self._judge, self._span = judge, span

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
        with self._span.current():
            return await self._judge.ask(
                model=model, messages=messages, schema=schema, sampling=sampling, name=name
            )


class TracedEmbedder:
    """Models that embed, each call of which is a span."""

    def __init__(self, embedder: Embedder, trace: Trace) -> None:
        self._embedder, self._trace = embedder, trace

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """See `graders.Embedder.embed`."""
        said: dict[str, str | int] = {"gen_ai.operation.name": "embeddings", "graders.texts": len(texts)}
        if model is not None:
            said["gen_ai.request.model"] = text(model)
        with spanning(self._trace.tracer, "embeddings", attributes=said, parent=self._trace.span):
            return await self._embedder.embed(texts, model=model)


class TracedHttp:
    """The network, whose requests belong to a grading."""

    def __init__(self, http: HttpClient, span: Span) -> None:
        self._http, self._span = http, span

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
        with self._span.current():
            return await self._http.post(
                url, body=body, headers=headers, timeout_s=timeout_s, retries=retries, rate_limit=rate_limit
            )


class TracedSandbox:
    """The sandbox, each use of which is a span."""

    def __init__(self, sandbox: Sandbox, trace: Trace) -> None:
        self._sandbox, self._trace = sandbox, trace

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
        trace, said = self._trace, _of_image(image)
        with spanning(trace.tracer, "sandbox grade", attributes=said, parent=trace.span) as span:
            answers = await self._sandbox.grade(
                source,
                rows,
                image=image,
                isolation=isolation,
                timeout_s=timeout_s,
                memory_mb=memory_mb,
                given=given,
            )
            failed = [answer for answer in answers if isinstance(answer, GradingError)]
            tell_counts(span, len(answers), len(failed))
            if failed and len(failed) == len(answers):
                span.fail(cause_of(failed[0].failure))
            return answers

    def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None
    ) -> AbstractAsyncContextManager[Process]:
        """See `graders.Sandbox.process`."""
        return self._process(role, image, memory_mb)

    @asynccontextmanager
    async def _process(self, role: str, image: str | None, memory_mb: int | None) -> AsyncGenerator[Process]:
        said = {"graders.sandbox.role": role, **_of_image(image)}
        # it is not current: another task may leave the context than entered it
        with ending(self._trace.tracer.begin("sandbox process", attributes=said, parent=self._trace.span)):
            async with self._sandbox.process(role, image=image, memory_mb=memory_mb) as process:
                yield process


def _of_image(image: str | None) -> dict[str, str]:
    return {} if image is None else {"graders.sandbox.image": text(image)}
