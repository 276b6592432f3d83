"""Runs that are killed, cancelled or deleted: nothing is lost, nothing is graded twice, nothing goes on."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI

from runtime import Settings
from service.store import Evals, Store
from tests.service.evals.conftest import PATIENCE_S, ended
from tests.service.evals.tallying import Tally, tallying
from tests.service.serving import Served, serving

ROWS = 1_500
BEFORE = 700
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


def written(database: Path, run: str) -> set[int]:
    async def read() -> set[int]:
        async with Store(str(database)) as store:
            return await Evals(store).finished(run)

    return asyncio.run(read())


@pytest.mark.parametrize("waits", [False, True], ids=["restarted", "taken over"])
def test_what_a_killed_service_has_begun_is_finished(tmp_path: Path, *, waits: bool) -> None:
    database = tmp_path / "service.sqlite"
    with tallying(BEFORE) as tally:
        settings = {
            "GRADERS_DATABASE": str(database),
            "GRADERS_FILES_DIR": str(tmp_path / "files"),
            "GRADERS_ENDPOINT_HOSTS": json.dumps([tally.address]),
            "GRADERS_EVAL_LEASE_S": "1",
        }
        with contextlib.ExitStack() as stack:
            killed = Served(settings)
            stack.callback(killed.end)
            stack.callback(killed.process.kill)
            killed.wait()
            with OpenAI(base_url=f"{killed.url}/v1", api_key="any") as client:
                eval_id, run = begun(client, tally, ROWS)
                until = time.monotonic() + PATIENCE_S
                while client.evals.runs.retrieve(run, eval_id=eval_id).result_counts.passed < BEFORE:
                    assert time.monotonic() < until
                    time.sleep(0.05)
            other = stack.enter_context(serving(settings)) if waits else None
            killed.process.kill()
            killed.process.wait()
            before = written(database, run)
            assert BEFORE <= len(before) < ROWS
            tally.go.set()
            served = other or stack.enter_context(serving(settings))
            client = stack.enter_context(OpenAI(base_url=f"{served.url}/v1", api_key="any"))
            done = ended(client, eval_id, run)
            assert done.status == "completed"
            counts = done.result_counts.to_dict()
            assert counts == {"total": ROWS, "errored": 0, "failed": 0, "passed": ROWS}
            assert done.per_testing_criteria_results[0].passed == ROWS
            items = client.evals.runs.output_items.list(run, eval_id=eval_id, limit=400)
            assert [item.datasource_item["n"] for item in items] == list(range(ROWS))
    assert set(tally.asked) == set(range(ROWS))
    assert {tally.asked[number] for number in before} == {1}


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


def test_a_service_that_stops_leaves_its_runs_to_the_next(own: Settings, serve: Serve) -> None:
    with tallying(10) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,), "eval_lease_s": 3600.0})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            eval_id, run = begun(client, tally, 100)
            assert tally.held.wait(PATIENCE_S)
        tally.go.set()
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            assert ended(client, eval_id, run).result_counts.passed == 100
