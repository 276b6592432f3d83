"""What every request meets: identity, keys, limits, errors in the published shape."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from graders import Registry
from graders.registry import Entry
from runtime import Settings
from service.app import create_app

RUN = "/v1/fine_tuning/alpha/graders/run"
GRADER = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}
BODY: dict[str, Any] = {"grader": GRADER, "model_sample": "a"}


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


def error(reply: httpx2.Response) -> dict[str, Any]:
    body = reply.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert reply.headers["x-request-id"]
    found: dict[str, Any] = body["error"]
    return found


def test_health_and_readiness(http: httpx2.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    head = http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert http.get("/readyz").json() == {"status": "ready"}


def test_every_response_has_a_request_id_and_keeps_the_clients(http: httpx2.Client) -> None:
    assert http.post(RUN, json=BODY, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/healthz").headers["x-request-id"].startswith("req_")
    assert (
        http.get("/healthz", headers={"x-request-id": "no spaces"}).headers["x-request-id"].startswith("req_")
    )


@pytest.mark.parametrize(
    ("content", "param", "message"),
    [
        (b"", None, "the body is not JSON"),
        (b"{", None, "the body is not JSON: EOF while parsing an object at line 1"),
        (b"[" * 100_000, None, "the text ends inside a list or an object at line 1 column 100001"),
        (b'{"a": NaN}', None, "the body is not JSON: NaN is not JSON at line 1 column 7 (byte 6), in a"),
        (b'{"a": "\xff"}', None, "the body is not JSON"),
        (b"[]", None, "body: expected a JSON object"),
        (b'{"model_sample": "a"}', "grader", "grader: this field is required"),
        (
            b'{"grader": [], "model_sample": "a"}',
            "grader",
            "grader: expected a grader: a JSON object with a 'type'",
        ),
        (b'{"grader": {}}', "model_sample", "model_sample: this field is required"),
        (b'{"grader": {}, "model_sample": 3}', "model_sample", "model_sample: expected the model's answer"),
        (
            b'{"grader": {}, "model_sample": "", "item": []}',
            "item",
            "item: expected the dataset row: a JSON object",
        ),
        (
            b'{"grader": {}, "model_sample": "", "itme": {}}',
            "itme",
            "itme: no such field; did you mean 'item'? the body has item, grader",
        ),
    ],
)
def test_a_bad_body_is_400_that_says_what_is_wrong(
    http: httpx2.Client, content: bytes, param: str | None, message: str
) -> None:
    reply = http.post(RUN, content=content)
    assert reply.status_code == 400
    assert message in error(reply)["message"]
    assert error(reply)["param"] == param


def test_a_sample_may_be_a_chat_completion(http: httpx2.Client) -> None:
    completion = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}}]}
    assert http.post(RUN, json={**BODY, "model_sample": completion, "trace_id": "t"}).json()["reward"] == 1.0


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", RUN, 405), ("PUT", RUN, 405)]
)
def test_a_wrong_address_is_an_error_in_the_same_shape(
    http: httpx2.Client, method: str, path: str, status: int
) -> None:
    reply = http.request(method, path)
    assert reply.status_code == status
    assert path in error(reply)["message"]


def test_a_body_beyond_the_limit_is_413_whether_announced_or_not(http: httpx2.Client) -> None:
    long = b'{"grader": {}, "model_sample": "' + b"x" * 200_000 + b'"}'
    for content in (long, iter([long[:100_000], long[100_000:]])):
        reply = http.post(RUN, content=content)
        assert reply.status_code == 413
        assert error(reply)["message"] == "the body is longer than 200,000 bytes"


def test_a_template_that_would_fill_the_memory_is_ungraded(http: httpx2.Client) -> None:
    grader = {**GRADER, "input": "{{item.long}}" * 1000}
    reply = http.post(RUN, json={"grader": grader, "model_sample": "a", "item": {"long": "x" * 100_000}})
    assert reply.json()["reward"] == 0.0
    assert reply.json()["metadata"]["errors"]["other_error"] is True


@pytest.mark.full
def test_a_failure_of_ours_is_500_with_an_id_and_no_secret(
    serve: Callable[[Settings], AbstractContextManager[str]],
) -> None:

    app = create_app(Settings())

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("sesame")

    with TestClient(app, raise_server_exceptions=False) as client:
        reply = client.get("/broken", headers={"x-request-id": "mine"})
    assert reply.status_code == 500
    assert reply.json()["error"]["message"] == "the service failed; its log says why under mine"
    assert "sesame" not in reply.text


@pytest.mark.full
def test_a_key_is_wanted_where_keys_are_configured(
    serve: Callable[[Settings], AbstractContextManager[str]],
) -> None:
    with (
        serve(Settings(api_keys=(SecretStr("one"), SecretStr("two")))) as address,
        httpx2.Client(base_url=address) as http,
    ):
        assert http.get("/healthz").status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer three"},
            {"api-key": ""},
            {"authorization": "Basic one"},
        ):
            reply = http.post(RUN, json=BODY, headers=headers)
            assert reply.status_code == 401
            assert error(reply)["code"] == "invalid_api_key"
        for headers in ({"authorization": "Bearer one"}, {"api-key": "two"}, {"authorization": "bearer two"}):
            assert http.post(RUN, json=BODY, headers=headers).json()["reward"] == 1.0


@pytest.mark.full
def test_a_plugin_that_does_not_start_is_503_never_a_reward() -> None:

    registry = Registry([Entry("gone", "hostile_graders.unimportable:nothing", "p", "1")])
    with TestClient(create_app(Settings(), registry)) as client:
        reply = client.post(RUN, json={"grader": {"type": "gone"}, "model_sample": ""})
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "plugin_unavailable"
    assert "libmissing.so" in reply.json()["error"]["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(
    ["string_check", "numeric_check", "text_similarity", "pattern_match", "multi", "nothing"]
)
fields = st.sampled_from(
    [
        "input",
        "reference",
        "operation",
        "pattern",
        "graders",
        "calculate_output",
        "name",
        "pass_threshold",
        "score",
    ]
)


@pytest.mark.full
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    grader=st.fixed_dictionaries({"type": kinds}) | st.dictionaries(fields, json_values, max_size=5),
    extra=st.dictionaries(fields, json_values | st.just("{{sample.output_text}}"), max_size=5),
    sample=json_values,
    item=json_values,
)
def test_no_json_makes_the_service_fail(
    http: httpx2.Client, grader: dict[str, Any], extra: dict[str, Any], sample: Any, item: Any
) -> None:
    reply = http.post(RUN, json={"grader": {**extra, **grader}, "model_sample": sample, "item": item})
    assert reply.status_code in (200, 400)
    if reply.status_code == 400:
        assert error(reply)["message"]


@pytest.mark.full
@pytest.mark.parametrize("path", [RUN, "/v1/evals"], ids=["direct", "routed"])
def test_a_body_that_does_not_arrive_is_given_up_and_its_connection_closed(
    serve: Callable[[Settings], AbstractContextManager[str]], path: str
) -> None:
    half = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{{"
    with serve(Settings(body_timeout_s=0.3)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(half.encode())
            with client.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["code"] == "body_too_slow"
    assert json.loads(body)["error"]["message"] == "the body did not arrive within 0.3 s"
