"""Calls of one sample each: gathered into few requests, groups together, none lost, doubled or misplaced."""

import asyncio
import itertools
import threading
from typing import Any

import pytest
from graders_client import Graded, GraderClient
from graders_client.rows import Row, halves, requests_of
from hypothesis import given
from hypothesis import strategies as st

from tests.clients import scripted
from tests.clients.scripted import Scripted

CALLS = 16_000


Calls = list[tuple[str, dict[str, Any], dict[str, Any]]]


def together(client: GraderClient, calls: Calls) -> list[Graded]:
    async def main() -> list[Graded]:
        return list(
            await asyncio.gather(*(client.agrade_one(sample, item, **more) for sample, item, more in calls))
        )

    return asyncio.run(main())


def test_sixteen_thousand_calls_at_once_get_their_own_rewards_and_are_sent_once() -> None:
    calls: Calls = [(str(n % 5), {"answer": str(n % 3), "n": n}, {}) for n in range(CALLS)]
    with Scripted() as server, GraderClient(server.url, "math") as client:
        found = together(client, calls)
        assert [graded.reward for graded in found] == [float(n % 5 == n % 3) for n in range(CALLS)]
        assert sorted(row["item"]["n"] for row in server.rows) == list(range(CALLS))
        assert len(server.seen) <= CALLS // 100
        assert max(len(seen.body["rows"]) for seen in server.seen) <= 256
        assert server.connections <= 4


def test_many_calls_of_one_item_fit_into_requests_too() -> None:
    with Scripted() as server, GraderClient(server.url, "math") as client:
        found = together(client, [("1", {"answer": "1"}, {})] * 2000)
        assert {graded.reward for graded in found} == {1.0}
        assert max(len(seen.body["rows"]) for seen in server.seen) <= 256


@pytest.mark.full
def test_answers_that_are_lost_lose_and_double_nothing() -> None:
    faults = [scripted.drops, scripted.half, scripted.closes_after, scripted.says(503), scripted.answers] * 6
    calls: Calls = [(str(n), {"answer": str(n), "n": n}, {}) for n in range(3000)]
    with Scripted(faults) as server, GraderClient(server.url, "math") as client:
        assert [graded.reward for graded in together(client, calls)] == [1.0] * 3000
    by_key: dict[str, set[str]] = {}
    for (
        seen
    ) in server.seen:  # a key belongs to one body, and with another key only what was refused comes again
        by_key.setdefault(seen.headers["idempotency-key"], set()).add(str(seen.body))
    assert {len(bodies) for bodies in by_key.values()} == {1}


def test_many_threads_get_their_own_rewards() -> None:
    found: dict[int, float | None] = {}
    with Scripted() as server, GraderClient(server.url, "math") as client:

        def work(first: int) -> None:
            for n in range(first, 1280, 64):
                found[n] = client.grade_one(str(n % 7), {"answer": str(n % 3), "n": n}).reward

        threads = [threading.Thread(target=work, args=(first,)) for first in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[n] for n in range(1280)] == [float(n % 7 == n % 3) for n in range(1280)]
        assert len(server.seen) < 640


def test_the_samples_of_a_group_are_in_one_request_one_after_the_other() -> None:
    calls: Calls = [(str(n), {"prompt": n % 40}, {"group": n % 40}) for n in range(400)]
    with Scripted() as server, GraderClient(server.url, "math", gather_s=1.0, batch_rows=1000) as client:
        together(client, calls)
        for seen in server.seen:
            prompts = [row["item"]["prompt"] for row in seen.body["rows"]]
            assert len(prompts) % 10 == 0
            assert all(len(set(prompts[at : at + 10])) == 1 for at in range(0, len(prompts), 10))


def test_a_group_waits_until_all_its_samples_have_come() -> None:
    async def main(client: GraderClient) -> list[Graded]:
        async def late(n: int) -> Graded:
            await asyncio.sleep(0.05 * n)
            return await client.agrade_one("1", {"answer": "1"}, group="g", group_size=4)

        return list(await asyncio.gather(*map(late, range(4))))

    with Scripted() as server, GraderClient(server.url, "math", gather_s=0.001) as client:
        assert [graded.reward for graded in asyncio.run(main(client))] == [1.0] * 4
        assert [len(seen.body["rows"]) for seen in server.seen] == [4]


def test_a_group_that_stays_incomplete_is_ungraded_and_says_so() -> None:
    with Scripted() as server, GraderClient(server.url, "math") as client:
        found = together(
            client, [("1", {"answer": "1"}, {"group": "g", "group_size": 3, "deadline_s": 0.5})] * 2
        )
        assert [graded.reward for graded in found] == [None, None]
        assert all("only 2 of the 3 samples of the group 'g'" in graded.reason.message for graded in found)
        assert server.seen == []


def test_two_groups_of_one_item_are_not_sent_as_one() -> None:
    with Scripted() as server, GraderClient(server.url, "math", gather_s=1.0) as client:
        together(client, [("1", {"answer": "1"}, {"group": n % 2}) for n in range(8)])
        client.grade(["1"] * 6, [{"answer": "1"}] * 6, groups=[1, 2] * 3)
        assert sorted(len(seen.body["rows"]) for seen in server.seen) == [3, 3, 4, 4]


def test_steps_and_splits_are_not_mixed() -> None:
    calls = [
        ("1", {"answer": "1"}, {"step": n % 2, "split": "train" if n % 4 < 2 else "valid"}) for n in range(40)
    ]
    with Scripted() as server, GraderClient(server.url, "math", gather_s=1.0) as client:
        together(client, calls)
        assert len({(seen.body["step"], seen.body["split"]) for seen in server.seen}) == 4
        assert len(server.rows) == 40


def test_a_group_size_needs_a_group() -> None:
    client = GraderClient("http://127.0.0.1:1", "math")
    with pytest.raises(ValueError, match="group_size"):
        client.grade_one("1", {}, group_size=2)


@pytest.mark.full
def test_a_call_that_waits_no_longer_than_its_own_deadline_leaves_the_others_theirs() -> None:
    gate = threading.Event()

    def gated(connection: Any, seen: scripted.Seen) -> bool:
        gate.wait(30)
        return scripted.answers(connection, seen)

    async def main(client: GraderClient) -> tuple[Graded, Graded]:
        patient = asyncio.ensure_future(client.agrade_one("1", {"answer": "1"}, deadline_s=60))
        short = await client.agrade_one("1", {"answer": "1"}, deadline_s=0.05)
        gate.set()
        return short, await patient

    with Scripted(usually=gated) as server, GraderClient(server.url, "math") as client:
        short, patient = asyncio.run(main(client))
    assert (short.reward, short.reason.details["type"]) == (None, "deadline")
    assert patient.reward == 1.0


rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=40)


@given(rows=rows, most=st.integers(1, 9), size=st.integers(1, 60))
def test_requests_have_every_row_once_and_no_group_is_split_or_joined(
    rows: list[tuple[int, int]], most: int, size: int
) -> None:
    sent = [Row("1", f"item-{item}") for _, item in rows]
    groups = [(name, item) for name, item in rows]
    requests = requests_of(sent, groups, most_rows=most, most_bytes=size)
    assert sorted(index for request in requests for index in request) == list(range(len(rows)))
    for request in requests:
        order = [groups[index] for index in request]
        assert all(
            len({n for n, r in enumerate(requests) if any(groups[i] == g for i in r)}) == 1 for g in order
        )
        runs = [name for n, name in enumerate(order) if n == 0 or order[n - 1] != name]
        assert len(runs) == len(set(runs))
        pairs = itertools.pairwise(request)
        assert all(sent[a].item != sent[b].item or groups[a] == groups[b] for a, b in pairs)
        assert len(request) <= most or len(set(order)) == 1


@given(items=st.lists(st.integers(0, 2), max_size=60), most=st.integers(1, 9))
def test_without_names_the_order_is_kept_and_runs_are_together_as_far_as_they_fit(
    items: list[int], most: int
) -> None:
    sent = [Row("1", str(item)) for item in items]
    requests = requests_of(sent, None, most_rows=most, most_bytes=10_000)
    assert [index for request in requests for index in request] == list(range(len(items)))
    assert all(len(request) <= most for request in requests)


@given(items=st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_a_request_is_cut_between_items_or_not_at_all(items: list[int]) -> None:
    sent = [Row("1", str(item)) for item in items]
    cut = halves(sent, ["named"] * len(items))
    if len(set(items)) == 1:
        assert cut is None
        cut = halves(sent, None)
        assert (cut is None) == (len(items) == 1)
    else:
        assert cut is not None
        assert items[cut - 1] != items[cut]
