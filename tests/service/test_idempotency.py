"""Requests that come again with the same `Idempotency-Key` are answered once, in whatever process they are."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from starlette.requests import Request
from starlette.responses import Response

from runtime import Settings
from service.auth.keys import Keyring
from service.errors import ApiError
from service.http.idempotency import Repeats
from service.store import Answers, Store
from service.store.answers import KEPT_S, Answer, KeptAnswer
from tests.judge_server import JudgeServer, delayed, status, verdict
from tests.service.serving import PATIENCE_S

RUN, GRADE, BATCH = "/v1/fine_tuning/alpha/graders/run", "/v1/grade", "/v1/grade/batch"
EQUAL = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "4", "operation": "eq"}
JUDGED = {
    "type": "score_model",
    "model": "judge",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
EVAL = {
    "data_source_config": {
        "type": "custom",
        "item_schema": {"type": "object"},
        "include_sample_schema": True,
    },
    "testing_criteria": [{**EQUAL, "name": "equal"}],
}
RUN_OF_EVAL = {
    "data_source": {
        "type": "jsonl",
        "source": {"type": "file_content", "content": [{"item": {}, "sample": {"output_text": "4"}}]},
    }
}
REPLAYED = "idempotency-replayed"

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


def headers(key: str | None = None) -> dict[str, str]:
    return {"idempotency-key": key or uuid.uuid4().hex}


def judged_by(server: JudgeServer, database: Path, **settings: Any) -> Settings:
    judge = {"base_url": server.url, "concurrency": 64}
    return Settings(judges={"judge": judge}, judge_cache_mb=0, database=str(database), **settings)


@pytest.mark.parametrize(
    ("address", "body"),
    [
        (RUN, {"grader": EQUAL, "model_sample": "4"}),
        (GRADE, {"grader": EQUAL, "sample": "4"}),
        (BATCH, {"grader": EQUAL, "rows": [{"sample": "4"}] * 100}),
        ("/v1/evals", EVAL),
        ("/v1/grade", {"grader": {**EQUAL, "operation": "equals"}, "sample": "4"}),
    ],
)
def test_a_repetition_gets_the_same_bytes(http: httpx2.Client, address: str, body: dict[str, Any]) -> None:
    key = headers()
    first, second = (http.post(address, json=body, headers=key) for _ in range(2))
    assert first.status_code == second.status_code
    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"]
    assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    other = http.post(address, json=body, headers=headers())
    assert REPLAYED not in other.headers


def test_a_repeated_run_of_an_eval_is_one_run(http: httpx2.Client, client: OpenAI) -> None:
    of = http.post("/v1/evals", json=EVAL).json()["id"]
    key, address = headers(), f"/v1/evals/{of}/runs"
    runs = [http.post(address, json=RUN_OF_EVAL, headers=key).json()["id"] for _ in range(3)]
    assert len(set(runs)) == 1
    assert [run.id for run in client.evals.runs.list(of)] == runs[:1]


def test_the_official_client_sends_the_key(client: OpenAI) -> None:
    made = [client.evals.create(**EVAL, extra_headers=headers("by-the-client")).id for _ in range(2)]  # type: ignore[arg-type]
    assert made[0] == made[1]


def test_a_key_with_another_body_is_409(http: httpx2.Client) -> None:
    key = headers()
    assert http.post(GRADE, json={"grader": EQUAL, "sample": "4"}, headers=key).json()["reward"] == 1.0
    reply = http.post(GRADE, json={"grader": EQUAL, "sample": "5"}, headers=key)
    assert reply.status_code == 409
    assert reply.json()["error"] == {
        "message": "idempotency-key: this key belongs to a request with another body; a new request needs a new key",
        "type": "invalid_request_error",
        "param": "idempotency-key",
        "code": "idempotency_key_reused",
    }
    # a key is of one route
    reply = http.post(BATCH, json={"grader": EQUAL, "rows": []}, headers=key)
    assert (reply.status_code, reply.headers.get(REPLAYED)) == (200, None)


@pytest.mark.parametrize("key", ["", "a b", "k" * 256])
def test_what_is_no_key_is_400(http: httpx2.Client, key: str) -> None:
    reply = http.post(GRADE, json={"grader": EQUAL, "sample": "4"}, headers={"idempotency-key": key})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "idempotency-key")


def test_lines_take_no_key(http: httpx2.Client) -> None:
    body = {"grader": EQUAL, "rows": [{"sample": "4"}]}
    reply = http.post(BATCH, json=body, headers={**headers(), "accept": "application/x-ndjson"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "idempotency-key")
    assert "ask for application/json" in reply.json()["error"]["message"]


def test_a_body_is_compared_as_it_was_before_it_was_compressed(http: httpx2.Client) -> None:
    import gzip  # noqa: PLC0415  # for this alone

    key, body = headers(), b'{"grader": {"type": "none"}, "sample": "4"}'
    first = http.post(GRADE, content=body, headers=key)
    second = http.post(GRADE, content=gzip.compress(body), headers={**key, "content-encoding": "gzip"})
    assert (second.headers.get(REPLAYED), second.content) == ("true", first.content)


@pytest.mark.full
def test_a_measurement_that_failed_is_made_again(serve: Serve, tmp_path: Path) -> None:
    bodies = {
        RUN: {"grader": JUDGED, "model_sample": "a"},
        GRADE: {"grader": JUDGED, "sample": "a"},
        BATCH: {"grader": JUDGED, "rows": [{"sample": "a"}]},
    }
    broken = threading.Event()
    with (
        JudgeServer(lambda _, __: status(400) if broken.is_set() else verdict(0.5)) as judge,
        serve(judged_by(judge, tmp_path / "s.sqlite")) as url,
        httpx2.Client(base_url=url, timeout=PATIENCE_S) as http,
    ):
        for address, body in bodies.items():
            key = headers()
            broken.set()
            failed = http.post(address, json=body, headers=key)
            assert '"reward":0.5' not in failed.text
            broken.clear()
            again = http.post(address, json=body, headers=key)
            assert ('"reward":0.5' in again.text, again.headers.get(REPLAYED)) == (True, None)
            broken.set()
            kept = http.post(address, json=body, headers=key)
            assert (kept.content, kept.headers.get(REPLAYED)) == (again.content, "true")


@pytest.mark.full
def test_who_comes_while_the_first_runs_waits_for_it(serve: Serve, tmp_path: Path) -> None:
    with (
        JudgeServer([delayed(verdict(0.5), 0.5)]) as judge,
        serve(judged_by(judge, tmp_path / "s.sqlite")) as url,
        ThreadPoolExecutor(8) as pool,
    ):
        key, body = headers(), {"grader": JUDGED, "sample": "a"}
        replies = list(
            pool.map(lambda _: httpx2.post(url + GRADE, json=body, headers=key, timeout=PATIENCE_S), range(8))
        )
        asked = len(judge.requests)
        other = {**body, "sample": "b"}
        reused = httpx2.post(url + GRADE, json=other, headers=key)
    assert {reply.json()["reward"] for reply in replies} == {0.5}
    assert len({reply.content for reply in replies}) == 1
    assert sorted(reply.headers.get(REPLAYED, "") for reply in replies) == ["", *["true"] * 7]
    assert (asked, reused.status_code) == (1, 409)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty one of each kind."""
    sqlite = str(tmp_path / "service.sqlite")
    async with Store(
        sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql")
    ) as opened:
        yield opened


async def age(store: Store, answer_id: str, seconds: float) -> None:
    async with store.write() as session:
        row = await session.get_one(KeptAnswer, answer_id)
        row.created_at -= seconds


@pytest.mark.full
async def test_of_any_number_one_has_a_key(store: Store) -> None:
    answers = Answers(store, 10**6)
    found = await asyncio.gather(*(answers.claim("a", "f", f"o{number}", 60) for number in range(12)))
    assert sum(one is None for one in found) == 1
    assert {one.answer for one in found if one is not None} == {None}
    assert await answers.claim("b", "f", "o", 60) is None


async def test_a_key_is_free_when_its_lease_ends_it_is_let_go_or_its_answer_is_old(store: Store) -> None:
    answers, answer = Answers(store, 10**6), Answer(200, "text/plain", b"x")
    assert await answers.claim("a", "f", "one", -1) is None
    assert await answers.claim("a", "g", "two", 60) is None
    await answers.keep("a", "one", answer)  # it is not its own any more
    await answers.release("a", "one")
    found = await answers.claim("a", "g", "three", 60)
    assert found is not None
    assert (found.fingerprint, found.answer) == ("g", None)
    await answers.release("a", "two")
    assert await answers.claim("a", "h", "three", 60) is None
    await answers.keep("a", "three", answer)
    found = await answers.claim("a", "h", "one", 60)
    assert found is not None
    assert found.answer == answer
    await age(store, "a", KEPT_S)
    assert await answers.claim("a", "i", "one", -1) is None
    await answers.renew("one", 60)
    assert await answers.claim("a", "i", "two", 60) is not None


@pytest.mark.full
async def test_the_oldest_answers_go_when_there_are_too_many(store: Store) -> None:
    answers = Answers(store, 2_500)
    for number in range(5):
        assert await answers.claim(f"a{number}", "f", "o", 60) is None
        if number:
            await answers.keep(f"a{number}", "o", Answer(200, "", bytes(500)))
        await age(store, f"a{number}", 100 - number)
    await answers.tidy()
    # each has 1,012 bytes; the first one has no answer yet
    left = [await answers.claim(f"a{number}", "f", "o", 60) is not None for number in range(5)]
    assert left == [True, False, False, True, True]
    await age(store, "a4", KEPT_S)
    await answers.tidy()
    assert await answers.claim("a4", "f", "o", 60) is None


def a_request(body: bytes = b"{}") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [],
        "state": {"client": "c"},
        "app": None,
    }
    return Request({**scope, "query_string": b"", "server": ("a", 1), "scheme": "http"}, receive)


async def test_two_processes_carry_a_request_out_once(store: Store) -> None:
    one, two = (Repeats(Answers(store, 10**6)) for _ in range(2))
    began, go, carried = asyncio.Event(), asyncio.Event(), 0

    async def carry_out() -> Response:
        nonlocal carried
        carried += 1
        began.set()
        await go.wait()
        return Response(f"{carried}")

    first = asyncio.create_task(one.answer(a_request(), "k", carry_out))
    await began.wait()
    second = asyncio.create_task(two.answer(a_request(), "k", carry_out))
    with pytest.raises(ApiError, match="another body"):
        await Repeats(Answers(store, 10**6)).answer(a_request(b"[]"), "k", carry_out)
    go.set()
    bodies = [(await first).body, (await second).body]
    assert (bodies, carried) == ([b"1", b"1"], 1)


@pytest.mark.few(3)
@pytest.mark.parametrize("status", [403, 408, 429, 500, 503])
async def test_an_answer_that_says_to_come_again_is_not_kept(store: Store, status: int) -> None:
    repeats, errors = Repeats(Answers(store, 10**6)), [ApiError(status, "later")]

    async def carry_out() -> Response:
        if errors:
            raise errors.pop()
        return Response("done")

    with pytest.raises(ApiError, match="later"):
        await repeats.answer(a_request(), "k", carry_out)
    assert (await repeats.answer(a_request(), "k", carry_out)).body == b"done"


async def test_a_request_that_is_given_up_is_carried_out_by_the_next(store: Store) -> None:
    repeats, began = Repeats(Answers(store, 10**6)), asyncio.Event()

    async def hang() -> Response:
        began.set()
        await asyncio.Event().wait()
        return Response("never")

    async def done() -> Response:
        return Response("done")

    first = asyncio.create_task(repeats.answer(a_request(), "k", hang))
    await began.wait()
    second = asyncio.create_task(repeats.answer(a_request(), "k", done))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body == b"done"


@pytest.mark.full
async def test_what_takes_longer_than_its_lease_stays_with_its_process(store: Store) -> None:
    one, two = (Repeats(Answers(store, 10**6), lease_s=0.6) for _ in range(2))
    carried: list[str] = []

    async def carry_out() -> Response:
        carried.append("")
        await asyncio.sleep(1.5)
        return Response("done")

    for each in (one, two):
        each.open()
    replies = await asyncio.gather(*(each.answer(a_request(), "k", carry_out) for each in (one, two)))
    for each in (one, two):
        await each.close()
    assert ([reply.body for reply in replies], len(carried)) == ([b"done"] * 2, 1)


async def test_a_key_is_of_one_caller(store: Store) -> None:
    repeats, number = Repeats(Answers(store, 10**6)), iter("ab")
    callers = [await Keyring(["x", "y"]).caller(key) for key in (b"x", b"y")]

    async def carry_out() -> Response:
        return Response(next(number))

    bodies = []
    for caller in callers:
        request = a_request()
        request.state.client = caller.client
        bodies.append((await repeats.answer(request, "k", carry_out)).body)
    assert bodies == [b"a", b"b"]
