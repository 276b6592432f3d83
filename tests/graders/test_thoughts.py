"""Types that extract an answer look behind the model's reasoning; types that look at the text see all of it."""

from typing import Any

import pytest

from graders import FailureKind, GraderResult, Registry, Sample
from graders.testing import FakeContext, FakeEmbedder, FakeSandbox

REGISTRY = Registry.installed()
SAMPLE = "<think>\nit is 17\n</think>\n42"
NUMBER = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.a}}"}
STRING = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "operation": "eq",
}
PATTERN = {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "^42$", "match": "search"}
FORMAT = {**PATTERN, "pattern": "^<think>"}
SIMILAR = {**STRING, "type": "text_similarity", "evaluation_metric": "fuzzy_match"}
del SIMILAR["operation"]


async def grade(config: dict[str, Any], sample: object, item: dict[str, Any] | None = None) -> GraderResult:
    grader = REGISTRY.load(config)
    return await FakeContext().grade(grader, Sample.load(sample), {"a": "42"} if item is None else item)


@pytest.mark.parametrize(
    ("config", "by_default", "skip", "keep"),
    [
        (NUMBER, 1.0, 1.0, 1.0),
        ({**NUMBER, "extract": "first"}, 1.0, 1.0, 0.0),
        ({**NUMBER, "extract": "whole"}, 1.0, 1.0, 0.0),
        ({**NUMBER, "input": "{{sample.output_json}}"}, 1.0, 1.0, 0.0),
        ({**NUMBER, "input": "{{sample.choices[0].message.content}}", "extract": "whole"}, 1.0, 1.0, 0.0),
        ({**NUMBER, "input": "{{sample.reasoning_text}}", "reference": "17"}, 1.0, 1.0, 1.0),
        (STRING, 0.0, 1.0, 0.0),
        ({**STRING, "input": "{{sample.answer_text}}"}, 1.0, 1.0, 1.0),
        ({**STRING, "input": "{{sample.reasoning_text}}", "reference": "it is 17"}, 1.0, 1.0, 1.0),
        (PATTERN, 0.0, 1.0, 0.0),
        (FORMAT, 1.0, 0.0, 1.0),
        (SIMILAR, 0.6, 1.0, 0.6),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
async def test_the_option_says_whether_reasoning_is_seen(
    config: dict[str, Any], by_default: float, skip: float, keep: float
) -> None:
    assert (await grade(config, SAMPLE)).reward == pytest.approx(by_default)
    assert (await grade({**config, "thoughts": "skip"}, SAMPLE)).reward == pytest.approx(skip)
    assert (await grade({**config, "thoughts": "keep"}, SAMPLE)).reward == pytest.approx(keep)


@pytest.mark.parametrize(
    "config",
    [
        NUMBER,
        {**NUMBER, "extract": "first"},
        {**NUMBER, "input": "{{sample.output_json}}"},
        {**STRING, "thoughts": "skip"},
        {**STRING, "input": "{{sample.answer_text}}"},
        {**STRING, "input": "{{sample.answer_text}}", "operation": "ne"},
        {**PATTERN, "thoughts": "skip"},
        {**SIMILAR, "thoughts": "skip"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "text", ["<think>it is 42", "[THINK]42", "<|channel|>analysis<|message|>42", "42\n<think>or 41"]
)
async def test_reasoning_that_does_not_end_earns_the_lowest_reward(config: dict[str, Any], text: str) -> None:
    result = await grade(config, text)
    assert result.reward == 0
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (FailureKind.SAMPLE_PARSE, "model")


async def test_reasoning_that_does_not_end_does_not_matter_where_the_text_is_not_read() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "42"}}
    sample = {"output_text": "<think>I call", "output_tools": [call]}
    config = {**NUMBER, "input": "{{sample.output_tools[0].function.arguments}}"}
    assert (await grade(config, sample)).reward == 1


async def test_an_answer_that_stands_in_the_item_is_looked_for_behind_its_reasoning() -> None:
    config = {**NUMBER, "input": "{{item.output}}", "extract": "whole"}
    assert (await grade(config, "", {"a": 42, "output": SAMPLE})).reward == 1
    failed = await grade(config, "", {"a": 42, "output": "<think>42"})
    assert failed.reward is None
    assert failed.failure is not None
    assert failed.failure.caused_by == "grader"


async def test_code_is_looked_for_behind_the_reasoning() -> None:
    config = {"type": "code_tests", "tests": [{"assert": "f() == 7"}], "entry_point": "f"}
    code = REGISTRY.load(config).function._code
    assert code(Sample("<think>```python\nf = 8\n</think>\nf = 7"), {}) == "f = 7"
    kept = REGISTRY.load({**config, "thoughts": "keep"}).function._code
    assert kept(Sample("<think>a</think>f = 7"), {}) == "<think>a</think>f = 7"


async def test_many_rows_are_graded_as_each_is() -> None:
    grader = REGISTRY.load({**STRING, "thoughts": "skip"})
    samples = [Sample(SAMPLE), Sample("42"), Sample("17</think>\n42"), Sample("no")]
    assert list(grader.function.grade_batch(samples, [{"a": "42"}] * 4).rewards) == [1, 1, 1, 0]


async def test_a_cosine_is_taken_of_the_answer() -> None:
    embedder = FakeEmbedder({"42": [1.0, 0.0]})
    config = {**SIMILAR, "evaluation_metric": "cosine", "thoughts": "skip"}
    result = await FakeContext(embedder=embedder).grade(REGISTRY.load(config), Sample(SAMPLE), {"a": "42"})
    assert result.reward == pytest.approx(1)


@pytest.mark.parametrize(
    ("thoughts", "text", "seen"),
    [
        (
            "keep",
            SAMPLE,
            {"output_text": SAMPLE, "output_json": None, "answer_text": "42", "reasoning_text": "it is 17"},
        ),
        (
            "skip",
            SAMPLE,
            {"output_text": "42", "output_json": 42, "answer_text": "42", "reasoning_text": "it is 17"},
        ),
        (
            "keep",
            "<think>1",
            {"output_text": "<think>1", "output_json": None, "answer_text": None, "reasoning_text": "1"},
        ),
        (
            "skip",
            "<think>1",
            {"output_text": "", "output_json": None, "answer_text": None, "reasoning_text": "1"},
        ),
        ("keep", "42", {"output_text": "42", "output_json": 42, "answer_text": "42", "reasoning_text": ""}),
    ],
)
async def test_a_python_grader_sees_both_parts_beside_the_published_fields(
    thoughts: str, text: str, seen: dict[str, Any]
) -> None:
    source = "def grade(sample, item):\n    return float(sample['answer_text'] == '42')\n"
    sandbox = FakeSandbox([1.0])
    grader = REGISTRY.load({"type": "python", "source": source, "thoughts": thoughts})
    await FakeContext(sandbox=sandbox).grade(grader, Sample(text), {})
    sample = sandbox.calls[0]["message"]["sample"]
    assert {name: sample[name] for name in seen} == seen
    assert sample["choices"][0]["message"]["content"] == seen["output_text"]


async def test_a_python_grader_that_names_no_part_sees_the_published_fields_and_no_others() -> None:
    sandbox = FakeSandbox([1.0])
    grader = REGISTRY.load({"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"})
    await FakeContext(sandbox=sandbox).grade(grader, Sample(SAMPLE), {})
    assert sandbox.calls[0]["message"]["sample"] == Sample(SAMPLE).to_dict()


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("def grade(sample, item):\n    return item['a']\n", False),
        ("def grade(sample, item):\n    return len(sample['output_text'])\n", True),
        ("def grade(s, item):\n    return 1 if s else 0\n", True),
        ("async def grade(\n    sample, item\n):\n    return 1\n", False),
        ("grade = lambda sample, item: 1\n", True),
    ],
)
def test_a_source_says_whether_it_reads_the_sample(source: str, *, reads: bool) -> None:
    assert REGISTRY.load({"type": "python", "source": source}).function.reads_sample is reads
