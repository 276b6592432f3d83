"""A rota serves clients in turn."""

from collections import defaultdict
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from runtime.concurrency.fair_queue import FairQueue

T = TypeVar("T")


def everything(queue: FairQueue[T]) -> list[T]:
    """What it gives until nothing waits."""
    served: list[T] = []
    while (entry := queue.take()) is not None:
        served.append(entry)
    return served


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_nothing_is_lost_and_each_client_keeps_its_order(entries: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for entry in entries:
        queue.put(entry[0], entry)
    assert len(queue) == len(entries)
    assert sorted(queue) == sorted(entries)
    served = everything(queue)
    for client in "abc":
        assert [e for e in served if e[0] == client] == [e for e in entries if e[0] == client]
    assert (len(queue), queue.take()) == (0, None)


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_no_client_is_served_twice_while_another_waits(clients: list[str]) -> None:
    queue: FairQueue[str] = FairQueue()
    left: defaultdict[str, int] = defaultdict(int)
    for client in clients:
        queue.put(client, client)
        left[client] += 1
    since: dict[str, int] = {}
    for turn, client in enumerate(everything(queue)):
        longest = min(since.get(other, -1) for other in left if left[other])
        assert since.get(client, -1) == longest
        since[client] = turn
        left[client] -= 1


def test_what_is_put_back_is_the_next_in_its_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for entry in ("a1", "a2", "b1"):
        queue.put(entry[0], entry)
    assert [queue.take(), queue.take()] == ["a1", "b1"]
    for entry in ("b1", "a1"):
        queue.put_back(entry[0], entry)
    assert [queue.take() for _ in range(3)] == ["a1", "b1", "a2"]
