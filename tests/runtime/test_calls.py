"""What a plugin asks of the world from its worker, and what it cannot."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hostile_graders.asking import ask_badly, ask_judge, embed_both, want

from graders import FailureKind, Registry
from graders.testing import FakeEmbedder
from runtime import Evaluator, Settings
from runtime.embeddings import Embeddings
from tests.runtime.judge.mocked import Script, chat, judging

REGISTRY = Registry.installed().including(ask_judge, ask_badly, embed_both, want)


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


@pytest.mark.parametrize("call", BAD)
async def test_whoever_asks_for_what_there_is_not_is_ended(call: dict[str, Any], asking: Evaluator) -> None:
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
