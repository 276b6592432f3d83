"""Keys in the path: for the routes of trainers alone, with the scope `grade` alone, and written down nowhere."""

import json
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from runtime import Settings
from service.auth import path_keys
from service.auth.keys import Caller, Keyring
from service.cli import keys as command
from service.errors import ApiError
from service.http.paths import shown_path
from tests.collector import Collector
from tests.service.serving import CHECK, serving

KEY = "s3cr3t-of the/operator%"
PATH_KEY = quote(KEY, safe="")
"""The key as it stands in a path."""
BODY = {"prompt": "p", "response": "a", "label": None}
ROUTE = "/v1/graders/equal/for/slime"
SECRETS = ("s3cr3t", "rft-", "operator")
"""Parts of keys, none of which may be written down."""


@dataclass
class Story:
    """A service that was used with keys in paths, and all that it wrote down.

    Attributes:
        answers: By what was asked: the status and the body.
        written: The log, the metrics and the spans.
    """

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("path_keys")
    settings = Settings(database=str(home / "service.sqlite"), files_dir=home / "files")
    limits = {"requests_per_minute": None, "concurrency": None}
    reads = command.create(settings, "reads", ["read"], **limits)["key"]
    grades = command.create(settings, "grades", ["grade", "manage"], **limits)["key"]
    asked = {
        "configured": ("POST", f"/k/{PATH_KEY}{ROUTE}"),
        "encoded prefix": ("POST", f"/%6b/{PATH_KEY}{ROUTE}"),
        "trailing slash": ("POST", f"/k/{PATH_KEY}{ROUTE}/"),
        "stored": ("POST", f"/k/{grades}{ROUTE}"),
        "companion": ("GET", f"/k/{grades}/v1/graders/equal/for/nemo-gym/reverify_mode"),
        "without scope": ("POST", f"/k/{reads}{ROUTE}"),
        "wrong": ("POST", f"/k/s3cr3t{ROUTE}"),
        "empty": ("POST", f"/k/{ROUTE}"),
        "wrong method": ("PUT", f"/k/{grades}{ROUTE}"),
        "unknown grader": ("POST", f"/k/{grades}/v1/graders/nothing/for/slime"),
        "unknown trainer": ("POST", f"/k/{grades}/v1/graders/equal/for/nobody"),
        "wrong query": ("POST", f"/k/{grades}{ROUTE}?on_failure=none"),
        **{
            f"elsewhere {method} {path}": (method, f"/k/{grades}{path}")
            for method, path in (
                ("GET", ""),
                ("GET", "/"),
                ("GET", "/healthz"),
                ("GET", "/metrics"),
                ("GET", "/docs"),
                ("GET", "/v1/files"),
                ("GET", "/v1/graders/equal"),
                ("PUT", "/v1/graders/equal"),
                ("POST", "/v1/grade"),
                ("GET", "/v1/graders/equal/../../files"),
                ("POST", f"/k/{PATH_KEY}{ROUTE}"),
            )
        },
        "two slashes": ("POST", f"//k/{PATH_KEY}{ROUTE}"),
        "encoded slash": ("POST", f"/k%2F{PATH_KEY}{ROUTE}"),
        "as a parameter": ("POST", f"{ROUTE}?key=s3cr3t"),
    }
    told = Story()
    with Collector() as collector:
        environment = {
            "GRADERS_API_KEYS": json.dumps([KEY]),
            "GRADERS_DATABASE": settings.database,
            "GRADERS_FILES_DIR": str(settings.files_dir),
            "GRADERS_LOG_LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        with serving(environment) as served, httpx2.Client(base_url=served.url, timeout=60) as http:
            header = {"authorization": f"Bearer {KEY}"}
            grader = {**CHECK, "reference": "a"}
            assert http.put("/v1/graders/equal", json={"grader": grader}, headers=header).is_success
            for name, (method, path) in asked.items():
                reply = http.request(method, path, json=BODY if method == "POST" else None)
                told.answers[name] = reply.status_code, reply.text + str(reply.headers)
            told.written["metrics"] = http.get("/metrics", headers=header).text
        told.written["log"] = "".join(served.lines)
        told.written["spans"] = repr(collector.spans())
    return told


@pytest.mark.parametrize("name", ["configured", "stored", "companion", "encoded prefix", "trailing slash"])
def test_a_key_in_the_path_opens_the_routes_of_trainers(story: Story, name: str) -> None:
    status, body = story.answers[name]
    assert status == 200, body
    assert body.startswith('"stateless"' if name == "companion" else "1.0")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("without scope", 403),
        ("wrong", 401),
        ("empty", 404),
        ("wrong method", 403),
        ("unknown grader", 404),
        ("unknown trainer", 404),
        ("wrong query", 400),
        ("two slashes", 401),
        ("encoded slash", 404),
        ("as a parameter", 401),
    ],
)
def test_what_is_wrong_is_refused(story: Story, name: str, status: int) -> None:
    assert story.answers[name][0] == status, story.answers[name]


def test_a_key_in_the_path_opens_nothing_else(story: Story) -> None:
    elsewhere = {name: answer for name, answer in story.answers.items() if name.startswith("elsewhere")}
    assert len(elsewhere) == 11
    for name, (status, body) in elsewhere.items():
        assert status in (401, 403, 404), name
        assert "a valid API key" not in body or status == 401, name


@pytest.mark.parametrize("where", ["log", "metrics", "spans"])
def test_no_key_of_a_path_is_written_down(story: Story, where: str) -> None:
    written = story.written[where]
    assert "/for/slime" in written, "nothing of these requests is written down"
    assert not [part for part in SECRETS if part in written]


def test_no_answer_repeats_a_key_of_its_path(story: Story) -> None:
    for name, (_, body) in story.answers.items():
        assert not [part for part in SECRETS if part in body.replace("rft-graders", "")], name


def scope_of(raw: bytes) -> Scope:
    return {"type": "http", "path": unquote(raw.decode("ascii")), "raw_path": raw, "state": {}}


SEGMENTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


@given(SEGMENTS, st.lists(SEGMENTS, max_size=4))
def test_whatever_the_key_is_it_is_taken_out_and_the_rest_stays(key: str, segments: list[str]) -> None:
    rest = "".join(f"/{quote(segment, safe='')}" for segment in segments).encode()
    scope = scope_of(b"/k/" + quote(key, safe="").encode() + rest)
    path_keys.take(scope)
    assert scope["state"] == {path_keys.STATE: key.encode()}
    assert scope["raw_path"] == (rest or b"/")
    plain = scope_of(rest or b"/")
    path_keys.take(plain)
    assert scope["path"].rstrip("/") == scope_of(rest)["path"].rstrip("/")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_a_path_in_a_message_never_shows_what_stands_behind_k(text: str) -> None:
    assert "KEYKEY" not in shown_path(f"{text}/k/KEYKEY/{text}")
    assert "KEYKEY" not in shown_path(f"{text}/K//KEYKEY")


async def test_without_keys_a_path_may_have_any() -> None:
    scope = scope_of(b"/k/any" + ROUTE.encode())
    path_keys.take(scope)
    assert await path_keys.caller(scope, Keyring([])) == Caller()


async def test_a_key_of_the_settings_is_used_with_the_scope_grade_alone() -> None:
    scope = scope_of(f"/k/{PATH_KEY}{ROUTE}".encode())
    path_keys.take(scope)
    found = await path_keys.caller(scope, Keyring([KEY]))
    assert found is not None
    assert found.scopes == {"grade"}
    with pytest.raises(ApiError, match="scope 'manage'"):
        found.check("PUT", "/v1/graders/equal")
