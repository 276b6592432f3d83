"""What the store keeps of evals, in SQLite and in PostgreSQL: a run has one owner, and a row is written once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from service.store import Claims, Evals, Store
from service.store.capacity import Full
from service.store.claims import Tally
from service.store.evals import Eval
from tests.service.evals.stored import a_run, an_eval, item


@pytest.mark.full
async def test_a_run_has_one_owner_until_its_lease_ends(store: Store, evals: Evals) -> None:
    run = await a_run(evals, await an_eval(evals))
    everyone = [Claims(store, f"owner {number}", 60) for number in range(8)]
    claims = await asyncio.gather(*(each.claim() for each in everyone))
    owners = [found.owner for found in claims if found is not None]
    assert len(owners) == 1
    first = owners[0]
    assert first is not None
    assert await Claims(store, first, -1.0).renew(run)
    taken = await Claims(store, "second", 60).claim()
    assert taken is not None
    assert (taken.id, taken.owner, taken.status) == (run, "second", "in_progress")
    assert taken.data_source == {"text": "\0 \N{SNOWMAN}"}
    late = Claims(store, first, 60)
    assert not await late.renew(run)
    assert not await late.record(run, [item(run, 0)], Tally({"pass": 1}))
    assert not await late.finish(run, None)
    assert await late.finished(run) == set()


async def test_rows_are_written_with_their_counts_or_not_at_all(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    assert await me.record(run, [item(run, 0), item(run, 2, "error")], Tally({"pass": 1, "error": 1}))
    with pytest.raises(IntegrityError):
        await me.record(run, [item(run, 1), item(run, 2)], Tally({"pass": 9}))
    assert await me.finished(run) == {0, 2}
    found = await evals.find_run(of.id, run)
    assert found is not None
    assert found.tally["items"] == {"pass": 1, "error": 1}
    # the same again, as after an answer of the database that was lost
    assert await me.record(run, [item(run, 0), item(run, 2, "error")], Tally({"pass": 1, "error": 1}))
    assert await me.finished(run) == {0, 2}


async def test_after_a_cancellation_nothing_is_written(evals: Evals, me: Claims, other: Claims) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    canceled = await evals.cancel(of.id, run)
    assert canceled is not None
    assert canceled.status == "canceled"
    assert not await me.record(run, [item(run, 0)], Tally())
    assert not await me.finish(run, None)
    assert await other.claim() is None
    again = await evals.cancel(of.id, run)
    assert again is not None
    assert again.status == "canceled"


async def test_a_run_that_has_ended_stays_as_it_is(evals: Evals, me: Claims, other: Claims) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    assert await me.finish(run, {"code": "c", "message": "m"})
    found = await evals.cancel(of.id, run)
    assert found is not None
    assert (found.status, found.error) == ("failed", {"code": "c", "message": "m"})
    assert await other.claim() is None


@pytest.mark.full
async def test_an_owner_that_stops_lets_others_go_on_at_once(
    evals: Evals, me: Claims, other: Claims, store: Store
) -> None:
    of = await an_eval(evals)
    runs = [await a_run(evals, of) for _ in range(3)]
    for owner in (me, me, Claims(store, "you", 3600)):
        await owner.claim()
    await me.release_all()
    claims = [await other.claim() for _ in range(3)]
    assert [found and found.id for found in claims] == [runs[0], runs[1], None]


async def test_deleting_an_eval_deletes_its_items(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    run = await a_run(evals, of)
    await me.claim()
    await me.record(run, [item(run, 0)], Tally())
    assert await evals.delete(of.id)
    assert await evals.find_run(of.id, run) is None
    assert await evals.items(run, after=None, limit=5) == ([], False)
    assert not await me.record(run, [item(run, 1)], Tally())


async def test_evals_come_in_the_order_of_their_last_change(evals: Evals) -> None:
    made = [await an_eval(evals, updated_at=updated) for updated in (3, 1, 2, 2)]
    expected = [made[1].id, made[2].id, made[3].id, made[0].id]
    found: list[str] = []
    has_more = True
    while has_more:
        after = found[-1] if found else None
        rows, has_more = await evals.page(after=after, limit=1, order="asc", by_update=True)
        found += [row.id for row in rows]
    assert found == expected
    rows, has_more = await evals.page(after=expected[2], limit=9, order="desc", by_update=True)
    assert ([row.id for row in rows], has_more) == (expected[1::-1], False)


async def test_an_id_with_a_nul_is_that_of_nothing(evals: Evals) -> None:
    assert await evals.find("eval_\0") is None
    assert await evals.find_item("\0", "\0") is None
    assert not await evals.delete("\0")


async def test_there_is_room_for_so_many_evals_and_no_more(evals: Evals) -> None:
    def row(number: int) -> Eval:
        fixed: dict[str, Any] = {"labels": None, "data_source_config": {}, "criteria": []}
        return Eval(id=f"eval_{number:024}", name="e", created_at=1, updated_at=1, **fixed)

    # all at once: none of them sees the others before they are there
    adding = (evals.add(row(number), most=3) for number in range(8))
    done = await asyncio.gather(*adding, return_exceptions=True)
    refusals = [outcome for outcome in done if isinstance(outcome, Full)]
    assert [full.most for full in refusals] == [3] * 5
    assert done.count(None) == 3
    kept, _ = await evals.page(after=None, limit=10, order="asc", by_update=False)
    assert len(kept) == 3
    assert await evals.delete(kept[0].id)
    await evals.add(row(8), most=3)
    with pytest.raises(Full):
        await evals.add(row(9), most=3)


async def test_a_run_that_has_ended_makes_room_for_another(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    first = await a_run(evals, of, most=2)
    second = await a_run(evals, of, most=2)
    await me.claim()
    with pytest.raises(Full):  # one is in progress, one is queued
        await a_run(evals, of, most=2)
    assert await me.finish(first, None)
    await a_run(evals, of, most=2)
    with pytest.raises(Full):
        await a_run(evals, of, most=2)
    await evals.cancel(of.id, second)
    await a_run(evals, of, most=2)
