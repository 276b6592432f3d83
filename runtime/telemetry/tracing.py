"""Where gradings say what they do and how long it takes, for those who trace; nobody does unless a `Tracer` is given.

A span has closed words, names of graders and models, numbers and the caller's own `trace_id`: never a sample, an item, a
prompt, a header, an address beyond its host, or an exception's message.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeAlias

from graders import Grader, GraderResult, GradingError
from graders.pattern import encodable
from runtime.telemetry.observed import Answered, ServiceCall
from runtime.telemetry.outcomes import cause_of, failed_by, outcome_of

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
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes = ...,
        *,
        parent: Span | None = None,
        traceparent: str = "",
    ) -> Span:
        """Begin a span.

        Args:
            name: One of few.
            kind: Whether it asks another service, or answers one.
            attributes: What is known of it.
            parent: What it is a part of; None for what is current.
            traceparent: What another process says that it is a part of, in place of a parent; a W3C header.
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
    def observing(self, call: ServiceCall) -> Iterator[Answered]:
        """Make a span of what an embedding model or the sandbox does, and let the requests of others belong to the grading.

        See `runtime.telemetry.observed.Observer`.
        """
        asked, span_of = call.arguments, partial(spanning, self.tracer, parent=self.span)
        match call.action:
            case "ask" | "post" if self.span is not None:  # also when a worker asks on its behalf
                with self.span.current():
                    yield _unheard
            case "embed":
                with span_of("embeddings", attributes=_of_texts(**asked)):
                    yield _unheard
            case "grade":
                with span_of("sandbox grade", attributes=_of_image(asked["image"])) as span:
                    yield partial(_tell_answers, span)
            case "process":
                said = {"graders.sandbox.role": asked["role"], **_of_image(asked["image"])}
                # it is not current: another task may leave the context than entered it
                with ending(self.tracer.begin("sandbox process", attributes=said, parent=self.span)):
                    yield _unheard
            case _:
                yield _unheard


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


def _of_image(image: str | None) -> dict[str, str]:
    return {} if image is None else {"graders.sandbox.image": text(image)}


def _of_texts(texts: Sequence[str], model: str | None) -> dict[str, str | int]:
    said: dict[str, str | int] = {"gen_ai.operation.name": "embeddings", "graders.texts": len(texts)}
    return said if model is None else {**said, "gen_ai.request.model": text(model)}


def _tell_answers(span: Span, answers: Sequence[float | GradingError]) -> None:
    failed = [answer for answer in answers if isinstance(answer, GradingError)]
    tell_counts(span, len(answers), len(failed))
    if failed and len(failed) == len(answers):
        span.fail(cause_of(failed[0].failure))


def _unheard(answer: object) -> None:
    """The answer says nothing that a span has."""
