"""The OpenAPI document against the service: what it says is what a real server does.

Schemathesis reads the document and asks for everything in it, right and wrong. It runs as a program in an environment of its
own (tools/fetch_schemathesis.sh): it wants an older jsonschema-rs than the service, and its plugin would enter every test.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from tests.conftest import ROOT
from tests.service.serving import CHECK, RUN, serving

ST = ROOT / ".cache" / "schemathesis" / "bin" / "st"
KEY = "the-key"
# a document cannot say which graders are valid, so that what agrees with it may be refused
LEFT_OUT = "positive_data_acceptance"
METHODS = {"get", "put", "post", "delete", "patch"}

Document = Mapping[str, Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own, with a key and an empty database."""
    home = tmp_path_factory.mktemp("openapi")
    settings = {
        "GRADERS_API_KEYS": json.dumps([KEY]),
        "GRADERS_DATABASE": str(home / "service.sqlite"),
        "GRADERS_FILES_DIR": str(home / "files"),
    }
    with serving(settings) as served:
        yield served.url


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {KEY}"}, timeout=60.0) as client:
        yield client


@pytest.fixture(scope="module")
def document(http: httpx2.Client) -> Document:
    found: Document = http.get("/openapi.json").json()
    return found


def operations(document: Document) -> dict[str, Mapping[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def check_schemathesis(address: str, document: Document, home: Path, examples: int, *phases: str) -> None:
    """Let Schemathesis ask for everything, in all phases or in these; it must find nothing, and leave no operation out."""
    report = home / "report.ndjson"
    done = subprocess.run(
        [
            *(ST, "run", f"{address}/openapi.json", "--header", f"Authorization: Bearer {KEY}"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT, "--continue-on-failure"),
            *("--seed", "1", "--max-examples", str(examples), "--generation-database", "none"),
            *(("--phases", ",".join(phases)) if phases else ()),
            *("--report", "ndjson", "--report-ndjson-path", report, "--no-color", "--warnings", "off"),
        ],
        capture_output=True,
        text=True,
        cwd=home,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    events = [json.loads(line) for line in report.read_text().splitlines()]
    done_with = [event["ScenarioFinished"] for event in events if "ScenarioFinished" in event]
    for phase in {"coverage", "fuzzing"} & {*(phases or ("coverage", "fuzzing"))}:
        records = [scenario["recorder"] for scenario in done_with if scenario["phase"] == phase]
        assert {record["label"] for record in records if record["interactions"]} == {*operations(document)}


@pytest.mark.timeout(900)  # several thousand requests, beside other tests
@pytest.mark.parametrize("phase", ["fuzzing", pytest.param("coverage", marks=pytest.mark.full)])
@pytest.mark.skipif(not ST.exists(), reason="no Schemathesis: run tools/fetch_schemathesis.sh")
def test_every_operation_answers_as_documented(
    address: str, document: Document, tmp_path: Path, phase: str
) -> None:
    check_schemathesis(address, document, tmp_path, 2, phase)


@pytest.mark.slow
@pytest.mark.skipif(not ST.exists(), reason="no Schemathesis: run tools/fetch_schemathesis.sh")
def test_every_operation_answers_many_requests_as_documented(
    address: str, document: Document, tmp_path: Path
) -> None:
    check_schemathesis(address, document, tmp_path, 100)


def test_every_operation_names_its_errors_in_the_published_shape(document: Document) -> None:
    unsaid = []
    for name, operation in operations(document).items():
        wanted = {"500"}
        if name not in {"GET /healthz", "GET /readyz"}:
            wanted |= {"401", "403", "429", "503"}
        if "requestBody" in operation:
            wanted |= {"400", "408", "413", "415"}
        if "{" in name:
            wanted.add("404")
        for status in wanted:
            content = operation["responses"].get(status, {}).get("content", {})
            if content.get("application/json", {}).get("schema") != {"$ref": "#/components/schemas/Error"}:
                unsaid.append((name, status))
    assert unsaid == []


def test_every_success_has_a_schema(document: Document) -> None:
    bare = [
        (name, status)
        for name, operation in operations(document).items()
        for status, response in operation["responses"].items()
        if status < "300"
        and not all(kind.get("schema") for kind in response.get("content", {"": {}}).values())
    ]
    assert bare == []


def test_what_answers_twice_is_listed_once_and_the_description_says_so(
    http: httpx2.Client, document: Document
) -> None:
    assert not [path for path in document["paths"] if path.startswith("/openai")]
    assert "under `/openai/v1/…` as well" in document["info"]["description"]
    assert http.get("/openai/v1/files").status_code == http.get("/v1/files").status_code == 200


def test_keys_are_declared_and_both_ways_to_send_one_work(address: str, document: Document) -> None:
    assert document["security"] == [{"bearer": []}, {"api-key": []}]
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"},
        "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    }
    assert operations(document)["GET /healthz"]["security"] == []
    statuses = [
        httpx2.get(f"{address}/v1/files", headers=headers).status_code
        for headers in ({"authorization": f"Bearer {KEY}"}, {"api-key": KEY}, {})
    ]
    assert statuses == [200, 200, 401]


def test_every_json_body_has_an_example(document: Document) -> None:
    bodies = {
        name: operation["requestBody"]["content"]
        for name, operation in operations(document).items()
        if "requestBody" in operation
    }
    without = [
        name
        for name, content in bodies.items()
        if "application/json" in content and "example" not in content["application/json"]
    ]
    assert without == []


def conforms(document: Document, operation: str, response: httpx2.Response) -> Any:
    """The body of a response, which must agree with the document."""
    declared = operations(document)[operation]["responses"][str(response.status_code)]
    schema = declared["content"]["application/json"]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    body = response.json()
    assert [error.message for error in validator.iter_errors(body)] == []
    return body


def test_a_finished_run_and_its_items_are_as_documented(http: httpx2.Client, document: Document) -> None:
    made = http.post(
        "/v1/evals",
        json={
            "data_source_config": {"type": "custom", "item_schema": {}, "include_sample_schema": True},
            "testing_criteria": [CHECK, {**CHECK, "reference": "{{item.missing}}"}],
        },
    )
    eval_id = conforms(document, "POST /v1/evals", made)["id"]
    rows = [{"item": {}, "sample": "a"}, {"item": {"missing": "b"}, "sample": "b"}]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    began = http.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source})
    run_id = conforms(document, "POST /v1/evals/{eval_id}/runs", began)["id"]
    run = f"/v1/evals/{eval_id}/runs/{run_id}"
    deadline = time.monotonic() + 60
    while (shown := http.get(run)).json()["status"] not in {"completed", "failed"}:
        assert time.monotonic() < deadline, shown.text
        time.sleep(0.02)
    finished = conforms(document, "GET /v1/evals/{eval_id}/runs/{run_id}", shown)
    assert finished["result_counts"] == {"total": 2, "errored": 1, "failed": 1, "passed": 0}
    conforms(document, "GET /v1/evals/{eval_id}/runs", http.get(f"/v1/evals/{eval_id}/runs"))
    items = http.get(f"{run}/output_items")
    page = conforms(document, "GET /v1/evals/{eval_id}/runs/{run_id}/output_items", items)
    assert [item["status"] for item in page["data"]] == ["error", "fail"]
    item = http.get(f"{run}/output_items/{page['first_id']}")
    conforms(document, "GET /v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", item)
    gone = http.delete(run)
    conforms(document, "DELETE /v1/evals/{eval_id}/runs/{run_id}", gone)


def test_a_wrong_method_is_told_every_right_one(http: httpx2.Client) -> None:
    answers = [
        http.request("PATCH", path) for path in ("/v1/files", "/v1/evals/eval_1", RUN, f"/openai{RUN}")
    ]
    assert [answer.status_code for answer in answers] == [405] * 4
    allowed = [answer.headers["allow"] for answer in answers]
    assert allowed == ["GET, POST", "GET, POST, DELETE", "POST", "POST"]
    assert {answer.json()["error"]["code"] for answer in answers} == {"method_not_allowed"}


@pytest.mark.parametrize(
    ("given", "status", "size"),
    [
        ("bytes=3-1", 400, None),
        ("lines=1-2", 400, None),
        ("bytes=", 400, None),
        ("bytes=100-", 416, "bytes */5"),
    ],
)
def test_a_wrong_range_of_a_file_is_an_error_in_the_published_shape(
    http: httpx2.Client, given: str, status: int, size: str | None
) -> None:
    form = {"file": ("a.txt", b"hello")}
    file_id = http.post("/v1/files", files=form, data={"purpose": "evals"}).json()["id"]
    answer = http.get(f"/v1/files/{file_id}/content", headers={"range": given})
    assert answer.status_code == status
    assert answer.headers.get("content-range") == size
    assert answer.json()["error"] == {
        "message": "range: expected 'bytes=first-last' within the file, counted from 0",
        "type": "invalid_request_error",
        "param": "range",
        "code": "invalid_range",
    }


def test_a_right_range_of_a_file_is_its_part(http: httpx2.Client) -> None:
    form = {"file": ("a.txt", b"hello")}
    file_id = http.post("/v1/files", files=form, data={"purpose": "evals"}).json()["id"]
    answer = http.get(f"/v1/files/{file_id}/content", headers={"range": "bytes=1-3"})
    assert (answer.status_code, answer.content) == (206, b"ell")
    assert answer.headers["content-range"] == "bytes 1-3/5"
