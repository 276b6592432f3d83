"""A row that cannot be read is an error of that row: the run completes, and the other rows are graded."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from runtime import Settings
from runtime.settings.judges import JudgeModel
from tests.judge_server import JudgeServer, Reply, Request, chat
from tests.service.evals.conftest import CUSTOM, EQUAL, ended

Serve = Callable[[Settings], AbstractContextManager[str]]

LONGEST: dict[str, Any] = {"type": "longest", "name": "longest"}


def made(client: OpenAI) -> Any:
    return client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]


def begun(client: OpenAI, of: Any, body: str) -> str:
    """The id of a run, of a request whose JSON the official client would not write."""
    answer = httpx2.post(f"{client.base_url}evals/{of.id}/runs", content=body.encode())
    assert answer.status_code == 201, answer.text
    run_id: str = answer.json()["id"]
    return run_id


UNREADABLE: Sequence[tuple[str, str]] = (
    ("{", "line 2: not JSON: EOF while parsing an object at column 1"),
    ('{"item": {"answer": NaN}, "sample": ""}', "line 2: NaN is not JSON at column 21, in item.answer"),
    ('{"item": {"answer": "a"}, "sample": 1}', "sample: expected a text, a stored sample, "),
    ('{"item": 3, "sample": "a"}', "item: expected the dataset row, a JSON object, got a number 3"),
    ('["item"]', "expected a row such as "),
    ('{"item": {"answer": "a", "z": %s}}' % ("[" * 300 + "]" * 300), "nested more than 200 levels deep"),
    ('{"item": {"answer": "a", "z": %s}}' % ("9" * 5000), "item.z: an integer of 5,000 digits"),
    ('{"item": {"answer": "a", "z": [-1e400]}}', "item.z.0: the number -1e400 is too large"),
)


@pytest.mark.few(3)
@pytest.mark.parametrize(("row", "message"), UNREADABLE)
def test_a_row_that_cannot_be_read_is_an_error_and_the_others_are_graded(
    client: OpenAI, row: str, message: str
) -> None:
    of = made(client)
    good = ['{"item": {"answer": "a"}, "sample": "a"}', '{"item": {"answer": "a"}, "sample": "b"}']
    file = client.files.create(file=("r.jsonl", "\n".join([good[0], row, good[1]]).encode()), purpose="evals")
    in_file: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    runs = [client.evals.runs.create(of.id, data_source=in_file).id]
    content = f"[{good[0]}, {row}, {good[1]}]"
    if "not JSON" not in message:
        body = f'{{"data_source": {{"type": "jsonl", "source": {{"type": "file_content", "content": {content}}}}}}}'
        runs.append(begun(client, of, body))
    for run_id in runs:
        done = ended(client, of.id, run_id)
        assert done.status == "completed"
        counts = done.result_counts
        assert (counts.passed, counts.failed, counts.errored) == (1, 1, 1)
        items = list(client.evals.runs.output_items.list(run_id, eval_id=of.id))
        assert [item.status for item in items] == ["pass", "error", "fail"]
        said: Any = items[1].to_dict()["results"]
        assert message in said[0]["sample"]["failure"]["message"]


def test_half_a_surrogate_pair_is_graded_and_stored(client: OpenAI) -> None:
    of = made(client)
    lines = b'{"item": {"answer": "\\ud800"}, "sample": "\\ud800"}\n{"item": {"answer": "\\ud800"}, "sample": "x"}'
    file = client.files.create(file=("r.jsonl", lines), purpose="evals")
    rows = [{"item": {"answer": "\ud800", "\udfff": 1}, "sample": sample} for sample in ("\ud800", "x")]
    for source in ({"type": "file_id", "id": file.id}, {"type": "file_content", "content": rows}):
        given: Any = {"data_source": {"type": "jsonl", "source": source}}
        done = ended(client, of.id, begun(client, of, json.dumps(given)))
        assert (done.result_counts.passed, done.result_counts.failed) == (1, 1)
        items = list(client.evals.runs.output_items.list(done.id, eval_id=of.id))
        assert items[0].datasource_item["answer"] == "\ufffd"


NOT_WHAT_THE_EVAL_SAYS: Sequence[tuple[str, str]] = (
    ('{"item": {"answer": 4}, "sample": "a"}', "item.answer: 4 is not of type"),
    ('{"item": {}, "sample": "a"}', 'item: "answer" is a required property'),
    ('{"item": {"answer": ["%s"]}, "sample": "a"}' % ("x" * 5000), "x…"),
    ('{"item": {"answer": "a"}}', "sample: this field is required"),
    ('{"item": {"answer": "a"}, "sample": null}', "sample: this field is required"),
)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["file_id", "file_content"])
@pytest.mark.parametrize("criteria", [(EQUAL,), (EQUAL, LONGEST)], ids=["alone", "compared"])
def test_a_row_that_is_not_what_the_eval_says_is_an_error_and_the_others_are_graded(
    client: OpenAI, criteria: Sequence[Any], kind: str
) -> None:
    of = client.evals.create(data_source_config=CUSTOM, testing_criteria=criteria)  # type: ignore[arg-type]
    good = '{"item": {"answer": "bb"}, "sample": "bb"}', '{"item": {"answer": "c"}, "sample": "b"}'
    wrong = [row for row, _ in NOT_WHAT_THE_EVAL_SAYS]
    lines = [wrong[0], good[0], *wrong[1:], good[1]]
    source: dict[str, Any] = {"type": kind}
    if kind == "file_id":
        file = client.files.create(file=("r.jsonl", "\n".join(lines).encode()), purpose="evals")
        source["id"] = file.id
    else:
        source["content"] = [json.loads(line) for line in lines]
    given: Any = {"type": "jsonl", "source": source}
    done = ended(client, of.id, client.evals.runs.create(of.id, data_source=given).id)
    assert done.status == "completed"
    assert done.result_counts.to_dict() == {"total": 7, "passed": 1, "failed": 1, "errored": 5}
    items = list(client.evals.runs.output_items.list(done.id, eval_id=of.id))
    assert (items.pop(1).status, items.pop().status) == ("pass", "fail")
    places = [1, 3, 4, 5, 6]
    for place, item, (_, message) in zip(places, items, NOT_WHAT_THE_EVAL_SAYS, strict=True):
        results: Any = item.to_dict()["results"]
        assert (item.status, len(results)) == ("error", len(criteria))
        for result in results:
            failure = result["sample"]["failure"]
            assert (result["score"], result["passed"]) == (None, None)
            assert failure["caused_by"] == "infrastructure"
            assert failure["message"].startswith(f"{'line' if kind == 'file_id' else 'row'} {place}: ")
            assert message in failure["message"]
            assert len(failure["message"]) < 600
    # what could not be graded cannot be graded again
    path = f"/evals/{of.id}/runs/{done.id}/regrade"
    again: Any = client.post(path, body={"testing_criteria": [EQUAL]}, cast_to=object)
    assert ended(client, of.id, again["id"]).result_counts.errored == 5


@pytest.mark.full
def test_a_row_without_what_the_eval_wants_asks_no_model(own: Settings, serve: Serve) -> None:
    prompts: list[Any] = []

    def say(request: Request, _: int) -> Reply:
        prompts.append(request.body["messages"][0]["content"])
        return chat("a")

    with JudgeServer(say) as server:
        settings = own.model_copy(update={"judges": {"*": JudgeModel(base_url=server.url)}})
        with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
            of = made(client)
            lines = b'{"item": {"answer": "a"}}\n{"item": {"answer": 4}}\n{"item": {"answer": "b"}}'
            file = client.files.create(file=("r.jsonl", lines), purpose="evals")
            template = [{"role": "user", "content": "{{item.answer}}"}]
            source: Any = {
                "type": "completions",
                "model": "m",
                "source": {"type": "file_id", "id": file.id},
                "input_messages": {"type": "template", "template": template},
            }
            run = client.evals.runs.create(of.id, data_source=source)
            counts = ended(client, of.id, run.id).result_counts.to_dict()
            assert counts == {"total": 3, "passed": 1, "failed": 1, "errored": 1}
    assert sorted(prompts) == ["a", "b"]
