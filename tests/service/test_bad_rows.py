"""A row that cannot be read is that row's outcome, wherever rows come from, and changes nothing for the others."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Any

import httpx2
import pytest

from runtime import Settings
from tests.judge_server import JudgeServer, answer
from tests.service.bad_rows import GOOD, bad_row, batch_text

GRADE, BATCH, RUN = "/v1/grade", "/v1/grade/batch", "/v1/fine_tuning/alpha/graders/run"
LINES = {"accept": "application/x-ndjson"}
SEED = 20_261_128
EQUAL: dict[str, Any] = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
SIMILAR = {**EQUAL, "type": "text_similarity", "name": "similar", "evaluation_metric": "fuzzy_match"}
del SIMILAR["operation"]
GRADERS: Sequence[Mapping[str, Any]] = (
    EQUAL,  # in bulk
    SIMILAR,
    {"type": "multi", "graders": {"a": EQUAL, "b": SIMILAR}, "calculate_output": "(a + b) / 2"},  # row by row
)
Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60) as bare:
        yield bare


def results_of(reply: httpx2.Response) -> list[dict[str, Any]]:
    """The results of a batch in the order of its rows, from one answer or from lines."""
    assert reply.status_code == 200, reply.text
    if reply.headers["content-type"] == "application/json":
        found: list[dict[str, Any]] = reply.json()["results"]
        return found
    *lines, _ = map(json.loads, reply.text.splitlines())
    return sorted(lines, key=lambda result: int(result["index"]))


def result_beside(http: httpx2.Client, row: str, grader: Mapping[str, Any] = EQUAL) -> dict[str, Any]:
    """The result of a row between two good ones, whose rewards are checked; in one answer and in lines."""
    good = ['{"sample": "ok", "item": {"answer": "ok"}}', '{"sample": "no", "item": {"answer": "ok"}}']
    found = []
    for headers in ({}, LINES):
        body = batch_text(grader, [good[0], row, good[1]])
        before, middle, after = results_of(http.post(BATCH, content=body, headers=headers))
        assert (before["reward"], after["reward"]) == (1.0, 0.0)
        middle.pop("execution_time")
        found.append(middle)
    assert found[0] == found[1]
    return found[0]


def fuzz(http: httpx2.Client, count: int, seed: int = SEED) -> None:
    """Compare the rewards of good rows in batches with bad ones to those of the good ones alone."""
    random = Random(seed)  # noqa: S311  # the same batches each time
    clean = {
        index: [row["reward"] for row in results_of(http.post(BATCH, json={"grader": grader, "rows": GOOD}))]
        for index, grader in enumerate(GRADERS)
    }
    for number in range(count):
        index = random.randrange(len(GRADERS))
        chosen = [random.randrange(len(GOOD)) for _ in range(random.randint(1, 6))]
        rows: list[tuple[str, float | None, bool]] = [
            (json.dumps(GOOD[which]), clean[index][which], True) for which in chosen
        ]
        for _ in range(random.randint(1, 3)):
            rows.insert(random.randint(0, len(rows)), (bad_row(random), None, False))
        body = batch_text(GRADERS[index], [text for text, _, _ in rows])
        results = results_of(http.post(BATCH, content=body, headers=LINES if number % 4 == 0 else {}))
        assert [result["index"] for result in results] == list(range(len(rows)))
        for (text, reward, is_good), result in zip(rows, results, strict=True):
            if is_good:
                assert result["reward"] == reward, (number, body[:2_000])
            else:
                assert (result["reward"] is None) <= (result["failure"] is not None), text[:500]


@pytest.mark.full
def test_bad_rows_never_change_the_rewards_of_others(http: httpx2.Client) -> None:
    fuzz(http, 300)


@pytest.mark.slow
def test_bad_rows_never_change_the_rewards_of_others_in_fifty_thousand_batches(serve: Serve) -> None:
    with serve(Settings()) as address:
        for chunk in range(50):
            with httpx2.Client(base_url=address, timeout=60) as http:
                fuzz(http, 1_000, SEED + chunk)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"ok"', 'rows.1: expected a row such as {"sample": …, "item": {…}}, got the text \'ok\''),
        ("null", 'rows.1: expected a row such as {"sample": …, "item": {…}}, got null'),
        ("{}", "rows.1.sample: this field is required"),
        ('{"sample": null}', "rows.1.sample: expected a text, a stored sample, a chat completion, "),
        ('{"sample": {"text": ""}}', "rows.1.sample: a sample that is a JSON object has 'output_text', "),
        (
            '{"sample": {"choices": []}}',
            "rows.1.sample: a chat completion has a list 'choices' with at least",
        ),
        (
            '{"sample": []}',
            "rows.1.sample: a list of messages has the model's answer in an assistant message",
        ),
        (
            '{"sample": "ok", "item": 3}',
            "rows.1.item: expected the dataset row, a JSON object, got a number 3",
        ),
        (
            '{"sample": "ok", "itme": {}}',
            "rows.1.itme: no such field; did you mean 'item'? the row has item, sample, id",
        ),
        ('{"sample": "ok", "id": true}', "rows.1.id: expected a text or a number, got a boolean True"),
        ('{"sample": "ok", "item": {"a": 1e400}}', "rows.1.item.a: the number 1e400 is too large"),
        (
            '{"sample": "ok", "item": {"a": [%s]}}' % ("9" * 5_000),
            "rows.1.item.a.0: an integer of 5,000 digits",
        ),
        ("[" * 300 + "]" * 300, "rows.1: expected a row such as "),
        ('{"sample": "ok", "item": {"a": %s}}' % ("[" * 300 + "]" * 300), "rows.1.item.a.0.0.0.0."),
    ],
)
def test_a_row_that_cannot_be_read_is_ungraded_with_its_place(
    http: httpx2.Client, row: str, message: str
) -> None:
    result = result_beside(http, row)
    assert (result["reward"], result["passed"]) == (None, None)
    failure = result["failure"]
    assert failure["message"].startswith(message)
    assert failure["caused_by"] == "infrastructure"
    assert failure["details"]["type"] == "unreadable_row"
    assert failure["details"]["row"] == "rows.1"
    assert failure["retryable"] is False


def test_what_the_model_wrote_is_its_own_failure(http: httpx2.Client) -> None:
    calls = '[{"function": {"name": "f", "arguments": {"a": %s}}}]' % ("[" * 300 + "]" * 300)
    row = f'{{"sample": {{"output_text": "ok", "output_tools": {calls}}}, "item": {{"answer": "ok"}}}}'
    result = result_beside(http, row)
    assert result["reward"] == 0.0
    assert (result["failure"]["kind"], result["failure"]["caused_by"]) == ("sample_parse_error", "model")


@pytest.mark.parametrize("half", ['"\\ud83d"', '"\ud83d"'], ids=["escaped", "encoded"])
def test_half_a_surrogate_pair_is_graded_as_text_and_shown_as_the_replacement_character(
    http: httpx2.Client, half: str
) -> None:
    same = result_beside(http, f'{{"sample": {half}, "item": {{"answer": {half}}}, "id": {half}}}')
    assert (same["reward"], same["id"]) == (1.0, "\ufffd")
    different = result_beside(http, f'{{"sample": {half}, "item": {{"answer": "\ufffd"}}}}')
    assert different["reward"] == 0.0


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        ([{"role": "assistant", "content": "ok"}, {"role": "tool", "content": "no"}], "ok"),
        ([{"role": "assistant", "content": "ok"}, {"role": "user", "content": "no"}], "ok"),
        ([{"role": "assistant", "content": "no"}, {"role": "assistant", "content": "ok"}], "ok"),
        ([{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "ok"}], ""),
        ({"choices": [{"message": {"role": "assistant", "content": None}}]}, ""),
        ({"output_text": "ok", "output_json": {"a": 1}, "usage": None}, "ok"),
    ],
)
def test_the_text_of_a_trajectory_is_what_its_last_assistant_message_says(
    http: httpx2.Client, sample: Any, text: str
) -> None:
    row = json.dumps({"sample": sample, "item": {"answer": text}})
    result = result_beside(http, row)
    assert (result["reward"], result["failure"]) == (1.0, None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            '{"sample": "ok", "item": {"p": NaN}}',
            "NaN is not JSON at line 2 column 32 (byte ",
        ),
        ('{"sample": -Infinity}', "-Infinity is not JSON at line 2 column 12 (byte "),
        ('{"sample": "\\ud800", "item": [nul]}', "Expecting value at line 2 column 31"),
        (
            '{"sample": "ok" "item": {}}',
            "expected `,` or `}` at line 2 column 17 (byte ",
        ),
    ],
)
def test_a_body_that_is_not_json_says_what_stands_where(http: httpx2.Client, row: str, message: str) -> None:
    body = batch_text(EQUAL, ['{"sample": "ok"}', f"\n{row}"]).replace(b", \n", b",\n")
    reply = http.post(BATCH, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_json"
    said = reply.json()["error"]["message"]
    assert said.startswith(f"the body is not JSON: {message}")
    assert ", in rows.1." in said
    offset = int(re.search(r"byte (\d+)", said)[1])  # type: ignore[index]  # it is there
    line, column = re.search(r"line (\d+) column (\d+)", said).groups()  # type: ignore[union-attr]
    assert (int(line), int(column)) == (2, offset - body.index(b"\n"))


@pytest.mark.parametrize(
    "fields",
    [
        '"sample": null',
        '"sample": 3',
        '"sample": {"choices": []}',
        '"sample": "ok", "item": []',
        '"sample": "ok", "item": {"a": 1e400}',
        '"sample": "ok", "item": {"a": %s}' % ("9" * 5_000),
        '"sample": [%s]' % ("[" * 300 + "]" * 300),
    ],
)
@pytest.mark.parametrize("query", ["", "?explain=true"])
def test_one_sample_that_cannot_be_read_is_ungraded_too(http: httpx2.Client, fields: str, query: str) -> None:
    reply = http.post(GRADE + query, content=f'{{"grader": {json.dumps(EQUAL)}, {fields}}}')
    assert reply.status_code == 200, reply.text
    result = reply.json()
    assert result["reward"] is None
    assert result["failure"]["details"]["type"] == "unreadable_row"
    assert ("explanation_tree" in result) == bool(query)


@pytest.mark.parametrize(
    "fields",
    [
        '"model_sample": {"text": ""}',
        '"model_sample": {"choices": []}',
        '"model_sample": []',
        '"model_sample": "ok", "item": {"a": 1e400}',
        '"model_sample": "ok", "item": {"a": %s}' % ("9" * 5_000),
        '"model_sample": "ok", "item": {"a": %s}' % ("[" * 300 + "]" * 300),
    ],
)
def test_the_published_route_shows_it_as_zero_with_a_flag(http: httpx2.Client, fields: str) -> None:
    reply = http.post(RUN, content=f'{{"grader": {json.dumps(EQUAL)}, {fields}}}')
    assert reply.status_code == 200, reply.text
    flags = {name for name, value in reply.json()["metadata"]["errors"].items() if value is True}
    assert (reply.json()["reward"], flags) == (0.0, {"other_error"})


@pytest.mark.parametrize(("path", "field"), [(GRADE, "sample"), (BATCH, "rows"), (RUN, "model_sample")])
def test_what_is_wrong_outside_of_rows_is_the_requests(http: httpx2.Client, path: str, field: str) -> None:
    rows = "[]" if field == "rows" else '"ok"'
    for more, param in [
        ('"trace_id": 1e400', "trace_id"),
        ('"\\ud800": 1', "\ufffd"),
        ('"x": %s' % ("9" * 5_000), "x"),
    ]:
        reply = http.post(path, content=f'{{"grader": {json.dumps(EQUAL)}, "{field}": {rows}, {more}}}')
        assert reply.status_code == 400, reply.text
        assert reply.json()["error"]["param"] == param


def test_a_bad_row_leaves_its_group(serve: Serve) -> None:
    """The others are compared without it, also where its item is what cannot be read."""
    rank = {"type": "rank", "model": "judge", "criterion": "better"}
    unread = '{"sample": "?", "item": 3}'
    rows = [json.dumps({"sample": text, "item": {"q": 1}}) for text in "abc"]

    def reply_to(request: Any, number: int) -> Any:
        names = request.body["response_format"]["json_schema"]["schema"]["required"]
        return answer({name: {"reason": "", "score": len(names) / 10} for name in names})

    judges = {"judge": {"base_url": "", "concurrency": 8}}
    with JudgeServer(reply_to) as judge:
        judges["judge"]["base_url"] = judge.url
        with serve(Settings(judges=judges, judge_cache_mb=0)) as address:
            for bad in (unread, '{"sample": null, "item": {"q": 1}}'):
                body = batch_text(rank, [rows[0], bad, rows[1], rows[2]])
                results = results_of(httpx2.post(address + BATCH, content=body, timeout=60))
                assert [result["reward"] for result in results] == [0.3, None, 0.3, 0.3]


@pytest.mark.full
def test_a_row_of_too_many_values_costs_itself_alone(http: httpx2.Client) -> None:
    heavy = json.dumps({"sample": "ok", "item": {"answer": "ok", "ids": [[]] * 210_000}})
    result = result_beside(http, heavy)
    assert result["reward"] is None
    assert "more than 200,000 JSON values" in result["failure"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BATCH, b'{"grader":{},"rows":[' + b"[]," * 2_100_000 + b"1]}"),
        (BATCH, b"[" * 1_000_000),
        (GRADE, b'{"grader":{},"sample":"","item":{"a":[' + b"{}," * 300_000 + b"1]}}"),
        (RUN, b'{"grader":' + b"[" * 900_000),
        ("/v1/evals", b'{"name":' + b"[" * 900_000),
        ("/v1/graders", b'{"name":' + b"[" * 900_000),
    ],
)
def test_a_body_of_too_many_values_is_refused_unread(http: httpx2.Client, path: str, body: bytes) -> None:
    reply = http.post(path, content=body, headers={"content-type": "application/json"})
    assert reply.status_code in {400, 413}
    assert reply.json()["error"]["code"] in {"body_too_large", "invalid_body"}


def test_a_large_batch_is_graded_as_a_small_one(http: httpx2.Client) -> None:
    rows = [
        {"sample": "ok" if n % 3 else "no", "item": {"answer": "ok", "more": [n] * 40}} for n in range(4_000)
    ]
    found = results_of(http.post(BATCH, json={"grader": EQUAL, "rows": rows}))
    assert [result["reward"] for result in found] == [float(bool(n % 3)) for n in range(4_000)]
