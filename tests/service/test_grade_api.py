"""`/v1/grade` and `/v1/grade/batch`: an ungraded row is null with its failure, never a low reward."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from runtime import Settings
from tests.judge_server import JudgeServer, delayed, hang, verdict

GRADE, BATCH = "/v1/grade", "/v1/grade/batch"
LINES = {"accept": "application/x-ndjson"}
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
JUDGED = {
    "type": "score_model",
    "model": "judge",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
ROWS: list[dict[str, Any]] = [
    {"sample": "4", "item": {"answer": "4"}, "id": "a"},
    {"sample": "5", "item": {}, "id": "a"},
    {"sample": {"output_text": "5"}, "item": {"answer": "4"}, "id": 7},
    {"sample": [{"role": "assistant", "content": "6"}], "item": {"answer": "6"}},
]
"""Equal, without the field that the reference names, unequal, equal."""

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


def judged_by(server: JudgeServer, concurrency: int = 64) -> Settings:
    return Settings(judges={"judge": {"base_url": server.url, "concurrency": concurrency}}, judge_cache_mb=0)


def parsed_lines(reply: httpx2.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.text.endswith("\n")
    return [json.loads(line) for line in reply.text.splitlines()]


def test_one_sample(http: httpx2.Client) -> None:
    body = {"grader": EQUAL, "sample": "4", "item": {"answer": "4"}, "trace_id": "t", "deadline_s": 3}
    result = http.post(GRADE, json=body).json()
    assert result.pop("execution_time") >= 0
    signature = result["grader"].pop("signature")
    assert signature.startswith("string_check:")
    assert result == {
        "reward": 1.0,
        "passed": True,
        "sub_rewards": {},
        "metrics": {},
        "metadata": {},
        "explanation": None,
        "failure": None,
        "usage": {},
        "substituted": False,
        "grader": {"name": "equal", "type": "string_check"},
    }


def test_a_failed_grading_is_null_with_its_failure(http: httpx2.Client) -> None:
    result = http.post(GRADE, json={"grader": EQUAL, "sample": "4", "item": None}).json()
    assert (result["reward"], result["passed"]) == (None, None)
    assert list(result["failure"]) == ["kind", "caused_by", "message", "details", "retryable"]
    assert result["failure"]["kind"] == "invalid_variable_error"
    assert result["failure"]["caused_by"] == "grader"
    assert result["failure"]["retryable"] is False


@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
def test_a_batch_gives_each_row_what_grade_gives_it(http: httpx2.Client, headers: dict[str, str]) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS}, headers=headers)
    if headers:
        *results, last = parsed_lines(reply)
        assert last == {"object": "batch.summary", "counts": {"rows": 4, "graded": 3, "ungraded": 1}}
        results.sort(key=lambda result: int(result["index"]))
    else:
        body = reply.json()
        assert list(body) == ["object", "grader", "results", "counts"]
        assert body["object"] == "batch.grades"
        assert body["counts"] == {"rows": 4, "graded": 3, "ungraded": 1}
        assert body["grader"]["name"] == "equal"
        results = body["results"]
    assert [result["reward"] for result in results] == [1.0, None, 0.0, 1.0]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["id"] for result in results] == ["a", "a", 7, None]
    for row, result in zip(ROWS, results, strict=True):
        alone = http.post(GRADE, json={"grader": EQUAL, "sample": row["sample"], "item": row["item"]}).json()
        assert list(result) == ["index", "id", *alone]
        for varying in ("index", "id", "execution_time"):
            result.pop(varying)
        alone.pop("execution_time")
        assert result == alone


@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
def test_lowest_fills_the_reward_and_keeps_the_failure(http: httpx2.Client, headers: dict[str, str]) -> None:
    ranged = {**JUDGED, "input": [{"role": "user", "content": "{{item.answer}}"}], "range": [-1, 1]}
    for grader, low in ((EQUAL, 0.0), (ranged, -1.0)):
        rows = ROWS[1:2]  # its item lacks the field
        reply = http.post(
            BATCH, json={"grader": grader, "rows": rows, "on_failure": "lowest"}, headers=headers
        )
        assert reply.status_code == 200, reply.text
        ungraded = parsed_lines(reply)[0] if headers else reply.json()["results"][0]
        assert ungraded["reward"] == low
        assert ungraded["passed"] is None
        assert ungraded["failure"]["kind"] == "invalid_variable_error"
        counts = parsed_lines(reply)[1]["counts"] if headers else reply.json()["counts"]
        assert counts == {"rows": 1, "graded": 0, "ungraded": 1}


def test_error_answers_422_that_names_the_first_ungraded_row(http: httpx2.Client) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": [*ROWS, ROWS[1]], "on_failure": "error"})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert (error["param"], error["code"]) == ("rows.1", "ungraded")
    assert error["message"].startswith("rows.1: ")
    assert "answer" in error["message"]
    graded = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS[2:], "on_failure": "error"})
    assert graded.json()["counts"] == {"rows": 2, "graded": 2, "ungraded": 0}


@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
def test_a_batch_without_rows_is_answered(http: httpx2.Client, headers: dict[str, str]) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": []}, headers=headers)
    body = parsed_lines(reply)[0] if headers else reply.json()
    assert body["counts"] == {"rows": 0, "graded": 0, "ungraded": 0}


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"grader": 3}, "grader", "grader: expected a grader: a JSON object with a 'type'"),
        ({"grader": {"type": "string_check"}}, "grader.input", "grader.input: "),
        ({"rows": {}}, "rows", "rows: expected a list of rows"),
        ({"deadline_s": 0}, "deadline_s", "deadline_s: expected seconds"),
        ({"deadline_s": True}, "deadline_s", "deadline_s: expected seconds"),
        ({"deadline_s": "1"}, "deadline_s", "deadline_s: expected seconds"),
        ({"on_failure": "zero"}, "on_failure", "on_failure: expected 'null', 'lowest', 'error'"),
        ({"on_failure": []}, "on_failure", "on_failure: expected 'null', 'lowest', 'error'"),
        (
            {"row": []},
            "row",
            "row: no such field; did you mean 'rows'? the body has rows, trace_id, deadline_s, on_failure",
        ),
    ],
)
def test_a_bad_field_of_a_batch_is_400_that_names_it(
    http: httpx2.Client, change: dict[str, Any], param: str, message: str
) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS, **change})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param
    assert reply.json()["error"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"grader": {}}', "sample"),
        (b'{"grader": {}, "sample": "", "trace_id": 1}', "trace_id"),
        (b'{"grader": {}, "sample": "", "deadline_s": 1e999}', "deadline_s"),
        (b'{"grader": {}, "model_sample": ""}', "model_sample"),
    ],
)
def test_a_bad_field_of_grade_is_400_that_names_it(
    http: httpx2.Client, body: bytes, param: str | None
) -> None:
    reply = http.post(GRADE, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


def test_lines_cannot_wait_for_a_failure(http: httpx2.Client) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS, "on_failure": "error"}, headers=LINES)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "on_failure")


def test_an_endless_range_has_no_lowest_reward(http: httpx2.Client) -> None:
    endless = {"type": "multi", "graders": {"a": EQUAL}, "calculate_output": "a"}
    reply = http.post(BATCH, json={"grader": endless, "rows": [], "on_failure": "lowest"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "on_failure")


@pytest.mark.full
def test_rows_and_bytes_of_a_batch_have_limits_of_their_own(serve: Serve) -> None:
    limits = Settings(body_limit=1_000, batch_body_limit=5_000, batch_rows=3)
    with serve(limits) as address, httpx2.Client(base_url=address) as http:
        reply = http.post(BATCH, json={"grader": EQUAL, "rows": ROWS})
        assert reply.status_code == 413
        assert reply.json()["error"]["param"] == "rows"
        assert reply.json()["error"]["code"] == "too_many_rows"
        long: dict[str, Any] = {"sample": "x" * 2_000, "item": {"answer": ""}}
        assert http.post(BATCH, json={"grader": EQUAL, "rows": [long, long]}).status_code == 200
        assert http.post(GRADE, json={"grader": EQUAL, **long}).status_code == 413
        reply = http.post(BATCH, json={"grader": EQUAL, "rows": [long, long, long]})
        assert reply.status_code == 413
        assert reply.json()["error"]["message"] == "the body is longer than 5,000 bytes"


@pytest.mark.full
def test_no_judge_is_asked_about_a_row_that_cannot_be_read(serve: Serve) -> None:
    with JudgeServer([verdict(0.5)]) as judge, serve(judged_by(judge)) as address:
        rows = [{"sample": 3}, {"sample": "a"}]
        reply = httpx2.post(address + BATCH, json={"grader": JUDGED, "rows": rows})
        assert [result["reward"] for result in reply.json()["results"]] == [None, 0.5]
        assert len(judge.requests) == 1
        reply = httpx2.post(address + BATCH, json={"grader": JUDGED, "rows": rows[1:]})
        assert reply.json()["results"][0]["usage"] == {
            "judge-1": {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                "cached_tokens": 0,
            }
        }


def asked_for(request_body: Any) -> str:
    return json.dumps(request_body)


@pytest.mark.full
@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "lines"])
@pytest.mark.parametrize("from_settings", [False, True])
def test_what_is_late_is_ungraded_and_the_rest_is_answered(
    serve: Serve, headers: dict[str, str], from_settings: bool
) -> None:
    def reply_to(request: Any, number: int) -> Any:
        return hang() if "never" in asked_for(request.body) else verdict(0.5)

    with JudgeServer(reply_to) as judge:
        settings = judged_by(judge)
        # a deadline beyond the service's own is cut to it
        deadline = {"deadline_s": 1e9 if from_settings else 2.0}
        if from_settings:
            settings = settings.model_copy(update={"batch_timeout_s": 2.0})
        with serve(settings) as address:
            body = {"grader": JUDGED, "rows": [{"sample": "never"}, {"sample": "now"}], **deadline}
            reply = httpx2.post(address + BATCH, json=body, headers=headers, timeout=60)
    results = (
        sorted(parsed_lines(reply)[:2], key=lambda r: int(r["index"])) if headers else reply.json()["results"]
    )
    late, done = results
    assert late["reward"] is None
    assert late["failure"]["caused_by"] == "infrastructure"
    assert late["failure"]["details"]["type"] == "deadline"
    assert late["failure"]["retryable"] is True
    assert done["reward"] == 0.5


@pytest.mark.full
def test_a_line_comes_before_the_batch_is_done_and_who_leaves_cancels_the_rest(serve: Serve) -> None:
    def reply_to(request: Any, number: int) -> Any:
        return verdict(0.5) if "quick" in asked_for(request.body) else delayed(verdict(0.5), 0.3)

    rows = [{"sample": f"slow {number}"} for number in range(300)] + [{"sample": "quick"}]
    with JudgeServer(reply_to) as judge:
        settings = judged_by(judge, concurrency=8).model_copy(update={"concurrency": 8})
        with serve(settings) as address, httpx2.Client(base_url=address, timeout=60) as http:
            body = {"grader": JUDGED, "rows": rows[-1:] + rows[:-1]}
            with http.stream("POST", BATCH, json=body, headers=LINES) as reply:
                first = json.loads(next(reply.iter_lines()))
                assert (first["index"], first["reward"]) == (0, 0.5)
            # wait until the service asks no more; if nobody had told it, that would be after all 300 questions
            asked, quiet = -1, 0
            while quiet < 100:
                idle = judge.in_flight == 0 and len(judge.requests) == asked
                asked, quiet = len(judge.requests), quiet + 1 if idle else 0
                time.sleep(0.01)
            assert len(judge.requests) < 300


@pytest.mark.full
def test_who_leaves_while_a_batch_is_graded_cancels_it(serve: Serve) -> None:
    rows = [{"sample": f"slow {number}"} for number in range(200)]
    content = json.dumps({"grader": JUDGED, "rows": rows}).encode()
    head = f"POST {BATCH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n".encode()
    with JudgeServer([delayed(verdict(0.5), 0.3)]) as judge:
        settings = judged_by(judge, concurrency=8).model_copy(update={"concurrency": 8})
        with serve(settings) as address:
            host, _, port = address.removeprefix("http://").partition(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(head + content)
                while len(judge.requests) < 8:
                    time.sleep(0.01)
            # the same as above: all 200 would be asked, if nobody had noticed
            asked, quiet = -1, 0
            while quiet < 100:
                idle = judge.in_flight == 0 and len(judge.requests) == asked
                asked, quiet = len(judge.requests), quiet + 1 if idle else 0
                time.sleep(0.01)
            assert len(judge.requests) < 200
            text = httpx2.get(f"{address}/metrics").text
            assert f'graders_http_requests_total{{method="POST",route="{BATCH}",status="0"}} 1.0' in text
            assert 'graders_queue_depth{cost="judge"} 0.0' in text


@pytest.mark.full
def test_who_waits_long_for_a_batch_gets_all_of_it(serve: Serve) -> None:
    with JudgeServer([delayed(verdict(0.5), 1.5)]) as judge, serve(judged_by(judge)) as address:
        body = {"grader": JUDGED, "rows": [{"sample": "a"}, {"sample": "b"}]}
        reply = httpx2.post(address + BATCH, json=body, timeout=60)
    assert [result["reward"] for result in reply.json()["results"]] == [0.5, 0.5]


@pytest.mark.full
def test_the_judge_budget_of_a_key_pays_for_its_batches(serve: Serve) -> None:
    with JudgeServer([verdict(0.5)]) as judge:
        settings = judged_by(judge).model_copy(update={"api_keys": (SecretStr("one"), SecretStr("two"))})
        budgets = Settings(judge_budgets={"key": {"tokens": 1}}).judge_budgets
        with (
            serve(settings.model_copy(update={"judge_budgets": budgets})) as address,
            httpx2.Client(base_url=address) as http,
        ):
            for headers in ({}, LINES):
                rewards: dict[str, list[float | None]] = {}
                for key in ("one", "two"):
                    reply = http.post(
                        BATCH,
                        json={"grader": JUDGED, "rows": [{"sample": f"{key} {bool(headers)}"}]},
                        headers={**headers, "api-key": key},
                    )
                    result = parsed_lines(reply)[0] if headers else reply.json()["results"][0]
                    rewards[key] = [result["reward"]]
                # the first request of each key is paid for, the second is not, whichever form the answer has
                assert rewards == (
                    {"one": [None], "two": [None]} if headers else {"one": [0.5], "two": [0.5]}
                )


def test_many_rows_in_bulk_keep_their_order_and_their_failures(http: httpx2.Client) -> None:
    rows: list[dict[str, Any]] = [
        {"sample": str(n % 3), "item": {} if n == 1_500 else {"answer": "1"}, "id": n} for n in range(3_000)
    ]
    for content, headers in (({"grader": EQUAL, "rows": rows}, {}), ({"grader": EQUAL, "rows": rows}, LINES)):
        reply = http.post(BATCH, json=content, headers=headers)
        results = parsed_lines(reply)[:-1] if headers else reply.json()["results"]
        results.sort(key=lambda result: int(result["index"]))
        assert [result["id"] for result in results] == list(range(3_000))
        expected = [None if n == 1_500 else float(n % 3 == 1) for n in range(3_000)]
        assert [result["reward"] for result in results] == expected


def test_the_openapi_document_describes_both_routes(http: httpx2.Client) -> None:
    document = http.get("/openapi.json").json()
    batch = document["paths"][BATCH]["post"]
    row = batch["requestBody"]["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
    assert list(row["properties"]) == ["sample", "item", "id"]
    assert "application/x-ndjson" in batch["responses"]["200"]["content"]
    shown = document["components"]["schemas"]["GradeResponse"]
    result = http.post(GRADE, json={"grader": EQUAL, "sample": ""}).json()
    assert sorted(shown["properties"]) == sorted(result)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
samples = json_values | st.fixed_dictionaries(
    {"output_text": json_values},
    optional=dict.fromkeys(("choices", "output_tools", "model", "output"), json_values),
)
graders = json_values | st.builds(
    lambda options, kind: {**options, "type": kind},
    st.dictionaries(
        st.sampled_from(
            ["input", "reference", "operation", "pattern", "graders", "calculate_output", "name"]
        ),
        json_values | st.just("{{sample.output_text}}"),
        max_size=5,
    ),
    st.sampled_from(
        ["string_check", "numeric_check", "text_similarity", "pattern_match", "multi", "nothing"]
    ),
)
rows_of_any_kind = st.fixed_dictionaries(
    {"sample": samples}, optional={"item": json_values, "id": json_values}
)
bodies = st.fixed_dictionaries(
    {"grader": graders | st.just(EQUAL)},
    optional={
        "rows": json_values | st.lists(rows_of_any_kind, max_size=3),
        "sample": samples,
        "item": json_values,
        "deadline_s": json_values | st.just(2),
        "on_failure": json_values | st.sampled_from(["null", "lowest", "error"]),
        "trace_id": json_values,
    },
)


@pytest.mark.full
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=json_values | bodies, path=st.sampled_from([GRADE, BATCH]), lines=st.booleans())
def test_no_json_makes_the_service_fail(http: httpx2.Client, body: Any, path: str, lines: bool) -> None:
    if path == BATCH and isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in {"sample", "item", "trace_id"}}
    elif isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in {"rows", "on_failure"}}
    reply = http.post(path, json=body, headers=LINES if lines else {})
    assert reply.status_code in {200, 400, 413, 415, 422}
    if reply.status_code != 200:
        assert reply.json()["error"]["message"]


def shown_id(row: dict[str, Any]) -> object:
    """The id of a row as its result has it: null where it is not a text or a number."""
    row_id = row.get("id")
    return row_id if isinstance(row_id, (str, int, float)) and not isinstance(row_id, bool) else None


@pytest.mark.full
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(rows_of_any_kind, max_size=4))
def test_every_row_of_an_accepted_batch_has_its_result(
    http: httpx2.Client, rows: list[dict[str, Any]]
) -> None:
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": rows})
    if reply.status_code == 200:
        results = reply.json()["results"]
        assert [result["id"] for result in results] == [shown_id(row) for row in rows]
        for result in results:
            assert (result["reward"] is None) == (
                result["failure"] is not None and result["failure"]["caused_by"] != "model"
            )
