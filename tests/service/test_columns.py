"""Batches as columns, and batches of a grader that is named in the path."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest

from graders import GraderResult, GradingError, Item, Registry, Sample, grader
from graders.result_data import turn_rewards
from runtime import Settings
from service.http.columns import COLUMNS

BATCH = "/v1/grade/batch"
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
MULTI = {
    "type": "multi",
    "graders": {"equal": EQUAL, "close": {**EQUAL, "operation": "ilike"}},
    "calculate_output": "equal + close",
}
ROWS: list[dict[str, Any]] = [
    {"sample": "4", "item": {"answer": "4"}, "id": "a"},
    {"sample": "5", "item": {}, "id": "b"},
    {"sample": {"output_text": "5"}, "item": {"answer": "4"}, "id": 7},
    {"sample": [{"role": "assistant", "content": "6"}], "item": {"answer": "6"}},
    {"sample": 5},
]
Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60) as client:
        for name, grader in {"columns": EQUAL, "columns-multi": MULTI}.items():
            assert client.put(f"/v1/graders/{name}", json={"grader": grader}).is_success
        yield client


def test_columns_have_an_array_of_each_field_that_is_asked_for(http: httpx2.Client) -> None:
    reply = http.post(
        "/v1/graders/columns/grade/batch", json={"rows": ROWS}, params={"fields": "reward,failure"}
    )
    body = reply.json()
    assert list(body) == ["object", "grader", "columns", "counts"]
    assert body["object"] == "batch.columns"
    assert (body["grader"]["stored_name"], body["grader"]["version"]) == ("columns", 1)
    assert list(body["columns"]) == ["reward", "failure"]
    assert body["columns"]["reward"] == [1.0, None, 0.0, 1.0, None]
    failures = body["columns"]["failure"]
    assert [failure and failure["kind"] for failure in failures] == [
        None,
        "invalid_variable_error",
        None,
        None,
        "other_error",
    ]
    assert body["counts"] == {"rows": 5, "graded": 3, "ungraded": 2}


@pytest.mark.parametrize("name", ["columns", "columns-multi"])
def test_each_column_is_the_field_of_the_whole_results(http: httpx2.Client, name: str) -> None:
    path, body = f"/v1/graders/{name}/grade/batch", {"rows": ROWS * 3}
    whole = http.post(path, json=body).json()
    columns = http.post(path, json=body, params={"fields": ",".join(COLUMNS)}).json()
    assert columns["counts"] == whole["counts"]
    assert columns["grader"] == whole["grader"]
    for field in set(COLUMNS) - {"execution_time", "turn_rewards"}:
        assert columns["columns"][field] == [result[field] for result in whole["results"]], field
    assert all(seconds >= 0 for seconds in columns["columns"]["execution_time"])


def test_a_reward_is_null_exactly_where_its_row_is_ungraded_and_never_nan(http: httpx2.Client) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS * 100}, params={"fields": "reward"})
    assert "NaN" not in reply.text
    rewards = reply.json()["columns"]["reward"]
    assert all(reward is None or math.isfinite(reward) for reward in rewards)
    assert rewards.count(None) == reply.json()["counts"]["ungraded"] == 200


def test_columns_keep_to_what_an_ungraded_row_gets(http: httpx2.Client) -> None:
    body = {"grader": EQUAL, "rows": ROWS, "on_failure": "lowest"}
    columns = http.post(BATCH, json=body, params={"fields": "id,reward,failure"}).json()["columns"]
    assert columns["reward"] == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert columns["id"] == ["a", "b", 7, None, None]
    assert [failure is None for failure in columns["failure"]] == [True, False, True, True, False]
    refused = http.post(BATCH, json={**body, "on_failure": "error"}, params={"fields": "reward"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "rows.1")


def test_a_compact_answer_is_a_fraction_of_a_whole_one(http: httpx2.Client) -> None:
    body = {"grader": EQUAL, "rows": [{"sample": "4", "item": {"answer": "4"}}] * 1000}
    whole, columns = (
        http.post(BATCH, json=body, params=query).content for query in ({}, {"fields": "reward,failure"})
    )
    assert len(columns) < len(whole) / 20


def test_a_batch_without_rows_has_empty_columns(http: httpx2.Client) -> None:
    reply = http.post("/v1/graders/columns/grade/batch", json={"rows": []}, params={"fields": "reward"})
    assert reply.json()["columns"] == {"reward": []}


@pytest.mark.parametrize("fields", ["", "rewards", "reward,", "reward,reward", "reward, failure", "index"])
def test_a_wrong_field_is_a_400(http: httpx2.Client, fields: str) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS}, params={"fields": fields})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "fields")


def test_columns_are_not_sent_in_lines(http: httpx2.Client) -> None:
    headers = {"accept": "application/x-ndjson"}
    body = {"grader": EQUAL, "rows": ROWS}
    reply = http.post(BATCH, json=body, params={"fields": "reward"}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "fields")
    assert http.post(BATCH, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("columns", {}, 400, "rows"),
        ("columns", {"rows": [], "grader": EQUAL}, 400, "grader"),
        ("columns", {"rows": [], "name": "columns"}, 400, "name"),
        ("columns", {"rows": [], "version": 9}, 404, "version"),
        ("nothing-here", {"rows": []}, 404, "name"),
        (".wrong", {"rows": []}, 400, "name"),
    ],
)
def test_a_grader_in_the_path_leaves_no_place_for_another(
    http: httpx2.Client, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    reply = http.post(f"/v1/graders/{path}/grade/batch", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


@pytest.mark.full
def test_a_batch_in_the_path_may_be_as_long_as_any_batch_and_is_repeated_by_its_key(serve: Serve) -> None:
    with (
        serve(Settings(body_limit=1_000, batch_body_limit=100_000)) as address,
        httpx2.Client(base_url=address) as http,
    ):
        http.put("/v1/graders/long", json={"grader": EQUAL})
        body = {"rows": [{"sample": "4" * 500, "item": {"answer": "4"}}] * 100}
        headers = {"idempotency-key": "one"}
        first, second = (
            http.post("/v1/graders/long/grade/batch", json=body, headers=headers) for _ in range(2)
        )
        assert first.status_code == 200
        assert second.headers["idempotency-replayed"] == "true"
        assert first.json() == second.json()


def test_rewards_of_turns_are_a_column_of_their_own() -> None:
    @grader("by_turn")
    def by_turn(sample: Sample, item: Item) -> GraderResult:
        """Give what the item says."""
        return GraderResult(0.5, metadata={"turn_rewards": item["turns"]})

    loaded = Registry().including(by_turn).load({"type": "by_turn"})
    given = [[1.0, None, 0], [], "text", [True, math.inf, "1", 0.5]]
    results = [loaded.function(Sample(""), {"turns": turns}) for turns in given]
    shown = [turn_rewards(result) for result in results]
    assert shown == [[1.0, None, 0.0], [], None, [None, None, None, 0.5]]
    failure = GradingError("no judge", caused_by="infrastructure").failure
    assert turn_rewards(GraderResult(None, failure=failure, metadata={"turn_rewards": [1.0]})) is None


def test_a_grader_without_rewards_of_turns_has_null_there(http: httpx2.Client) -> None:
    params = {"fields": "turn_rewards,reward"}
    reply = http.post("/v1/graders/columns/grade/batch", json={"rows": ROWS}, params=params)
    assert reply.json()["columns"] == {"turn_rewards": [None] * 5, "reward": [1.0, None, 0.0, 1.0, None]}
