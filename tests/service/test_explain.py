"""`graders explain` and `POST /v1/grade?explain=true` explain a grading, only to clients that may grade."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from runtime import Settings
from service.app import create_app
from service.cli import keys as command
from tests.judge_server import JudgeServer, status, verdict
from tests.service.test_cli import graders

GRADE, EXPLAIN = "/v1/grade", "/v1/grade?explain=true"
EQUAL: dict[str, Any] = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
BOTH: dict[str, Any] = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": EQUAL, "part": {**EQUAL, "operation": "like"}},
    "calculate_output": "0.5*exact + 0.5*part",
}
ROW = {"item": {"answer": "a"}, "sample": "ab"}
SECRET = "sesame-open-yourself"  # noqa: S105  # nobody's

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grader, and rows in several files."""
    home = tmp_path_factory.mktemp("explain")
    (home / "grader.json").write_text(json.dumps(BOTH))
    (home / "row.json").write_text(json.dumps(ROW, indent=2))
    second = {"item": {"answer": "a"}, "sample": {"output_text": "a"}}
    rows: tuple[Any, ...] = (ROW, second, {"item": {}, "sample": "a"}, {"item": {}})
    lines = [*map(json.dumps, rows), "", "not json"]
    (home / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (home / "empty.json").write_text("")
    return home


def explained(folder: Path, row: str, *options: str, stdin: bytes | None = None) -> Any:
    return graders("explain", "grader.json", row, *options, cwd=folder, stdin=stdin)


def test_the_command_shows_how_a_rows_reward_came_to_be(folder: Path) -> None:
    done = explained(folder, "row.json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert shown[:2] == ["both (multi): reward 0.5", "  sample: | ab"]
    assert "  exact (string_check): reward 0, did not pass (at 0.5 or more)" in shown
    assert shown[-4:-2] == ["  calculate_output: 0.5*exact + 0.5*part", "    0.5*0 + 0.5*1 = 0.5"]


def test_the_command_gives_json_of_a_line_of_a_file(folder: Path) -> None:
    done = explained(folder, "rows.jsonl:2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    tree = json.loads(done.stdout)
    assert tree["result"]["reward"] == 1.0
    assert [inner["key"] for inner in tree["inside"]] == ["graders.exact", "graders.part"]
    assert tree["sample"] == "a"


def test_an_ungraded_row_is_explained_and_exits_with_1(folder: Path) -> None:
    done = explained(folder, "rows.jsonl:3")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == "both (multi): ungraded"
    assert "      not rendered: {{item.answer}} is not there: item has no fields" in done.stdout.splitlines()


def test_a_row_is_read_from_standard_input(folder: Path) -> None:
    done = explained(folder, "-", stdin=json.dumps(ROW).encode())
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "both (multi): reward 0.5")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("rows.jsonl", "rows.jsonl has 6 lines, each a row; name one, such as rows.jsonl:2"),
        ("rows.jsonl:4", "rows.jsonl:4: the row has no 'sample', so there is nothing to grade"),
        ("rows.jsonl:5", "rows.jsonl:5 is an empty line; name one with a row"),
        ("rows.jsonl:60", "rows.jsonl has 6 lines, so there is no line 60"),
        ("empty.json", "empty.json is empty; expected a row {item, sample} as JSON"),
        ("nothing.json", "cannot read nothing.json: No such file or directory"),
    ],
)
def test_a_row_that_is_not_there_is_a_line_that_says_how_to_mend_it(
    row: str, error: str, folder: Path
) -> None:
    done = explained(folder, row)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {error}")


def test_a_row_that_cannot_be_read_is_ungraded_and_says_why(folder: Path) -> None:
    done = explained(folder, "rows.jsonl:6")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "both (multi): ungraded"
    assert "line 6: not JSON: " in done.stdout


def test_grader_and_row_cannot_both_be_standard_input(folder: Path) -> None:
    done = graders("explain", "-", "-", cwd=folder, stdin=b"{}")
    assert (done.returncode, done.stderr) == (
        2,
        "error: the grader and the row cannot both come from the standard input\n",
    )


def test_the_service_lays_a_grading_open_when_it_is_asked_to(http: httpx2.Client) -> None:
    body = {"grader": BOTH, "trace_id": "t", **ROW}
    answer = http.post(EXPLAIN, json=body).json()
    tree = answer.pop("explanation_tree")
    plain = http.post(GRADE, json=body).json()
    assert {**answer, "execution_time": 0} == {**plain, "execution_time": 0}
    assert tree["result"]["reward"] == answer["reward"] == 0.5
    assert [inner["result"]["reward"] for inner in tree["inside"]] == [0.0, 1.0]
    assert tree["formulas"][0]["with_numbers"] == "0.5*0 + 0.5*1"
    assert tree["inside"][0]["templates"][0] == {
        "path": "input",
        "source": "{{sample.output_text}}",
        "text": "ab",
        "failure": None,
    }


@pytest.mark.parametrize("query", ["", "?", "?explain=false", "?other=1"])
def test_without_being_asked_to_the_service_shows_no_tree(query: str, http: httpx2.Client) -> None:
    answer = http.post(f"{GRADE}{query}", json={"grader": EQUAL, **ROW}).json()
    assert "explanation_tree" not in answer
    assert answer["reward"] == 0.0


def test_a_wish_that_is_neither_true_nor_false_is_refused(http: httpx2.Client) -> None:
    reply = http.post(f"{GRADE}?explain=maybe", json={"grader": EQUAL, **ROW})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["param"], error["message"]) == ("explain", "explain: expected true or false, got 'maybe'")


def test_an_explained_request_is_another_than_the_same_without_for_an_idempotency_key(
    http: httpx2.Client,
) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    body = {"grader": EQUAL, **ROW}
    plain, tree, again = (http.post(path, json=body, headers=headers) for path in (GRADE, EXPLAIN, EXPLAIN))
    assert "explanation_tree" not in plain.json()
    assert "explanation_tree" in tree.json()
    assert (tree.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert again.content == tree.content


@pytest.mark.full
def test_a_judge_is_asked_once_and_no_secret_is_shown(serve: Serve, quick: Settings, tmp_path: Path) -> None:
    echo = {"score": 1.0, "said": f"I heard {SECRET}"}
    with JudgeServer([verdict(0.5, [("Look.", "Fine.")]), status(200, {}, echo)]) as server:
        judged = {"type": "score_model", "model": "judge", "input": [{"role": "user", "content": "?"}]}
        called = {
            "type": "endpoint",
            "url": f"{server.url}/x",
            "headers": {"Authorization": f"Bearer {SECRET}"},
        }
        changed = {
            "judges": {"judge": {"base_url": server.url, "api_key": SECRET}},
            "judge_cache_mb": 0,
            "judge_store": str(tmp_path / "judges.sqlite"),
            "endpoint_hosts": [server.url.split("/")[2]],
        }
        settings = Settings.model_validate({**quick.model_dump(), **changed})
        with serve(settings) as url, httpx2.Client(base_url=url, timeout=30) as http:
            replies = [http.post(EXPLAIN, json={"grader": grader, **ROW}) for grader in (judged, called)]
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {SECRET}"] * 2
    assert [SECRET in reply.text for reply in replies] == [False, False]
    call = replies[0].json()["explanation_tree"]["calls"][0]
    assert call["answered"]["output"]["steps"] == [{"description": "Look.", "conclusion": "Fine."}]
    answered = replies[1].json()["explanation_tree"]["calls"][0]["answered"]
    assert answered == {"status": 200, "body": {"score": 1.0, "said": "I heard **********"}}


def test_an_explanation_needs_the_scope_to_grade_and_of_a_stored_grader_the_one_to_read_it(
    quick: Settings, tmp_path: Path
) -> None:
    settings = quick.model_copy(
        update={"database": str(tmp_path / "service.sqlite"), "files_dir": tmp_path / "files"}
    )
    scopes = (("read",), ("grade",), ("grade", "read"), ("manage",))
    read, grade, both, manage = (
        {
            "api-key": command.create(settings, "a", list(scope), requests_per_minute=None, concurrency=None)[
                "key"
            ]
        }
        for scope in scopes
    )
    inline, stored = {"grader": EQUAL, **ROW}, {"name": "mine", **ROW}
    with TestClient(create_app(settings)) as http:
        assert http.put("/v1/graders/mine", json={"grader": EQUAL}, headers=manage).status_code == 201
        assert http.post(EXPLAIN, json=inline, headers=read).status_code == 403
        assert "explanation_tree" in http.post(EXPLAIN, json=inline, headers=grade).json()
        assert http.post(GRADE, json=stored, headers=grade).status_code == 200
        refused = http.post(EXPLAIN, json=stored, headers=grade)
        assert (refused.status_code, refused.json()["error"]["message"]) == (
            403,
            "this API key lacks the scope 'read'",
        )
        assert "explanation_tree" in http.post(EXPLAIN, json=stored, headers=both).json()
