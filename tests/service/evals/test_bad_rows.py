"""A row that cannot be read is an error of that row: the run completes, and the other rows are graded."""

import json
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.service.evals.conftest import CUSTOM, EQUAL, ended


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
