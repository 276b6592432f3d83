"""Criteria that compare samples see consecutive rows with equal items together, whatever happens in between."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from runtime import Settings
from runtime.settings.judges import JudgeModel
from tests.judge_server import JudgeServer, Reply, Request, chat, status
from tests.service.evals.conftest import CUSTOM, EQUAL, PATIENCE_S, ended, rows
from tests.service.evals.tallying import tallying
from tests.service.evals.test_interrupted import NUMBERED, written

Serve = Callable[[Settings], AbstractContextManager[str]]

LONGEST: dict[str, Any] = {"type": "longest", "name": "longest"}


def scores(client: OpenAI, eval_id: str, run_id: str) -> list[list[float | None]]:
    """What each criterion gave each row."""
    items: list[Any] = list(client.evals.runs.output_items.list(run_id, eval_id=eval_id, limit=50))
    assert [item.datasource_item_id for item in items] == list(range(len(items)))
    return [[result.score for result in item.results] for item in items]


@pytest.mark.full
def test_consecutive_rows_with_equal_items_are_compared(client: OpenAI) -> None:
    of = client.evals.create(data_source_config=CUSTOM, testing_criteria=[LONGEST, EQUAL])  # type: ignore[arg-type, list-item]
    source: Any = rows(("a", "bb"), ("a", "a"), ("b", "b"), ("a", "a"), ("a", "ccc"))
    run = client.evals.runs.create(of.id, data_source=source)
    assert ended(client, of.id, run.id).result_counts.to_dict() == {
        "total": 5,
        "errored": 0,
        "failed": 4,
        "passed": 1,
    }
    assert scores(client, of.id, run.id) == [[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]]
    # so are the stored samples of a run
    path = f"/evals/{of.id}/runs/{run.id}/regrade"
    again: Any = client.post(path, body={"testing_criteria": [LONGEST]}, cast_to=object)
    ended(client, of.id, again["id"])
    assert scores(client, of.id, again["id"]) == [[1], [0], [1], [0], [1]]


@pytest.mark.full
def test_a_row_without_a_sample_does_not_keep_the_others_from_being_compared(
    own: Settings, serve: Serve
) -> None:
    def said(_: Request, number: int) -> Reply:
        return (chat("long"), chat("short"), status(400))[number]

    with JudgeServer(said) as server:
        settings = own.model_copy(update={"judges": {"*": JudgeModel(base_url=server.url, retries=0)}})
        with (
            serve(settings) as address,
            OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
        ):
            of = client.evals.create(data_source_config=CUSTOM, testing_criteria=[LONGEST])  # type: ignore[arg-type, list-item]
            source: Any = {
                "type": "completions",
                "model": "m",
                "input_messages": {"type": "template", "template": [{"role": "user", "content": "Say it."}]},
                "source": {"type": "file_content", "content": [{"item": {"answer": "a"}}] * 3},
            }
            run = client.evals.runs.create(of.id, data_source=source)
            counts = ended(client, of.id, run.id).result_counts.to_dict()
            assert counts == {"total": 3, "errored": 1, "failed": 1, "passed": 1}


@pytest.mark.full
def test_a_group_is_whole_after_a_restart(own: Settings, serve: Serve, tmp_path: Path) -> None:
    # the 50th question is about the second row of a group of three
    with tallying(49) as tally:
        settings = own.model_copy(update={"endpoint_hosts": (tally.address,), "eval_concurrency": 4})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            of = client.evals.create(
                data_source_config=NUMBERED,
                testing_criteria=[tally.criterion, LONGEST],  # type: ignore[list-item]
            )
            content = [
                {"item": {"n": group}, "sample": {"output_text": "a" * length}}
                for group in range(40)
                for length in (1, 2, 3)
            ]
            source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
            run = client.evals.runs.create(of.id, data_source=source).id
            assert tally.held.wait(PATIENCE_S)
        before = written(own.database, run)
        assert before
        assert len(before) < 120
        assert {position - position % 3 + place for position in before for place in range(3)} == before
        tally.go.set()
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            counts = ended(client, of.id, run).result_counts.to_dict()
            assert counts == {"total": 120, "errored": 0, "failed": 80, "passed": 40}
            items = client.evals.runs.output_items.list(run, eval_id=of.id, limit=50)
            assert [item.status for item in items] == ["fail", "fail", "pass"] * 40


@pytest.mark.full
def test_a_group_that_is_too_large_fails_the_run(own: Settings, serve: Serve) -> None:
    with (
        serve(own.model_copy(update={"batch_rows": 2})) as address,
        OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
    ):
        of = client.evals.create(data_source_config=CUSTOM, testing_criteria=[LONGEST])  # type: ignore[arg-type, list-item]
        source: Any = rows(("b", "b"), ("a", "a"), ("a", "b"), ("a", "c"))
        done = ended(client, of.id, client.evals.runs.create(of.id, data_source=source).id)
        assert (done.status, done.error.code) == ("failed", "group_too_large")
        assert done.error.message.startswith(
            "row 4: more than 2 consecutive rows (batch_rows) have equal items"
        )
        # each for itself they are no group
        alone = client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        run = client.evals.runs.create(alone.id, data_source=source)
        assert ended(client, alone.id, run.id).result_counts.total == 4
