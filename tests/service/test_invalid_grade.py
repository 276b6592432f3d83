"""`invalid_grade` through every door: HTTP, batches, lines, names, statistics, metrics, evals, the command and case files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from runtime import Settings
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.conftest import served
from tests.service.evals.conftest import CUSTOM, ended
from tests.service.test_cli import graders, write

EQUAL: dict[str, Any] = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_json.a}}",
    "reference": "{{item.x}}",
    "operation": "eq",
}
COVERED = {**EQUAL, "invalid_grade": 0.25}
ROWS = [
    {"sample": '{"a": "4"}', "item": {"x": "4"}},  # 1
    {"sample": "no JSON", "item": {"x": "4"}},  # by the model
    {"sample": '{"a": "4"}', "item": {}},  # by the grader
]
BROKEN = {"type": "python", "name": "p", "source": "def grade(s, i): return float(s['output_text'])"}
LINES = {"accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def http(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    home = tmp_path_factory.mktemp("service")
    own = {"database": str(home / "service.sqlite"), "files_dir": home / "files"}
    with (
        served(quick.model_copy(update=own)) as url,
        httpx2.Client(base_url=url, timeout=60) as bare,
    ):
        yield bare


def graded(http: httpx2.Client, grader: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    reply = http.post("/v1/grade", json={"grader": grader, **row})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_one_sample_says_that_its_reward_is_substituted(http: httpx2.Client) -> None:
    found = [graded(http, COVERED, row) for row in ROWS]
    assert [(each["reward"], each["substituted"], each["passed"]) for each in found] == [
        (1.0, False, True),
        (0.25, True, False),
        (0.25, True, False),
    ]
    assert [each["failure"] and each["failure"]["caused_by"] for each in found] == [None, "model", "grader"]
    without = [graded(http, EQUAL, row)["reward"] for row in ROWS]
    assert without == [1.0, 0.0, None]


@pytest.mark.parametrize("policy", ["null", "lowest", "error"])
def test_a_batch_gives_it_whatever_becomes_of_ungraded_rows(http: httpx2.Client, policy: str) -> None:
    body = {"grader": COVERED, "rows": ROWS, "on_failure": policy}
    answer = http.post("/v1/grade/batch", json=body).json()
    assert [(row["reward"], row["substituted"]) for row in answer["results"]] == [
        (1.0, False),
        (0.25, True),
        (0.25, True),
    ]
    assert answer["counts"] == {"rows": 3, "graded": 3, "ungraded": 0}


def test_lines_give_it_too(http: httpx2.Client) -> None:
    reply = http.post("/v1/grade/batch", json={"grader": COVERED, "rows": ROWS}, headers=LINES)
    lines = [json.loads(line) for line in reply.text.splitlines()]
    found = {line["index"]: (line["reward"], line["substituted"]) for line in lines if "index" in line}
    assert found == {0: (1.0, False), 1: (0.25, True), 2: (0.25, True)}


def test_the_published_route_keeps_the_flags_beside_the_reward(http: httpx2.Client) -> None:
    for row, flag in zip(ROWS[1:], ("sample_parse_error", "invalid_variable_error"), strict=True):
        body = {"grader": COVERED, "model_sample": row["sample"], "item": row["item"]}
        answer = http.post("/v1/fine_tuning/alpha/graders/run", json=body).json()
        assert answer["reward"] == 0.25
        assert answer["metadata"]["errors"][flag] is True


def test_a_wrong_one_is_refused_with_its_path(http: httpx2.Client) -> None:
    validate = "/v1/fine_tuning/alpha/graders/validate"
    assert http.post(validate, json={"grader": COVERED}).json()["grader"]["invalid_grade"] == 0.25
    for value in (True, "0", 2, -0.5):
        refused = http.post(validate, json={"grader": {**EQUAL, "invalid_grade": value}})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "grader.invalid_grade")
    multi = {"type": "multi", "graders": {"a": {**EQUAL, "invalid_grade": 7}}, "calculate_output": "a"}
    refused = http.post(validate, json={"grader": multi})
    assert refused.json()["error"]["param"] == "grader.graders.a.invalid_grade"


def test_the_schema_of_every_type_has_it(http: httpx2.Client) -> None:
    schema = http.get("/v1/graders/schema").json()
    types = [found for name, found in schema["$defs"].items() if name.startswith("type:")]
    assert types
    assert all(found["properties"]["invalid_grade"]["type"] == ["number", "null"] for found in types)


def test_an_explanation_shows_it(http: httpx2.Client) -> None:
    body = {"grader": COVERED, **ROWS[1]}
    tree = http.post("/v1/grade?explain=true", json=body).json()["explanation_tree"]
    assert tree["options"]["invalid_grade"] == 0.25
    assert (tree["result"]["reward"], tree["result"]["substituted"]) == (0.25, True)


def test_graders_that_differ_in_it_are_two_versions(http: httpx2.Client) -> None:
    versions = [
        http.put("/v1/graders/versions", json={"grader": grader}).json()["version"]
        for grader in (EQUAL, COVERED, {**EQUAL, "invalid_grade": None}, {**COVERED, "invalid_grade": 0.5})
    ]
    assert versions == [1, 2, 1, 3]


def test_statistics_tell_apart_who_made_gradings_fail_step_by_step(http: httpx2.Client) -> None:
    for name, grader in (("plain", EQUAL), ("covered", COVERED)):
        assert http.put(f"/v1/graders/{name}", json={"grader": grader}).status_code == 201
        for step, rows in ((1, ROWS), (2, [ROWS[1]] * 3)):
            body = {"name": name, "rows": rows, "step": step}
            assert http.post("/v1/grade/batch", json=body).status_code == 200

    def figures(name: str, step: int) -> tuple[dict[str, Any], dict[str, Any]]:
        found = http.get(f"/v1/graders/{name}/stats", params={"step": step}).json()
        return found["splits"]["train"]["failures"], found["metrics"]

    failures, metrics = figures("plain", 1)
    assert failures == {
        "model": {"flagged": 1, "substituted": 0, "ungraded": 0},
        "grader": {"flagged": 0, "substituted": 0, "ungraded": 1},
        "infrastructure": {"flagged": 0, "substituted": 0, "ungraded": 0},
    }
    assert metrics["train_failed_by_model_mean"] == pytest.approx(1 / 3)
    assert metrics["train_ungraded_by_grader_mean"] == pytest.approx(1 / 3)
    assert metrics["train_ungraded_by_infrastructure_mean"] == 0.0
    assert metrics["train_substituted_mean"] == 0.0
    assert metrics["valid_substituted_mean"] is None
    failures, metrics = figures("plain", 2)
    assert (failures["model"]["flagged"], failures["grader"]["ungraded"]) == (3, 0)
    failures, metrics = figures("covered", 1)
    assert (failures["model"]["substituted"], failures["grader"]["substituted"]) == (1, 1)
    assert metrics["train_substituted_mean"] == pytest.approx(2 / 3)
    assert metrics["train_ungraded_mean"] == 0.0


def test_metrics_tell_apart_who_made_gradings_fail(http: httpx2.Client) -> None:
    for grader in ({**EQUAL, "name": "m-plain"}, {**COVERED, "name": "m-covered"}):
        http.post("/v1/grade/batch", json={"grader": grader, "rows": ROWS})
    text = http.get("/metrics").text
    for name, cause, got in (
        ("m-plain", "model", "flagged"),
        ("m-plain", "grader", "ungraded"),
        ("m-covered", "model", "substituted"),
        ("m-covered", "grader", "substituted"),
    ):
        labels = f'caused_by="{cause}",got="{got}",grader="{name}"'
        assert f"graders_failures_total{{{labels}}} 1.0" in text
    assert 'graders_failures_total{caused_by="infrastructure",got="ungraded",grader="m-' not in text


def test_in_an_eval_a_substituted_result_passes_or_fails_and_is_no_error(http: httpx2.Client) -> None:
    content = [
        {"item": {"answer": "4", "x": "4"}, "sample": {"output_text": text}} for text in ('{"a": "4"}', "no")
    ]
    source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    config: Any = {**CUSTOM, "item_schema": {"type": "object"}}
    with OpenAI(base_url=f"{str(http.base_url).rstrip('/')}/v1", api_key="any", max_retries=0) as client:
        for threshold, expected in ((0.2, (2, 0)), (0.3, (1, 1))):
            lacking = {**COVERED, "reference": "{{item.absent}}", "pass_threshold": threshold}
            criteria: Any = [{**COVERED, "pass_threshold": threshold}, {**lacking, "pass_threshold": 0.1}]
            of = client.evals.create(data_source_config=config, testing_criteria=criteria)
            run = client.evals.runs.create(of.id, data_source=source)
            done = ended(client, of.id, run.id)
            assert done.result_counts is not None
            assert done.result_counts.errored == 0
            first, second = done.per_testing_criteria_results or []
            assert (first.passed, first.failed) == expected
            assert (second.passed, second.failed) == (2, 0)
            items = list(client.evals.runs.output_items.list(run.id, eval_id=of.id))
            result = items[1].results[0].to_dict()
            assert result["score"] == 0.25
            assert result["sample"] is not None
            assert result["sample"]["substituted"] is True  # type: ignore[index]


@ISOLATES
def test_a_batch_of_python_gradings_gives_it(http: httpx2.Client) -> None:
    rows = [{"sample": text} for text in ("1", "x", "0.5")]
    grader = {**BROKEN, "invalid_grade": -1}
    answer = http.post("/v1/grade/batch", json={"grader": grader, "rows": rows}).json()
    assert [row["reward"] for row in answer["results"]] == [1.0, -1.0, 0.5]
    assert answer["counts"] == {"rows": 3, "graded": 3, "ungraded": 0}


@pytest.mark.full
def test_a_run_writes_counts_and_takes_up_substituted_rows(tmp_path: Path) -> None:
    grader, data = write(tmp_path / "g.json", COVERED), write(tmp_path / "d.jsonl", *ROWS)
    out = tmp_path / "out.jsonl"
    for _ in range(2):  # the second run takes up the results of the first
        done = graders("run", grader, data, "-o", out, "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert (summary["graded"], summary["ungraded"], summary["substituted"]) == (3, 0, 2)
        assert summary["failures"]["model"] == {"flagged": 0, "substituted": 1, "ungraded": 0}
        assert summary["failures"]["grader"] == {"flagged": 0, "substituted": 1, "ungraded": 0}
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["reward"], r["substituted"]) for r in records] == [(1.0, False), (0.25, True), (0.25, True)]
    shown = graders("run", write(grader, EQUAL), data, "-o", out, "--max-ungraded", "1")
    text = " ".join(shown.stdout.split())
    assert "failed by the model 1" in text
    assert "ungraded by the grader 1" in text
    assert "invalid_grade given" not in text


@pytest.mark.full
def test_validate_recommends_it_and_is_still_content(tmp_path: Path) -> None:
    grader = write(tmp_path / "g.json", {"type": "endpoint", "url": "https://example.com"})
    done = graders("validate", grader, "--json")
    assert done.returncode == 0
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["level"], finding["path"]) == ("warning", "invalid_grade")
    grader = write(tmp_path / "g.json", {**COVERED, "invalid_grade": 3})
    done = graders("validate", grader)
    assert done.returncode == 1
    assert "invalid_grade: expected a reward that this grader can give, 0 to 1, got 3" in done.stdout


@pytest.mark.full
def test_a_case_expects_it(tmp_path: Path) -> None:
    write(tmp_path / "g.json", COVERED)
    cases = tmp_path / "a.cases.yaml"
    cases.write_text(
        "grader: g.json\nitem: {x: '4'}\ncases:\n"
        "  - {name: a, sample: no, expect: {reward: 0.25, substituted: true, failure: model}}\n"
        '  - {name: b, sample: \'{"a": "4"}\', expect: {reward: 1, substituted: false}}\n'.replace(
            "sample: no,", "sample: 'no',"
        )
    )
    assert graders("test", cases).returncode == 0
    cases.write_text(cases.read_text().replace("substituted: true", "substituted: false"))
    done = graders("test", cases)
    assert done.returncode == 1
    assert "the reward is the invalid_grade" in done.stdout
    assert graders("test", cases, "--update").returncode == 0
    assert "substituted: true" in cases.read_text()
    cases.write_text(cases.read_text().replace("substituted: true", "substituted: 1"))
    done = graders("test", cases)
    assert done.returncode == 2
    assert "expected true or false" in done.stderr
