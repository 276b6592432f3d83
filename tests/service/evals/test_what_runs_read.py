"""What a run reads is there until it has ended: files and runs are not deleted under it, by nobody and at no moment."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from sqlalchemy import update

from runtime import Settings
from service.store import Claims, Evals, File, Files, Store
from service.store.evals import Eval, InUse, Missing
from service.store.pruning import prune
from tests.service.evals.conftest import PATIENCE_S, ended
from tests.service.evals.stored import a_run, an_eval, of_file, of_run
from tests.service.evals.tallying import Tally, tallying
from tests.service.evals.test_interrupted import NUMBERED

Serve = Callable[[Settings], AbstractContextManager[str]]

NOTHING = f"file-{0:024}"


@pytest.fixture
async def files(store: Store, tmp_path: Path) -> Files:
    """Those of a database of each kind."""
    made = Files(store, tmp_path / "files")
    await made.open()
    return made


async def a_file(files: Files, expires_after_s: int | None = None) -> str:
    async with files.part() as part:
        await part.write(b'{"item": {}}')
        kept = await files.keep(part, filename="f", purpose="evals", expires_after_s=expires_after_s)
        return kept.id


async def finished(evals: Evals, me: Claims, of: Eval) -> str:
    run = await a_run(evals, of)
    await me.claim()
    assert await me.finish(run, {"code": "c", "message": "m"})
    return run


async def test_a_file_is_deleted_when_the_last_run_that_reads_it_has_ended(
    evals: Evals, files: Files, me: Claims
) -> None:
    of = await an_eval(evals)
    file = await a_file(files)
    runs = [await a_run(evals, of, source=of_file(file)) for _ in range(3)]
    sampled = {"type": "completions", "source": {"type": "file_id", "id": file}}
    runs.append(await a_run(evals, of, source=sampled))
    for ending in range(len(runs)):
        with pytest.raises(InUse) as raised:
            await files.delete(file)
        assert raised.value.runs == runs[ending:]
        assert files.path(file).exists()
        if ending % 2:
            await evals.cancel(of.id, runs[ending])
        else:
            assert await me.claim() is not None
            assert await me.finish(runs[ending], None)
    assert await files.delete(file)
    assert not files.path(file).exists()


async def test_a_run_is_deleted_when_no_run_over_its_samples_goes_on(evals: Evals, me: Claims) -> None:
    of = await an_eval(evals)
    old = await finished(evals, me, of)
    over = await a_run(evals, of, source=of_run(old))
    with pytest.raises(InUse) as raised:
        await evals.delete_run(of.id, old)
    assert raised.value.runs == [over]
    # what reads may go, and with the eval everything goes
    assert await evals.delete_run(of.id, over)
    assert await evals.delete_run(of.id, old)
    old = await finished(evals, me, of)
    await a_run(evals, of, source=of_run(old))
    assert await evals.delete(of.id)


@pytest.mark.parametrize("source", [of_file(NOTHING), of_run(f"evalrun_{0:024}")])
async def test_a_run_over_nothing_does_not_begin(evals: Evals, files: Files, source: dict[str, Any]) -> None:
    of = await an_eval(evals)
    with pytest.raises(Missing):
        await a_run(evals, of, source=source)
    assert await evals.runs(of.id, after=None, limit=1, order="asc", status=None) == ([], False)


async def test_a_run_of_an_eval_that_is_deleted_meanwhile_does_not_begin(evals: Evals) -> None:
    of = await an_eval(evals)
    await evals.delete(of.id)
    with pytest.raises(Missing) as raised:
        await a_run(evals, of)
    assert raised.value.id == of.id


async def test_a_file_that_expires_stays_for_the_runs_that_read_it(
    store: Store, evals: Evals, files: Files
) -> None:
    of = await an_eval(evals)
    expiring = [await a_file(files, expires_after_s=3600) for _ in range(2)]
    run = await a_run(evals, of, source=of_file(expiring[0]))
    async with store.write() as session:
        await session.execute(update(File).values(expires_at=1))
    assert await files.find(expiring[0]) is None
    with pytest.raises(Missing):
        await a_run(evals, of, source=of_file(expiring[0]))
    await a_file(files)
    pruned = await prune(store, files, 3600, dry_run=False)
    assert pruned.files == []
    assert [files.path(file).exists() for file in expiring] == [True, False]
    await evals.cancel(of.id, run)
    await a_file(files)
    assert not files.path(expiring[0]).exists()


@pytest.mark.full
async def test_what_is_deleted_while_runs_begin_is_either_gone_or_read(
    database: str, evals: Evals, me: Claims, files: Files, tmp_path: Path
) -> None:
    """Two processes: one begins runs over what the other deletes, both at the same moment."""
    other_store = Store(database)
    async with other_store:
        others, other_files = Evals(other_store), Files(other_store, tmp_path / "files")
        of = await an_eval(evals)
        for round_ in range(20):
            file, old = await a_file(files), await finished(evals, me, of)
            outcomes: Sequence[Any] = await asyncio.gather(
                a_run(evals, of, source=of_file(file)),
                other_files.delete(file),
                a_run(others, of, source=of_run(old)),
                evals.delete_run(of.id, old),
                prune(other_store, other_files, 0, dry_run=False) if round_ % 4 == 0 else asyncio.sleep(0),
                return_exceptions=True,
            )
            *pairs, _ = outcomes
            for begun, deleted in (pairs[:2], pairs[2:]):
                if isinstance(begun, str):
                    assert isinstance(deleted, InUse)
                    assert deleted.runs == [begun]
                    await evals.cancel(of.id, begun)
                else:
                    assert isinstance(begun, Missing)
                    assert deleted in {True, False}
            assert not isinstance(outcomes[-1], BaseException), outcomes[-1]


def lines(count: int) -> bytes:
    return b"\n".join(b'{"item": {"n": %d}, "sample": "a"}' % number for number in range(count))


def begun_over_a_file(client: OpenAI, tally: Tally, count: int) -> tuple[str, str, str]:
    """An eval, a run over a file of numbered rows, and the file, by their ids."""
    of = client.evals.create(data_source_config=NUMBERED, testing_criteria=[tally.criterion])  # type: ignore[list-item]
    file = client.files.create(file=("rows.jsonl", lines(count)), purpose="evals").id
    run = client.evals.runs.create(of.id, data_source=of_file(file)).id  # type: ignore[arg-type]
    return of.id, run, file


@pytest.mark.full
def test_deleting_what_is_read_is_a_conflict_that_names_the_reader(own: Settings, serve: Serve) -> None:
    with tallying(0) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,)})
        with (
            serve(settings) as address,
            OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
        ):
            eval_id, run, file = begun_over_a_file(client, tally, 300)
            assert tally.held.wait(PATIENCE_S)
            with pytest.raises(openai.ConflictError) as raised:
                client.files.delete(file)
            assert raised.value.code == "file_in_use"
            assert f"the file {file} is read by runs that have not ended: {run}; wait" in str(raised.value)
            tally.go.set()
            assert ended(client, eval_id, run).result_counts.passed == 300
            assert client.files.delete(file).deleted
            tally.hold_again()
            body = {"testing_criteria": [tally.criterion]}
            over: Any = client.post(f"/evals/{eval_id}/runs/{run}/regrade", body=body, cast_to=object)
            assert tally.held.wait(PATIENCE_S)
            with pytest.raises(openai.ConflictError) as raised:
                client.evals.runs.delete(run, eval_id=eval_id)
            assert raised.value.code == "run_in_use"
            assert over["id"] in str(raised.value)
            tally.go.set()
            assert ended(client, eval_id, over["id"]).result_counts.to_dict() == {
                "total": 300,
                "passed": 300,
                "failed": 0,
                "errored": 0,
            }
            assert client.evals.runs.delete(run, eval_id=eval_id).deleted


@pytest.mark.full
@pytest.mark.parametrize(
    "how", ["shortened", *(pytest.param(how, marks=pytest.mark.slow) for how in ("removed", "lengthened"))]
)
def test_a_source_that_changes_on_the_disk_fails_the_run_and_never_completes_it(
    own: Settings, serve: Serve, how: str
) -> None:
    """Nothing of ours does that; somebody who tidies the directory does."""
    # two processes of the service, one after the other: the second opens the file anew
    with tallying(100) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,), "eval_concurrency": 8})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            eval_id, run, file = begun_over_a_file(client, tally, 600)
            assert tally.held.wait(PATIENCE_S)
        tally.go.set()
        path = own.files_dir / file
        if how == "removed":
            path.unlink()
        else:
            path.write_bytes(lines(256 if how == "shortened" else 601))
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            done = ended(client, eval_id, run)
    assert (done.status, done.error.code) == ("failed", "source_gone")
    assert done.result_counts.total == 600
    assert file in done.error.message
    if how == "shortened":
        assert "256 of 600 rows are written" in done.error.message
