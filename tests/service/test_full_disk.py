"""A service whose disk is full: grading goes on, everything else says why it fails, and all is well when there is space."""

import json
import os
import re
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.service import commands
from tests.service.evals.conftest import CUSTOM, EQUAL
from tests.service.full_disk import SmallDisk, small_disk
from tests.service.serving import CHECK, RUN, Served, serving

PATIENCE_S = 60.0
FULL = {"storage_full"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 16) as mounted:
        yield mounted


@pytest.fixture
def service(disk: SmallDisk) -> Iterator[Served]:
    settings = {
        "GRADERS_DATABASE": str(disk.path / "service.sqlite"),
        "GRADERS_FILES_DIR": str(disk.path / "files"),
        "GRADERS_LOG_FORMAT": "json",
        "GRADERS_EVAL_LEASE_S": "1",
    }
    with serving(settings) as served:
        yield served


def until(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


def grades(client: httpx2.Client) -> bool:
    answer = client.post(RUN, json={"grader": CHECK, "model_sample": "a"})
    return answer.status_code == 200 and answer.json()["reward"] == 1.0


def upload(client: httpx2.Client, size: int = 200_000) -> httpx2.Response:
    return client.post(
        "/v1/files", data={"purpose": "evals"}, files={"file": ("a.jsonl", b"x" * size, "application/jsonl")}
    )


def stored(client: httpx2.Client, name: str) -> httpx2.Response:
    """A named grader of some size: small changes find room in pages that SQLite has already."""
    grader = {**CHECK, "reference": "a" * 500_000}
    return client.put(f"/v1/graders/{name}", json={"grader": grader})


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"]


def ready(client: httpx2.Client) -> tuple[int, str]:
    answer = client.get("/readyz")
    body = answer.json()
    return answer.status_code, body["status"] if "status" in body else body["error"]["code"]


def storage_lines(served: Served) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, served.lines) if line["logger"] == "service.store.health"]


def test_a_full_disk_is_named_everywhere_and_grading_goes_on(service: Served, disk: SmallDisk) -> None:
    with httpx2.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        assert grades(client)
        assert stored(client, "before").status_code == 201
        assert ready(client) == (200, "ready")
        disk.fill()
        for _ in range(20):
            assert error_of(upload(client)) == (507, "storage_full")
            assert error_of(stored(client, "other")) == (507, "storage_full")
            assert grades(client)
        until(lambda: ready(client) == (503, "storage_full"), "the full disk shows in /readyz")
        named = {"name": "before", "sample": "a"}
        assert client.post("/v1/grade", json=named).status_code == 200
        # what can be read is read
        assert client.get("/v1/graders/before/stats").status_code == 200
        assert client.get("/v1/files").json()["data"] == []
        disk.empty()
        until(lambda: ready(client) == (200, "ready"), "the space shows in /readyz")
        assert upload(client).status_code == 200
        assert stored(client, "other").status_code == 201
    service.end()
    lines = storage_lines(service)
    failures = [line for line in lines if line["level"] == "error"]
    assert failures
    assert {line["code"] for line in failures} == {"storage_full"}
    assert {line["errno"] for line in failures} == {"ENOSPC"}
    assert any(line["database_code"] == "SQLITE_FULL" for line in failures)
    kinds = [(line["part"], line["errno"], line["database_code"]) for line in failures]
    assert len(kinds) == len(set(kinds)), "one line a minute of each kind"
    assert not [line for line in service.lines if "exception" in json.loads(line)]


@pytest.mark.full
def test_a_run_waits_for_space_and_loses_no_row(service: Served, disk: SmallDisk) -> None:
    with httpx2.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        made = client.post(
            "/v1/evals", json={"data_source_config": CUSTOM, "testing_criteria": [EQUAL]}
        ).json()
        rows = [{"item": {"answer": "a" * 3000}, "sample": {"output_text": "a" * 3000}} for _ in range(150)]
        # each row is kept, with its sample, and 150 fit neither into what is there nor into the log
        body = {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}
        disk.fill()
        assert error_of(client.post(f"/v1/evals/{made['id']}/runs", json=body)) == (507, "storage_full")
        disk.empty()
        run = client.post(f"/v1/evals/{made['id']}/runs", json=body).json()
        disk.fill()
        address = f"/v1/evals/{made['id']}/runs/{run['id']}"
        time.sleep(3)
        during = client.get(address).json()
        assert during["status"] != "failed"
        disk.empty()
        until(lambda: client.get(address).json()["status"] not in {"queued", "in_progress"}, "it ends")
        after = client.get(address).json()
        assert after["status"] == "completed"
        assert after["result_counts"] == {"total": 150, "passed": 150, "failed": 0, "errored": 0}


@pytest.mark.full
def test_a_locked_database_is_busy_after_the_set_time_and_not_before_others(tmp_path: Path) -> None:
    database = tmp_path / "service.sqlite"
    settings = {
        "GRADERS_DATABASE": str(database),
        "GRADERS_FILES_DIR": str(tmp_path / "files"),
        "GRADERS_DATABASE_WAIT_S": "0.5",
        "GRADERS_LOG_FORMAT": "json",
    }
    with serving(settings) as served, httpx2.Client(base_url=served.url, timeout=PATIENCE_S) as client:
        assert stored(client, "before").status_code == 201
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = stored(client, "after")
            assert error_of(answer) == (503, "storage_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            # who reads waits for nobody
            assert client.get("/v1/graders/before").status_code == 200
            assert grades(client)
            until(lambda: ready(client) == (503, "storage_unavailable"), "it shows in /readyz")
            other.execute("ROLLBACK")
        until(lambda: ready(client) == (200, "ready"), "it works again")
        assert stored(client, "after").status_code == 201
    busy = [line for line in storage_lines(served) if line["level"] == "error"]
    assert [line["database_code"] for line in busy] == ["SQLITE_BUSY"]


@pytest.mark.full
@pytest.mark.parametrize("part", ["database", pytest.param("files", marks=pytest.mark.slow)])
def test_a_limit_to_the_length_of_files_is_named_and_passes(tmp_path: Path, part: str) -> None:
    settings = {
        "GRADERS_DATABASE": str(tmp_path / "service.sqlite"),
        "GRADERS_FILES_DIR": str(tmp_path / "files"),
        "GRADERS_LOG_FORMAT": "json",
    }
    with serving(settings) as served, httpx2.Client(base_url=served.url, timeout=PATIENCE_S) as client:
        assert stored(client, "before").status_code == 201
        own = served.process.pid
        resource.prlimit(own, resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        answer = stored(client, "after") if part == "database" else upload(client)
        assert error_of(answer) == (507, "storage_full")
        assert "EFBIG" in answer.json()["error"]["message"]
        assert grades(client)
        resource.prlimit(own, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: ready(client) == (200, "ready"), "it works again")
        assert stored(client, "after").status_code == 201
        assert upload(client).status_code == 200


@pytest.mark.full
def test_a_directory_of_files_that_is_gone_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    settings = {
        "GRADERS_DATABASE": str(tmp_path / "service.sqlite"),
        "GRADERS_FILES_DIR": str(tmp_path / "files"),
    }
    with serving(settings) as served, httpx2.Client(base_url=served.url, timeout=PATIENCE_S) as client:
        file = upload(client).json()["id"]
        (tmp_path / "files").rename(tmp_path / "elsewhere")
        for answer in (upload(client), client.get(f"/v1/files/{file}/content")):
            assert error_of(answer) == (503, "storage_unavailable")
            assert "ENOENT" in answer.json()["error"]["message"]
        assert ready(client) == (503, "storage_unavailable")
        (tmp_path / "elsewhere").rename(tmp_path / "files")
        until(lambda: ready(client) == (200, "ready"), "it works again")
        assert client.get(f"/v1/files/{file}/content").status_code == 200


def test_what_writes_keys_says_in_a_line_that_the_disk_is_full(disk: SmallDisk) -> None:
    environment = {**os.environ, "GRADERS_DATABASE": str(disk.path / "service.sqlite")}
    command = ("keys", "create", "name", "--scope", "grade")
    assert commands.run(*command, env=environment).returncode == 0
    disk.fill()
    done = commands.run(*command, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*\n", done.stderr)
    assert "ENOSPC" in done.stderr
