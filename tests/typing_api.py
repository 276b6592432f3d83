"""What a type checker must accept and refuse of the public API; checked by mypy, run by nobody.

A refusal is a `# type: ignore[…]`: mypy, which warns of ignores that nothing needs, fails when the error is gone.
"""

from collections.abc import Awaitable, Sequence
from typing import assert_type

from graders import Context, Grader, GraderResult, Item, Sample, Template, Verdict, grader
from graders.testing import (
    FakeContext,
    FakeEmbedder,
    FakeHttp,
    FakeJudge,
    FakeSandbox,
    assert_monotone,
    assert_order,
    assert_unchanged_by,
    assert_well_behaved,
    items,
)


@grader("keyword")
def keyword(sample: Sample, item: Item, *, words: list[str]) -> float:
    return sum(word in sample.output_text for word in words) / len(words)


assert_type(keyword(Sample("a red cat"), {}, words=["red", "blue"]), float)
keyword(Sample("a red cat"), {}, words=["red", "blue"]) == 0.5  # noqa: B015  # an expression that type-checks
keyword(Sample("a"), {}, words=[1])  # type: ignore[list-item]
keyword(Sample("a"), {}, words="a")  # type: ignore[arg-type]
keyword(Sample("a"), {}, wrods=["a"])  # type: ignore[call-arg]
keyword(Sample("a"), {})  # type: ignore[call-arg]
keyword("a", {}, words=["a"])  # type: ignore[arg-type]
keyword({}, Sample("a"), words=["a"])  # type: ignore[arg-type]


@grader("exact", range=(-1, 1), libraries=["numpy"])
def exact(sample: Sample, item: Item, *, reference: Template) -> bool:
    return sample.output_text == reference(sample, item)


assert_type(exact(Sample("a"), {}, reference=Template("a")), bool)


@grader("explained")
def explained(sample: Sample, item: Item) -> GraderResult:
    return GraderResult(1.0, explanation="why")


assert_type(explained(Sample("a"), {}), GraderResult)


@grader("asks")
async def asks(sample: Sample, item: Item, context: Context, *, inner: Grader, model: str = "m") -> float:
    result = await context.grade(inner, sample, item)
    verdict = await context.judge.ask(model=model, messages=[], schema={}, sampling={})
    assert_type(verdict, Verdict)
    return result.reward or 0.0


async def ask(inner: Grader, context: Context) -> None:
    assert_type(await asks(Sample("a"), {}, context, inner=inner), float)
    await asks(Sample("a"), {}, inner=inner)  # type: ignore[call-arg]
    await asks(Sample("a"), {}, context, inner="a")  # type: ignore[arg-type]


@grader("longest")
def longest(samples: Sequence[Sample], item: Item) -> list[float]:
    return [float(len(sample.output_text)) for sample in samples]


assert_type(longest([Sample("a"), Sample("b")], {}), list[float])
longest(Sample("a"), {})  # type: ignore[arg-type]


@grader("ranks")
async def ranks(samples: Sequence[Sample], item: Item, context: Context) -> list[bool]:
    return [True for _ in samples]


assert_type(ranks([Sample("a")], {}, FakeContext()), Awaitable[list[bool]])


@grader("prefix")
class Prefix:
    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, sample: Sample, item: Item) -> bool:
        return sample.output_text.startswith(self._prefix)


assert_type(Prefix(prefix="a"), Prefix)
assert_type(Prefix(prefix="a")(Sample("a"), {}), bool)
Prefix(prefix=1)  # type: ignore[arg-type]


@grader("fetches", needs={"network"})
def fetches(sample: Sample, item: Item) -> float:
    return 1.0


@grader("wants", needs={"internet"})  # type: ignore[arg-type]
def wants(sample: Sample, item: Item) -> float:
    return 1.0


@grader("no_sample")  # type: ignore[arg-type]
def no_sample(text: str, item: Item) -> float:
    return 0.0


@grader("no_score")  # type: ignore[arg-type]
def no_score(sample: Sample, item: Item) -> str:
    return "1"


def takes_context(context: Context) -> None: ...


takes_context(FakeContext())
takes_context(
    FakeContext(
        judge=FakeJudge([{"result": 1}]),
        embedder=FakeEmbedder(lambda text: [float(len(text))]),
        sandbox=FakeSandbox([1.0]),
        http=FakeHttp([]),
    )
)
FakeContext(judge=FakeHttp([]))  # type: ignore[arg-type]


assert_well_behaved(keyword, options={"words": ["red"]}, items=[{"reference": "red"}])
assert_well_behaved({"type": "keyword", "words": ["red"]}, items=items({"reference": "red"}))
assert_well_behaved("keyword")  # type: ignore[arg-type]
assert_order(longest, [Sample("aa"), "a"], {})
assert_unchanged_by(asks, "a", {}, "white_space", str.splitlines)
assert_unchanged_by(asks, "a", {}, str.upper)  # type: ignore[arg-type]
assert_monotone(exact, lambda length: "a" * length, {}, at=[1, 2, 3])
