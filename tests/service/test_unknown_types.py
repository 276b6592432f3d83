"""A client that asks for an unknown grader type is told that plugins are read when the service starts."""

from typing import Any

import httpx2
import pytest

UNKNOWN = {"type": "installed_later", "name": "later"}
INSIDE = {"type": "multi", "name": "whole", "graders": {"a": UNKNOWN}, "calculate_output": "a"}
ROW = {"sample": "a", "item": {}}
EVAL = {
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
}


@pytest.mark.parametrize("grader", [UNKNOWN, INSIDE], ids=["alone", "inside"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/grade", lambda grader: {"grader": grader, **ROW}),
        ("POST", "/v1/grade/batch", lambda grader: {"grader": grader, "rows": [ROW]}),
        ("POST", "/v1/fine_tuning/alpha/graders/run", lambda grader: {"grader": grader, "model_sample": "a"}),
        ("POST", "/openai/v1/fine_tuning/alpha/graders/validate", lambda grader: {"grader": grader}),
        ("PUT", "/v1/graders/later", lambda grader: {"grader": grader}),
        ("POST", "/v1/evals", lambda grader: {**EVAL, "testing_criteria": [grader]}),
    ],
)
def test_every_route_says_that_a_running_service_reads_no_plugins(
    url: str, method: str, path: str, body: Any, grader: dict[str, Any]
) -> None:
    reply = httpx2.request(method, f"{url}{path}", json=body(grader))
    message = reply.json()["error"]["message"]
    assert reply.status_code == 400
    assert "unknown grader type 'installed_later'" in message
    assert "a running service knows the plugins that were installed when it started: restart it" in message
