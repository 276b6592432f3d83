"""Pages for people: nothing from elsewhere, nothing of strangers unescaped, readable where the service has keys."""

import base64
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from pydantic import SecretStr

from runtime import Settings
from runtime.data import html_page
from tests.service.conftest import served

KEY = "0123456789abcdef-of-a-test"
BEARER = {"authorization": f"Bearer {KEY}"}
HOSTILE = "</pre></title><script>alert(1)</script><img src=//evil.example onerror=alert(1)>\"'&\u202e\x1b[2J"
CHECK = {
    "type": "string_check",
    "name": HOSTILE,
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
ROWS = 250


class Elements(HTMLParser):
    """The elements and attributes of a page, and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def keyed(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that has a key."""
    home = tmp_path_factory.mktemp("pages")
    own = {
        "api_keys": (SecretStr(KEY),),
        "database": str(home / "s.sqlite"),
        "files_dir": home / "files",
    }
    with served(quick.model_copy(update=own)) as address:
        yield address


@pytest.fixture(scope="module")
def report_url(keyed: str) -> str:
    """The page of a finished run whose names, items and samples are hostile."""
    with OpenAI(base_url=f"{keyed}/v1", api_key=KEY, max_retries=0) as client:
        of = client.evals.create(
            name=HOSTILE,
            data_source_config={
                "type": "custom",
                "item_schema": {"type": "object"},
                "include_sample_schema": True,
            },
            testing_criteria=[CHECK],  # type: ignore[list-item]
        )
        rows: list[Any] = [
            {"item": {"answer": HOSTILE}, "sample": {"output_text": HOSTILE}},
            {"item": {HOSTILE: 1}, "sample": {"output_text": "x" * 5_000}},
            *({"item": {"answer": str(n)}, "sample": {"output_text": "0"}} for n in range(ROWS - 2)),
        ]
        source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        run = client.evals.runs.create(of.id, name=HOSTILE, data_source=source)
        while client.evals.runs.retrieve(run.id, eval_id=of.id).status in ("queued", "in_progress"):
            time.sleep(0.02)
        assert client.evals.runs.retrieve(run.id, eval_id=of.id).status == "completed"
        return run.report_url


def assert_is_a_safe_page(reply: httpx2.Response) -> Elements:
    """See that a page loads and runs nothing, and gives no stranger an element or an attribute."""
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    found = Elements(reply.text)
    assert not found.tags & {"script", "img", "iframe", "link", "object", "form", "svg", "base"}
    for name, value in found.attributes:
        assert name in {"href", "class", "id", "lang", "charset", "name", "content"}
        if name == "href":
            assert re.match(r"(/(?!/)|[#?])", value), value
    return found


@pytest.mark.full
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_first_page_and_the_reference_need_no_key_and_nothing_from_elsewhere(
    keyed: str, path: str
) -> None:
    for headers in ({}, BEARER, {"authorization": "Bearer wrong"}):
        reply = httpx2.get(f"{keyed}{path}", headers=headers)
        assert reply.status_code == 200
        assert_is_a_safe_page(reply)
    assert httpx2.head(f"{keyed}{path}").status_code == 200
    assert httpx2.post(f"{keyed}{path}").status_code == 401


def test_the_reference_has_every_operation_and_links_that_lead_somewhere(keyed: str) -> None:
    document = httpx2.get(f"{keyed}/openapi.json", headers=BEARER).json()
    found = assert_is_a_safe_page(httpx2.get(f"{keyed}/docs"))
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in found.text
    places = {value for name, value in found.attributes if name == "id"}
    links = {value for name, value in found.attributes if name == "href" and value.startswith("#")}
    assert links
    assert {link.removeprefix("#") for link in links} <= places


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (BEARER, 200),
        ({"api-key": KEY}, 200),
        ({"authorization": "Basic " + base64.b64encode(f"anyone:{KEY}".encode()).decode()}, 200),
        ({"authorization": "basic " + base64.b64encode(f":{KEY}".encode()).decode()}, 200),
        ({"authorization": "Basic " + base64.b64encode(KEY.encode()).decode()}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"anyone:wrong").decode()}, 401),
        ({"authorization": "Basic ~~~"}, 401),
    ],
)
def test_a_browser_gives_the_key_of_a_run_as_a_password(
    report_url: str, headers: dict[str, str], status: int
) -> None:
    reply = httpx2.get(report_url, headers=headers)
    assert reply.status_code == status
    if status == 401:
        assert reply.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/evals"), ("GET", "/openapi.json"), ("POST", "/v1/grade"), ("DELETE", "/evals/a/runs/b")],
)
def test_nothing_but_pages_takes_a_key_as_a_password(keyed: str, method: str, path: str) -> None:
    reply = httpx2.request(method, f"{keyed}{path}", auth=("anyone", KEY))
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")


def test_the_page_of_a_run_shows_its_counts_and_every_row_escaped(report_url: str) -> None:
    text, pages, query = "", 0, ""
    while True:
        reply = httpx2.get(f"{report_url}{query}", headers=BEARER)
        found = assert_is_a_safe_page(reply)
        text += found.text
        pages += 1
        following = [value for name, value in found.attributes if name == "href" and value.startswith("?")]
        if not following:
            break
        (query,) = following
    assert pages == 3
    assert f"{ROWS}: 2 passed, {ROWS - 3} failed, 1 ungraded" in text
    assert "alert(1)" in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\\u202e\\x1b[2J" in text
    assert "{{item.answer}} is not there" in text
    assert "3,000 more characters" in text


@pytest.mark.parametrize("path", ["/evals/eval_0/runs/evalrun_0", "/evals/<script>/runs/%00"])
def test_a_run_that_is_not_there_is_a_404(keyed: str, path: str) -> None:
    assert httpx2.get(f"{keyed}{path}", headers=BEARER).status_code == 404


@given(st.text())
def test_no_text_gives_an_element_or_an_attribute(text: str) -> None:
    page = html_page.page(
        text, html_page.element("p", text, class_=text), html_page.table([text], [[text]])
    ).decode()
    found = Elements(page)
    assert found.tags == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "p",
        "table",
        "tr",
        "th",
        "td",
    }
    assert {name for name, _ in found.attributes} == {"charset", "name", "content", "lang", "class"}
