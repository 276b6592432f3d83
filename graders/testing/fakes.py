"""Fakes of what a `Context` reaches, for the tests of graders: no network, no process, no model, no waiting.

::

    judge = FakeJudge([{"result": 0.5}])
    result = await FakeContext(judge=judge).grade(grader, Sample("…"), {})
    assert result.reward == 0.5 and judge.calls[0]["model"] == "gpt-…"

Each fake answers from a sequence, one answer a call, or by a function of the call's arguments, and records its calls. An
answer that is an exception is raised. What a context was not given is not there, as in a context without it.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from graders.bound_grader import Grader
from graders.context import (
    Context,
    Embedder,
    Ended,
    Given,
    HttpClient,
    HttpReply,
    Isolation,
    Judge,
    Process,
    Sandbox,
    Verdict,
)
from graders.contract import FailureType, GraderResult, Item
from graders.errors import CodeFailure, GradingError
from graders.samples.sample import Sample
from graders.vote_results import combine_votes

A = TypeVar("A")
Script: TypeAlias = Sequence[A | Exception] | Callable[..., A]


class _Fake(Generic[A]):
    """Answers by a script and records what it was asked.

    Attributes:
        calls: The arguments of each call, by name.
    """

    def __init__(self, answers: Script[A]) -> None:
        self._answers = answers
        self.calls: list[dict[str, Any]] = []

    def _answer(self, **call: Any) -> A:
        self.calls.append(call)
        if callable(self._answers):
            return self._answers(**call)
        if len(self.calls) > len(self._answers):
            name, given = type(self).__name__, len(self._answers)
            raise AssertionError(f"{name} has {given} answers and was asked once more: {call}")
        answer = self._answers[len(self.calls) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeJudge(_Fake[Any]):
    """A judge whose answers are structured outputs, or whole verdicts.

    A function is called with `model`, `messages`, `schema`, `sampling` and `name`.
    """

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """Give the next answer."""
        answer = self._answer(model=model, messages=messages, schema=schema, sampling=sampling, name=name)
        return answer if isinstance(answer, Verdict) else Verdict(answer, model)


def any_answer(*, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], **_: Any) -> Any:
    """What a judge may answer to any question: valid against its schema, and always the same to the same messages.

    `FakeJudge(any_answer)` stands for a judge of which nothing is known: numbers, words and truths are drawn by a digest of
    the messages. It knows `const`, `enum`, `anyOf`, `type`, `properties`, `items`, `minItems`, `minimum` and `maximum`.
    """
    asked = json.dumps(messages, sort_keys=True, default=repr)
    return _any_value(schema, asked)


def _any_value(schema: Mapping[str, Any], asked: str) -> Any:
    chance = int.from_bytes(hashlib.sha256(asked.encode("utf-8", "replace")).digest()[:4]) / 2**32
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][int(chance * len(schema["enum"]))]
    if "anyOf" in schema:
        return _any_value(schema["anyOf"][0], asked)
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _any_value(inner, f"{asked}.{name}") for name, inner in properties.items()}
    if kind == "array":
        return [_any_value(schema.get("items", {}), f"{asked}.{n}") for n in range(schema.get("minItems", 0))]
    if kind in {"number", "integer"}:
        low = schema.get("minimum", 0)
        drawn = low + chance * (schema.get("maximum", low + 1) - low)
        return round(drawn) if kind == "integer" else drawn
    return {"boolean": chance < 0.5, "null": None}.get(kind, "")


class FakeEmbedder:
    """An embedder: a vector for each text that it knows, or a function of the text."""

    def __init__(self, vectors: Mapping[str, Sequence[float]] | Callable[[str], Sequence[float]]) -> None:
        self._vector = vectors if callable(vectors) else vectors.__getitem__
        self.calls: list[dict[str, Any]] = []

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """Give the vector of each text."""
        self.calls.append({"texts": texts, "model": model})
        return [self._vector(text) for text in texts]


class FakeSandbox(_Fake[Any]):
    """A sandbox that runs nothing: what its processes answer, whichever is asked.

    A function is called with `role`, `image`, `memory_mb`, `message` and `timeout_s`. What `finish` gets is an `Ended`.
    A process that failed with a `CodeFailure` must not be asked again. Each row of a Python grader is one more answer, of
    the role `grade`: the message is `{"source": …, "sample": …, "item": …}`, and a `GradingError` is that row's failure.

    Attributes:
        started: The role of every process, in order.
        checked: Every source and image that were checked, in order.
        seconds: How long each answer takes by the processes' clocks.
    """

    def __init__(self, answers: Script[Any], *, seconds: float = 0.0) -> None:
        super().__init__(answers)
        self.started: list[str] = []
        self.checked: list[tuple[str | None, str | None]] = []
        self.seconds = seconds

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        """Find nothing wrong with a source, nor with an image."""
        self.checked.append((source, image))

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
        """Give the next answer for each row."""
        answers: list[float | GradingError] = []
        for sample, item in rows:
            message = {"source": source, "sample": sample, "item": item}
            try:
                answers.append(
                    self._answer(
                        role="grade", image=image, memory_mb=memory_mb, message=message, timeout_s=timeout_s
                    )
                )
            except GradingError as error:
                answers.append(error)
        return answers

    @asynccontextmanager
    async def process(
        self, role: str, *, image: str | None = None, memory_mb: int | None = None
    ) -> AsyncIterator[Process]:
        """Start a process that answers from the script."""
        self.started.append(role)
        answer = partial(self._answer, role=role, image=image, memory_mb=memory_mb)
        yield _FakeProcess(answer, self.seconds)


class _FakeProcess:
    def __init__(self, answer: Callable[..., Any], takes: float) -> None:
        self._answer, self._takes = answer, takes
        self._failed: CodeFailure | None = None
        self.seconds = 0.0

    async def ask(self, message: object, *, timeout_s: float) -> Any:
        """Give the next answer."""
        if self._failed is not None:
            raise AssertionError(
                f"this process has failed ({self._failed}) and was asked once more: {message}"
            )
        self.seconds += self._takes
        try:
            return self._answer(message=message, timeout_s=timeout_s)
        except CodeFailure as error:
            self._failed = error
            raise

    async def finish(self, message: object, *, timeout_s: float) -> Ended:
        """Give the next answer, which is how the process ended."""
        ended: Ended = await self.ask(message, timeout_s=timeout_s)
        self._failed = CodeFailure("it has ended", reason=FailureType.EXIT)
        return ended


class FakeHttp(_Fake[HttpReply]):
    """A network of scripted replies, or a function of `url`, `body`, `headers`, `timeout_s`, `retries` and `rate_limit`."""

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
        """Give the next reply."""
        return self._answer(
            url=url, body=body, headers=headers, timeout_s=timeout_s, retries=retries, rate_limit=rate_limit
        )


class FakeContext:
    """A `Context` that grades in this process, one after another.

    A `GradingError` becomes the result of a failed grading, as in the real world; any other exception of a grader
    propagates, so that its author's test shows the traceback.
    """

    def __init__(
        self,
        *,
        judge: Judge | None = None,
        embedder: Embedder | None = None,
        sandbox: Sandbox | None = None,
        http: HttpClient | None = None,
        trace_id: str | None = None,
    ) -> None:
        self.trace_id = trace_id
        self._judge, self._embedder, self._sandbox, self._http = judge, embedder, sandbox, http

    @property
    def judge(self) -> Judge:
        """The judge that it was given."""
        return _given("judge", self._judge)

    @property
    def embedder(self) -> Embedder:
        """The embedder that it was given."""
        return _given("embedder", self._embedder)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that it was given."""
        return _given("sandbox", self._sandbox)

    @property
    def http(self) -> HttpClient:
        """The network that it was given."""
        return _given("http", self._http)

    async def aside(self, work: Callable[[], A]) -> A:
        """Do the work at once."""
        return work()

    async def grade(self, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        """Grade one sample; a group grader gets it as a group of one."""
        return (await self.grade_group(grader, [sample], item))[0]

    async def grade_group(self, grader: Grader, samples: Sequence[Sample], item: Item) -> list[GraderResult]:
        """Grade the samples of one prompt: together by a group grader, otherwise one after the other."""
        if grader.votes is None:
            return await self._grade_once(grader, samples, item)
        votes = [await self._grade_once(grader, samples, item) for _ in range(grader.votes.count)]
        return [combine_votes(grader, grader.votes, of_one) for of_one in zip(*votes, strict=True)]

    async def _grade_once(self, grader: Grader, samples: Sequence[Sample], item: Item) -> list[GraderResult]:
        if grader.type.form == "single" and len(samples) > 1:
            return [(await self._grade_once(grader, [sample], item))[0] for sample in samples]
        context: Context = self
        arguments = (samples if grader.type.form == "group" else samples[0], item)
        try:
            returned = (
                grader.function(*arguments, context) if grader.is_async else grader.function(*arguments)
            )
            if grader.is_async:
                returned = await returned
            scores = returned if grader.type.form == "group" else [returned]
            return grader.complete_each(scores)
        except GradingError as error:
            first = grader.failed(error)
            return [first, *[first.replace(usage={})] * (len(samples) - 1)]  # paid once for all of them

    async def grade_all(
        self, graders: Mapping[str, Grader], sample: Sample, item: Item
    ) -> dict[str, GraderResult]:
        """Grade with each grader in turn."""
        return {key: await self.grade(grader, sample, item) for key, grader in graders.items()}


def _given(service: str, fake: A | None) -> A:
    if fake is None:
        raise GradingError(
            f"this FakeContext was given no {service}: write FakeContext({service}=…)",
            caused_by="infrastructure",
            details={"type": FailureType(f"{service}_unavailable")},
        )
    return fake
