"""A service that is told to end finishes what runs, and takes nothing new."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from service.errors import Refusal
from service.http.shutdown import GracefulShutdown
from tests.service.raw_http import answers, connect, rest
from tests.service.serving import CHECK, PATIENCE_S, RUN, Served, serving

BODY = json.dumps({"grader": CHECK, "model_sample": "a"}).encode()


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"GRADERS_DATABASE": str(tmp_path / "s.sqlite"), "GRADERS_FILES_DIR": str(tmp_path / "files")}


@contextmanager
def half_sent(served: Served) -> Iterator[socket.socket]:
    """A connection with a request that certainly runs, and whose body has yet to be sent."""
    until(served, 200)
    address = urlsplit(served.url)
    with closing(socket.create_connection((address.hostname, address.port), PATIENCE_S)) as connection:
        head = f"POST {RUN} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(BODY)}\r\nexpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        # the server says so when the route asks for the body
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        yield connection


def everything(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def until(served: Served, status: int) -> httpx2.Response:
    """What `/readyz` answers, once it does so with a status."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            reply = httpx2.get(f"{served.url}/readyz", timeout=PATIENCE_S)
        except (
            httpx2.TransportError
        ):  # nobody listens yet; or a process took it that had nothing to finish, and ended
            continue
        if reply.status_code == status:
            return reply
    raise AssertionError(f"the service never answered {status}")


def expect_graceful_end(served: Served) -> None:
    """Tell a service to end while a request runs: that one is finished, and new ones are sent elsewhere."""
    with half_sent(served) as running:
        served.process.send_signal(signal.SIGTERM)
        ready = until(served, 503)
        refused = httpx2.post(f"{served.url}{RUN}", content=BODY, timeout=PATIENCE_S)
        for reply in (ready, refused):
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "2"
            assert reply.headers["x-request-id"]
            assert reply.json()["error"] == {
                "message": "this process is ending; ask again",
                "type": "server_error",
                "param": None,
                "code": "draining",
            }
        assert httpx2.get(f"{served.url}/healthz", timeout=PATIENCE_S).status_code == 200
        served.process.send_signal(signal.SIGTERM)  # again, as happens when a group of processes is stopped
        assert until(served, 503).status_code == 503
        running.sendall(BODY)
        answer = everything(running)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"reward":1.0' in answer
        assert served.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)


def test_on_sigterm_running_requests_finish_and_new_ones_are_sent_elsewhere(
    variables: dict[str, str],
) -> None:
    with serving(variables) as served:
        expect_graceful_end(served)


SLEEPS = {
    "type": "python",
    "source": "import time\ndef grade(sample, item):\n    time.sleep(60)\n    return 1",
}
SLOW = json.dumps({"grader": SLEEPS, "sample": "a"}).encode()
BATCH = json.dumps({"grader": SLEEPS, "rows": [{"sample": "a"}]}).encode()


def head(path: str, length: int, *lines: str, kind: str = "application/json") -> bytes:
    fixed = f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {kind}", f"content-length: {length}"
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


CUT_OFF = {
    "no body": head(RUN, len(BODY), "expect: 100-continue"),
    "some of it": head("/v1/grade", 1_000) + b"{",
    "some, by another way to the route": head("/v1/evals", 1_000) + b"{",
    "some of a form": head("/v1/files", 1_000, kind="multipart/form-data; boundary=x") + b"--x",
    "graded": head("/v1/grade", len(SLOW), "x-request-id: mine") + SLOW,
    "graded as a batch": head("/v1/grade/batch", len(BATCH)) + BATCH,
    "another one waits behind it": head("/v1/grade", len(SLOW)) + SLOW + head(RUN, len(BODY)) + BODY,
}


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_does_not_finish_in_time_is_answered_with_a_503(
    variables: dict[str, str], how: signal.Signals
) -> None:
    limits = {"GRADERS_DRAIN_TIMEOUT_S": "0.5", "GRADERS_SANDBOX_PROCESSES": "3"}
    with serving({**variables, **limits}) as served, ExitStack() as stack:
        running = {}
        for what, sent in CUT_OFF.items():
            running[what] = stack.enter_context(closing(connect(served.url)))
            running[what].sendall(sent)
        time.sleep(0.5)
        # it has read what came before this, as its loop takes turns
        assert httpx2.get(f"{served.url}/healthz", timeout=PATIENCE_S).status_code == 200
        served.process.send_signal(how)
        for what, connection in running.items():
            found = answers(rest(connection))
            assert len(found) == (2 if what.startswith("another") else 1), what
            for answer in found:
                assert (answer.status, answer.error["code"]) == (503, "draining"), what
                assert answer.headers["retry-after"] == "2"
                assert answer.headers["x-request-id"] == "mine" or what != "graded"
                assert answer.headers["x-request-id"]
        assert served.process.wait(PATIENCE_S) in (0, -how)
    assert not any("Traceback" in line for line in served.lines)


@pytest.mark.full
def test_an_answer_that_has_begun_is_cut_off(variables: dict[str, str]) -> None:
    rows = [{"sample": "a", "item": {"s": 0}}, {"sample": "a", "item": {"s": 60}}]
    source = "import time\ndef grade(sample, item):\n    time.sleep(item['s'])\n    return 1"
    body = json.dumps({"grader": {"type": "python", "source": source}, "rows": rows}).encode()
    with serving({**variables, "GRADERS_DRAIN_TIMEOUT_S": "0.5"}) as served:
        with closing(connect(served.url)) as running:
            running.sendall(head("/v1/grade/batch", len(body), "accept: application/x-ndjson") + body)
            begun = b""
            while b'"reward"' not in begun:
                begun += running.recv(65_536)
            served.process.send_signal(signal.SIGTERM)
            # the last chunk, of no bytes, never comes: no client takes this for a whole answer
            assert not (begun + rest(running)).endswith(b"0\r\n\r\n")
        assert served.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)


def this_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_what_runs_is_waited_for_and_nothing_else_gets_in() -> None:
    graceful_shutdown, release = GracefulShutdown(), asyncio.Event()

    async def request() -> str:
        graceful_shutdown.enter(this_task())
        await release.wait()
        graceful_shutdown.leave(this_task())
        return "done"

    running = [asyncio.create_task(request()) for _ in range(2)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(graceful_shutdown.drain(PATIENCE_S))
    await asyncio.sleep(0)
    for entering in (graceful_shutdown.check, lambda: graceful_shutdown.enter(this_task())):
        with pytest.raises(Refusal) as caught:
            entering()
        assert (caught.value.status, caught.value.code) == (503, "draining")
    assert not draining.done()
    release.set()
    await draining
    assert await asyncio.gather(*running) == ["done", "done"]


async def test_an_idle_process_has_nothing_to_wait_for() -> None:
    graceful_shutdown = GracefulShutdown()
    graceful_shutdown.enter(this_task())
    graceful_shutdown.leave(this_task())
    await asyncio.wait_for(graceful_shutdown.drain(PATIENCE_S), PATIENCE_S / 2)
