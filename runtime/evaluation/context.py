"""The `Context` that graders run in: graders inside graders, and what this machine can reach."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Protocol, Self, TypeVar

from graders import (
    Embedder,
    FailureType,
    Grader,
    GraderResult,
    GradingError,
    HttpClient,
    Item,
    Judge,
    Sample,
    Sandbox,
)
from runtime.evaluation.execute import execute
from runtime.telemetry.observed import ObservedEmbedder, ObservedHttp, ObservedJudge, ObservedSandbox
from runtime.telemetry.tracing import Span, Trace, grading, tell

T = TypeVar("T")

TURN_SECONDS = 0.005
"""Gradings that run inline give the event loop its turn after this time."""
JSONPATH_CHARACTERS = 4_000
LONG_CHARACTERS = 100_000
"""Of a sample; parsing a longer one as JSON and writing it out again takes more than about 10 ms."""


class EmptyContext:
    """A context without services: a grading that uses one is ungraded, with an error that names the service.

    Attributes:
        trace_id: The caller's own name for this grading.
    """

    trace_id: str | None = None

    @property
    def judge(self) -> Judge:
        """No model that grades."""
        raise _unavailable("judge")

    @property
    def embedder(self) -> Embedder:
        """No model that embeds."""
        raise _unavailable("embedder")

    @property
    def sandbox(self) -> Sandbox:
        """No place for foreign code."""
        raise _unavailable("sandbox")

    @property
    def http(self) -> HttpClient:
        """No network."""
        raise _unavailable("http")

    async def aside(self, work: Callable[[], T]) -> T:
        """Do work on a long text in a thread, beside the event loop."""
        return await asyncio.to_thread(work)


class Runner(Protocol):
    """What a context grades with."""

    def sandbox_of(self, client: str) -> Sandbox:
        """Where foreign code runs, as one client uses it."""
        ...

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        ...

    @property
    def http(self) -> HttpClient:
        """The network."""
        ...

    def judge(self, *, vote: int, client: str) -> Judge:
        """The models that grade, as one vote and one client see them."""
        ...

    async def run(
        self, grader: Grader, samples: Sequence[Sample], item: Item, context: "GradingContext"
    ) -> list[GraderResult]:
        """Grade samples of one item."""
        ...


class GradingContext(EmptyContext):
    """The context of one grading in the evaluator's process.

    Attributes:
        deadline: When the grading must be done, on the event loop's clock; None for never.
        trace_id: The caller's own name for this grading.
        trace: Where its spans go; None when nobody traces it.
        depth: How many workers wait for what is graded in it.
        vote: Which of several gradings of one sample this is.
        is_watched: Whether somebody looks at how the grading goes.
    """

    is_watched = False

    def __init__(
        self,
        runner: Runner,
        deadline: float | None,
        *,
        trace_id: str | None = None,
        client: str = "",
        depth: int = 0,
        vote: int = 0,
        trace: Trace | None = None,
    ) -> None:
        """The context of one grading.

        Args:
            runner: What it grades with.
            deadline: When the grading must be done, on the event loop's clock; None for never.
            trace_id: The caller's own name for this grading.
            client: Who pays for judges: a digest of an API key; empty where there are no keys.
            depth: How many workers wait for what is graded in it.
            vote: Which of several gradings of one sample this is.
            trace: Where its spans go; None when nobody traces it.
        """
        self.trace = trace
        self._runner, self.deadline, self.trace_id = runner, deadline, trace_id
        self._client, self.depth, self.vote = client, depth, vote

    def printed(self, text: str) -> None:
        """Note what a plugin printed while it graded; nobody looks at it here."""

    @property
    def client(self) -> str:
        """Who asks: a digest of an API key; empty where there are no keys."""
        return self._client

    @property
    def judge(self) -> Judge:
        """The models that grade."""
        judge = self._runner.judge(vote=self.vote, client=self._client)
        return judge if self.trace is None else ObservedJudge(judge, self.trace)

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        embedder = self._runner.embedder
        return embedder if self.trace is None else ObservedEmbedder(embedder, self.trace)

    @property
    def sandbox(self) -> Sandbox:
        """Where foreign code runs."""
        sandbox = self._runner.sandbox_of(self._client)
        return sandbox if self.trace is None else ObservedSandbox(sandbox, self.trace)

    @property
    def http(self) -> HttpClient:
        """The network."""
        http = self._runner.http
        return http if self.trace is None else ObservedHttp(http, self.trace)

    def deeper(self) -> Self:
        """The context of the graders that a grader in a worker asks for."""
        same = copy(self)
        same.depth += 1
        return same

    def voting(self, number: int, count: int) -> Self:
        """The context of one of several votes, none of which is taken for another, also where votes are inside votes."""
        same = copy(self)
        same.vote = self.vote * count + number
        return same

    def voted(self, votes: Sequence[Sequence[GraderResult]]) -> None:
        """Hear what each vote gave its samples; only who watches gradings cares."""

    def within(self, span: Span) -> Self:
        """The context of what a grading does that has a span of its own."""
        return self._traced(None if self.trace is None else Trace(self.trace.tracer, span))

    def untraced(self) -> Self:
        """The same context, in which nothing has a span."""
        return self._traced(None)

    def _traced(self, trace: Trace | None) -> Self:
        same = copy(self)
        same.trace = trace
        return same

    async def grade(self, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        """Run a grader inside a grader."""
        return (await self._runner.run(grader, [sample], item, self))[0]

    async def grade_all(
        self, graders: Mapping[str, Grader], sample: Sample, item: Item
    ) -> dict[str, GraderResult]:
        """Run several graders inside a grader, side by side."""
        if all(runs_inline(grader, sample, item) for grader in graders.values()):
            graded: dict[str, GraderResult] = {}
            turn = time.monotonic() + TURN_SECONDS
            for key, grader in graders.items():
                graded[key] = await self._grade_inline(grader, sample, item)
                if (
                    time.monotonic() > turn
                ):  # each is quick, but hundreds of them must not keep the event loop
                    await asyncio.sleep(0)
                    turn = time.monotonic() + TURN_SECONDS
            return graded
        results = await asyncio.gather(*(self.grade(grader, sample, item) for grader in graders.values()))
        return dict(zip(graders, results, strict=True))

    async def _grade_inline(self, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        if self.trace is None:
            (result,) = await execute(grader, [sample], item, self)
            return result
        with grading(self.trace, grader, self.trace_id) as span:
            (result,) = results = await execute(grader, [sample], item, self.within(span))
            tell(span, results)
        return result


def read_reasoning(samples: Sequence[Sample]) -> None:
    """Split samples into reasoning and answer, which a type that uses its context would otherwise do on the event loop.

    A million characters take up to half a second, in which other gradings go on where this runs in a thread.
    """
    for sample in samples:
        _ = sample.has_answer


def runs_inline(grader: Grader, sample: Sample, item: Item) -> bool:
    """Whether to grade in the caller's process, at once: a built-in type that asks nobody, once, and surely quick."""
    return not grader.is_async and grader.votes is None and may_run_here(grader, sample, item)


def may_run_here(grader: Grader, sample: Sample, item: Item) -> bool:
    """Whether a grading may run in the caller's process: a built-in type, and a sample that cannot keep it long.

    One that uses its context has its work done elsewhere, and only this process has the context.
    """
    if grader.built_in and grader.is_async:
        return True
    if not grader.built_in or len(sample.output_text) > LONG_CHARACTERS:
        return False
    if not grader.is_plain and not is_small(sample, item):
        return False
    is_bounded = getattr(grader.function, "is_bounded", None)
    try:
        return is_bounded is None or bool(is_bounded(sample, item))
    except GradingError:
        return True  # it fails before it does any work, and says why


def is_small(sample: Sample, item: Item) -> bool:
    """Whether a JSONPath gets through sample and item in about 10 ms at worst (measured: 2.4 µs a character)."""
    try:
        return len(json.dumps([sample.to_stored(), item], ensure_ascii=False)) <= JSONPATH_CHARACTERS
    except (TypeError, ValueError, RecursionError):
        return True  # a caller's own objects, which could not be sent to a worker


def _unavailable(service: str) -> GradingError:
    return GradingError(
        f"no {service} is configured on this machine",
        caused_by="infrastructure",
        details={"type": FailureType(f"{service}_unavailable")},
    )
