"""What is spent never exceeds a budget by more than one answer, whatever becomes of the questions."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from graders import GradingError
from runtime import Settings
from runtime.judge.answers import AnswerShape
from runtime.judge.bounds import ANSWER_TOKENS, most_tokens
from runtime.judge.budget_account import Price
from runtime.judge.client import Judges
from runtime.judge.shared_limits import shared_limits_at
from runtime.judge.wire import Question
from runtime.net import retries
from tests.conftest import ROOT
from tests.judge_server import JudgeServer, Reply, Request, answer, delayed
from tests.runtime.judge.mocked import SCHEMA, Script, ask, chat, error, judging

HISTORIES = int(os.environ.get("SPENDING_HISTORIES", "150"))
"""Random histories of the slow test; 10,000 of them were tried."""
SEED = int(os.environ.get("SPENDING_SEED", "7"))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0001)


class Model:
    """A model that begins to write as soon as it is asked, and then answers in one of many ways.

    Attributes:
        spent: Tokens that it has read and written, by the first word of the question, whether or not the
            client saw them.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self.spent: dict[str, int] = {}

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        drawn = self._random.random()
        if drawn < 0.15:
            return error(self._random.choice([400, 401, 429, 500, 503]), retry_after="0")
        asked, answered = len(request.content) // 4, self._random.randint(1, body["max_completion_tokens"])
        who = body["messages"][0]["content"].split()[0]
        self.spent[who] = self.spent.get(who, 0) + asked + answered
        await asyncio.sleep(self._random.choice([0, 0.0002, 0.001]))
        if drawn < 0.25:
            await asyncio.sleep(30)  # until the client has enough
        if drawn < 0.35:
            raise self._random.choice([httpx2.ReadError("reset"), httpx2.ReadTimeout("late")])
        if drawn < 0.4:
            return error(504, retry_after="0")
        if drawn < 0.45:
            return httpx2.Response(200, text="<html>")
        if drawn < 0.5:
            return chat("prose", usage=(asked, answered))
        if drawn < 0.55:
            return chat(usage=None)
        return chat(usage=(asked, answered))


LIMIT = 1_000
SETTINGS: dict[str, Any] = {
    "judge_cache_mb": 0,
    "judge_budgets": {"run": {"tokens": 10**12}, "key": {"tokens": LIMIT}, "day": {"tokens": 10**12}},
}
MODEL: dict[str, Any] = {
    "retries": 2,
    "attempt_timeout_s": 0.05,
    "max_completion_tokens": 100,
    "structure": "schema",
}


async def one_history(two: Sequence[Judges], client: str, chance: random.Random) -> None:
    """Some questions at once, of which some are the same, and some are given up."""

    async def question(number: int) -> None:
        await asyncio.sleep(chance.random() * 0.002)
        judges, text = chance.choice(two), f"{client} asks {chance.choice([number, 0])}"
        is_sampled = chance.random() < 0.3
        with suppress(GradingError, TimeoutError):
            async with asyncio.timeout(chance.choice([None, None, 0.0, 0.0005, 0.002])):
                if is_sampled:  # as runs of evals do
                    messages = [{"role": "user", "content": text}]
                    await judges.complete("judge", messages, {}, api="chat", extra={}, client=client)
                else:
                    await ask(judges.seen_by(client=client), text)

    tasks = [asyncio.create_task(question(number)) for number in range(chance.randint(1, 16))]
    if chance.random() < 0.2:
        await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("count", [40, pytest.param(HISTORIES, marks=pytest.mark.slow)])
async def test_no_history_of_questions_spends_more_than_a_budget_and_one_answer(
    count: int, tmp_path: Path
) -> None:
    chance, model = random.Random(SEED), Model(SEED + 1)  # noqa: S311
    clients = [f"c{number}" for number in range(count)]
    async with (
        judging(model, tmp_path, **SETTINGS, model=MODEL) as one,
        judging(model, tmp_path, **SETTINGS, model=MODEL) as other,
    ):
        for start in range(0, count, 8):
            await asyncio.gather(
                *(one_history((one, other), client, chance) for client in clients[start : start + 8])
            )
    over = await check_accounts(tmp_path, clients, model.spent)
    assert over > count / 10, "many of them come to the end of their budget"


async def check_accounts(home: Path, clients: Sequence[str], spent: Mapping[str, int]) -> int:
    """Assert that no client has spent more than the limit and one reservation; how many came to their limit."""
    limits = shared_limits_at(str(home / "judges.sqlite"))
    messages = [{"role": "user", "content": f"{clients[-1]} asks 15"}]
    question = Question(
        "judge", messages, AnswerShape(SCHEMA), "verdict", {"max_completion_tokens": 100}, "chat"
    )
    reservation, over = sum(most_tokens(question)), 0
    for client in clients:
        account = await limits.account(f"key {client} {datetime.now(UTC).date()}")
        assert (account.held, account.aside) == (0, Price()), "nothing stays aside"
        assert spent.get(client, 0) <= account.spent.tokens <= LIMIT + reservation, client
        over += account.spent.tokens >= LIMIT
    await limits.aclose()
    return over


HISTORIES_OF_A_PROCESS = """
import asyncio, sys
from pathlib import Path
from tests.runtime.judge.test_spending import histories
asyncio.run(histories(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
"""


async def histories(home: Path, seed: int, count: int) -> None:
    """Go through the histories of all clients, and print what the model has written for each."""
    retries.FIRST_PAUSE_S = 0.0001
    chance, model = random.Random(seed), Model(seed + 1)  # noqa: S311
    async with judging(model, home, **SETTINGS, model=MODEL) as judges:
        for start in range(0, count, 8):
            clients = [f"c{number}" for number in range(start, min(start + 8, count))]
            await asyncio.gather(*(one_history((judges,), client, chance) for client in clients))
    sys.stdout.write(json.dumps(model.spent))


@pytest.mark.full
@pytest.mark.parametrize("count", [48, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_two_processes_spend_no_more_than_one(count: int, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", HISTORIES_OF_A_PROCESS, str(tmp_path)]
    running = [
        await asyncio.create_subprocess_exec(
            *arguments, str(SEED + 10 * number), str(count), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        for number in range(2)
    ]
    spent: Counter[str] = Counter()
    for printed, _ in await asyncio.gather(*(process.communicate() for process in running)):
        spent.update(json.loads(printed))
    over = await check_accounts(tmp_path, [f"c{number}" for number in range(count)], spent)
    assert over > count / 10, "many of them come to the end of their budget"


PROCESS = """
import asyncio, sys
from pathlib import Path
from tests.runtime.judge.test_spending import process
asyncio.run(process(Path(sys.argv[1]), sys.argv[2]))
"""


async def process(home: Path, url: str) -> None:
    """What each of several processes does: it asks until the budget is spent."""
    judge = {**MODEL, "base_url": url, "attempt_timeout_s": 5}
    settings = Settings(judges={"*": judge}, judge_store=str(home / "judges.sqlite"), **SETTINGS)
    judges = Judges(settings)
    await asyncio.gather(
        *(ask(judges.seen_by(client="c"), f"{number} {id(judges)}") for number in range(40)),
        return_exceptions=True,
    )
    await judges.aclose()


@pytest.mark.full
async def test_processes_that_are_killed_leave_what_they_have_set_aside(tmp_path: Path) -> None:
    spent, loop, is_asked = 0, asyncio.get_running_loop(), asyncio.Event()

    def script(request: Request, _: int) -> Reply:
        nonlocal spent
        spent += 120
        loop.call_soon_threadsafe(is_asked.set)
        return delayed(answer({"result": 1}, usage=(20, 100)), 0.05)

    with JudgeServer(script) as server:
        arguments = [sys.executable, "-c", PROCESS, str(tmp_path), server.url]
        running = [await asyncio.create_subprocess_exec(*arguments, cwd=ROOT) for _ in range(2)]
        await is_asked.wait()
        running[0].kill()
        await running[0].wait()
        await asyncio.sleep(0.2)
        running[1].kill()
        await running[1].wait()
    assert 0 < spent < LIMIT + 1_500
    limits = shared_limits_at(str(tmp_path / "judges.sqlite"))
    account = await limits.account(f"key c {datetime.now(UTC).date()}")
    await limits.aclose()
    assert spent <= account.spent.tokens + account.aside.tokens < LIMIT + 1_500


def limited(**limits: Any) -> dict[str, Any]:
    return {"judge_budgets": {"key": limits}, "judge_cache_mb": 0}


async def test_an_answer_that_nobody_waits_for_is_paid(tmp_path: Path) -> None:
    asked = 0

    async def slow(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(3600)
        raise AssertionError

    async with judging(slow, tmp_path, **limited(tokens=2_000)) as judges:
        for number in range(15):
            with suppress(TimeoutError, GradingError):
                async with asyncio.timeout(0.02):
                    await ask(judges, f"question {number}")
    assert asked == 1, f"{ANSWER_TOKENS} tokens may have been written"


async def test_a_server_that_goes_beyond_its_limit_does_so_once(tmp_path: Path) -> None:
    asked = 0

    async def big(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return chat(usage=(10, 20_000))

    async with judging(big, tmp_path, **limited(tokens=2_000)) as judges:
        results = await asyncio.gather(*(ask(judges, f"{n}") for n in range(40)), return_exceptions=True)
        assert asked == 1
        assert sum(isinstance(result, GradingError) for result in results) == 39
    async with judging(big, tmp_path / "b", **limited(tokens=100_000)) as judges:
        await asyncio.gather(*(ask(judges, f"{n}") for n in range(40)), return_exceptions=True)
    assert asked < 1 + 100_000 // ANSWER_TOKENS + 2, (
        "what was not known at first is known after the first answer"
    )


async def test_the_bound_is_sent_where_there_is_a_budget_and_nowhere_else(tmp_path: Path) -> None:
    script = Script(chat())
    async with judging(script, tmp_path) as judges:
        await ask(judges, "one")
    async with judging(script, tmp_path, judge_budgets={"run": {"tokens": 10**6}}) as judges:
        assert (await ask(judges, "one")).cached, "it decides nothing of a verdict that came"
        await ask(judges, "two")
        await ask(judges, "three", sampling={"max_completion_tokens": 7})
    sent = [body.get("max_completion_tokens") for body in script.bodies]
    assert sent == [None, ANSWER_TOKENS, 7]


@pytest.mark.parametrize(("reply", "expected"), [
    (httpx2.ConnectError("refused"), 0),
    (error(401), 0),
    (httpx2.ReadError("reset"), 1),
    (error(504), 1),
    (httpx2.Response(200, text="<html>"), 1),
    (chat(usage=None), 1),
])  # fmt: skip
async def test_what_may_have_been_answered_is_paid(
    reply: httpx2.Response | Exception, expected: int, tmp_path: Path
) -> None:
    model = {"retries": 0, "parse_retries": 0, "max_completion_tokens": 1_000}
    async with judging(Script(reply), tmp_path, model=model, **limited(tokens=10**6)) as judges:
        with suppress(GradingError):
            await ask(judges)
    limits = shared_limits_at(str(tmp_path / "judges.sqlite"))
    account = await limits.account(f"key  {datetime.now(UTC).date()}")
    await limits.aclose()
    assert account.spent.tokens // 1_000 == expected


async def test_a_sample_that_is_cut_at_our_bound_is_no_sample(tmp_path: Path) -> None:
    script = Script(chat("Once upon a", finish_reason="length"))
    asked: dict[str, Any] = {"api": "chat", "extra": {}, "client": ""}
    messages = [{"role": "user", "content": "tell"}]
    async with judging(script, tmp_path, **limited(tokens=10**6)) as judges:
        with pytest.raises(GradingError, match="limit of tokens") as caught:
            await judges.complete("judge", messages, {}, **asked)
        assert caught.value.failure.caused_by == "infrastructure"
        found = await judges.complete("judge", messages, {"max_completion_tokens": 3}, **asked)
        assert found.text == "Once upon a"


async def test_one_keys_budget_fails_no_question_of_another(tmp_path: Path) -> None:
    asked: list[str] = []

    async def slow(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content)["messages"][0]["content"])
        await asyncio.sleep(0.2 if asked[-1] == "long" else 0.01)
        return chat(usage=(1_000, 5_000))

    async with judging(slow, tmp_path, **limited(tokens=2_000)) as judges:
        c, d = (judges.seen_by(client=client) for client in "cd")
        first = asyncio.create_task(ask(c, "long"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(ask(c, "both"))  # waits for what the first has set aside
        await asyncio.sleep(0.05)
        other = await asyncio.wait_for(ask(d, "both"), 10)
        assert other.output == {"result": 0.5}
        assert not first.done(), "nobody has waited for another's budget"
        assert other.usage["total_tokens"] == 6_000
        await first
        (result,) = await asyncio.gather(second, return_exceptions=True)
        assert isinstance(result, GradingError)
        assert result.failure.details["type"] == "budget_spent"
    assert asked == ["long", "both"]


async def test_those_who_wait_for_an_answer_share_its_failure_and_pay_nothing(tmp_path: Path) -> None:
    async def prose(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0.01)
        return chat("prose")

    async with judging(prose, tmp_path, model={"parse_retries": 0}) as judges:
        failed = await asyncio.gather(*(ask(judges) for _ in range(5)), return_exceptions=True)
    errors = [error for error in failed if isinstance(error, GradingError)]
    assert len({id(error) for error in errors}) == 5
    assert sorted(len(error.usage) for error in errors) == [0, 0, 0, 0, 1]
    assert {error.failure.details["type"] for error in errors} == {"unparseable_verdict"}
