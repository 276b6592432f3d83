"""Without keys other sites' pages get nothing from a browser on this machine; programs notice none of it."""

import contextlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from runtime import Settings
from service.app import create_app
from service.errors import ApiError
from service.http.same_origin import SameOrigin
from tests.service.raw_http import Answer, exchange
from tests.service.serving import CHECK, RUN

Serve = Callable[[Settings], AbstractContextManager[str]]

BODY = json.dumps({"grader": CHECK, "model_sample": "a"}).encode()
JSON = "content-type: application/json"


def ask(url: str, method: str, path: str, *headers: str, body: bytes = b"", version: str = "1.1") -> Answer:
    """The answer to a request with exactly these headers; `{own}` in them is the service's host and port."""
    own = url.removeprefix("http://")
    lines = [f"{method} {path} HTTP/{version}", *(header.format(own=own) for header in headers)]
    if body:
        lines.append(f"content-length: {len(body)}")
    head = "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")
    (answer,) = exchange(url, head + body)
    return answer


OWN = "host: {own}"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com", "evil.example.com:80", "a", "0.0.0.0", "192.168.0.1", "[::]", "[fe80::1]", "10.0.0.1:8000",
        "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io", "evil-localhost", "sub.localhost",
        "localhost@evil.example", "evil.example#localhost", "localhost:80:80", "localhost:x", "[::1", "[::1]x", "::1",
        "2130706433", "0x7f000001", "127.1", "", " ", "localhost,evil.example", "localhost evil.example", "\xff",
        "[::ffff:10.0.0.1]", "testserver",
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused(url: str, host: str) -> None:
    for method, path in (("GET", "/v1/files"), ("POST", RUN), ("PUT", "/v1/graders/pwn"), ("OPTIONS", RUN)):
        answer = ask(url, method, path, f"host: {host}", JSON, body=b"" if method == "GET" else BODY)
        assert (answer.status, answer.error["code"]) == (403, "foreign_host")


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "localhost.", "localhost:1234", "127.0.0.1", "127.0.0.1.", "127.0.0.1:80", "127.8.9.10",
        "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:8000", "{own}",
    ],
)  # fmt: skip
def test_the_names_of_this_machine_are_served_with_any_port(url: str, host: str) -> None:
    for name in ("host", "HOST", "Host"):
        assert ask(url, "GET", "/v1/files", f"{name}: {host}").status == 200
    assert ask(url, "POST", RUN, f"host: {host}", JSON, body=BODY).status == 200


def test_programs_that_send_no_host_are_served(url: str) -> None:
    assert ask(url, "GET", "/v1/files", version="1.0").status == 200
    assert ask(url, "POST", RUN, JSON, body=BODY, version="1.0").status == 200


@pytest.mark.parametrize("name", ["host", "origin", "content-type", "sec-fetch-site"])
def test_what_decides_may_not_be_there_twice(url: str, name: str) -> None:
    values = {"host": "{own}", "origin": "http://{own}", "content-type": "application/json"}
    first = f"{name}: {values.get(name, 'none')}"
    headers = {line.partition(":")[0]: line for line in (OWN, JSON)} | {name: first}
    second = f"{name.title()}: evil.example"
    for twice in ([*headers.values(), second], [second, *headers.values()]):
        answer = ask(url, "POST", RUN, *twice, body=BODY)
        assert (answer.status, answer.error["code"]) == (400, "repeated_header")


FOREIGN = [
    "https://evil.example.com", "http://evil.example.com", "null", "", "NULL", "file://", "http://localhost:1", "http://127.0.0.1",
    "https://{own}", "http://{own}.evil.example", "http://evil.example/{own}", "http://user@{own}", "http://[::1]:80",
    "chrome-extension://abc", "{own}", "http://{own} http://evil.example", "http://{own}, http://evil.example", "http://",
    "http://\xff", "http://[", "http://{own}1",
]  # fmt: skip


@pytest.mark.few(10)
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin_is_refused_for_every_method_and_path(url: str, origin: str) -> None:
    for name in ("origin", "Origin"):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            for path in (RUN, "/v1/files", "/v1/graders/pwn", "/docs", "/nowhere"):
                body = b"" if method in {"GET", "HEAD", "OPTIONS"} else BODY
                answer = ask(url, method, path, OWN, f"{name}: {origin}", JSON, body=body)
                assert answer.status == 403
                assert "access-control-allow-origin" not in answer.headers
                assert method == "HEAD" or answer.error["code"] == "foreign_origin"


def test_pages_of_the_service_itself_are_served(url: str) -> None:
    for site in ("same-origin", "Same-Origin"):
        headers = OWN, "origin: http://{own}", JSON, f"sec-fetch-site: {site}"
        assert ask(url, "POST", RUN, *headers, body=BODY).status == 200
    assert ask(url, "POST", RUN, OWN, "referer: http://{own}/docs?a=b", JSON, body=BODY).status == 200
    assert (
        ask(url, "POST", RUN, "host: localhost", "origin: http://localhost:80", JSON, body=BODY).status == 200
    )


def test_without_an_origin_the_referer_of_what_changes_something_counts(url: str) -> None:
    referer = "referer: https://evil.example/page"
    assert ask(url, "POST", RUN, OWN, referer, JSON, body=BODY).error["code"] == "foreign_origin"
    assert ask(url, "DELETE", "/v1/files/file-1", OWN, referer).error["code"] == "foreign_origin"
    assert ask(url, "GET", "/v1/files", OWN, referer).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "something-new", ""])
def test_a_browser_says_that_a_request_is_of_another_site(url: str, site: str) -> None:
    fetch = f"sec-fetch-site: {site}"
    for method, path in (("GET", "/v1/files"), ("POST", RUN), ("DELETE", "/v1/files/file-1")):
        answer = ask(url, method, path, OWN, fetch, JSON, body=BODY if method == "POST" else b"")
        assert (answer.status, answer.error["code"]) == (403, "foreign_origin")
    followed = "sec-fetch-mode: navigate", "sec-fetch-dest: document"
    assert ask(url, "GET", "/docs", OWN, fetch, *followed).status == 200
    assert ask(url, "GET", "/docs", OWN, fetch, followed[0], "sec-fetch-dest: iframe").status == 403
    assert ask(url, "POST", RUN, OWN, fetch, *followed, JSON, body=BODY).status == 403


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "text/plain;charset=UTF-8", "TEXT/PLAIN", "application/x-www-form-urlencoded", "text/html", "", ";",
        "application/jsonx", "application/json, text/plain", "text/plain; application/json", "text/plain, application/json",
        "application/octet-stream", "json", "text/x+json", "+json", "multipart/mixed; boundary=b",
    ],
)  # fmt: skip
def test_a_body_that_a_page_may_send_anywhere_is_refused(url: str, kind: str) -> None:
    for path, method in (
        (RUN, "POST"),
        ("/v1/evals", "POST"),
        ("/v1/graders/pwn", "PUT"),
        ("/v1/files", "POST"),
    ):
        answer = ask(url, method, path, OWN, f"content-type: {kind}", body=BODY)
        assert (answer.status, answer.error["code"]) == (415, "unsupported_content_type")
        chunked = f"content-type: {kind}", "transfer-encoding: chunked"
        assert ask(url, method, path, OWN, *chunked).status == 415


@pytest.mark.parametrize(
    "kind",
    [
        "application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8", "application/x-ndjson",
        "application/vnd.graders.v1+json", " application/json ", "application/problem+json; a=b",
    ],
)  # fmt: skip
def test_json_by_any_of_its_names_is_taken(url: str, kind: str) -> None:
    assert ask(url, "POST", RUN, OWN, f"Content-Type: {kind}", body=BODY).status == 200


def test_a_program_may_leave_out_the_content_type_and_a_page_may_not(url: str) -> None:
    assert ask(url, "POST", RUN, OWN, body=BODY).status == 200
    for marks in (("origin: http://{own}",), ("sec-fetch-site: same-origin",)):
        answer = ask(url, "POST", RUN, OWN, *marks, body=BODY)
        assert (answer.status, answer.error["code"]) == (415, "unsupported_content_type")


def test_requests_without_a_body_need_no_content_type(url: str) -> None:
    for headers in (
        (OWN,),
        (OWN, "content-length: 0"),
        (OWN, "content-length: 00", "content-type: text/plain"),
    ):
        assert ask(url, "POST", "/v1/evals/none/runs/none", *headers).status == 404
        assert ask(url, "DELETE", "/v1/files/file-none", *headers).status == 404


def test_a_load_balancer_may_ask_by_any_name(url: str) -> None:
    for path in ("/healthz", "/readyz"):
        assert ask(url, "GET", path, "host: 10.0.0.1", "origin: null").status == 200


def test_an_application_in_a_test_is_served_by_its_own_name() -> None:
    with TestClient(create_app(Settings())) as client:
        assert client.get("/v1/files").status_code == 200
        assert client.get("/v1/files", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.full
def test_further_names_are_a_setting(serve: Serve) -> None:
    with serve(Settings(host_names=("Graders.Internal.", "::2"))) as address:
        for host in (
            "graders.internal",
            "GRADERS.internal:8080",
            "graders.internal.",
            "[::2]:1",
            "localhost",
        ):
            assert ask(address, "GET", "/v1/files", f"host: {host}").status == 200
        # as a proxy on this machine says that it was asked by TLS
        by_tls = (
            "host: graders.internal",
            "x-forwarded-proto: https",
            "origin: https://graders.internal",
            JSON,
        )
        assert ask(address, "POST", RUN, *by_tls, body=BODY).status == 200
        answer = ask(
            address, "POST", RUN, "host: graders.internal", "origin: http://graders.internal", JSON, body=BODY
        )
        assert answer.status == 200
        assert ask(address, "GET", "/v1/files", "host: other.internal").status == 403


@pytest.mark.full
def test_with_keys_only_the_key_counts(serve: Serve) -> None:
    foreign = (
        "host: evil.example",
        "origin: https://evil.example",
        "sec-fetch-site: cross-site",
        "content-type: text/plain",
    )
    with serve(Settings(api_keys=(SecretStr("0123456789abcdef"),))) as address:
        key = "authorization: Bearer 0123456789abcdef"
        assert ask(address, "POST", RUN, *foreign, key, body=BODY).status == 200
        # a page cannot know it, and a browser does not send it by itself
        assert ask(address, "POST", RUN, *foreign, body=BODY).status == 401


TEXT = st.binary(max_size=40) | st.sampled_from(
    [b"localhost", b"http://localhost", b"null", b"application/json"]
)


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"host", b"origin", b"referer", b"content-type", b"sec-fetch-site"]), TEXT
        ),
        max_size=5,
    ),
    method=st.sampled_from(["GET", "POST", "PUT"]),
)
def test_no_header_makes_the_check_fail(headers: list[tuple[bytes, bytes]], method: str) -> None:
    scope = {"method": method, "headers": headers, "server": ("127.0.0.1", 80), "scheme": "http"}
    with contextlib.suppress(ApiError):  # and nothing else
        SameOrigin().check(scope)


def test_the_usual_clients_are_served(url: str) -> None:
    with httpx2.Client(base_url=url) as http:
        assert http.post(RUN, json={"grader": CHECK, "model_sample": "a"}).json()["reward"] == 1.0
        form = {"purpose": "evals"}, {"file": ("a.jsonl", b'{"item": {}}\n')}
        assert http.post("/v1/files", data=form[0], files=form[1]).status_code == 200
