"""Who grades what next, and what is not tried for ever: the claims of processes, in SQLite and in PostgreSQL."""

import asyncio

import pytest

from service.store import Claims, Evals, Store
from service.store.claims import MOST_CLAIMS, Tally
from service.store.evals import Eval, EvalRun
from tests.service.evals.stored import a_run, an_eval, item


async def dies(store: Store, number: int) -> EvalRun | None:
    """What a process has claimed that ends at once."""
    return await Claims(store, f"process {number}", -1.0).claim()


async def found(evals: Evals, of: Eval, run: str) -> EvalRun:
    row = await evals.find_run(of.id, run)
    assert row is not None
    return row


async def taken(store: Store, count: int) -> list[str]:
    """The clients of the runs that are claimed one after another, each by a process of its own."""
    claims = [await Claims(store, f"process {number}", 60).claim() for number in range(count)]
    return [run.client for run in claims if run is not None]


@pytest.mark.full
async def test_clients_take_turns_however_many_runs_each_has(store: Store, evals: Evals) -> None:
    of = await an_eval(evals)
    for client, runs in (("a", 20), ("b", 2), ("c", 1)):
        for _ in range(runs):
            await a_run(evals, of, client=client)
    assert await taken(store, 7) == ["a", "b", "c", "a", "b", "a", "a"]
    # who comes late does not wait for those that have waited before, and is not served twice in a row either
    for _ in range(2):
        await a_run(evals, of, client="d")
    assert await taken(store, 4) == ["d", "a", "d", "a"]


async def test_a_client_that_deletes_its_runs_keeps_its_place_in_the_turns(
    store: Store, evals: Evals, me: Claims
) -> None:
    of = await an_eval(evals)
    await a_run(evals, of, client="b")
    for _ in range(3):
        run = await a_run(evals, of, client="a")
        claimed = await me.claim({"b": 1})
        assert claimed is not None
        assert (claimed.id, claimed.client) == (run, "a")
        assert await evals.delete_run(of.id, run)
    await a_run(evals, of, client="a")
    assert await taken(store, 1) == ["b"]


@pytest.mark.full
async def test_who_has_fewer_runs_in_this_process_comes_first(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    for client in ("a", "a", "b", "c"):
        await a_run(evals, of, client=client)
    held: dict[str, int] = {"b": 2, "c": 1, "x": 9}
    clients = []
    for _ in range(4):
        claimed = await me.claim(held)
        assert claimed is not None
        clients.append(claimed.client)
        held[claimed.client] = held.get(claimed.client, 0) + 1
    assert clients == ["a", "c", "a", "b"]
    assert await me.waiting() == set()


@pytest.mark.full
async def test_processes_that_claim_at_once_take_turns_as_well(store: Store, evals: Evals) -> None:
    of = await an_eval(evals)
    for client in ("a", "a", "a", "a", "b", "c"):
        await a_run(evals, of, client=client)
    at_once = [Claims(store, f"process {number}", 60).claim() for number in range(3)]
    clients = [run.client for run in await asyncio.gather(*at_once) if run is not None]
    assert sorted(clients) == ["a", "b", "c"]


async def test_a_run_that_was_claimed_three_times_without_a_row_is_failed_with_its_cause(
    store: Store, evals: Evals, other: Claims
) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of, total=5)
    for number in range(MOST_CLAIMS):
        claimed = await dies(store, number)
        assert claimed is not None
        assert (claimed.id, claimed.claims) == (run, number + 1)
    assert await other.claim() is None
    failed = await found(evals, of, run)
    assert (failed.status, failed.owner) == ("failed", None)
    assert failed.error is not None
    assert failed.error["code"] == "no_progress"
    assert failed.error["message"].startswith("3 times a process began to grade this run and ended")


@pytest.mark.full
async def test_a_run_that_gets_on_may_be_claimed_any_number_of_times(store: Store, evals: Evals) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of, total=100)
    for number in range(3 * MOST_CLAIMS):
        owner = Claims(store, f"process {number}", -1.0)
        claimed = await owner.claim()
        assert claimed is not None
        if number % 2:
            assert await owner.record(run, [item(run, number)], Tally({"pass": number}))
    assert (await found(evals, of, run)).status == "in_progress"


@pytest.mark.full
@pytest.mark.parametrize("how", ["one", "all"])
async def test_a_claim_that_is_given_back_does_not_count(store: Store, evals: Evals, how: str) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    for number in range(3 * MOST_CLAIMS):
        owner = Claims(store, f"process {number}", 60)
        assert await owner.claim() is not None
        await (owner.release(run) if how == "one" else owner.release_all())
    assert (await found(evals, of, run)).claims == 0


@pytest.mark.full
async def test_processes_that_are_slow_and_not_dead_do_not_fail_a_run(store: Store, evals: Evals) -> None:
    """Two of them take it from each other, as on a machine that is short of time."""
    of = await an_eval(evals)
    run = await a_run(evals, of)
    slow = [Claims(store, f"slow {number}", -1.0) for number in range(2)]
    assert await slow[1].claim() is not None
    for number in range(3 * MOST_CLAIMS):
        assert await slow[number % 2].claim() is not None
        await slow[1 - number % 2].excuse(run)
    assert (await found(evals, of, run)).claims == 1
    await slow[0].excuse(run)
    assert await evals.cancel(of.id, run) is not None
    await slow[1].excuse(run)
    assert (await found(evals, of, run)).claims == 1


async def test_a_process_that_claims_its_own_run_again_has_survived_it(store: Store, evals: Evals) -> None:
    of = await an_eval(evals)
    await a_run(evals, of)
    late = Claims(store, "late", -1.0)
    for _ in range(3 * MOST_CLAIMS):
        claimed = await late.claim()
        assert claimed is not None
        assert claimed.claims == 1


async def test_runs_of_processes_that_ended_wait_where_one_of_them_is_tried_again(
    store: Store, evals: Evals, other: Claims
) -> None:
    of = await an_eval(evals)
    suspects = [await a_run(evals, of, client="a") for _ in range(2)]
    for _ in suspects:
        await dies(store, 0)
        await dies(store, 1)
    fresh = await a_run(evals, of, client="b")
    assert await other.waiting(retries=False) == {"b"}
    claimed = await other.claim(retries=False)
    assert claimed is not None
    assert claimed.id == fresh
    assert await other.claim(retries=False) is None
    assert await other.waiting() == {"a"}


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("total", "written", "status"),
    [(3, 3, "completed"), (600, 256, "failed"), (1, 0, "failed"), (2, 3, "failed")],
)
async def test_a_run_completes_only_with_as_many_rows_as_it_has(
    evals: Evals, me: Claims, total: int, written: int, status: str
) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    assert await me.begin(run, total)
    rows = [item(run, position) for position in range(written)]
    assert await me.record(run, rows, Tally({"pass": written}))
    assert await me.finish(run, None)
    ended = await found(evals, of, run)
    assert ended.status == status
    if status == "failed":
        assert ended.error is not None
        assert ended.error["code"] == "source_gone"
        assert ended.error["message"].startswith(f"{written} of {total} rows are written: its data source ")


async def test_a_run_that_fails_for_another_reason_says_that_one(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    assert await me.begin(run, 10)
    assert await me.finish(run, {"code": "c", "message": "m"})
    assert (await found(evals, of, run)).error == {"code": "c", "message": "m"}


async def test_the_queue_of_one_client_is_not_full_of_anothers_runs(evals: Evals) -> None:
    of = await an_eval(evals)
    for client in ("a", "b"):
        for _ in range(2):
            await a_run(evals, of, client=client, most=2)
