"""Clients take turns in grading runs: none waits for all that another has, with any number of slots, keys and processes."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from pydantic import SecretStr

from runtime import Settings
from service.evals.turns import TURN_S, Running, to_give_way
from tests.service.evals.conftest import NUMBER, PATIENCE_S, ended
from tests.service.evals.tallying import tallying
from tests.service.evals.test_interrupted import NUMBERED

Serve = Callable[[Settings], AbstractContextManager[str]]

CLIENTS = st.sampled_from("abcd")
NOW = 1000.0


@st.composite
def runs(draw: st.DrawFn) -> list[Running]:
    """What is graded in one process."""
    clients = draw(st.lists(CLIENTS, min_size=1, max_size=8))
    since = st.none() | st.floats(NOW - 3 * TURN_S, NOW)
    return [Running(f"evalrun_{number}", client, draw(since)) for number, client in enumerate(clients)]


@given(runs(), st.sets(CLIENTS))
def test_who_gives_way_has_more_than_who_waits_or_has_had_its_turn(
    running: list[Running], waiting: set[str]
) -> None:
    run_id = to_give_way(running, waiting, NOW)
    if run_id is None:
        return
    (chosen,) = [run for run in running if run.id == run_id]
    held = Counter(run.client for run in running)
    fewest = min(held[client] for client in waiting)
    turn_is_over = chosen.since is not None and NOW - chosen.since >= TURN_S
    assert held[chosen.client] >= fewest + 2 or (fewest == 0 and turn_is_over)
    assert held[chosen.client] == max(held.values())


@given(runs(), st.sets(CLIENTS, min_size=1))
def test_slots_come_to_rest_evenly_shared_and_nobody_waits_for_ever(
    running: list[Running], waiting: set[str]
) -> None:
    """Every waiting client has any number of runs; a run gives way to one of the client with the fewest."""
    number, most_steps = len(running), 2 * len(running)
    for _ in range(most_steps):
        run_id = to_give_way(running, waiting, now=NOW - 4 * TURN_S)  # before anybody's turn is over
        if run_id is None:
            break
        running = [run for run in running if run.id != run_id]
        held = Counter(run.client for run in running)
        client = min(sorted(waiting), key=lambda each: held[each])
        running.append(Running(f"evalrun_{number}", client, None))
        number += 1
    else:
        pytest.fail("it does not come to rest")
    held = Counter(run.client for run in running)
    assert max(held.values()) - min(held[client] for client in waiting) <= 1
    if any(not held[client] for client in waiting):
        # more clients than slots: in turn
        late = [run._replace(since=NOW) for run in running]
        assert to_give_way(late, waiting, NOW + TURN_S - 0.1) is None
        assert to_give_way(late, waiting, NOW + TURN_S) is not None


def source(count: int) -> Any:
    """So many numbered rows."""
    content = [{"item": {"n": number}, "sample": "a"} for number in range(count)]
    return {"type": "jsonl", "source": {"type": "file_content", "content": content}}


ROWS = 12
RUNS = 4
"""The long runs of a client, and the rows of each."""
KEYS = ("a" * 20, "b" * 20, "c" * 20)


@pytest.mark.full
@pytest.mark.parametrize(
    ("slots", "hogs", "processes"),
    [
        (1, 1, 1),
        pytest.param(4, 1, 1, marks=pytest.mark.slow),
        pytest.param(2, 2, 1, marks=pytest.mark.slow),
        pytest.param(1, 2, 2, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_short_run_does_not_wait_for_the_long_ones_of_other_keys(
    own: Settings, serve: Serve, slots: int, hogs: int, processes: int
) -> None:
    with tallying(0) as tally, ExitStack() as stack:
        settings = own.model_copy(
            update={
                "endpoint_hosts": (tally.address,),
                "eval_runs": slots,
                "eval_concurrency": 2,
                "api_keys": tuple(map(SecretStr, KEYS)),
            }
        )
        urls = [stack.enter_context(serve(settings)) for _ in range(processes)]
        first, *others = [
            stack.enter_context(OpenAI(base_url=f"{urls[0]}/v1", api_key=key, max_retries=0)) for key in KEYS
        ]
        criteria: Any = [tally.criterion]
        held = first.evals.create(data_source_config=NUMBERED, testing_criteria=criteria)
        begun = [
            (client, client.evals.runs.create(held.id, data_source=source(ROWS)).id)
            for client in (first, *others)[:hogs]
            for _ in range(RUNS)
        ]
        assert tally.held.wait(PATIENCE_S)
        short = others[-1]
        of = short.evals.create(data_source_config=NUMBERED, testing_criteria=[NUMBER])
        run = short.evals.runs.create(of.id, data_source=source(3))
        # not one row of theirs is answered before this ends
        assert ended(short, of.id, run.id).result_counts.passed == 3
        tally.go.set()
        for client, run_id in begun:
            done = ended(client, held.id, run_id)
            assert (done.status, done.result_counts.passed) == ("completed", ROWS)
    # no row was graded again because its run gave way
    assert tally.asked == Counter(dict.fromkeys(range(ROWS), RUNS * hogs))
