"""What a sample gets that makes its grading fail: each type, each lever, with and without `invalid_grade`."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from graders import FailureKind, FailureType, GraderResult, GradingError, Item, Registry, Sample, grader
from graders.context import HttpReply
from graders.errors import CodeFailure
from graders.testing import FakeContext, FakeEmbedder, FakeHttp, FakeJudge, FakeSandbox
from runtime import Evaluator, Settings
from runtime.evaluation.execute import deadline_passed
from runtime.workers.frames import MAX_FRAME
from tests.conftest import ROOT
from tests.runtime.sandbox.isolation import ISOLATES

TEXT = "{{sample.output_text}}"
STAND_IN = 0.25


@grader("blames")
def blames(sample: Sample, item: Item) -> float:
    """Say that the sample cannot be graded."""
    raise GradingError("no number in it", kind=FailureKind.SAMPLE_PARSE, caused_by="model")


REGISTRY = Registry.installed().including(blames)


@dataclass(frozen=True)
class Lever:
    """Something that makes a grading fail.

    Attributes:
        types: The types that have it, as the table names them.
        what: What it is.
        without: What the sample gets without `invalid_grade`.
        covered: What it gets with it.
        config: A grader.
        sample: A sample that pulls the lever.
        item: Its item.
        grading_context: What the grader asks; None for a grading by the evaluator.
    """

    types: str
    what: str
    without: str
    covered: str
    config: dict[str, Any]
    sample: str = "x"
    item: dict[str, Any] = field(default_factory=dict)
    grading_context: dict[str, Any] | None = field(default_factory=dict)


LOWEST, BY_GRADER, BY_INFRASTRUCTURE = "lowest", "ungraded (grader)", "ungraded (infrastructure)"
GIVEN = "`invalid_grade`"
EQUAL = {"type": "string_check", "input": TEXT, "reference": "{{item.x}}", "operation": "eq"}
COSINE = {
    "type": "text_similarity",
    "input": TEXT,
    "reference": "{{item.x}}",
    "evaluation_metric": "cosine",
}
PYTHON = {"type": "python", "source": "def grade(sample, item): return 1.0"}
ENDPOINT = {"type": "endpoint", "url": "https://example.com"}
SCORE = {"type": "score_model", "model": "m", "input": [{"role": "user", "content": TEXT}]}
CODE = {"type": "code_tests", "tests": [{"call": [1], "expected": 1}], "entry_point": "f"}
HOSTILE = {"type": "hostile"}


def multi(part: dict[str, Any], formula: str = "a") -> dict[str, Any]:
    return {"type": "multi", "graders": {"a": part}, "calculate_output": formula}


def failing(kind: FailureKind = FailureKind.OTHER, caused_by: Any = "infrastructure") -> GradingError:
    return GradingError("it failed", kind=kind, caused_by=caused_by)


def embed(text: str) -> list[float]:
    if len(text) > 10:
        raise GradingError("too long", details={"type": FailureType.TOO_LARGE})
    return [1.0]


def down(text: str) -> list[float]:
    raise failing()


JUDGED = "`score_model`, `label_model`, `rubric`, `equivalence`, `rank`"
LEVERS = [
    Lever(
        "types with templates",
        "the sample is not JSON, or lacks a field that a template names",
        *(LOWEST, GIVEN),
        {**EQUAL, "input": "{{sample.output_json.a}}"},
    ),
    Lever(
        "types with templates",
        "a text of more than 2,000,000 characters because of the sample",
        *(LOWEST, GIVEN),
        {**EQUAL, "input": TEXT * 3},
        "x" * 700_000,
    ),
    Lever(
        "types with templates",
        "the item lacks a field, or makes a text too long by itself",
        *(BY_GRADER, GIVEN),
        EQUAL,
    ),
    Lever(
        "`string_check`, `text_similarity`, `numeric_check`, `pattern_match`",
        "a text, or a JSONPath into the sample, that takes longer than `grading_timeout_s` or too much memory",
        *(LOWEST, GIVEN),
        {**EQUAL, "input": "{{sample.output_json..a}}"},
        "[" + ", ".join(['{"a": [7]}'] * 150_000) + "]",
        {"x": "y"},
        None,
    ),
    Lever(
        "`text_similarity` (`cosine`)",
        "a text that is too long for a server's model (`local` reads its beginning)",
        *(LOWEST, GIVEN),
        COSINE,
        "x" * 11,
        {"x": "y"},
        {"embedder": FakeEmbedder(embed)},
    ),
    Lever(
        "`text_similarity` (`cosine`)",
        "the reference is too long for a server's model",
        *(BY_GRADER, GIVEN),
        COSINE,
        "x",
        {"x": "y" * 11},
        {"embedder": FakeEmbedder(embed)},
    ),
    Lever(
        "`text_similarity` (`cosine`)",
        "the embedding server is down",
        *(BY_INFRASTRUCTURE, BY_INFRASTRUCTURE),
        COSINE,
        item={"x": "y"},
        grading_context={"embedder": FakeEmbedder(down)},
    ),
    Lever(
        "`numeric_check`",
        "no number, several, one that can be read in two ways or that the words around it change, or an answer that is taken "
        "back ([rules](numbers.md))",
        *(LOWEST, GIVEN),
        {"type": "numeric_check", "input": TEXT, "reference": "1"},
    ),
    Lever(
        "`code_tests`",
        "no code, or code that crashes or times out in every test",
        *(LOWEST, GIVEN),
        CODE,
        "def f(x): exit()",
        grading_context={"sandbox": FakeSandbox([CodeFailure("it ended", reason=FailureType.EXIT)] * 9)},
    ),
    Lever(
        "`code_tests`",
        "the tests themselves are broken",
        *(BY_GRADER, GIVEN),
        {**CODE, "tests": "{{item.x}}"},
        item={"x": 1},
    ),
    Lever(
        "`python`",
        "the source raises, hangs, uses too much or returns no number",
        *(BY_GRADER, GIVEN),
        PYTHON,
        grading_context={"sandbox": FakeSandbox([failing(FailureKind.PYTHON_GRADER_RUNTIME, "grader")] * 2)},
    ),
    Lever(
        "`python`, `code_tests`",
        "the sandbox is not there",
        *(BY_INFRASTRUCTURE, BY_INFRASTRUCTURE),
        PYTHON,
        grading_context={"sandbox": FakeSandbox([failing()] * 2)},
    ),
    Lever(
        "`endpoint`",
        "sample and item are more than 1,000,000 bytes (there is no lowest reward)",
        *(BY_GRADER, GIVEN),
        ENDPOINT,
        "x" * 1_000_000,
        grading_context={"http": FakeHttp([])},
    ),
    Lever(
        "`endpoint`",
        "the endpoint is down, refuses, or answers no score",
        *(BY_INFRASTRUCTURE, BY_INFRASTRUCTURE),
        ENDPOINT,
        grading_context={"http": FakeHttp([HttpReply(422, {"error": "no"}), HttpReply(200, {"score": None})])},
    ),
    Lever(
        JUDGED,
        "the judge is down, refuses, is cut off, or gives no verdict",
        *(BY_INFRASTRUCTURE, BY_INFRASTRUCTURE),
        SCORE,
        grading_context={"judge": FakeJudge([failing(FailureKind.MODEL_GRADER_REFUSAL), {"result": "high"}])},
    ),
    Lever(
        "`multi`",
        "a part that fails by the model's doing",
        *("the formula with the part's lowest", GIVEN),
        multi({**EQUAL, "input": "{{sample.output_json.a}}"}),
    ),
    Lever(
        "`multi`",
        "a part that is ungraded by the grader, or a formula without a value, such as a division by a reward of 0",
        *(BY_GRADER, GIVEN),
        multi(EQUAL, "1 / a"),
        item={"x": "y"},
    ),
    Lever(
        "`multi`",
        "a part that is ungraded by infrastructure",
        *(BY_INFRASTRUCTURE, f"{GIVEN}, as in Foundry"),
        multi(SCORE),
        grading_context={"judge": FakeJudge([failing()] * 2)},
    ),
    Lever(
        "plugins",
        "it raises `GradingError(…, caused_by=\"model\")`",
        *(LOWEST, GIVEN),
        {"type": "blames"},
    ),
    Lever(
        "plugins",
        "it raises anything else, hangs, uses too much, or returns no number in its range",
        *(BY_GRADER, GIVEN),
        HOSTILE,
        "raise",
        grading_context=None,
    ),
]  # fmt: skip
ALWAYS = f"| every type | a deadline, a cancelled request or a spent budget | {BY_INFRASTRUCTURE} | {BY_INFRASTRUCTURE} |"


@pytest.fixture(scope="module")
async def impatient(quick: Settings) -> AsyncIterator[Evaluator]:
    """An evaluator whose gradings in workers have 1.5 s."""
    settings = quick.model_copy(update={"grading_timeout_s": 1.5})
    async with Evaluator(settings=settings) as fresh:
        yield fresh


def got(result: GraderResult) -> str:
    """What a sample got, in the words of the table."""
    failure = result.failure
    assert failure is not None
    if result.substituted:
        assert (result.reward, result.passed) == (STAND_IN, True)
        return GIVEN
    if result.reward is None:
        return f"ungraded ({failure.caused_by})"
    assert failure.caused_by == "model"
    assert result.reward == 0.0
    return LOWEST


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: f"{lever.types}: {lever.what}"[:60])
async def test_a_sample_gets_what_the_table_says(lever: Lever, impatient: Evaluator) -> None:
    found = []
    for more in ({}, {"invalid_grade": STAND_IN, "pass_threshold": STAND_IN}):
        config = {**lever.config, **more}
        if lever.grading_context is None:
            result = await impatient.grade(config, lever.sample, lever.item)
        else:
            context = FakeContext(**lever.grading_context)
            result = await context.grade(REGISTRY.load(config), Sample(lever.sample), lever.item)
        found.append(got(result))
    words = {"the formula with the part's lowest": LOWEST, f"{GIVEN}, as in Foundry": GIVEN}
    assert found == [words.get(said, said) for said in (lever.without, lever.covered)]


def test_the_table_is_that_of_the_documents() -> None:
    rows = [f"| {lever.types} | {lever.what} | {lever.without} | {lever.covered} |" for lever in LEVERS]
    page = (ROOT / "docs" / "failures.md").read_text()
    table = page.partition("<!-- escapes -->\n")[2].partition("\n\n")[0].splitlines()
    assert table[2:] == [*rows, ALWAYS]


def test_a_request_waits_longer_than_any_grading_that_a_sample_makes_hang() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    limits = defaults["python_timeout_s"], defaults["grading_timeout_s"]
    assert defaults["request_timeout_s"] > max(limits) + 10
    assert defaults["batch_timeout_s"] > max(limits) + 10


async def test_a_deadline_is_infrastructure(evaluator: Evaluator) -> None:
    loaded = REGISTRY.load({**EQUAL, "invalid_grade": 0})
    assert loaded.failed(deadline_passed()).reward is None
    result = await evaluator.grade({**HOSTILE, "invalid_grade": 0}, "spin", deadline_s=0.2)
    assert got(result) == BY_INFRASTRUCTURE


@pytest.mark.full
@pytest.mark.parametrize(
    "misdeed",
    [
        # of each cause: a limit, an end, an exception, a value, the model
        *("spin", "exit", "raise", "return nan", "blame"),
        *(
            pytest.param(misdeed, marks=pytest.mark.slow)
            for misdeed in (
                *("allocate", "segfault", "imitate", "sys_exit", "recurse", "unplain"),
                *("return inf", "return none", "return text", "return huge", "return two"),
            )
        ),
    ],
)
async def test_every_misdeed_in_a_worker_gets_the_invalid_grade(impatient: Evaluator, misdeed: str) -> None:
    config = {**HOSTILE, "invalid_grade": STAND_IN, "pass_threshold": 0.5}
    samples = ["good 1", misdeed, "good 2"]
    gradings = await impatient.grade_many(config, samples, [{}] * 3)
    assert gradings.rewards.tolist() == [1.0, STAND_IN, 1.0]
    assert (gradings[1].substituted, gradings[1].passed, gradings.ungraded) == (True, False, 0)
    assert gradings[1].failure is not None


@pytest.mark.full
async def test_a_slow_item_is_the_graders_whatever_the_sample(impatient: Evaluator) -> None:
    item = {"x": [{"a": [n]} for n in range(150_000)]}
    result = await impatient.grade({**EQUAL, "reference": "{{item..a}}"}, "x", item)
    assert got(result) == BY_GRADER


@pytest.mark.full
async def test_a_row_that_is_too_long_for_a_worker_is_who_made_it_long(evaluator: Evaluator) -> None:
    for sample, item, caused_by in (
        ("x" * (MAX_FRAME + 1), {}, "model"),
        ("x", {"x": "x" * (MAX_FRAME + 1)}, "grader"),
    ):
        result = await evaluator.grade({"type": "keyword", "words": ["a"]}, sample, item)
        assert result.failure is not None
        assert (result.failure.caused_by, result.reward) == (caused_by, 0.0 if caused_by == "model" else None)


@pytest.mark.full
async def test_a_sample_that_is_too_long_gets_the_same_alone_and_in_a_batch(evaluator: Evaluator) -> None:
    config = {**EQUAL, "operation": "ne"}
    text, item = "x" * 2_000_001, {"x": "y"}
    alone = await evaluator.grade(config, text, item)
    gradings = await evaluator.grade_many(config, ["z", text, "y"], [item] * 3)
    streamed = [r async for _, r in evaluator.stream(config, [("z", item), (text, item)])]
    assert got(alone) == LOWEST
    assert gradings.rewards.tolist() == [1.0, 0.0, 0.0]
    assert got(gradings[1]) == got(streamed[1]) == LOWEST
    long_item = await evaluator.grade_many(config, ["z"], [{"x": text}])
    assert math.isnan(long_item.rewards[0])


@pytest.mark.few(3)
@ISOLATES
@pytest.mark.parametrize(
    "source",
    [
        "def grade(s, i): return float(s['output_text'])",
        "def grade(s, i): return s['output_json']['a']",
        "def grade(s, i): return float('nan') if s['output_text'] == 'bad' else float(s['output_text'])",
        "def grade(s, i):\n if s['output_text'] == 'bad':\n  import os; os._exit(1)\n return float(s['output_text'])",
        "def grade(s, i):\n while s['output_text'] == 'bad': pass\n return float(s['output_text'])",
        "def grade(s, i): return float(len('x' * (10 ** 12))) if s['output_text'] == 'bad' else float(s['output_text'])",
    ],
)
async def test_a_sample_that_breaks_a_source_gets_the_invalid_grade(
    evaluator: Evaluator, source: str
) -> None:
    config: dict[str, Any] = {"type": "python", "source": source, "timeout_s": 1}
    covered = {**config, "invalid_grade": -5, "pass_threshold": 0}
    assert got(await evaluator.grade(config, "bad")) == BY_GRADER
    result = await evaluator.grade(covered, "bad")
    assert (result.reward, result.substituted, result.passed) == (-5.0, True, False)
    good = '{"a": 0.5}' if "output_json" in source else "0.5"
    gradings = await evaluator.grade_many(covered, [good, "bad", good], [{}] * 3)
    assert gradings.rewards.tolist() == [0.5, -5.0, 0.5]
    assert [r.substituted for r in gradings] == [False, True, False]
    assert gradings.ungraded == 0
