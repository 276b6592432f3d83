"""Where processes meet: rates and spending, in SQLite and in a real PostgreSQL."""

import asyncio
import builtins
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError, GradingError
from runtime.judge.budget_account import Account, Price
from runtime.judge.rate_limit import Rate
from runtime.judge.shared_limits import TOLERANCE_S, SharedLimits, shared_limits_at


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A meeting point of this test's own."""
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "judges.sqlite")
    url: str = request.getfixturevalue("postgresql")
    return url


@pytest.fixture
async def both(store: str) -> AsyncIterator[tuple[SharedLimits, SharedLimits]]:
    """Two processes that meet, as far as the store can tell."""
    one, other = shared_limits_at(store), shared_limits_at(store)
    yield one, other
    await one.aclose()
    await other.aclose()


@pytest.mark.full
async def test_places_are_handed_out_evenly_for_all_processes(
    both: tuple[SharedLimits, SharedLimits],
) -> None:
    one, other = both
    began = time.time()
    waits = [await (one if n % 2 else other).reserve("r", 10.0) for n in range(6)]
    took = time.time() - began
    assert waits[0] <= 0
    for number, wait in enumerate(waits):
        assert 10 * number - took - TOLERANCE_S <= wait <= 10 * number


async def test_rates_do_not_touch_each_other(both: tuple[SharedLimits, SharedLimits]) -> None:
    one, other = both
    await one.reserve("a", 1000.0)
    assert await other.reserve("b", 1000.0) <= 0


async def test_what_a_place_really_cost_moves_the_next(both: tuple[SharedLimits, SharedLimits]) -> None:
    one, other = both
    await one.reserve("a", 1000.0)
    await other.shift("a", -900.0)
    assert 0 < await one.reserve("a", 1.0) <= 100


LIMIT = Price(100, 10.0)


def gone(account: Account) -> tuple[Price, Price, int]:
    return account.spent, account.aside, account.held


async def test_spending_is_counted_together(both: tuple[SharedLimits, SharedLimits]) -> None:
    one, other = both
    assert gone(await one.account("day")) == (Price(), Price(), 0)

    async def spend(limits: SharedLimits) -> None:
        assert await limits.take("day", Price(4, 0.3), LIMIT, 60.0)
        await limits.settle("day", Price(4, 0.3), Price(3, 0.25), 60.0)

    await asyncio.gather(*(spend(one if n % 2 else other) for n in range(20)))
    assert gone(await one.account("day")) == (Price(60, 5.0), Price(), 0)
    assert await other.take("other", Price(1, 0.0), LIMIT, 60.0)


@pytest.mark.parametrize("limit", [Price(100, 1e9), Price(1 << 62, 10.0), LIMIT])
async def test_nobody_takes_once_the_limit_is_set_aside(
    both: tuple[SharedLimits, SharedLimits], limit: Price
) -> None:
    one, other = both
    price = Price(30, 3.0)
    taken = await asyncio.gather(
        *((one if n % 2 else other).take("day", price, limit, 60.0) for n in range(20))
    )
    assert sum(taken) == 4, "90 of 100 were gone when the fourth came, and 120 when the fifth did"
    account = await other.account("day")
    assert gone(account) == (Price(), Price(120, 12.0), 4)
    assert 50 < account.held_s <= 60
    await other.settle("day", price, Price(), 60.0)
    assert await one.take("day", price, limit, 60.0)
    for _ in range(4):
        await one.settle("day", price, price, 60.0)
    assert gone(await one.account("day")) == (Price(120, 12.0), Price(), 0)
    assert not await other.take("day", price, limit, 60.0)


async def test_there_is_no_news_of_those_who_have_died(both: tuple[SharedLimits, SharedLimits]) -> None:
    one, other = both
    assert await one.take("day", Price(30, 3.0), LIMIT, -1.0)
    assert (await other.account("day")).held_s < 0


async def test_it_is_there_after_a_restart(store: str) -> None:
    first = shared_limits_at(store)
    await first.take("day", Price(5, 1.0), LIMIT, 60.0)
    await first.aclose()
    second = shared_limits_at(store)
    assert gone(await second.account("day")) == (Price(), Price(5, 1.0), 1)
    await second.aclose()


async def test_a_statement_that_is_cut_off_does_not_spoil_the_next(
    both: tuple[SharedLimits, SharedLimits],
) -> None:
    one, _ = both
    await one.take("day", Price(1, 0.0), LIMIT, 60.0)
    tasks = [asyncio.create_task(one.take("other", Price(1, 0.0), LIMIT, 60.0)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert gone(await one.account("day")) == (Price(), Price(1, 0.0), 1)


async def test_a_store_that_is_not_there_is_a_failed_measurement(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for store in (str(tmp_path / "file" / "below"), "postgresql://nobody@127.0.0.1:9/none"):
        limits = shared_limits_at(store)
        with pytest.raises(GradingError, match="judge_store") as caught:
            await limits.reserve("a", 1.0)
        assert caught.value.failure.caused_by == "infrastructure"
        assert caught.value.failure.details["type"] == "judge_store_unavailable"
        await limits.aclose()


def test_a_store_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not with redis://"):
        shared_limits_at("redis://localhost")


def test_the_driver_of_postgresql_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return really(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[postgres\]"):
        shared_limits_at("postgresql://localhost")


async def test_a_caller_that_leaves_the_queue_takes_no_place(tmp_path: Path) -> None:
    limits = shared_limits_at(str(tmp_path / "judges.sqlite"))
    rate = Rate(limits, "r", per_minute=60.0)
    await rate.wait(1)
    waiting = [asyncio.create_task(rate.wait(1)) for _ in range(50)]
    await asyncio.sleep(0.05)
    for task in waiting[1:]:
        task.cancel()
    await asyncio.gather(*waiting[1:], return_exceptions=True)
    assert 1 <= await limits.reserve("r", 1.0) <= 2, "one has passed, one waits, and all others are gone"
    waiting[0].cancel()
    await rate.correct(5, 5)
    await limits.aclose()
