"""What a plugin asks for from its worker, and what it cannot."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hostile_graders.asking import (
    ask_badly,
    ask_judge,
    ask_shaped,
    embed_both,
    have_graded,
    send_much,
    want,
)

from graders import FailureKind, Registry
from graders.testing import FakeEmbedder
from runtime import Evaluator, Settings
from runtime.embeddings import Embeddings
from tests.runtime.judge.mocked import Script, chat, judging

REGISTRY = Registry.installed().including(
    ask_judge, ask_badly, ask_shaped, embed_both, have_graded, send_much, want
)


@pytest.fixture
def script() -> Script:
    """What the judge says."""
    return Script(chat('{"result": 0.75}'), chat("prose"), chat("prose"))


@pytest.fixture
async def asking(quick: Settings, script: Script, tmp_path: Path) -> AsyncIterator[Evaluator]:
    """An evaluator whose judge is a script, and whose embedder knows two texts."""
    async with judging(script, tmp_path) as judges, Evaluator(REGISTRY, quick) as evaluator:
        evaluator._judges = judges
        known = FakeEmbedder({"text": [0.0, 1.0], "reference": [0.5, 0.0]})
        evaluator._embedder = Embeddings(lambda _: known, default="known")
        yield evaluator


async def test_a_plugin_asks_the_judge_that_everybody_asks(asking: Evaluator, script: Script) -> None:
    result = await asking.grade({"type": "ask_judge"}, "grade me", trace_id="trace-7")
    assert result.reward == 0.75
    assert result.explanation == "trace trace-7"
    assert result.metadata == {"model": "judge-2026", "cached": False}
    assert result.usage["judge-2026"]["total_tokens"] == 15
    assert script.bodies[0]["messages"] == [{"role": "user", "content": "grade me"}]
    again = await asking.grade({"type": "ask_judge"}, "grade me")
    assert (again.reward, again.metadata["cached"]) == (0.75, True)


@pytest.mark.full
async def test_a_judge_that_fails_leaves_a_plugins_sample_ungraded(asking: Evaluator) -> None:
    await asking.grade({"type": "ask_judge"}, "one")
    result = await asking.grade({"type": "ask_judge"}, "two")
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind is FailureKind.MODEL_GRADER_PARSE
    assert result.failure.caused_by == "infrastructure"
    assert result.usage["judge-2026"]["total_tokens"] == 30, "what was paid is counted"


async def test_a_plugin_has_its_texts_embedded(asking: Evaluator) -> None:
    assert (await asking.grade({"type": "embed_both"}, "text", {"model": None})).reward == 0.5


@pytest.mark.full
@pytest.mark.parametrize("service", ["http", "sandbox"])
async def test_what_a_worker_does_not_have(asking: Evaluator, service: str) -> None:
    result = await asking.grade({"type": "want"}, service)
    assert result.failure is not None
    assert result.failure.details["type"] == f"{service}_unavailable"
    assert result.failure.caused_by == "infrastructure"


BAD: Sequence[dict[str, Any]] = [
    {"call": "post", "url": "http://example.com"},
    {"call": "ask"},
    {"call": "ask", "model": 1, "messages": [], "json_schema": {}, "sampling": {}, "name": ""},
    {"call": "embed", "texts": [1], "model": None},
    {"call": "grade_all", "graders": [{"type": "nothing"}], "sample": "", "item": {}},
    {"call": ["grade_all"]},
    {},
]


@pytest.mark.full
@pytest.mark.parametrize("call", BAD)
async def test_a_worker_that_asks_for_what_does_not_exist_is_ended(
    call: dict[str, Any], asking: Evaluator
) -> None:
    result = await asking.grade({"type": "ask_badly"}, "", {"call": call})
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.details["type"] == "worker_exited"


async def test_a_refused_question_is_the_plugins_to_answer_for(asking: Evaluator) -> None:
    bad = {
        "call": "ask",
        "model": "judge",
        "messages": [],
        "json_schema": {"type": 3},
        "sampling": {},
        "name": "n",
    }
    result = await asking.grade({"type": "ask_badly"}, "", {"call": bad})
    assert result.reward is None


ENDPOINT = {"type": "endpoint", "url": "https://example.com/x"}
EQUAL = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("grader", "where"),
    [
        (ENDPOINT, "type: 'endpoint' needs network"),
        (
            {"type": "multi", "graders": {"a": EQUAL, "b": ENDPOINT}, "calculate_output": "a + b"},
            "graders.b.type",
        ),
        ({"type": "tally", "path": "/etc/passwd"}, "type: 'tally' needs files"),
        ({"type": "best_of", "graders": {"a": ENDPOINT}}, "graders.a.type: 'endpoint' needs network"),
    ],
)
async def test_a_plugin_has_nothing_graded_that_needs_what_it_may_not_have(
    asking: Evaluator, grader: dict[str, Any], where: str
) -> None:
    result = await asking.grade({"type": "have_graded"}, "a", {"graders": [grader]})
    failure = result.metadata["reply"]["failure"]
    assert failure["caused_by"] == "grader"
    assert where in failure["message"]
    assert "the grader that has it graded does not" in failure["message"]


@pytest.mark.full
async def test_a_plugin_has_the_graders_of_its_own_options_graded(asking: Evaluator) -> None:
    result = await asking.grade({"type": "best_of", "graders": {"a": ENDPOINT, "b": EQUAL}}, "a")
    assert result.reward == 1.0
    assert result.failure is None


@pytest.mark.full
@pytest.mark.parametrize(
    "grader", [EQUAL, {"type": "python", "source": "def grade(sample, item):\n    return 1.0"}]
)
async def test_what_needs_nothing_is_graded_for_a_plugin(asking: Evaluator, grader: dict[str, Any]) -> None:
    result = await asking.grade({"type": "have_graded"}, "a", {"graders": [grader]})
    assert result.metadata["reply"]["value"][0]["reward"] == 1.0


@pytest.mark.full
async def test_graders_have_one_another_graded_eight_deep(asking: Evaluator) -> None:
    result = await asking.grade({"type": "have_graded"}, "a", {"graders": [{"type": "have_graded"}]})
    depth, reply = 1, result.metadata["reply"]
    while "value" in reply:
        depth, reply = depth + 1, reply["value"][0]["metadata"]["reply"]
    assert depth == 8
    assert (
        reply["failure"]["message"]
        == "context.grade: graders have one another graded more than 8 levels deep"
    )


@pytest.mark.full
async def test_a_call_has_a_bounded_number_of_graders(asking: Evaluator) -> None:
    result = await asking.grade({"type": "have_graded"}, "a", {"graders": [EQUAL] * 257})
    assert "257 graders at once, more than 256" in result.metadata["reply"]["failure"]["message"]


@pytest.mark.full
@pytest.mark.parametrize("reference", ["file:///etc/passwd", "http://127.0.0.1:9/x", "x.json"])
async def test_a_judges_schema_fetches_nothing(asking: Evaluator, reference: str, script: Script) -> None:
    result = await asking.grade({"type": "ask_shaped"}, "", {"schema": {"$ref": reference}})
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "grader"
    assert "leads out of the schema, and nothing is fetched" in result.failure.message
    assert not script.bodies, "the judge was not asked"


@pytest.mark.full
@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"characters": 5_000_000}, "bytes long, more than the 4,193,280"),
        ({"characters": 40_000_000}, "bytes long, more than the 4,193,280"),
        ({"values": 500_000}, "JSON values, more than the 200,000"),
    ],
)
async def test_a_result_that_is_too_large_is_the_plugins_failure(
    asking: Evaluator, item: dict[str, int], said: str
) -> None:
    result = await asking.grade({"type": "send_much"}, "", item)
    assert result.failure is not None
    assert result.failure.caused_by == "grader"
    assert said in result.failure.message


@pytest.mark.full
@pytest.mark.parametrize("item", [{"characters": 4_000_000}, {"values": 90_000}])
async def test_a_large_result_arrives(asking: Evaluator, item: dict[str, int]) -> None:
    assert (await asking.grade({"type": "send_much"}, "", item)).reward == 0.5
