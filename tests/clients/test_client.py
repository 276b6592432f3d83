"""The client and a real service: every sample gets its own reward, from threads, event loops and processes."""

import asyncio
import copy
import datetime as dt
import math
import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import graders_client
import numpy as np
import pytest
from graders_client import GraderClient, RequestRefused, WrongProcess
from graders_client.rewarder import Rewarder
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from pydantic import SecretStr

from runtime import Settings, SyncEvaluator
from tests.clients.child import grade_in_child
from tests.clients.conftest import EXACT, statistics
from tests.service.conftest import served


def right(sample: str, item: dict[str, Any]) -> float:
    return float(sample == item["answer"])


def test_each_sample_gets_its_own_reward_in_its_own_place(client: GraderClient) -> None:
    samples = [str(index % 7) for index in range(1000)]
    items = [{"answer": str(index % 3)} for index in range(1000)]
    found = client.grade(samples, items)
    assert [graded.reward for graded in found] == list(map(right, samples, items))


def test_sub_rewards_and_failures_come_along(service: str) -> None:
    with GraderClient(service, "parts") as client:
        whole, broken = client.grade(["4", "4"], [{"answer": "4"}, {}])
    assert (whole.reward, whole.sub_rewards, whole.failure) == (1.0, {"right": 1.0, "short": 1.0}, None)
    assert (broken.reward, broken.graded) == (None, False)
    assert broken.reason.caused_by == "grader"
    assert "item.answer" in broken.reason.message


def test_a_grader_may_be_its_json(service: str) -> None:
    with GraderClient(f"{service}/v1/", EXACT) as client:
        assert [graded.reward for graded in client.grade(["a"], [{"answer": "a"}], step=3)] == [1.0]


def test_split_and_step_reach_the_statistics(service: str, client: GraderClient) -> None:
    client.grade(["a", "b"], [{"answer": "a"}] * 2, split="valid", step=17)
    client.grade_one("a", {"answer": "a"}, split="valid", step=18)
    for _ in range(100):
        if statistics(service, "exact")["splits"]["valid"]["gradings"] == 3:
            return
        time.sleep(0.1)
    pytest.fail("the gradings are not counted")


def test_nothing_is_sent_for_no_samples(client: GraderClient) -> None:
    assert client.grade([], []) == []
    assert asyncio.run(client.agrade([])) == []


@pytest.mark.parametrize(
    ("samples", "items", "groups", "message"),
    [
        ("one text", [{}], None, "samples: expected a list"),
        (["a"], {"answer": "a"}, None, "items: expected a list"),
        (["a", "b"], [{}], None, "items: expected one for each of the 2 samples, got 1"),
        (["a", "b"], [{}, {}], [1], "groups: expected one for each of the 2 samples, got 1"),
        (
            ["a", "b"],
            [{"n": 1}, {"n": 2}],
            [1, 1],
            "rows 0 and 1 are both of group 1 but have different items",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_sent(
    client: GraderClient, samples: Any, items: Any, groups: Any, message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        client.grade(samples, items, groups=groups)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "127.0.0.1:8000"}, "url: expected something like"),
        ({"url": "ftp://host"}, "url: expected something like"),
        ({"url": "http://user:key@host"}, "a key goes into `api_key`"),
        ({"url": "http://host:99999"}, "the port of"),
        ({"url": "http://host/a b"}, "percent-encoded"),
        ({"grader": {"type": {1, 2}}}, "grader: expected the name of a stored grader, or its JSON"),
        ({"grader": {"type": math.nan}}, "grader: expected the name of a stored grader, or its JSON"),
        ({"deadline_s": 0}, "deadline_s: expected a number above 0"),
        ({"deadline_s": math.nan}, "deadline_s: expected a number above 0"),
        ({"deadline_s": math.inf}, "deadline_s: expected a number above 0"),
        ({"gather_s": -1}, "gather_s: expected a number above 0"),
        ({"concurrency": 0}, "concurrency: expected a number above 0"),
        ({"batch_rows": -1}, "batch_rows: expected a number above 0"),
        ({"api_key": "a\nb"}, "api_key: expected visible ASCII"),
        ({"api_key": ""}, "api_key: expected visible ASCII"),
    ],
)
def test_a_wrong_setting_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraderClient(**{"url": "http://host", "grader": "math", **arguments})


def test_a_grader_that_is_not_there_raises_and_says_so(service: str) -> None:
    with (
        GraderClient(service, "nowhere") as client,
        pytest.raises(RequestRefused, match="nowhere") as refused,
    ):
        client.grade(["a"], [{}])
    assert refused.value.status == 404


def test_a_key_is_sent_and_never_shown(quick: Settings, tmp_path: Any) -> None:
    key = "a-key-of-more-than-16-characters"
    with served(
        quick.model_copy(update={"api_keys": [SecretStr(key)], "database": str(tmp_path / "keys.sqlite")})
    ) as url:
        with GraderClient(url, EXACT, api_key=key) as client:
            assert client.grade_one("a", {"answer": "a"}).reward == 1.0
            assert key not in repr(client)
        with GraderClient(url, EXACT) as client, pytest.raises(RequestRefused) as refused:
            client.grade_one("a", {"answer": "a"})
    assert refused.value.status == 401


@pytest.mark.full
def test_an_idle_connection_that_the_service_has_closed_costs_nothing(quick: Settings, tmp_path: Any) -> None:
    settings = quick.model_copy(update={"idle_timeout_s": 0.2, "database": str(tmp_path / "idle.sqlite")})
    with served(settings) as url, GraderClient(url, EXACT) as client:
        for _ in range(3):
            assert client.grade_one("a", {"answer": "a"}).reward == 1.0
            time.sleep(0.6)


COMPLETION = ChatCompletion(
    id="1",
    object="chat.completion",
    created=0,
    model="m",
    choices=[
        Choice(index=0, finish_reason="stop", message=ChatCompletionMessage(role="assistant", content="a"))
    ],
)
ODD: list[tuple[Any, Any, float | None, str]] = [
    ("a", {"answer": "a", "p": math.nan}, None, "item.p: nan is not JSON"),
    ("a", {"answer": "a", "p": [{"q": -math.inf}]}, None, r"item.p\[0\].q: -inf is not JSON"),
    ("a", {"answer": "a", "p": b"bytes"}, None, "item.p: JSON has no form for bytes"),
    ("a", {"answer": "a", ("k",): 1}, None, r"the key \('k',\) is no text"),
    ("a", {"answer": "a", "p": object()}, None, "item.p: JSON has no form for object"),
    ({1, 2}, {"answer": "a"}, None, "sample: JSON has no form for set"),
    (None, {"answer": "a"}, None, "sample"),
    (5, {"answer": "a"}, None, "sample"),
    ("a", {"answer": "a", "p": np.array([1, 2]), "q": np.float32(0.5)}, 1.0, ""),
    ("a", {"answer": "a", "p": dt.date(2026, 1, 1)}, 1.0, ""),
    ("a\ud83d", {"answer": "a\ud83d"}, 1.0, ""),
    ([{"role": "assistant", "content": "a"}], {"answer": "a"}, 1.0, ""),
    (COMPLETION, {"answer": "a"}, 1.0, ""),
    ("a", None, None, "item.answer"),
]


def test_a_row_that_cannot_be_sent_takes_no_other_with_it(client: GraderClient) -> None:
    samples, items = [row[0] for row in ODD], [row[1] for row in ODD]
    found = client.grade(["b", *samples, "b"], [{"answer": "b"}, *items, {"answer": "b"}])
    assert [graded.reward for graded in found] == [1.0, *(row[2] for row in ODD), 1.0]


@pytest.mark.parametrize(("sample", "item", "reward", "message"), ODD)
def test_a_row_that_cannot_be_sent_says_what_is_wrong(
    client: GraderClient, sample: Any, item: Any, reward: float | None, message: str
) -> None:
    graded = client.grade_one(sample, item)
    assert graded.reward == reward
    if reward is None:
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(graded.reason.message)


def test_what_contains_itself_is_ungraded(client: GraderClient) -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for item in (loop, {"deep": deep}):
        assert client.grade_one("a", item).reward is None


def one_by_one(rewarder: GraderClient, samples: list[str], items: list[dict[str, Any]]) -> list[float | None]:
    return [rewarder.grade_one(sample, item).reward for sample, item in zip(samples, items, strict=True)]


def in_threads(rewarder: GraderClient, samples: list[str], items: list[dict[str, Any]]) -> list[float | None]:
    found: list[float | None] = [None] * len(samples)

    def work(first: int) -> None:
        for index in range(first, len(samples), 16):
            found[index] = rewarder.grade_one(samples[index], items[index]).reward

    threads = [threading.Thread(target=work, args=(first,)) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def on_a_loop(rewarder: GraderClient, samples: list[str], items: list[dict[str, Any]]) -> list[float | None]:
    async def work() -> list[float | None]:
        pairs = zip(samples, items, strict=True)
        found = await asyncio.gather(*(rewarder.agrade_one(sample, item) for sample, item in pairs))
        return [graded.reward for graded in found]

    return asyncio.run(work())


def on_loops_in_threads(
    rewarder: GraderClient, samples: list[str], items: list[dict[str, Any]]
) -> list[float | None]:
    found: list[list[float | None]] = [[] for _ in range(4)]

    def work(part: int) -> None:
        found[part] = on_a_loop(rewarder, samples[part::4], items[part::4])

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[index % 4][index // 4] for index in range(len(samples))]


@pytest.mark.parametrize(
    ("way", "count"), [(one_by_one, 8), (in_threads, 96), (on_a_loop, 400), (on_loops_in_threads, 400)]
)
def test_single_calls_get_their_own_rewards(
    client: GraderClient,
    way: Callable[[GraderClient, list[str], list[dict[str, Any]]], list[float | None]],
    count: int,
) -> None:
    samples = [str(index % 5) for index in range(count)]
    items = [{"answer": str(index % 3), "n": index % 11} for index in range(count)]
    assert way(client, samples, items) == list(map(right, samples, items))


def test_the_event_loop_goes_on_meanwhile(client: GraderClient) -> None:
    async def main() -> int:
        ticks = 0
        grading = asyncio.ensure_future(
            client.agrade(["a"] * 2000, [{"answer": str(n)} for n in range(2000)])
        )
        while not grading.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks

    assert asyncio.run(main()) > 3


def test_a_client_of_one_event_loop_serves_the_next(client: GraderClient) -> None:
    for _ in range(3):
        assert asyncio.run(client.agrade_one("a", {"answer": "a"})).reward == 1.0


def test_a_client_can_be_closed_and_used_again(client: GraderClient) -> None:
    for _ in range(3):
        assert client.grade_one("a", {"answer": "a"}).reward == 1.0
        client.close()


def test_a_copy_grades_as_the_original_does(client: GraderClient) -> None:
    client.grade_one("a", {"answer": "a"})
    for other in (copy.deepcopy(client), pickle.loads(pickle.dumps(client))):  # noqa: S301  # our own
        with other:
            assert repr(other) == repr(client)
            assert other.grade_one("a", {"answer": "a"}).reward == 1.0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_grade_on_their_own(client: GraderClient, method: str) -> None:
    assert client.grade_one("a", {"answer": "a"}).reward == 1.0
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(grade_in_child, (client, 5)).get(120) == [1.0] * 3
        pool.close()
        pool.join()
    assert client.grade_one("a", {"answer": "a"}).reward == 1.0


def rewarders(client: GraderClient, evaluator: SyncEvaluator) -> list[Rewarder]:
    return [client, graders_client.local(evaluator, EXACT)]


@given(rows=st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(0, 3)), max_size=12))
@settings(max_examples=8)
def test_the_service_and_this_process_give_the_same(
    service: str, local_evaluator: SyncEvaluator, rows: list[tuple[str, str, int]]
) -> None:
    samples = [sample for sample, _, _ in rows]
    items: list[Any] = [{"answer": answer} if group else {} for _, answer, group in rows]
    groups = [(group, answer if group else None) for _, answer, group in rows]
    with GraderClient(service, "exact") as client:
        over_http, here = (
            each.grade(samples, items, groups=groups) for each in rewarders(client, local_evaluator)
        )
    assert over_http == here


def test_in_this_process_every_form_gives_the_same(local_evaluator: SyncEvaluator) -> None:
    here = graders_client.local(local_evaluator, EXACT)
    assert here.grade(["a"], [{"answer": "a"}])[0].reward == 1.0
    assert here.grade_one("a", {"answer": "a"}, group="g", step=1).reward == 1.0
    assert asyncio.run(here.agrade(["a"], [{"answer": "a"}]))[0].reward == 1.0
    assert asyncio.run(here.agrade_one("a", {"answer": "b"})).reward == 0.0
    with pytest.raises(ValueError, match="group_size"):
        here.grade_one("a", {}, group="g", group_size=2)
    with pytest.raises(TypeError, match="GraderClient"):
        pickle.dumps(here)


def _in_fork(here: Rewarder, answers: Any) -> None:
    try:
        here.grade(["a"], [{"answer": "a"}])
    except WrongProcess as error:
        answers.put(str(error))


def test_an_evaluator_in_a_forked_process_raises_at_once_and_says_what_to_do(
    local_evaluator: SyncEvaluator,
) -> None:
    here = graders_client.local(local_evaluator, EXACT)
    forked = multiprocessing.get_context("fork")
    answers: Any = forked.SimpleQueue()
    process = forked.Process(target=_in_fork, args=(here, answers))
    process.start()
    process.join(60)
    assert "make it after the fork" in answers.get()
