"""The calls that a grader in a worker may make of its context: a closed set.

The worker's side is `RemoteContext`, the evaluator's `answer_call`. Both sides send plain data; what comes from a worker is
read as if it were a stranger's, since a plugin may have made it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter

from graders import (
    Context,
    Embedder,
    Failure,
    Grader,
    GraderError,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    Judge,
    Registry,
    Sample,
    Verdict,
)
from runtime.evaluation.context import EmptyContext, GradingContext
from runtime.workers.frames import FrameError, Message, results_from_plain, results_to_plain

MAX_DEPTH = 8
"""Graders in workers that have one another graded, the first one included."""
MAX_GRADERS = 256
"""Graders of one call."""
ASIDE_CHARACTERS = 20_000
"""Of graders' JSON that is loaded beside the event loop."""

_FAILURE = TypeAdapter(Failure)
_VERDICT = TypeAdapter(Verdict)


@dataclass(frozen=True, slots=True)
class CallingGrader:
    """Who asks.

    Attributes:
        grader: The grader in the worker.
        context: What it asks.
        depth: How many graders in workers have one another graded, this one included.
    """

    grader: Grader
    context: Context
    depth: int


class _Question(BaseModel):
    """What a judge is asked."""

    model: str
    messages: list[dict[str, Any]]
    json_schema: dict[str, Any]
    sampling: dict[str, Any]
    name: str


class _Texts(BaseModel):
    """What is to be embedded."""

    texts: list[str]
    model: str | None


class RemoteContext(EmptyContext):
    """The context of a plugin in a worker: everything is asked of the evaluator.

    It has no network (a plugin that needs one says so, and has its own) and no sandbox (it is in one).
    """

    def __init__(self, call: Callable[[Message], Message], trace_id: str | None) -> None:
        self._call, self.trace_id = call, trace_id

    @property
    def judge(self) -> Judge:
        """The models that grade."""
        return _RemoteJudge(self._call)

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        return _RemoteEmbedder(self._call)

    async def grade(self, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        """Run a grader inside this grader, in the evaluator."""
        return (await self.grade_all({"": grader}, sample, item))[""]

    async def grade_all(
        self, graders: Mapping[str, Grader], sample: Sample, item: Item
    ) -> dict[str, GraderResult]:
        """Run several graders inside this grader, side by side, in the evaluator."""
        configs = [grader.config for grader in graders.values()]
        called = {"call": "grade_all", "graders": configs, "sample": sample.to_stored(), "item": dict(item)}
        return dict(zip(graders, results_from_plain(_value(self._call(called))), strict=True))


class _RemoteJudge:
    def __init__(self, call: Callable[[Message], Message]) -> None:
        self._call = call

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        asked = {
            "model": model,
            "messages": messages,
            "json_schema": schema,
            "sampling": sampling,
            "name": name,
        }
        return _VERDICT.validate_python(_value(self._call({"call": "ask", **asked})))


class _RemoteEmbedder:
    def __init__(self, call: Callable[[Message], Message]) -> None:
        self._call = call

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        vectors: list[list[float]] = _value(
            self._call({"call": "embed", "texts": list(texts), "model": model})
        )
        return vectors


def _value(reply: Message) -> Any:
    """What a call gave.

    Raises:
        GradingError: What it raised in the evaluator.
    """
    if "failure" not in reply:
        return reply["value"]
    error = GradingError.of(_FAILURE.validate_python(reply["failure"]))
    error.usage = reply["usage"]
    raise error


def is_watched(context: Context) -> bool:
    """Whether somebody looks at what is printed while a grading runs."""
    return isinstance(context, GradingContext) and context.is_watched


def note_printed(message: Message, context: Context) -> None:
    """Pass on what a worker says that its plugin printed in a grading, where somebody looks at it."""
    printed = message.get("printed")
    if isinstance(printed, str) and isinstance(context, GradingContext):
        context.printed(printed)


async def answer_call(message: Message, caller: CallingGrader, registry: Registry) -> Message:
    """Carry out a worker's request and return the reply.

    Raises:
        FrameError: If the request is not valid.
    """
    try:
        return {"value": await _answer(message, caller, registry)}
    except GradingError as error:
        return {"failure": asdict(error.failure), "usage": error.usage}
    except (KeyError, TypeError, ValueError, GraderError) as error:
        raise FrameError(f"the worker sent an invalid request: {error}") from error


async def _answer(message: Message, caller: CallingGrader, registry: Registry) -> Any:
    context = caller.context
    match message.get("call"):
        case "grade_all":
            inner = await _loaded(message["graders"], caller, registry)
            sample, item = Sample.load(message["sample"]), dict(message["item"])
            return results_to_plain(list((await context.grade_all(inner, sample, item)).values()))
        case "ask":
            asked = _Question.model_validate(message)
            verdict = await context.judge.ask(
                model=asked.model,
                messages=asked.messages,
                schema=asked.json_schema,
                sampling=asked.sampling,
                name=asked.name,
            )
            return asdict(verdict)
        case "embed":
            wanted = _Texts.model_validate(message)
            vectors = await context.embedder.embed(wanted.texts, model=wanted.model)
            return [[float(number) for number in vector] for vector in vectors]
        case other:
            raise FrameError(f"there is no call {str(other)[:60]!r}")


async def _loaded(configs: object, caller: CallingGrader, registry: Registry) -> dict[str, Grader]:
    """The graders that a grader in a worker has graded.

    What stands in its own options may need whatever it needs: that is its author's word. Anything else may need no more than the
    grader that asks, or it would reach through others what it is locked from.

    Raises:
        GradingError: When there are too many, too deep, or one of them is wrong or needs more.
        TypeError: When they are no list.
    """
    if not isinstance(configs, list):
        raise TypeError("graders are a list")
    if caller.depth >= MAX_DEPTH:
        raise GradingError(
            f"context.grade: graders have one another graded more than {MAX_DEPTH} levels deep"
        )
    if len(configs) > MAX_GRADERS:
        raise GradingError(f"context.grade: {len(configs):,} graders at once, more than {MAX_GRADERS}")
    own = list(_inside(caller.grader))
    restricted = registry.restricted(caller.grader.type.needs)

    def load() -> dict[str, Grader]:
        known = (next((each for each in own if each.config == config), None) for config in configs)
        return {
            str(n): grader or restricted.load(config)
            for n, (grader, config) in enumerate(zip(known, configs, strict=True))
        }

    try:
        is_long = len(json.dumps(configs)) > ASIDE_CHARACTERS
        return await asyncio.to_thread(load) if is_long else load()
    except InvalidOptions as error:
        raise GradingError(f"context.grade: {error}") from None


def _inside(grader: Grader) -> Iterator[Grader]:
    """The graders in the options of a grader, and in theirs."""
    for _, inner in grader.inner():
        yield inner
        yield from _inside(inner)
