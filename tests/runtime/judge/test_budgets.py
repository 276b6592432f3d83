"""Budgets: what is spent is never asked for again, and nobody overdraws together."""

import asyncio
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from graders import GradingError, Judge
from runtime.settings.judges import Budget, JudgeModel
from tests.runtime.judge.mocked import Script, ask, chat, error, judging


class _Later:
    """A clock that is far ahead."""

    @staticmethod
    def now(zone: tzinfo) -> datetime:
        return datetime(2999, 1, 2, tzinfo=zone)


async def causes(judge: Judge, count: int, *, start: int = 0) -> list[str]:
    """What becomes of so many questions, one after the other."""
    found = []
    for number in range(start, start + count):
        (result,) = await asyncio.gather(ask(judge, f"question {number}"), return_exceptions=True)
        if isinstance(result, GradingError):
            assert result.failure.caused_by == "infrastructure"
            assert result.failure.retryable
            found.append(str(result.failure.details["type"]))
        else:
            found.append("verdict")
    return found


def budget(scope: str, **limits: Any) -> dict[str, Any]:
    return {"judge_budgets": {scope: limits}}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"tokens": 31}, 3), ({"tokens": 30}, 2), ({"money": 0.02}, 2), ({"tokens": 10**6, "money": 0.025}, 3)],
)
async def test_when_it_is_spent_nothing_more_is_sent(
    limits: dict[str, Any], expected: int, tmp_path: Path
) -> None:
    script = Script(chat(usage=(10, 5)))
    prices = {"prompt_price": 500.0, "completion_price": 1000.0, "cached_price": 500.0}  # 0.01 an answer
    async with judging(script, tmp_path, model=prices, **budget("run", **limits)) as judges:
        assert await causes(judges.seen_by(), 6) == ["verdict"] * expected + ["budget_spent"] * (6 - expected)
        assert len(script.requests) == expected
        assert judges.statistics["judge"].money == pytest.approx(0.01 * expected)
        assert (await ask(judges, "question 0")).cached, "what is remembered costs nothing"


async def test_many_at_once_do_not_overdraw_it(tmp_path: Path) -> None:
    class Slow(httpx2.AsyncBaseTransport):
        requests = 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self.requests += 1
            await asyncio.sleep(0.005)
            return chat(usage=(100, 100))

    slow = Slow()
    async with judging(Script(chat()), tmp_path, **budget("run", tokens=1000)) as judges:
        judges._transport = slow
        results = await asyncio.gather(
            *(ask(judges, f"question {n}") for n in range(50)), return_exceptions=True
        )
    assert slow.requests in (5, 6), "200 tokens each"
    assert sum(isinstance(result, GradingError) for result in results) == 50 - slow.requests


async def test_each_key_has_its_own_and_a_day_is_everybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"judge_budgets": {"key": {"tokens": 30}, "day": {"tokens": 60}}, "judge_cache_mb": 0}
    async with judging(Script(chat()), tmp_path, **both) as judges:
        assert await causes(judges.seen_by(client="a"), 3) == ["verdict", "verdict", "budget_spent"]
        assert await causes(judges.seen_by(client="b"), 1) == ["verdict"]
    async with judging(Script(chat()), tmp_path, **both) as judges:  # after a restart, and in every process
        assert await causes(judges.seen_by(client="a"), 1) == ["budget_spent"]
        assert await causes(judges.seen_by(client="b"), 2) == ["verdict", "budget_spent"]
        with pytest.raises(GradingError, match="the budget of today is spent"):
            await ask(judges.seen_by(client="c"))
        monkeypatch.setattr("runtime.judge.budgets.datetime", _Later)
        assert await causes(judges.seen_by(client="a"), 1) == ["verdict"]


async def test_what_was_not_answered_costs_nothing(tmp_path: Path) -> None:
    script = Script(error(401), chat())
    async with judging(script, tmp_path, **budget("run", tokens=20)) as judges:
        assert await causes(judges.seen_by(), 4) == ["status", "verdict", "verdict", "budget_spent"]


def test_cached_tokens_have_a_price_of_their_own() -> None:
    model = JudgeModel(prompt_price=10.0, cached_price=1.0, completion_price=100.0)
    assert model.cost(1_000_000, 10_000, 400_000) == pytest.approx(6.0 + 0.4 + 1.0)
    assert JudgeModel(prompt_price=10.0).cost(1_000_000, 0, 400_000) == pytest.approx(10.0)


def test_a_budget_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="tokens, money, or both"):
        Budget()
