"""A real service on a loopback port, with a grader that is stored there."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graders_client import GraderClient

from runtime import Settings, SyncEvaluator
from tests.service.conftest import served

EXACT: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
PARTS: dict[str, Any] = {
    "type": "multi",
    "graders": {
        "right": EXACT,
        "short": {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "^.{1,3}$"},
    },
    "calculate_output": "0.75 * right + 0.25 * short",
}


def put(url: str, name: str, grader: dict[str, Any]) -> None:
    """Store a grader."""
    body = json.dumps({"grader": grader}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v1/graders/{name}", body, {"content-type": "application/json"}, method="PUT"
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status in (200, 201)


def statistics(url: str, name: str) -> dict[str, Any]:
    """What became of the gradings by a stored grader."""
    with urllib.request.urlopen(f"{url}/v1/graders/{name}/stats") as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture(scope="session")
def service(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; `exact` and `parts` are stored there."""
    home: Path = tmp_path_factory.mktemp("service")
    settings = {"database": str(home / "service.sqlite"), "files_dir": home / "files"}
    with served(quick.model_copy(update=settings)) as url:
        put(url, "exact", EXACT)
        put(url, "parts", PARTS)
        yield url


@pytest.fixture
def client(service: str) -> Iterator[GraderClient]:
    """A client of the stored grader `exact`."""
    with GraderClient(service, "exact", deadline_s=120.0) as made:
        yield made


@pytest.fixture(scope="session")
def local_evaluator(quick: Settings) -> Iterator[SyncEvaluator]:
    """An evaluator in this process."""
    with SyncEvaluator(settings=quick) as made:
        yield made
