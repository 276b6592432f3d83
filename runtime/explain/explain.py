"""`explain`: grade one sample and lay open how that went.

It is the grading itself that is watched, in a `GradingContext` that notes what happens in it; nothing is graded twice. Only templates
are rendered again afterwards, which gives what it gave.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from graders import (
    Embedder,
    Grader,
    GraderResult,
    GradingError,
    HttpClient,
    Item,
    Judge,
    Sample,
    Sandbox,
)
from graders.formula import Formula, normal_name
from graders.template import Template
from runtime.data.rows import readable
from runtime.evaluation.context import GradingContext, Runner, is_small
from runtime.evaluation.execute import deadline_passed
from runtime.explain.explanation import BoundedJson, EvaluatedFormula, Explanation, Rendered, book_for
from runtime.explain.recording import CallLog
from runtime.telemetry.observed import ObservedEmbedder, ObservedHttp, ObservedJudge, ObservedSandbox
from runtime.telemetry.tracing import Trace

if TYPE_CHECKING:
    from runtime.evaluator import Evaluator

MOST_PRINTED = 20_000
"""Characters of what a plugin printed that are kept, the last ones."""
_OWN_WORDS = frozenset({"type", "name", "votes", "pass_threshold"})
"""Fields of a grader's JSON that an explanation has places of its own for."""


async def explain(
    evaluator: "Evaluator",
    grader: Grader | Mapping[str, Any],
    sample: object,
    item: Item | None = None,
    *,
    deadline_s: float | None = None,
    trace_id: str | None = None,
    client: str = "",
    full: bool = False,
) -> Explanation:
    """Grade one sample and explain the grading; the reward is in `result`.

    The arguments are those of `Evaluator.grade`.
    For a sample that cannot be read, the explanation has only the reason. With `full`, texts are kept whole
    as long as they fit into the explanation; otherwise the first 20,000 characters of each are kept.

    Raises:
        ConfigurationError: If the grader is wrong; nothing was graded.
        PluginError: If the grader's plugin cannot be used.
    """
    deadline = None if deadline_s is None else asyncio.get_running_loop().time() + deadline_s
    loaded = await evaluator.prepare(grader)
    parsed, item = readable(sample, item)
    if isinstance(parsed, GradingError):
        return _unread(loaded, parsed)
    watched = Watched("", loaded, parsed, item, book_for(full=full))
    trace = None if evaluator.tracer is None else Trace(evaluator.tracer)
    grading_context = RecordingContext(
        evaluator, deadline, watched=watched, trace_id=trace_id, client=client, trace=trace
    )
    (watched.result,) = await evaluator.run(loaded, [parsed], item, grading_context)
    # rendering may take long where there is much to render, and the event loop has others to serve
    return await asyncio.to_thread(watched.explanation)


def _unread(grader: Grader, failure: GradingError) -> Explanation:
    """The explanation of a sample that cannot be read."""
    return Explanation(
        key="",
        grader=grader.info,
        pass_threshold=grader.pass_threshold,
        votes=None,
        options={},
        sample=None,
        result=grader.failed(failure),
    )


class Watched:
    """A grading that is watched.

    Attributes:
        key: What the grading around it calls it, with dots.
        result: What it came to; None while it has not ended.
        log: What it calls through its context.
        printed: The end of what a plugin printed in it; None for nothing.
    """

    def __init__(
        self,
        key: str,
        grader: Grader,
        sample: Sample,
        item: Item,
        book: BoundedJson,
        *,
        is_vote: bool = False,
    ) -> None:
        self.result: GraderResult | None = None
        self.printed: str | None = None
        self.log = CallLog(book)
        self.key, self._grader, self._sample, self._item = key, grader, sample, item
        self._book, self._is_vote = book, is_vote
        self._votes: list[Watched] = []
        self._inside: list[Watched] = []
        self._left_out = 0

    def grading_inside(self, key: str, grader: Grader, sample: Sample, item: Item) -> "Watched":
        """A grading inside this one begins."""
        inner = Watched(self._key_of(key, grader), grader, sample, item, self._book)
        self._keep(inner, self._inside)
        return inner

    def vote(self, number: int) -> "Watched":
        """One of its votes begins."""
        vote = Watched(f"vote {number + 1}", self._grader, self._sample, self._item, self._book, is_vote=True)
        self._keep(vote, self._votes)
        return vote

    def voted(self, results: Sequence[GraderResult]) -> None:
        """Its votes have ended."""
        for vote, result in zip(self._votes, results, strict=False):
            vote.result = result

    def explanation(self, outer: Sample | None = None) -> Explanation:
        """All that was seen.

        Args:
            outer: The sample of the grading around it.
        """
        grader, book = self._grader, self._book
        is_same = outer is not None and outer.output_text == self._sample.output_text
        votes = None if grader.votes is None or self._is_vote else grader.votes
        return Explanation(
            key=book.text(self.key),
            grader=grader.info,
            pass_threshold=grader.pass_threshold,
            votes=None if votes is None else f"{votes.combine} of {votes.count}",
            options={} if self._is_vote else self._options(),
            sample=None if is_same else book.text(self._sample.output_text),
            result=grader.failed(deadline_passed()) if self.result is None else self.result,
            templates=() if self._is_vote else tuple(self._templates()),
            formulas=tuple(self._formulas()),
            calls=self.log.calls(),
            printed=None if self.printed is None else book.text(self.printed),
            each_vote=tuple(vote.explanation(self._sample) for vote in self._votes),
            inside=tuple(inner.explanation(self._sample) for inner in self._inside),
            left_out=self._left_out + self.log.left_out,
        )

    def _keep(self, inner: "Watched", kept: list["Watched"]) -> None:
        if self._book.has_room():
            kept.append(inner)
        else:
            self._left_out += 1

    def _key_of(self, key: str, grader: Grader) -> str:
        """Where a grader stands in this one's options, with dots.

        A grader in a worker does not say by what key it calls another: then it is the first of that kind that was not
        called yet.
        """
        found = [path for path, inner in self._grader.inner() if inner.info == grader.info]
        named = [_dotted(path) for path in found if path[-1] == key]
        called = {inner.key for inner in self._inside}
        places = [*named, *(place for place in map(_dotted, found) if place not in called)]
        return places[0] if places else key

    def _options(self) -> dict[str, Any]:
        hidden = _OWN_WORDS | {path[0] for path, _ in self._grader.inner()}
        shown = {name: value for name, value in self._grader.echo.items() if name not in hidden}
        plain: dict[str, Any] = self._book.plain(shown)
        return plain

    def _templates(self) -> Iterator[Rendered]:
        for path, template in self._grader.templates():
            text, failure = self._rendered(template)
            source = self._book.text(template.source)
            yield Rendered(self._book.text(_dotted(path)), source, text, failure)

    def _rendered(self, template: Template) -> tuple[str | None, str | None]:
        """What a template became, or why it did not."""
        if not (template.is_plain or is_small(self._sample, self._item)):
            return None, "not rendered again: a JSONPath may take long over this much data"
        try:
            return self._book.text(template(self._sample, self._item)), None
        except GradingError as error:
            return None, self._book.text(error.failure.message)

    def _formulas(self) -> Iterator[EvaluatedFormula]:
        if self._votes:
            return  # each vote has numbers of its own
        rewards = {inner.key.rpartition(".")[2]: inner.result for inner in self._inside}
        numbers = {normal_name(key): result.reward for key, result in rewards.items() if result is not None}
        for path, formula in self._grader.find(Formula):
            known = {name: number for name, number in numbers.items() if number is not None}
            source, text = self._book.text(formula.source), self._book.text(formula.with_numbers(known))
            yield EvaluatedFormula(_dotted(path), source, text, _value(formula, known))


class RecordingContext(GradingContext):
    """The context of a grading that is watched.

    Attributes:
        watched: The grading.
    """

    is_watched = True

    def __init__(
        self,
        runner: Runner,
        deadline: float | None,
        *,
        watched: Watched,
        trace_id: str | None,
        client: str,
        trace: Trace | None,
    ) -> None:
        """The context of one grading; see `GradingContext`.

        Args:
            runner: What it grades with.
            deadline: When the grading must be done.
            watched: The grading.
            trace_id: The caller's own name for it.
            client: Who pays for judges.
            trace: Where its spans go.
        """
        super().__init__(runner, deadline, trace_id=trace_id, client=client, trace=trace)
        self.watched = watched

    def printed(self, text: str) -> None:
        """Note what a plugin printed while it graded."""
        self.watched.printed = text[-MOST_PRINTED:]

    @property
    def judge(self) -> Judge:
        """The models that grade."""
        return ObservedJudge(super().judge, self.watched.log)

    @property
    def embedder(self) -> Embedder:
        """The models that embed."""
        return ObservedEmbedder(super().embedder, self.watched.log)

    @property
    def sandbox(self) -> Sandbox:
        """Where foreign code runs."""
        return ObservedSandbox(super().sandbox, self.watched.log)

    @property
    def http(self) -> HttpClient:
        """The network."""
        return ObservedHttp(super().http, self.watched.log)

    def voting(self, number: int, count: int) -> Self:
        """The context of one of several votes, each of which is watched by itself."""
        return super().voting(number, count).watching(self.watched.vote(number))

    def voted(self, votes: Sequence[Sequence[GraderResult]]) -> None:
        """Note what each vote came to."""
        self.watched.voted([result for (result,) in votes])

    async def grade(self, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        """Run a grader inside a grader."""
        return await self._grade("", grader, sample, item)

    async def grade_all(
        self, graders: Mapping[str, Grader], sample: Sample, item: Item
    ) -> dict[str, GraderResult]:
        """Run several graders inside a grader, side by side."""
        results = await asyncio.gather(
            *(self._grade(key, grader, sample, item) for key, grader in graders.items())
        )
        return dict(zip(graders, results, strict=True))

    async def _grade(self, key: str, grader: Grader, sample: Sample, item: Item) -> GraderResult:
        watched = self.watched.grading_inside(key, grader, sample, item)
        (result,) = await self._runner.run(grader, [sample], item, self.watching(watched))
        watched.result = result
        return result

    def watching(self, watched: Watched) -> Self:
        """The same context for another grading."""
        same = copy(self)
        same.watched = watched
        return same


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))


def _value(formula: Formula, numbers: Mapping[str, float]) -> float | None:
    """What a formula comes to; None when it has no value, or lacks a number."""
    if not formula.variables <= numbers.keys():
        return None
    try:
        return formula(numbers)
    except GradingError:
        return None
