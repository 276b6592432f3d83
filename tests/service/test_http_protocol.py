"""The request line and headers have limits, for every sender and however they are split."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import pairwise

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI

from runtime import Settings
from service.http.connections import KEPT_BYTES, Connections
from service.http.parts import Phase
from service.http.protocol import HEAD_BYTES, HEADERS, PIPELINED, URL_BYTES
from tests.service.conftest import served
from tests.service.raw_http import Answer, answers, connect, exchange, rest, send
from tests.service.serving import CHECK, RUN

Serve = Callable[[Settings], AbstractContextManager[str]]

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
CLOSE = b"connection: close\r\n\r\n"
BODY = json.dumps({"grader": CHECK, "model_sample": "a"}).encode()
POST = f"POST {RUN} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


def only(found: list[Answer]) -> Answer:
    assert len(found) == 1, found
    return found[0]


def assert_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"].startswith("req_")


LONG_VALUE = b"x: " + b"a" * HEAD_BYTES
LONG_NAME = b"a" * HEAD_BYTES
MANY = b"".join(b"x%d: a\r\n" % number for number in range(20_000))


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (GET + LONG_VALUE + b"\r\n\r\n", 431, "headers_too_large"),
        (GET + LONG_VALUE * 20, 431, "headers_too_large"),
        (GET + LONG_NAME + b": b\r\n\r\n", 431, "headers_too_large"),
        (GET + LONG_NAME * 2, 431, "headers_too_large"),
        (GET + (b"x: " + b"a" * 900 + b"\r\n") * 80, 431, "headers_too_large"),
        (GET + MANY + b"\r\n", 431, "too_many_headers"),
        (GET + b"".join(b"X: \r\n" for _ in range(HEADERS)) + b"\r\n", 431, "too_many_headers"),
        (b"GET /" + b"a" * URL_BYTES + b" HTTP/1.1\r\n\r\n", 414, "url_too_long"),
        (b"GET /?" + b"a" * 1_000_000 + b" HTTP/1.1\r\n", 431, "headers_too_large"),
        (b"GET /healthz HTTP/1.0\r\n" + LONG_VALUE + b"\r\n\r\n", 431, "headers_too_large"),
        (b"POST /healthz HTTP/1.1\r\nexpect: 100-continue\r\n" + MANY, 431, "too_many_headers"),
        (GET + b"Host: localhost\r\n\r\n", 400, "repeated_header"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid_http"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", 400, "invalid_http"),
    ],
)
@pytest.mark.parametrize("size", [None, 100, 1], ids=["at once", "in small parts", "byte by byte"])
def test_a_head_that_is_too_large_is_refused(
    url: str, head: bytes, status: int, code: str, size: int | None
) -> None:
    if size == 1:
        head = head[: HEAD_BYTES + 1_000]
    parts = [head] if size is None else [head[at : at + size] for at in range(0, len(head), size)]
    answer = only(exchange(url, *parts, until_answered=True))
    if (
        answer.status == 414 != status
    ):  # which of the two it is depends on how much of the URL arrives at once
        status, code = 414, "url_too_long"
    assert_refused(answer, status, code)


def test_a_head_as_large_as_it_may_be_is_read(url: str) -> None:
    fields = b"".join(b"x%02d: %s\r\n" % (number, b"a" * 640) for number in range(HEADERS - 2))
    assert only(exchange(url, GET + fields + CLOSE)).status == 200
    path = b"/healthz?" + b"a" * (URL_BYTES - 9)
    assert only(exchange(url, b"GET " + path + b" HTTP/1.1\r\nhost: localhost\r\n" + CLOSE)).status == 200


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 2_000), max_size=30), chunks=st.lists(st.integers(1, 100), max_size=6))
def test_requests_are_the_same_however_they_are_split(url: str, cuts: list[int], chunks: list[int]) -> None:
    framed, left = b"", BODY
    for size in chunks:
        if left:
            framed += b"%x;note=1\r\n%b\r\n" % (len(left[:size]), left[:size])
            left = left[size:]
    framed += b"%x\r\n%b\r\n" % (len(left), left) if left else b""
    sent = GET + b"\r\n" + CHUNKED + framed + b"0\r\nx-checksum: 1\r\n\r\n" + GET + CLOSE
    places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
    parts = [sent[start:end] for start, end in pairwise(places)]
    first, graded, last = exchange(url, *parts)
    assert (first.status, graded.status, last.status) == (200, 200, 200)
    assert json.loads(graded.body)["reward"] == 1.0


@pytest.mark.parametrize(
    ("rest_of_body", "status", "code"),
    [
        (b"0\r\n" + MANY, 431, "too_many_headers"),
        (b"0\r\nx: " + b"a" * HEAD_BYTES + b"\r\n\r\n", 431, "headers_too_large"),
        (b"5;" + b"a" * 1_000_000, 400, "invalid_http"),
        (b"FFFFFFFFFFFFFFFFFF\r\n", 400, "invalid_http"),
        (b"no size\r\n", 400, "invalid_http"),
    ],
)
def test_what_stands_between_the_parts_of_a_body_has_limits(
    url: str, rest_of_body: bytes, status: int, code: str
) -> None:
    size = 1_000
    parts = [rest_of_body[at : at + size] for at in range(0, len(rest_of_body), size)]
    # in small parts the framing is bounded before the trailers are
    for sent in ([rest_of_body], parts):
        answer = only(exchange(url, CHUNKED, *sent))
        assert answer.status in {status, 400}
        assert_refused(answer, answer.status, code if answer.status == status else "invalid_http")


def test_trailers_never_become_headers(url: str) -> None:
    trailers = b"0\r\ncontent-encoding: gzip\r\nx-request-id: forged\r\nconnection: keep-alive\r\n\r\n"
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answer = only(exchange(url, head, b"%x\r\n%b\r\n" % (len(BODY), BODY), trailers))
    assert answer.status == 200
    assert answer.headers["x-request-id"] != "forged"


def test_a_refusal_comes_after_the_answers_to_earlier_requests(url: str) -> None:
    post = POST + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    graded, again, refused = exchange(url, post + post + GET + LONG_VALUE + b"\r\n\r\n")
    assert json.loads(graded.body)["reward"] == json.loads(again.body)["reward"] == 1.0
    assert_refused(refused, 431, "headers_too_large")


def test_a_bad_body_of_a_waiting_request_spares_the_one_before(url: str) -> None:
    post = POST + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    graded, refused = exchange(url, post + CHUNKED + b"no size\r\n")
    assert json.loads(graded.body)["reward"] == 1.0
    assert_refused(refused, 400, "invalid_http")


def test_requests_may_wait_on_a_connection_but_not_any_number(url: str) -> None:
    found = exchange(url, (GET + b"\r\n") * PIPELINED + GET + CLOSE)
    assert [answer.status for answer in found] == [200] * (PIPELINED + 1)
    *served, refused = exchange(url, (GET + b"\r\n") * 5_000)
    assert {answer.status for answer in served} == {200}
    assert_refused(refused, 429, "too_many_pipelined")
    assert refused.headers["retry-after"]


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_upgrade_is_not_made_and_the_request_is_answered(url: str, upgrade: bytes) -> None:
    change = b"upgrade: %b\r\nconnection: upgrade\r\n" % upgrade
    assert only(exchange(url, GET + change + b"\r\n", b"anything")).status == 200
    for sent in (
        b"content-length: %d\r\n\r\n" % len(BODY) + BODY,
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        assert_refused(only(exchange(url, POST + change + sent)), 400, "invalid_http")


def test_an_absolute_url_decides_the_host(url: str) -> None:
    for authority, status in (
        (b"127.0.0.1:1", 200),
        (b"evil.example", 403),
        (b"localhost@evil.example", 403),
    ):
        head = b"GET http://" + authority + b"/v1/files HTTP/1.1\r\nhost: localhost\r\n"
        assert only(exchange(url, head + CLOSE)).status == status, authority


@pytest.mark.full
def test_many_unfinished_heads_take_a_bounded_memory(serve: Serve) -> None:
    large = b"x: " + b"a" * 60_000
    with serve(Settings(connections=2_000, connections_per_address=2_000)) as address, ExitStack() as stack:
        started = held(stack, address, KEPT_BYTES // 60_000 + 20)
        for connection in started:
            connection.sendall(GET + large)
        assert_refused(only(answers(rest(started[-1]))), 503, "too_many_headers_held")
        # who sends a usual head is served meanwhile, also in two parts
        assert only(exchange(address, GET, CLOSE)).status == 200
        for connection in started:
            connection.close()
        assert only(exchange(address, GET + large[:50_000], b"\r\n" + CLOSE)).status == 200


# time


@pytest.fixture(scope="module")
def hasty() -> Iterator[str]:
    """The address of a service that does not wait long."""
    with served(Settings(head_timeout_s=0.3, idle_timeout_s=0.6)) as address:
        yield address


def test_a_connection_is_kept_for_longer_than_most_training_steps_take() -> None:
    settings = Settings()
    assert settings.idle_timeout_s == 120
    connections = Connections(1, 1)
    assert {phase: connections.timeout_s(phase) for phase in (Phase.IDLE, Phase.HEAD, Phase.DISCARD)} == {
        Phase.IDLE: 120,
        Phase.HEAD: 10,
        Phase.DISCARD: 20,
    }


def drip(connection: socket.socket, piece: bytes, count: int = 200) -> bytes:
    """Send the same bytes again and again, slowly; gives what comes until the service closes the connection."""
    connection.settimeout(0.02)
    received = b""
    for _ in range(count):
        with contextlib.suppress(OSError):
            connection.sendall(piece)
        try:
            chunk = connection.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk
    raise AssertionError("the service kept the connection")


@pytest.mark.full
def test_a_head_that_takes_too_long_is_refused(hasty: str) -> None:
    for sent in (GET, b"G", GET + b"x: "):
        assert_refused(only(exchange(hasty, sent)), 408, "headers_too_slow")
    with closing(connect(hasty)) as connection:
        connection.sendall(GET)
        assert_refused(only(answers(drip(connection, b"x: a\r\n"))), 408, "headers_too_slow")


def test_a_connection_without_a_request_is_closed(hasty: str) -> None:
    with closing(connect(hasty)) as connection:
        assert drip(connection, b"") == b""
    with closing(connect(hasty)) as connection:
        assert drip(connection, b"\r\n") == b""  # an empty line may stand before a request


@pytest.mark.full
def test_a_connection_is_kept_for_the_next_request_and_no_longer(hasty: str) -> None:
    with closing(connect(hasty)) as connection:
        connection.sendall(GET + b"\r\n")
        assert only(answers(drip(connection, b"\r\n"))).status == 200
    with closing(connect(hasty)) as connection:
        first, second = send(connection, [GET + b"\r\n", GET + b"\r\n"])
        assert (first.status, second.status) == (200, 200)


def test_a_late_head_on_a_kept_connection_is_refused(hasty: str) -> None:
    with closing(connect(hasty)) as connection:
        served, refused = send(connection, [GET + b"\r\n", GET])
    assert served.status == 200
    assert_refused(refused, 408, "headers_too_slow")


def test_the_body_of_a_request_that_was_answered_is_not_read_for_ever(hasty: str) -> None:
    with closing(connect(hasty)) as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n")
        assert only(answers(drip(connection, b"a"))).status == 404


def test_a_client_that_still_sends_when_it_is_refused_sees_why(url: str) -> None:
    head = POST + b"connection: close\r\ncontent-length: 30000000\r\n\r\n"
    answer = only(exchange(url, head, b"x" * 30_000_000))
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")


# connections


def held(stack: ExitStack, address: str, count: int) -> list[socket.socket]:
    return [stack.enter_context(closing(connect(address))) for _ in range(count)]


class Slow:
    """A route `/slow`, whose requests are answered once they are released."""

    def __init__(self) -> None:
        self.running = 0
        self.released = threading.Event()

    async def answer(self) -> str:
        self.running += 1
        while not self.released.is_set():  # noqa: ASYNC110  # it is set in another thread
            await asyncio.sleep(0.01)
        return "done"

    def have(self, running: int) -> None:
        """Wait until so many requests run."""
        while self.running < running:
            time.sleep(0.01)


@pytest.mark.full
def test_idle_connections_give_way_to_new_ones(serve: Serve) -> None:
    with serve(Settings(connections=20)) as address, ExitStack() as stack:
        kept = stack.enter_context(httpx2.Client(base_url=address))
        assert kept.get("/healthz").status_code == 200
        first, *_ = held(stack, address, 50)
        for _ in range(20):
            assert only(exchange(address, GET + CLOSE)).status == 200
        assert rest(first) == b""
        # who has asked before keeps its connection
        assert kept.get("/healthz").extensions["network_stream"] is not None
        assert kept.post(RUN, content=BODY, headers={"content-type": "application/json"}).status_code == 200


@pytest.mark.full
@pytest.mark.parametrize(
    ("limits", "status"),
    [({"connections": 8, "connections_per_address": 8}, 503), ({"connections": 16}, 429)],
)
def test_connections_whose_requests_are_answered_do_not_give_way(limits: dict[str, int], status: int) -> None:
    slow, own = Slow(), Settings().model_copy(update=limits)
    with (
        served(own, lambda app: app.add_api_route("/slow", slow.answer)) as address,
        ExitStack() as stack,
    ):
        busy = held(stack, address, 8)
        for connection in busy:
            connection.sendall(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        slow.have(8)
        other = "127.0.0.2" if status == 503 else "127.0.0.1"
        place = "127.0.0.1", int(address.rpartition(":")[2])
        with closing(socket.create_connection(place, 30, source_address=(other, 0))) as refused:
            answer = only(answers(rest(refused)))
        assert_refused(answer, status, "too_many_connections")
        assert answer.headers["retry-after"]
        slow.released.set()
        for connection in busy:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        # they are kept for their next requests now, and give way
        assert only(exchange(address, GET + CLOSE)).status == 200
        text = httpx2.get(f"{address}/metrics").text
        assert f'graders_http_requests_total{{method="other",route="other",status="{status}"}}' in text


@pytest.mark.full
def test_requests_whose_bodies_do_not_come_give_way(serve: Serve) -> None:
    with serve(Settings(connections=16)) as address, ExitStack() as stack:
        silent = held(stack, address, 8)
        for connection in silent:
            connection.sendall(POST + b"content-length: 1000\r\nexpect: 100-continue\r\n\r\n")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100 ")
        post = POST + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(BODY) + BODY
        for _ in range(10):
            assert json.loads(only(exchange(address, post)).body)["reward"] == 1.0
        assert rest(silent[0]) == b""


@pytest.mark.full
def test_the_official_client_opens_many_connections_at_once(url: str) -> None:
    async def ask() -> list[float]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=60) as client:
            asked = [
                client.fine_tuning.alpha.graders.run(grader=CHECK, model_sample="a")  # type: ignore[arg-type]
                for _ in range(300)
            ]
            return [answer.reward for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [1.0] * 300
