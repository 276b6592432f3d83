"""What is too long for a judge is its own sample's failure when the sample made it so, and nobody else's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from graders import (
    FailureKind,
    FailureType,
    GraderResult,
    GradingError,
    InvalidOptions,
    Registry,
    Sample,
    Template,
)
from graders.context import Verdict
from graders.kinds.shown import (
    MAX_CHARACTERS,
    length,
    of_sample,
    outlier,
    rendered,
    whose,
)
from graders.template import MAX_RENDERED
from graders.testing import FakeContext, FakeJudge

CONTEXT_LENGTH = FailureType.CONTEXT_LENGTH_EXCEEDED

INSTALLED = Registry.installed()
OWN: dict[str, dict[str, Any]] = {
    "rubric": {"type": "rubric", "model": "m", "criteria": {"good": "It is good."}},
    "equivalence": {"type": "equivalence", "model": "m", "reference": "{{item.answer}}"},
    "rank": {"type": "rank", "model": "m", "criterion": "The best."},
}
MESSAGES = [
    {"role": "system", "content": "Judge it. The answer is {{item.answer}}."},
    {"role": "user", "content": "{{sample.output_text}}"},
]
PUBLISHED: dict[str, dict[str, Any]] = {
    "score_model": {"type": "score_model", "model": "m", "input": MESSAGES},
    "label_model": {
        "type": "label_model",
        "model": "m",
        "input": MESSAGES,
        "labels": ["good", "bad"],
        "passing_labels": ["good"],
    },
}
LONG = {
    "letters": "y" * (MAX_CHARACTERS + 1),
    "many lines of =": "=====\n" * 10_000,
    "two hidden characters in turn": "\u200b\u200c" * 4_000,
    "controls of many kinds": "".join(map(chr, range(1, 9))) * 1_000,
    "lone surrogates": "\ud800\udfff\ud801" * 3_000,
}
SHORT = {
    "a run of a hidden character": "\u200b" * 200_000,
    "a line of =": "=" * (MAX_CHARACTERS - 10),
    "as many letters as are shown": "y" * MAX_CHARACTERS,
    "a run of carriage returns": "\r" * 60_000,
}


def answers(schema: Mapping[str, Any], **_: Any) -> Any:
    """The first value that a schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: answers(inner) for name, inner in schema["properties"].items()}
    return {"array": [], "number": 1, "string": ""}[schema["type"]]


def of_context(characters: int) -> Callable[..., Any]:
    """A judge whose context holds so many characters of a prompt."""

    def ask(messages: Sequence[dict[str, Any]], schema: Mapping[str, Any], **_: Any) -> Any:
        if length(messages) > characters:
            raise GradingError(
                "the prompt is too long",
                kind=FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS,
                caused_by="infrastructure",
                details={"type": CONTEXT_LENGTH, "status": 400},
            )
        return answers(schema)

    return ask


async def group(
    kind: str,
    texts: Sequence[str],
    *,
    context: int = 10**9,
    item: Mapping[str, Any] | None = None,
    **changed: Any,
) -> list[GraderResult]:
    grader = INSTALLED.load({**OWN, **PUBLISHED}[kind] | changed)
    judge = FakeJudge(of_context(context))
    return await FakeContext(judge=judge).grade_group(
        grader, [Sample(text) for text in texts], item or {"answer": "4"}
    )


def outcome(result: GraderResult) -> tuple[str, str]:
    failure = result.failure
    return ("", "") if failure is None else (failure.caused_by, str(failure.details.get("type")))


@pytest.mark.few(6)
@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("name", LONG)
async def test_a_sample_beyond_the_cap_fails_by_itself(kind: str, name: str) -> None:
    texts = ["one", LONG[name], "two"]
    results = await group(kind, texts)
    assert [outcome(result) for result in results] == [("", ""), ("model", "too_long"), ("", "")]
    assert results[1].reward == 0
    assert results[1].passed is False
    assert "at most 50,000 (max_characters)" in (results[1].explanation or "")
    assert None not in [result.reward for result in results]


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("name", SHORT)
async def test_what_is_not_long_when_it_is_shown_is_judged(kind: str, name: str) -> None:
    texts = ["one", SHORT[name], "two"]
    results = await group(kind, texts, context=4 * MAX_CHARACTERS)
    assert [outcome(result) for result in results] == [("", "")] * 3


@pytest.mark.parametrize("kind", OWN)
async def test_the_cap_is_an_option(kind: str) -> None:
    for cap, expected in ((10, "too_long"), (11, "")):
        results = await group(kind, ["12345678901", "x"], max_characters=cap)
        assert [outcome(result)[1] for result in results] == [expected, ""]
    for cap in (0, MAX_RENDERED + 1):
        with pytest.raises(InvalidOptions, match="max_characters"):
            INSTALLED.load({**OWN[kind], "max_characters": cap})


@pytest.mark.parametrize("kind", OWN)
async def test_a_text_of_the_authors_beyond_the_cap_is_nobodys_low_reward(kind: str) -> None:
    item = {"answer": "y" * (MAX_CHARACTERS + 1)}
    changed: dict[str, Any] = {"input": "{{item.answer}} {{sample.output_text}}"}
    results = await group(kind, ["one"], item=item, **changed)
    assert [(result.reward, outcome(result)) for result in results] == [(None, ("grader", "too_long"))]
    if kind != "equivalence":
        results = await group(kind, ["one", "two"], item=item, reference="{{item.answer}}")
        assert {outcome(result) for result in results} == {("grader", "too_long")}


@pytest.mark.parametrize("kind", [*OWN, *PUBLISHED])
async def test_a_sample_that_does_not_fit_into_the_context_fails_by_itself(kind: str) -> None:
    texts = ["one", "y" * 20_000, "two", "z" * 30_000, "three"]
    results = await group(kind, texts, context=10_000)
    assert [outcome(result) for result in results] == [
        ("", ""), ("model", CONTEXT_LENGTH), ("", ""), ("model", CONTEXT_LENGTH), ("", ""),
    ]  # fmt: skip
    assert (results[1].reward, results[3].reward) == (0, 0)
    assert results[1].failure is not None
    assert results[1].failure.kind is FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS
    assert (results[1].explanation or "").startswith("the sample is too long to be judged: ")


@pytest.mark.parametrize("kind", [*OWN, *PUBLISHED])
async def test_a_context_that_is_too_small_for_the_authors_words_is_no_samples_fault(kind: str) -> None:
    results = await group(kind, ["y" * 900, "one"], context=20)
    assert {outcome(result) for result in results} == {("infrastructure", CONTEXT_LENGTH)}
    changed: dict[str, Any] = {"question": "{{item.answer}}"} if kind in OWN else {}
    results = await group(kind, ["y" * 2_000, "one"], context=5_000, item={"answer": "a" * 9_000}, **changed)
    assert {outcome(result) for result in results} == {("infrastructure", CONTEXT_LENGTH)}


async def test_a_group_that_is_long_altogether_is_ungraded() -> None:
    texts = [letter * 2_000 for letter in "abcdefgh"]
    results = await group("rank", texts, context=10_000)
    assert {outcome(result) for result in results} == {("infrastructure", CONTEXT_LENGTH)}
    assert {result.reward for result in results} == {None}


async def test_long_samples_that_are_half_of_a_group_do_not_take_the_others_with_them() -> None:
    texts = [f"answer {number}" for number in range(4)] + [letter * 9_000 for letter in "abcd"]
    results = await group("rank", texts, context=12_000)
    assert [outcome(result)[0] for result in results] == [""] * 5 + ["model"] * 3


async def test_equal_samples_are_left_out_together() -> None:
    results = await group("rank", ["a", "y" * 9_000, "b", "y" * 9_000], context=5_000)
    assert [outcome(result)[0] for result in results] == ["", "model", "", "model"]


async def test_a_group_of_nothing_but_samples_that_cannot_be_shown_asks_nobody() -> None:
    judge = FakeJudge([])
    grader = INSTALLED.load(OWN["rank"])
    texts = [Sample("y" * 60_000), Sample("z" * 60_000)]
    results = await FakeContext(judge=judge).grade_group(grader, texts, {})
    assert [result.reward for result in results] == [0, 0]
    assert judge.calls == []


async def test_a_sample_that_lacks_what_the_template_names_fails_by_itself() -> None:
    results = await group("rank", ['{"a": "x"}', "no JSON", '{"b": "x"}'], input="{{sample.output_json.a}}")
    assert results[0].reward == 1
    assert [outcome(result)[0] for result in results[1:]] == ["model", "model"]
    assert [result.reward for result in results[1:]] == [0, 0]
    results = await group("rank", ["one", "two"], input="{{item.lacking}}")
    assert [outcome(result)[0] for result in results] == ["grader", "grader"]


async def test_what_was_paid_before_a_sample_was_left_out_is_in_the_usage() -> None:
    calls = 0

    def ask(messages: Sequence[dict[str, Any]], schema: Mapping[str, Any], **_: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            of_context(0)(messages, schema)
        return Verdict(answers(schema), "m", {"prompt_tokens": 1})

    grader = INSTALLED.load(OWN["rank"])
    samples = [Sample("y" * 5_000), Sample("a"), Sample("b")]
    results = await FakeContext(judge=FakeJudge(ask)).grade_group(grader, samples, {})
    assert [outcome(result)[0] for result in results] == ["model", "", ""]
    assert [result.usage for result in results] == [{"m": {"prompt_tokens": 3}}, {}, {}]
    assert results[1].metrics["retries"] == 0


@pytest.mark.parametrize(
    ("template", "sample", "item", "caused_by"),
    [
        ("{{sample.output_text}}" * 3, "y" * 700_000, "", "model"),
        ("{{item.a}}{{sample.output_text}}", "y", "a" * MAX_RENDERED + "a", "grader"),
        ("{{sample.output_text}}{{item.a}}", "y" * 900_000, "a" * MAX_RENDERED + "a", "grader"),
    ],
)
async def test_a_sample_that_renders_to_too_much_fails_by_itself(
    template: str, sample: str, item: str, caused_by: str
) -> None:
    results = await group("rank", ["one", sample], item={"a": item}, input=template) if not item else []
    if results:
        assert [outcome(result)[0] for result in results] == ["", caused_by]
    with pytest.raises(GradingError, match="renders to more than") as caught:
        Template(template)(Sample(sample), {"a": item})
    assert caught.value.failure.caused_by == caused_by


def test_templates_that_were_not_given_are_not_rendered() -> None:
    templates = {"Question": None, "Answer": Template("{{sample.output_text}}")}
    assert rendered(templates, Sample("4\u200b"), {}, limit=10) == {"Answer": "4⟦U+200B⟧"}


def test_the_characters_of_a_sample_are_those_that_are_shown() -> None:
    templates = [Template("{{item.a}} {{sample.output_text}}"), Template("{{sample.output_text}}")]
    assert of_sample(templates, Sample("ab\u200b"), {"a": "long"}) == 20
    assert of_sample(templates, Sample("ab\u200b"), {"a": "long"}, str) == 6


def test_a_failure_of_another_kind_stays_what_it_is() -> None:
    error = GradingError("down", caused_by="infrastructure", details={"type": "no_answer"})
    assert whose(error, [{"content": ""}], 10**6) is error


def test_blocks_of_a_prompt_are_counted() -> None:
    blocks = [{"type": "t", "text": "12345"}, {"type": "t", "input_audio": {}}]
    assert length([{"content": "123"}, {"content": blocks}]) == 10


@pytest.mark.parametrize(
    ("lengths", "around", "expected"),
    [
        ([2_000], 1_999, 2_000),
        ([2_000], 2_000, None),
        ([999], 0, None),
        ([2_000, 1_000], 0, 2_000),
        ([1_999, 1_000], 0, None),
        ([5_000, 5_001, 5_002, 5_003, 9_000], 0, None),
        ([5_000, 5_001, 5_002, 5_003, 11_000], 0, 11_000),
        ([1, 2, 9_000, 9_001, 9_002, 9_003, 9_004], 0, 9_004),
    ],
)
def test_the_longest_is_to_blame_when_it_is_much_longer(
    lengths: list[int], around: int, expected: int | None
) -> None:
    found = outlier(["y" * number for number in lengths], around)
    assert (None if found is None else len(found)) == expected
