"""A judge on a real socket that misbehaves in every way: no reward ever comes of it that the judge did not give."""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from graders import FailureKind, GraderResult
from runtime import Evaluator, Settings
from runtime.net import retries
from tests.judge_server import (
    JudgeServer,
    Reply,
    Request,
    Script,
    answer,
    chat,
    delayed,
    drip,
    hang,
    reset,
    status,
    truncated,
    verdict,
)

GRADER = {
    "type": "score_model",
    "model": "o3-mini",
    "input": [
        {"role": "developer", "content": "Grade from 0 to 1. The reference is {{item.answer}}."},
        {"role": "user", "content": "{{sample.output_text}}"},
    ],
    "range": [0, 1],
}
ITEM = {"answer": "4"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)


@asynccontextmanager
async def asking(
    server: JudgeServer, home: Path, *, settings: dict[str, Any] | None = None, **model: Any
) -> AsyncIterator[Evaluator]:
    """An evaluator whose judges are all on this server."""
    judge = {"base_url": server.url, "retries": 3, "parse_retries": 0, **model}
    configured: dict[str, Any] = {
        "judges": {"*": judge},
        "judge_cache": home / "verdicts.sqlite",
        "judge_store": str(home / "judges.sqlite"),
        **(settings or {}),
    }
    async with Evaluator(settings=Settings(**configured)) as evaluator:
        yield evaluator


async def graded(script: Script, home: Path, **model: Any) -> tuple[GraderResult, int]:
    """The result of one sample, and how many requests the server saw."""
    with JudgeServer(script) as server:
        async with asking(server, home, **model) as evaluator:
            result = await evaluator.grade(GRADER, "2 + 2 = 4", ITEM)
        return result, len(server.requests)


IMPATIENT: dict[str, Any] = {"attempt_timeout_s": 2.0, "retries": 1}
"""Long enough for a busy machine to answer in, and short enough to wait for."""

PASSING: dict[str, tuple[list[Reply], int]] = {
    "429 with Retry-After": ([status(429, {"retry-after": "0"}), verdict(0.5)], 1),
    "429 without Retry-After": ([status(429), verdict(0.5)], 1),
    "500": ([status(500), verdict(0.5)], 1),
    "503 then 200": ([status(503, body="<h1>busy</h1>"), verdict(0.5)], 1),
    "reset, then a close without an answer": ([reset(), truncated(verdict(0.5)), verdict(0.5)], 2),
    "a hang": ([hang(), verdict(0.5)], 1),
    "a drip that takes too long": ([drip(verdict(0.5), 0.05), verdict(0.5)], 1),
    "a drip that does not": ([drip(verdict(0.5), 0.0)], 0),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_costs_retries_and_no_reward(name: str, tmp_path: Path) -> None:
    script, retries = PASSING[name]
    waits = IMPATIENT if "hang" in name or "too long" in name else {}
    result, requests = await graded(script, tmp_path, **waits)
    assert (result.reward, result.failure) == (0.5, None)
    assert result.metrics["retries"] == retries
    assert requests == retries + 1


LASTING: dict[str, tuple[Reply, FailureKind, str, int]] = {
    "429": (status(429), FailureKind.MODEL_GRADER_SERVER, "status", 4),
    "500": (status(500), FailureKind.MODEL_GRADER_SERVER, "status", 4),
    "401": (status(401), FailureKind.MODEL_GRADER_SERVER, "status", 1),
    "reset": (reset(), FailureKind.MODEL_GRADER_SERVER, "no_answer", 4),
    "hang": (hang(), FailureKind.MODEL_GRADER_SERVER, "no_answer", 2),
    "truncated": (truncated(verdict(1)), FailureKind.MODEL_GRADER_SERVER, "no_answer", 4),
    "truncated JSON": (
        status(200, {"content-type": "application/json"}, '{"choices": [{"mess'),
        FailureKind.MODEL_GRADER_SERVER,
        "malformed_response",
        1,
    ),
    "truncated verdict": (
        chat('{"steps": [], "result": 1'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "wrong schema": (
        answer({"score": 1, "result": "high"}),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "no steps": (answer({"result": 1}), FailureKind.MODEL_GRADER_PARSE, "unparseable_verdict", 1),
    "empty": (chat(""), FailureKind.MODEL_GRADER_PARSE, "empty_answer", 1),
    "null": (chat(None), FailureKind.MODEL_GRADER_PARSE, "empty_answer", 1),
    "length": (
        chat("", finish_reason="length"),
        FailureKind.MODEL_GRADER_EXCEEDED_MAX_TOKENS,
        "length",
        1,
    ),
    "content filter": (
        chat('{"steps": [], "result": 1}', finish_reason="content_filter"),
        FailureKind.MODEL_GRADER_REFUSAL,
        "content_filter",
        1,
    ),
    "refusal": (chat(None, refusal="No."), FailureKind.MODEL_GRADER_REFUSAL, "refusal", 1),
    "a tool": (
        chat('{"steps": [], "result": 1}', tool="grade", finish_reason="tool_calls"),
        FailureKind.MODEL_GRADER_PARSE,
        "empty_answer",
        1,
    ),
    "duplicate keys": (
        chat('{"steps": [], "result": 0, "result": 1}'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "1e400": (
        chat('{"steps": [], "result": 1e400}'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "NaN": (
        chat('{"steps": [], "result": NaN}'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "'NaN'": (
        chat('{"steps": [], "result": "NaN"}'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
    "prose": (
        chat('I give it 1. {"steps": [], "result": 1}'),
        FailureKind.MODEL_GRADER_PARSE,
        "unparseable_verdict",
        1,
    ),
}


@pytest.mark.few(4)
@pytest.mark.parametrize("name", LASTING)
async def test_what_lasts_is_ungraded_with_its_own_cause(name: str, tmp_path: Path) -> None:
    script, kind, cause, expected = LASTING[name]
    result, requests = await graded([script], tmp_path, **(IMPATIENT if name == "hang" else {}))
    assert result.reward is None
    assert result.passed is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (kind, "infrastructure")
    assert result.failure.details["type"] == cause
    assert requests == expected


@pytest.mark.parametrize(("number", "reward"), [(2, 1.0), (1.1, 1.0), (-1, 0.0), (-0.5, 0.0)])
async def test_a_score_outside_the_range_is_clamped_and_reported(
    number: float, reward: float, tmp_path: Path
) -> None:
    result, _ = await graded([verdict(number, [("looked", "good")])], tmp_path)
    assert result.reward == reward
    assert result.metrics["unclamped"] == number
    assert "clamped" in (result.explanation or "")
    assert result.metadata["steps"] == [{"description": "looked", "conclusion": "good"}]


@pytest.mark.parametrize("number", [7, -3, 1e300, 2.01])
async def test_a_score_beyond_the_range_by_more_than_its_width_is_no_verdict(
    number: float, tmp_path: Path
) -> None:
    result, _ = await graded([verdict(number, [("looked", "good")])], tmp_path)
    assert result.failure is not None
    assert (result.reward, result.failure.kind) == (None, FailureKind.MODEL_GRADER_PARSE)
    assert result.failure.caused_by == "infrastructure"


async def test_the_responses_api_is_read_from_a_socket_too(tmp_path: Path) -> None:
    result, _ = await graded([verdict(0.25, [("a", "b")])], tmp_path, api="responses")
    assert (result.reward, result.explanation) == (0.25, "a: b")
    assert result.usage == {
        "judge-1": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cached_tokens": 0}
    }


def _reward_of(request: Request) -> float:
    """A number that depends on the question alone."""
    return hashlib.sha256(json.dumps(request.body["messages"]).encode()).digest()[0] / 255


def _disturbed(chance: random.Random) -> Callable[[Request, int], Reply]:
    """One in ten is refused with 429, and one in a hundred hangs."""

    def script(request: Request, _: int) -> Reply:
        drawn = chance.random()
        if drawn < 0.01:
            return hang()
        return status(429, {"retry-after": "0"}) if drawn < 0.11 else verdict(_reward_of(request))

    return script


@pytest.mark.full
@pytest.mark.parametrize("count", [200, pytest.param(600, marks=pytest.mark.slow)])
async def test_refusals_and_hangs_change_no_reward(count: int, tmp_path: Path) -> None:
    samples, items = [f"answer {n}" for n in range(count)], [ITEM] * count

    async def rewards(script: Script, home: Path, patience_s: float) -> tuple[list[float], float, int]:
        with JudgeServer(script) as server:
            model: dict[str, Any] = {"retries": 8, "attempt_timeout_s": patience_s, "concurrency": 100}
            async with asking(server, home, **model) as evaluator:
                gradings = await evaluator.grade_many(GRADER, samples, items)
                retries = sum(result.metrics["retries"] for result in gradings)
            return gradings.rewards.tolist(), retries, len(server.requests)

    quiet, none, requests = await rewards(lambda request, _: verdict(_reward_of(request)), tmp_path / "a", 60)
    assert (none, requests) == (0, count)
    disturbed, retries, requests = await rewards(_disturbed(random.Random(7)), tmp_path / "b", 6)  # noqa: S311
    assert disturbed == quiet
    assert len(set(quiet)) > 100
    # one that did not reach the server on a busy machine was asked again, and is not among its requests
    assert count < requests <= count + retries
    assert retries > count / 20


async def test_no_more_are_in_flight_than_the_cap(tmp_path: Path) -> None:
    with JudgeServer(lambda request, _: delayed(verdict(0.5), 0.02)) as server:
        async with asking(server, tmp_path, concurrency=7) as evaluator:
            await evaluator.grade_many(GRADER, [f"{n}" for n in range(100)], [ITEM] * 100)
        assert server.most_in_flight == 7


@pytest.mark.full
async def test_two_evaluators_share_a_rate(tmp_path: Path) -> None:
    """Two processes meet in a file; that they are two here makes no difference to it (a service with two: below)."""
    with JudgeServer([verdict(0.5)]) as server:
        no_cache = {"judge_cache_mb": 0}
        limits: dict[str, Any] = {"requests_per_minute": 1200.0}
        async with (
            asking(server, tmp_path, settings=no_cache, **limits) as one,
            asking(server, tmp_path, settings=no_cache, **limits) as other,
        ):
            began = time.monotonic()
            await asyncio.gather(
                *(evaluator.grade(GRADER, f"{n}", ITEM) for n in range(15) for evaluator in (one, other))
            )
        arrived = sorted(request.arrived for request in server.requests)
    assert len(arrived) == 30
    # 20 a second, both together: a busy machine makes it slower, and nothing makes it faster
    assert arrived[-1] - began >= 29 / 20 - 0.1


async def test_a_key_in_the_settings_is_in_no_error(tmp_path: Path) -> None:
    with JudgeServer([status(401)]) as server:
        async with asking(server, tmp_path, api_key="sk-very-secret") as evaluator:
            result = await evaluator.grade(GRADER, "a", ITEM)
            assert "sk-very-secret" not in repr(evaluator.settings)
        assert server.requests[0].headers["authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in repr(result)
