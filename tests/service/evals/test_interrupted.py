"""Runs that are killed, cancelled or deleted: nothing is lost, nothing is graded twice, nothing goes on."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, get_args

import openai
import pytest
from openai import OpenAI
from sqlalchemy import update

from runtime import Settings
from service.store import Claims, Evals, Store
from service.store.evals import EvalRun
from tests.processes import descendants
from tests.service.evals.conftest import PATIENCE_S, ended
from tests.service.evals.tallying import Tally, tallying
from tests.service.serving import Served, serving

FEW = 160
MANY = 5_000
AT_ONCE = 32
"""The rows that a service grades at once."""
MANY_S = 600.0
"""The time limit for so many rows is generous: the machine may be busy."""
How = Literal["killed", "stopped", "killed beside another", "one of two workers killed"]
NUMBERED: Any = {
    "type": "custom",
    "item_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
Serve = Callable[[Settings], AbstractContextManager[str]]


def begun(client: OpenAI, tally: Tally, count: int) -> tuple[str, str]:
    """The ids of an eval and of its run over numbered rows."""
    of = client.evals.create(data_source_config=NUMBERED, testing_criteria=[tally.criterion])  # type: ignore[list-item]
    content = [{"item": {"n": number}, "sample": {"output_text": "a"}} for number in range(count)]
    source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    return of.id, client.evals.runs.create(of.id, data_source=source).id


def written(database: str, run: str) -> set[int]:
    async def read() -> set[int]:
        async with Store(database) as store:
            return await Claims(store, "reader", 1).finished(run)

    return asyncio.run(read())


def asking(processes: set[int], port: int) -> int:
    """The one of these processes that has connections to a port of this machine."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}")}
    found = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if str(descriptor.readlink()) in sockets:
                    found.add(process)
    (only,) = found
    return only


def interrupt(served: Served, how: How, tally: Tally) -> bool:
    """End a service, or one of its processes, in the middle of a run; gives whether another is to be started."""
    if how == "one of two workers killed":
        # whichever of them grades
        os.kill(
            asking(descendants(served.process.pid), int(tally.address.rpartition(":")[2])), signal.SIGKILL
        )
    elif how == "stopped":
        served.end()
    else:
        served.process.kill()
        served.process.wait()
    return how in {"killed", "stopped"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "how", "rows"),
    [
        ("sqlite", "killed", FEW),
        ("sqlite", "one of two workers killed", FEW),
        *(
            pytest.param(kind, how, MANY, marks=pytest.mark.slow)
            for kind in ("sqlite", "postgresql")
            for how in get_args(How)
        ),
    ],
)
def test_what_an_interrupted_service_has_begun_is_finished(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, how: How, rows: int
) -> None:
    at_least = rows // 2
    database = str(tmp_path / "service.sqlite") if kind == "sqlite" else request.getfixturevalue("postgresql")
    workers = ("--workers", "2") if how == "one of two workers killed" else ()
    with tallying(at_least) as tally, contextlib.ExitStack() as stack:
        settings = {
            "GRADERS_DATABASE": database,
            "GRADERS_FILES_DIR": str(tmp_path / "files"),
            "GRADERS_ENDPOINT_HOSTS": json.dumps([tally.address]),
            "GRADERS_EVAL_CONCURRENCY": str(AT_ONCE),
            # after an orderly stop nobody waits for a lease to end; otherwise it outlasts the stalls of a busy machine, for
            # a process that comes too late with its renewal loses the run and grades rows again
            "GRADERS_EVAL_LEASE_S": "3600" if how == "stopped" else "10",
        }
        first = Served(settings, *workers)
        stack.callback(first.end)
        first.wait()
        with OpenAI(base_url=f"{first.url}/v1", api_key="any") as client:
            eval_id, run = begun(client, tally, rows)
            until = time.monotonic() + MANY_S
            while client.evals.runs.retrieve(run, eval_id=eval_id).result_counts.passed < at_least:
                assert time.monotonic() < until
                time.sleep(0.05)
        served = stack.enter_context(serving(settings)) if how == "killed beside another" else first
        if interrupt(first, how, tally):
            served = stack.enter_context(serving(settings))
        before = written(database, run)
        assert at_least <= len(before) < rows
        tally.go.set()
        client = stack.enter_context(OpenAI(base_url=f"{served.url}/v1", api_key="any"))
        done = ended(client, eval_id, run, MANY_S)
        assert done.status == "completed", done.error
        assert done.result_counts.to_dict() == {"total": rows, "errored": 0, "failed": 0, "passed": rows}
        assert done.per_testing_criteria_results[0].passed == rows
        items = client.evals.runs.output_items.list(run, eval_id=eval_id, limit=400)
        assert [item.datasource_item["n"] for item in items] == list(range(rows))
    assert set(tally.asked) == set(range(rows))
    assert {tally.asked[number] for number in before} == {1}
    # what was under way is graded again, and nothing else
    assert 1 <= tally.asked.total() - rows <= AT_ONCE


@pytest.mark.full
@pytest.mark.parametrize("how", ["cancel", "delete", "cancel elsewhere"])
def test_what_is_stopped_does_not_go_on(
    own: Settings, serve: Serve, how: Literal["cancel", "delete", "cancel elsewhere"]
) -> None:
    with tallying(0) as tally:
        one = {"endpoint_hosts": (tally.address,), "eval_runs": 1, "eval_concurrency": 8}
        with (
            serve(own.model_copy(update=one)) as address,
            OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
        ):
            eval_id, run = begun(client, tally, 100)
            assert tally.held.wait(PATIENCE_S)
            if how == "cancel":
                assert client.evals.runs.cancel(run, eval_id=eval_id).status == "canceled"
            elif how == "delete":
                client.evals.runs.delete(run, eval_id=eval_id)
            else:
                asyncio.run(cancelled(own.database, eval_id, run))
            # there is room for one: that the next one runs shows that the first has given it up
            other = client.evals.create(
                data_source_config=NUMBERED,
                testing_criteria=[
                    {"type": "string_check", "name": "n", "input": "1", "reference": "1", "operation": "eq"}
                ],
            )
            source: Any = {
                "type": "jsonl",
                "source": {"type": "file_content", "content": [{"item": {"n": 1}}]},
            }
            following = client.evals.runs.create(other.id, data_source=source)
            assert ended(client, other.id, following.id).result_counts.passed == 1
            tally.go.set()
            if how == "delete":
                with pytest.raises(openai.NotFoundError):
                    client.evals.runs.retrieve(run, eval_id=eval_id)
            else:
                stopped = client.evals.runs.retrieve(run, eval_id=eval_id)
                assert (stopped.status, stopped.result_counts.passed) == ("canceled", 0)
    assert tally.asked.total() <= 8


async def cancelled(database: str, eval_id: str, run: str) -> None:
    """Do what another process of the service does."""
    async with Store(database) as store:
        found = await Evals(store).cancel(eval_id, run)
        assert found is not None
        assert found.status == "canceled"


@pytest.mark.full
def test_a_service_that_stops_leaves_its_runs_to_the_next(own: Settings, serve: Serve) -> None:
    with tallying(10) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,), "eval_lease_s": 3600.0})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            eval_id, run = begun(client, tally, 100)
            assert tally.held.wait(PATIENCE_S)
        tally.go.set()
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            assert ended(client, eval_id, run).result_counts.passed == 100


@pytest.mark.slow
def test_a_run_that_ends_its_process_each_time_is_failed_and_no_other_is(tmp_path: Path) -> None:
    """The process is killed whenever the run has begun, as by code that takes all memory; another run of it completes."""
    with tallying(0) as tally:
        settings = {
            "GRADERS_DATABASE": str(tmp_path / "service.sqlite"),
            "GRADERS_FILES_DIR": str(tmp_path / "files"),
            "GRADERS_ENDPOINT_HOSTS": json.dumps([tally.address]),
            "GRADERS_EVAL_LEASE_S": "1",
        }
        runs: list[tuple[str, str]] = []
        for _ in range(3):
            tally.hold_again()
            with serving(settings) as served:
                if not runs:
                    with OpenAI(base_url=f"{served.url}/v1", api_key="any") as client:
                        runs = [begun(client, tally, 3)]
                assert tally.held.wait(PATIENCE_S)
                served.process.kill()
        with serving(settings) as served, OpenAI(base_url=f"{served.url}/v1", api_key="any") as client:
            tally.go.set()
            runs.append(begun(client, tally, 3))
            failed, done = (ended(client, *run) for run in runs)
    assert (failed.status, failed.error.code) == ("failed", "no_progress")
    assert (failed.result_counts.total, failed.result_counts.passed) == (3, 0)
    assert (done.status, done.result_counts.passed) == ("completed", 3)


async def end_leases(database: str) -> None:
    """Do what happens when no process has had the time to renew its leases."""
    async with Store(database) as store, store.write() as session:
        await session.execute(update(EvalRun).values(leased_until=0.0))


@pytest.mark.full
def test_a_process_that_is_late_does_not_claim_what_it_still_grades(own: Settings, serve: Serve) -> None:
    with tallying(0) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,), "eval_lease_s": 3600.0})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            eval_id, run = begun(client, tally, 20)
            assert tally.held.wait(PATIENCE_S)
            asyncio.run(end_leases(own.database))
            # it looks for runs when there is another, which shows that it has looked
            after, other = begun(client, tally, 1)
            while client.evals.runs.retrieve(other, eval_id=after).status == "queued":
                time.sleep(0.02)
            tally.go.set()
            done = ended(client, eval_id, run)
            assert (done.status, done.result_counts.passed) == ("completed", 20)
            assert ended(client, after, other).status == "completed"
    assert tally.asked == {0: 2, **dict.fromkeys(range(1, 20), 1)}
