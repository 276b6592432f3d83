"""`invalid_grade`: the reward when a grading fails by the model's or the grader's doing, for every type alike."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graders import (
    Embedder,
    Failure,
    FailureKind,
    FailureType,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    PluginError,
    Registry,
    Sample,
    grader,
)
from graders.context import HttpReply, Verdict
from graders.kinds.endpoint import MAX_BODY
from graders.template import MAX_RENDERED
from graders.testing import (
    FakeContext,
    FakeEmbedder,
    FakeHttp,
    FakeJudge,
    FakeSandbox,
    any_answer,
    strategies,
)


def error(caused_by: Any) -> GradingError:
    return GradingError("it broke", kind=FailureKind.SAMPLE_PARSE, caused_by=caused_by, retryable=True)


@grader("breaks", range=(-1, 1))
def breaks(sample: Sample, item: Item, *, by: str) -> float:
    """Raise."""
    raise error(by)


@grader("free", range=(-math.inf, math.inf))
def free(sample: Sample, item: Item, *, by: str = "model") -> float:
    """Raise, without a lowest reward."""
    raise error(by)


@grader("says", range=(-1, 1))
def says(sample: Sample, item: Item, *, by: str, reward: float | None = None) -> GraderResult:
    """Return a failure."""
    return GraderResult(reward, failure=error(by).failure, metrics={"seen": 1.0})


@grader("returns", range=(-1, 1))
def returns(sample: Sample, item: Item, *, value: Any) -> float:
    """Return anything."""
    return float(value) if isinstance(value, str) else value


@grader("each", range=(-1, 1))
def each(samples: Sequence[Sample], item: Item) -> list[float]:
    """Reward each of a group with the number that it says, which may be none."""
    return [float(sample.output_text) for sample in samples]


REGISTRY = Registry.installed().including(breaks, free, says, returns, each)
EQUAL: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_json.a}}",
    "reference": "{{item.x}}",
    "operation": "eq",
}


async def grade(
    config: dict[str, Any],
    sample: Sample | str = "x",
    item: dict[str, Any] | None = None,
    **grading_context: Any,
) -> GraderResult:
    parsed = Sample.load(sample)
    return await FakeContext(**grading_context).grade(
        REGISTRY.load(config), parsed, {} if item is None else item
    )


@pytest.mark.parametrize("kind", ["breaks", "says"])
@pytest.mark.parametrize(("by", "without"), [("model", -1.0), ("grader", None)])
async def test_it_is_the_reward_after_a_failure_by_the_model_or_the_grader(
    kind: str, by: str, without: float | None
) -> None:
    config: dict[str, Any] = {"type": kind, "by": by}
    if kind == "says" and by == "model":
        config["reward"] = 0.75  # a flagged result with a reward of its own
        without = 0.75
    before = await grade(config)
    assert (before.reward, before.substituted) == (without, False)
    after = await grade({**config, "invalid_grade": -0.5, "pass_threshold": -0.5})
    assert (after.reward, after.substituted, after.passed) == (-0.5, True, True)
    assert after.failure == before.failure
    assert after.failure is not None
    assert (after.failure.caused_by, after.failure.retryable) == (by, True)
    failing = await grade({**config, "invalid_grade": -0.5, "pass_threshold": 0})
    assert failing.passed is False


@pytest.mark.parametrize("kind", ["breaks", "says", "free"])
async def test_it_never_stands_for_a_failure_of_infrastructure(kind: str) -> None:
    result = await grade({"type": kind, "by": "infrastructure", "invalid_grade": 0})
    assert (result.reward, result.substituted, result.passed) == (None, False, None)


async def test_a_type_without_a_lowest_reward_gives_it_for_the_models_failure() -> None:
    without = await grade({"type": "free"})
    assert without.failure is not None
    assert (without.reward, without.failure.caused_by) == (None, "grader")
    result = await grade({"type": "free", "invalid_grade": -100})
    assert result.failure is not None
    assert (result.reward, result.substituted, result.failure.caused_by) == (-100.0, True, "model")
    assert result.failure.message == "it broke"


@pytest.mark.parametrize("value", ["nan", 2, None, [1]])
async def test_it_is_the_reward_when_a_grader_returns_no_reward(value: object) -> None:
    with pytest.raises(GradingError):
        REGISTRY.load({"type": "returns", "value": value}).complete(
            float(value) if isinstance(value, str) else value
        )
    result = await grade({"type": "returns", "value": value, "invalid_grade": -1})
    assert (result.reward, result.substituted) == (-1.0, True)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.PYTHON_GRADER_RUNTIME


async def test_each_member_of_a_group_fails_by_itself() -> None:
    samples = [Sample("0.5"), Sample("nan"), Sample("7")]
    loaded = REGISTRY.load({"type": "each"})
    assert [r.reward for r in await FakeContext().grade_group(loaded, samples, {})] == [0.5, None, None]
    loaded = REGISTRY.load({"type": "each", "invalid_grade": -1})
    results = await FakeContext().grade_group(loaded, samples, {})
    assert [(r.reward, r.substituted) for r in results] == [(0.5, False), (-1.0, True), (-1.0, True)]


def test_a_result_that_is_completed_twice_stays_as_it_was() -> None:
    loaded = REGISTRY.load({"type": "says", "by": "grader", "invalid_grade": 0.25})
    once = loaded.complete(GraderResult(None, failure=error("grader").failure))
    assert loaded.complete(once) == once
    assert once.reward == 0.25


@pytest.mark.parametrize("value", [True, False, "0", "low", math.nan, math.inf, -math.inf, [0], {}, 10**400])
def test_it_is_a_finite_number(value: object) -> None:
    with pytest.raises(InvalidOptions, match="invalid_grade: expected a finite number, got") as caught:
        REGISTRY.load({**EQUAL, "invalid_grade": value})
    assert [problem.where for problem in caught.value.problems] == ["invalid_grade"]


@pytest.mark.parametrize(
    ("config", "inside", "outside"),
    [
        (EQUAL, [0, 1, 0.5, -0.0], [-0.001, 1.001, 1e300]),
        ({"type": "breaks", "by": "model"}, [-1, 1], [-1.5, 2]),
        ({"type": "free"}, [-1e308, 1e308], []),
        ({"type": "python", "source": "def grade(s, i): return 0"}, [-5, 5], []),
        ({"type": "endpoint", "url": "https://example.com"}, [-5, 5], []),
        (
            {
                "type": "score_model",
                "model": "m",
                "input": [{"role": "user", "content": "x"}],
                "range": [1, 5],
            },
            [1, 5],
            [0, 6],
        ),
        (
            {
                "type": "numeric_check",
                "input": "{{sample.output_text}}",
                "reference": "1",
                "score": {"steps": [[0, 5]], "range": [-2, 5]},
            },
            [-2, 5],
            [-3, 6],
        ),
    ],
)
def test_it_lies_inside_the_range_that_the_grader_has(
    config: dict[str, Any], inside: list[float], outside: list[float]
) -> None:
    for value in inside:
        assert REGISTRY.load({**config, "invalid_grade": value}).invalid_grade == value
    for value in outside:
        with pytest.raises(
            InvalidOptions, match="invalid_grade: expected a reward that this grader can give"
        ):
            REGISTRY.load({**config, "invalid_grade": value})


def test_a_wrong_one_of_a_part_is_named_with_its_path() -> None:
    parts = {"a": {**EQUAL, "invalid_grade": -1}, "b": {**EQUAL, "invalid_grade": "x"}}
    with pytest.raises(InvalidOptions) as caught:
        REGISTRY.load({"type": "multi", "graders": parts, "calculate_output": "a + b"})
    assert {problem.where for problem in caught.value.problems} == {
        "graders.a.invalid_grade",
        "graders.b.invalid_grade",
    }


def test_null_is_none_and_no_type_has_an_option_of_this_name() -> None:
    assert REGISTRY.load({**EQUAL, "invalid_grade": None}).invalid_grade is None
    with pytest.raises(PluginError, match="every grader has a field 'invalid_grade'"):

        @grader("taken")
        def taken(sample: Sample, item: Item, *, invalid_grade: float) -> float:
            return invalid_grade


def test_it_is_a_part_of_the_signature_and_of_nothing_else_of_a_grader_without_it() -> None:
    def signature(**fields: Any) -> str:
        return REGISTRY.load({**EQUAL, **fields}).info.signature

    assert signature() == signature(invalid_grade=None)
    distinct = [
        signature(),
        signature(votes=3),
        signature(invalid_grade=0),
        signature(invalid_grade=0.5),
        signature(invalid_grade=0, votes=3),
    ]
    assert len(set(distinct)) == len(distinct)
    assert signature(invalid_grade=0) == signature(invalid_grade=0.0)


# votes


def vote(number: object) -> Any:
    return number if isinstance(number, Exception) else Verdict({"result": number}, "m", {})


@grader("voter", range=(-1, 1))
async def voter(sample: Sample, item: Item, context: Any) -> float:
    """Reward what the judge answers."""
    verdict = await context.judge.ask(model="m", messages=[], schema={}, sampling={})
    return float(verdict.output["result"])


@pytest.mark.parametrize("combine", ["median", "mean", "majority"])
async def test_one_vote_that_failed_gives_it_to_the_sample(combine: str) -> None:
    loaded = (
        Registry.installed()
        .including(voter)
        .load({"type": "voter", "votes": {"count": 3, "combine": combine}, "invalid_grade": -0.5})
    )
    for answers in ([1, error("grader"), 1], [error("model"), 1, 1], [1, 1, "nan"]):
        judge = FakeJudge([vote(answer) for answer in answers])
        result = await FakeContext(judge=judge).grade(loaded, Sample("x"), {})
        assert (result.reward, result.substituted, result.passed) == (-0.5, True, False)
    judge = FakeJudge([vote(1), vote(error("grader")), vote(error("infrastructure"))])
    result = await FakeContext(judge=judge).grade(loaded, Sample("x"), {})
    assert (result.reward, result.substituted) == (None, False)


async def test_votes_that_cannot_be_combined_are_given_it() -> None:
    @grader("huge", range=(-math.inf, math.inf))
    def huge(sample: Sample, item: Item) -> float:
        return 1.7e308

    config = {"type": "huge", "votes": {"count": 2, "combine": "mean"}, "invalid_grade": 0}
    loaded = Registry.installed().including(huge).load(config)
    result = await FakeContext().grade(loaded, Sample("x"), {})
    assert (result.reward, result.substituted) == (0.0, True)


# inside `multi`


async def test_inside_a_multi_it_is_the_reward_of_its_part() -> None:
    parts = {"a": {"type": "breaks", "by": "grader", "invalid_grade": -0.5}, "b": {**EQUAL, "input": "x"}}
    result = await grade({"type": "multi", "graders": parts, "calculate_output": "a + b"}, "x", {"x": "x"})
    assert (result.reward, result.failure, result.substituted) == (0.5, None, False)
    assert result.sub_rewards == {"a": -0.5, "b": 1.0}
    assert result.parts["a"].substituted
    covered = {"type": "multi", "graders": parts, "calculate_output": "a + b", "invalid_grade": -7}
    assert (await grade(covered, "x", {"x": "x"})).reward == 0.5


async def test_inside_a_multi_a_part_that_infrastructure_failed_is_not_given_its_own() -> None:
    parts = {"a": {"type": "breaks", "by": "infrastructure", "invalid_grade": 0}}
    config: dict[str, Any] = {"type": "multi", "graders": parts, "calculate_output": "a"}
    assert (await grade(config)).reward is None
    # Foundry's field of `multi` covers every failure of its parts
    assert (await grade({**config, "invalid_grade": -1})).reward == -1.0


# no sample escapes

I: dict[str, Any] = {"x": "42", "n": 42, "l": [1, 2], "tests": [{"call": [1], "expected": 1}]}
TEXT = "{{sample.output_text}}"
MESSAGES = [{"role": "user", "content": f"{TEXT} {{{{item.x}}}}"}]
BUILT_IN: dict[str, list[dict[str, Any]]] = {
    "string_check": [
        {"input": template, "reference": "{{item.x}}", "operation": operation}
        for template in (
            TEXT,
            "{{sample.output_json.a}}",
            "{{sample.output_json[*]}}",
            "{{sample.output_json..a}}",
            "{{sample.output_json[?(@.a > 1)]}}",
            "{{sample.output_json[0:2].a}}",
            "{{sample[*]}}",
            "{{sample..a}}",
            "{{sample}}",
            "{{sample.choices}}",
            "{{sample.output_tools[0].function.name}}",
            "{{sample.output_tools}}",
            "{{sample.output_tools[?(@.function.arguments > 1)]}}",
            "{{sample.model}}",
            TEXT * 5,
        )
        for operation in ("eq", "ne", "like", "ilike")
    ],
    "text_similarity": [
        {"input": TEXT, "reference": "{{item.x}}", "evaluation_metric": metric}
        for metric in ("fuzzy_match", "bleu", "gleu", "meteor", "cosine", "rouge_1", "rouge_5", "rouge_l")
    ],
    "numeric_check": [
        {"input": TEXT, "reference": "{{item.n}}", **options}
        for options in (
            {},
            {"extract": "whole"},
            {"extract": "boxed"},
            {"extract": {"after": "="}},
            {"extract": {"regex": "(.*)"}},
            {"score": {"exponential": {"scale": 1}}},
            {"percent": "number"},
            {"reference": "{{item.l}}"},
            {"reference": "{{item.l}}", "ordered": False},
            {"input": "{{item.x}}", "reference": TEXT},
            {"input": "{{sample.output_json.a}}"},
            {"reference": "{{sample.output_json}}", "input": "1"},
        )
    ],
    "pattern_match": [
        {"input": TEXT, "pattern": pattern, **options}
        for pattern, options in (
            ("4\\d", {}),
            ("(a|b)*c", {"match": "full", "ignore_case": True}),
            ("(?P<a>.*)", {"groups": {"a": "{{item.x}}"}}),
            ("(x?)", {"groups": {"1": "{{sample.output_json.a}}"}}),
        )
    ],
    "code_tests": [
        {"tests": "{{item.tests}}", "entry_point": "f"},
        {"tests": "{{item.tests}}", "entry_point": "f", "code": "{{sample.output_json.code}}"},
    ],
    "score_model": [{"model": "m", "input": MESSAGES}],
    "label_model": [{"model": "m", "input": MESSAGES, "labels": ["a", "b"], "passing_labels": ["a"]}],
    "rubric": [{"model": "m", "criteria": {"a": "good"}}],
    "equivalence": [{"model": "m", "reference": "{{item.x}}", "on_disagreement": "half"}],
    "rank": [{"model": "m", "criterion": "good"}],
    "python": [{"source": "def grade(sample, item): return 1.0"}],
    "endpoint": [{"url": "https://example.com"}],
    "google_reward": [
        {
            "singleRewardConfig": {
                "parseResponseConfig": {"parseType": "REGEX_EXTRACT", "regexExtractExpression": "(a|b)*c"},
                "stringMatchRewardScorer": {
                    "stringMatchExpression": {"matchOperation": "REGEX_CONTAINS", "expression": "x+"}
                },
            }
        }
    ],
    "multi": [
        {
            "graders": {
                "a": {"type": "string_check", "input": TEXT, "reference": "x", "operation": "eq"},
                "b": {
                    "type": "text_similarity",
                    "input": "{{sample.output_json.a}}",
                    "reference": "x",
                    "evaluation_metric": "fuzzy_match",
                },
            },
            "calculate_output": formula,
        }
        for formula in ("a + b", "a * b - 1", "max(a, b)")
    ],
}
CONFIGS = [{"type": name, **options} for name, each_of in BUILT_IN.items() for options in each_of]

HOSTILE = [
    "", "\0", "a\0b", "9" * 5_000, "[" * 5_000 + "]" * 5_000, "[" * 190 + "]" * 190, "{{", "{{item.x}}", "1e400", "-1e400",
    "NaN", "-Infinity", '{"a":1,"a":2}', "1e999999999", "1/0", "\x1b[2J", "\u202e1", "\u200b4\u200b2", "\ufeff42",
    "\U0001d7d2", "٤٢", "\ufffd", "\uffff\U0010ffff", "\ud800", "\udc00\ud800", "9^9^9^9", "1/" + "3" * 500, "(" * 2_000,
    "```" * 1_000, "-" * 5_000, "1," * 5_000, '{"a":' + "9" * 4_000 + "}", '{"a":1e400}', '{"a":"\\ud800"}', '{"a":null}',
    '{"a":[]}', '[{"a":"x"},{"a":2}]', "½" * 500, "\\boxed{" * 500, "=1e308", "0x" + "f" * 400, "1e-400", "4,2,0.0.0",
    '{"code": 1}', '{"code": "def f(x): return x"}',
]  # fmt: skip
TOOLS: list[list[dict[str, Any]]] = [
    [],
    [{"function": {"name": "\ud800", "arguments": "{"}}],
    [{"function": {"name": math.inf, "arguments": [math.nan]}}],
    [{"function": {"arguments": {"a": {}}}}, {}],
]


def call(*, message: Mapping[str, Any], **_: Any) -> Any:
    """A sandbox in which code returns what it was called with, and a source gives every sample 1."""
    if "source" in message:
        return 1.0
    if "candidate" in message:
        return {"compiles": True, "acts": True, "defines": True, "code": None}
    return {"ok": True} if "load" in message else {"number": message["number"], "value": 1}


def grading_context() -> FakeContext:
    return FakeContext(
        judge=FakeJudge(any_answer),
        embedder=FakeEmbedder(lambda text: [float(len(text) % 7) + 1, 1.0]),
        sandbox=FakeSandbox(call),
        http=FakeHttp(lambda **_: HttpReply(200, {"score": 1})),
    )


def test_every_built_in_type_is_attacked() -> None:
    built_in = {name for name, entry in Registry.installed().items() if entry.built_in}
    assert set(BUILT_IN) == built_in


@given(
    config=st.sampled_from(CONFIGS),
    text=st.one_of(
        st.sampled_from(HOSTILE), strategies.hostile_texts(["42", '{"a": 1}'], max_length=2_000), st.text()
    ),
    tools=st.sampled_from(TOOLS),
)
@example(
    config={**EQUAL, "input": "{{sample.output_tools}}"},
    text="",
    tools=TOOLS[2],
)
@example(
    config={**EQUAL, "input": "{{sample[?(@ > 1)]}}"},
    text="",
    tools=TOOLS[3],
)
def test_no_sample_leaves_a_grading_ungraded(
    config: dict[str, Any], text: str, tools: list[dict[str, Any]]
) -> None:
    """With a sound grader, item and context, whatever the model writes is graded: its failures are its own."""
    sample = Sample(text, output_tools=tools)

    def graded(**more: Any) -> GraderResult:
        return asyncio.run(grading_context().grade(REGISTRY.load({**config, **more}), sample, I))

    result = graded()
    if (
        config["type"] == "endpoint" and tools is TOOLS[2]
    ):  # what cannot be sent, and there is no lowest reward
        assert result.failure is not None
        assert result.failure.caused_by == "grader"
    else:
        assert result.graded, (result.failure, result.parts)
    substitute = graded(invalid_grade=0.25)
    assert substitute.graded
    assert substitute.substituted == (result.failure is not None)
    if substitute.substituted:
        assert substitute.reward == 0.25


@pytest.mark.few(32)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["type"])
async def test_each_known_text_is_graded_by_each_grader(config: dict[str, Any]) -> None:
    loaded, context = REGISTRY.load(config), grading_context()
    for text in HOSTILE:
        for tools in TOOLS[: 2 if reads_more_than_text(config) else 1]:
            result = await context.grade(loaded, Sample(text, output_tools=tools), I)
            assert result.graded, (text, result.failure)


def reads_more_than_text(config: Mapping[str, Any]) -> bool:
    """Whether the tool calls of a sample can matter: not where templates read nothing but the text."""
    if config["type"] not in {"string_check", "text_similarity", "numeric_check", "pattern_match", "multi"}:
        return True
    read = set(re.findall(r"{{sample(\.?\w*)", str(config)))
    return not read <= {".output_text", ".output_json"}


# texts that are too long


async def test_a_text_that_the_sample_makes_too_long_is_the_models_failure() -> None:
    config = {**EQUAL, "input": TEXT * 3 + "{{item.x}}"}
    result = await grade(config, "x" * 700_000, {"x": "y"})
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by) == (0.0, "model")
    assert result.failure.details == {"type": "too_large"}
    item = {"x": "y" * (MAX_RENDERED - 10)}
    result = await grade(config, "four", item)
    assert result.failure is not None
    assert result.failure.caused_by == "model"


@pytest.mark.parametrize(
    "template", ["{{item.x}}" * 2 + TEXT, TEXT + "{{item.x}}" * 2, "{{item.x}}{{item.x}}"]
)
async def test_a_text_that_is_too_long_without_the_sample_is_the_graders_failure(template: str) -> None:
    config = {**EQUAL, "input": template}
    item = {"x": "y" * (MAX_RENDERED // 2 + 1)}
    for text in ("", "x", "x" * MAX_RENDERED):
        result = await grade(config, text, item)
        assert result.failure is not None
        assert (result.reward, result.failure.caused_by) == (None, "grader")
        assert (await grade({**config, "invalid_grade": 0}, text, item)).reward == 0.0


def too_large(limit: int) -> Callable[[str], Sequence[float]]:
    def vector(text: str) -> Sequence[float]:
        if len(text) > limit:
            raise GradingError(f"{len(text)} characters", details={"type": FailureType.TOO_LARGE})
        return [1.0, float(len(text))]

    return vector


@pytest.mark.parametrize(
    ("templates", "text", "reference", "caused_by"),
    [
        ((TEXT, "{{item.x}}"), "x" * 11, "y", "model"),
        ((TEXT, "{{item.x}}"), "x" * 11, "y" * 11, "grader"),
        ((TEXT, "{{item.x}}"), "x", "y" * 11, "grader"),
        (("{{item.x}}", TEXT), "x" * 11, "y", "model"),
        ((f"{TEXT}{{{{item.x}}}}", "{{item.x}}"), "x" * 9, "y" * 9, "model"),
        ((TEXT, TEXT), "x" * 11, "y", "model"),
    ],
)
async def test_who_wrote_a_text_that_is_too_long_to_embed_is_found_out(
    templates: tuple[str, str], text: str, reference: str, caused_by: str
) -> None:
    config = {
        "type": "text_similarity",
        "input": templates[0],
        "reference": templates[1],
        "evaluation_metric": "cosine",
    }
    result = await grade(config, text, {"x": reference}, embedder=FakeEmbedder(too_large(10)))
    assert result.failure is not None
    assert (result.failure.caused_by, result.failure.details) == (caused_by, {"type": FailureType.TOO_LARGE})
    assert result.reward == (0.0 if caused_by == "model" else None)


async def test_an_embedder_that_is_down_is_infrastructure_whatever_the_text() -> None:
    class Flaky(Embedder):
        """Refuse two texts as too long, and be gone when asked again."""

        def __init__(self) -> None:
            self.asked = 0

        async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
            self.asked += 1
            if self.asked > 1:
                raise GradingError("gone", caused_by="infrastructure")
            raise GradingError("too long", details={"type": FailureType.TOO_LARGE})

    config = {**BUILT_IN["text_similarity"][4], "type": "text_similarity", "invalid_grade": 0}
    result = await grade(config, "x", I, embedder=Flaky())
    assert (result.reward, result.failure and result.failure.caused_by) == (None, "infrastructure")

    def gone(text: str) -> Sequence[float]:
        raise error("infrastructure")

    result = await grade(config, "x", I, embedder=FakeEmbedder(gone))
    assert (result.reward, result.failure and result.failure.caused_by) == (None, "infrastructure")


async def test_what_is_too_large_for_an_endpoint_is_the_models_failure_when_the_item_is_not() -> None:
    config = {"type": "endpoint", "url": "https://example.com", "invalid_grade": -3}
    for sample, item, caused_by in (
        ("x" * MAX_BODY, {}, "model"),
        ("x", {"x": "y" * MAX_BODY}, "grader"),
        (Sample("x", output_tools=[{"a": math.inf}]), {}, "model"),
        ("x", {"a": math.inf}, "grader"),
    ):
        result = await grade(config, sample, item, http=FakeHttp([]))
        assert isinstance(result.failure, Failure)
        assert (result.reward, result.failure.caused_by) == (-3.0, caused_by)


async def test_a_number_is_expected_of_who_wrote_the_text() -> None:
    check: dict[str, Any] = {"type": "numeric_check", "input": "{{item.x}}", "reference": TEXT}
    for sample, x, caused_by in (("none", "1", "model"), ("1", "none", "grader")):
        result = await grade(check, sample, {"x": x})
        assert result.failure is not None
        assert result.failure.caused_by == caused_by
