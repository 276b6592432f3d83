"""Servers that fail: what becomes of the rows, and how often they are graded."""

import asyncio
import contextlib
import gzip
import json
import math
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from graders_client import GraderClient, RequestRefused

from tests.clients import scripted
from tests.clients.scripted import Action, Scripted

ITEMS = [{"answer": str(index % 3)} for index in range(10)]
SAMPLES = [str(index % 2) for index in range(10)]
REWARDS = [float(sample == item["answer"]) for sample, item in zip(SAMPLES, ITEMS, strict=True)]


def client_of(server: Scripted, **options: Any) -> GraderClient:
    return GraderClient(server.url, "math", **{"deadline_s": 30.0, **options})


def rewards(client: GraderClient, **options: Any) -> list[float | None]:
    return [graded.reward for graded in client.grade(SAMPLES, ITEMS, **options)]


@pytest.mark.few(8)
@pytest.mark.parametrize(
    "fault",
    [
        scripted.drops,
        scripted.half,
        scripted.closes_after,
        scripted.chunked,
        scripted.broken_chunk,
        scripted.until_closed,
        scripted.cut_without_length,
        scripted.garbage,
        scripted.says_more,
        scripted.says(429, "later", Retry_After="0"),
        scripted.says(503, "draining", "draining", Retry_After="0"),
        scripted.says(503, "busy"),
        scripted.says(502, "bad gateway"),
        scripted.says(504, "gateway time-out"),
        scripted.says(500, "internal error"),
        scripted.says(408, "too slow"),
        scripted.sends(b"<html>a proxy</html>"),
        scripted.sends(b"[1, 2]"),
        scripted.sends(b""),
    ],
    ids=lambda fault: fault.__qualname__,
)
def test_a_fault_that_passes_costs_no_reward(fault: Action) -> None:
    with Scripted([fault]) as server, client_of(server) as client:
        assert rewards(client) == REWARDS
        assert rewards(client) == REWARDS


@pytest.mark.parametrize("fault", [scripted.drops, scripted.half])
def test_a_request_whose_answer_was_lost_comes_again_with_the_same_key_and_bytes(fault: Action) -> None:
    with Scripted([fault, fault]) as server, client_of(server) as client:
        assert rewards(client) == REWARDS
    first, *others = server.seen
    assert len(others) == 2
    assert first.headers["idempotency-key"]
    for other in others:
        assert other.headers["idempotency-key"] == first.headers["idempotency-key"]
        assert other.body == first.body


@pytest.mark.full
def test_a_request_that_was_refused_comes_again_with_a_new_key_and_the_time_that_is_left() -> None:
    with Scripted([scripted.says(429, "later", Retry_After="1")]) as server, client_of(server) as client:
        assert rewards(client) == REWARDS
    first, second = server.seen
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert second.body["deadline_s"] < first.body["deadline_s"] < 30


def test_storage_that_fails_is_asked_to_keep_nothing() -> None:
    with Scripted([scripted.says(507, "full", "storage_full")]) as server, client_of(server) as client:
        assert rewards(client) == REWARDS
    assert "idempotency-key" not in server.seen[1].headers


@pytest.mark.full
@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_waited_for(date: bool) -> None:
    asked = formatdate(time.time() + 2, usegmt=True) if date else "1"
    with Scripted([scripted.says(429, "later", Retry_After=asked)]) as server, client_of(server) as client:
        began = time.monotonic()
        assert rewards(client) == REWARDS
    assert time.monotonic() - began >= 0.9


def test_a_server_that_says_to_come_after_the_deadline_is_not_waited_for() -> None:
    later = scripted.says(429, "queue_full", Retry_After="3600")
    with Scripted(usually=later) as server, client_of(server, deadline_s=300) as client:
        (graded,) = client.grade(["1"], [{"answer": "1"}])
    assert graded.reward is None
    assert graded.reason.caused_by == "infrastructure"
    assert "429: queue_full" in graded.reason.message


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "never",
    [scripted.drips, scripted.silent, scripted.stalls, scripted.drops, scripted.half, scripted.says(503)],
)
def test_what_never_answers_leaves_rows_ungraded_at_the_deadline(never: Action) -> None:
    with Scripted(usually=never) as server, client_of(server, deadline_s=0.5) as client:
        found = client.grade(SAMPLES, ITEMS)
        client.close()
    assert [graded.reward for graded in found] == [None] * 10
    assert {graded.reason.details["type"] for graded in found} <= {"deadline", "no_answer"}
    assert all(graded.reason.retryable and graded.reason.message for graded in found)


def test_where_nobody_listens_rows_are_ungraded_and_say_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with GraderClient(f"http://127.0.0.1:{port}", "math", deadline_s=0.4) as client:
        (graded,) = client.grade(["1"], [{"answer": "1"}])
    assert graded.reward is None
    assert f"no connection to 127.0.0.1:{port}" in graded.reason.message


def test_a_server_that_is_killed_and_started_again_grades_the_rest() -> None:
    with Scripted(usually=scripted.closes_after) as first, client_of(first) as client:
        assert rewards(client) == REWARDS
        first.stop()
        found: list[list[float | None]] = []
        waiting = threading.Thread(target=lambda: found.append(rewards(client)))
        waiting.start()
        time.sleep(0.3)
        with Scripted(port=first.port) as second:
            waiting.join()
            assert found == [REWARDS]
            assert len(second.seen) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_in_silence() -> None:
    with Scripted([scripted.closes_after, scripted.closes_after]) as server, client_of(server) as client:
        for _ in range(3):
            assert rewards(client) == REWARDS
            time.sleep(0.05)
    assert len(server.seen) == 3  # none was sent twice


def test_a_connection_is_kept() -> None:
    with Scripted() as server, client_of(server) as client:
        for _ in range(5):
            assert rewards(client) == REWARDS
        assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_grader"),
        (401, "invalid_api_key"),
        (403, "missing_scope"),
        (404, "not_found"),
        (409, "idempotency_key_reused"),
        (301, None),
    ],
)
def test_a_request_that_is_wrong_itself_raises_at_once(status: int, code: str | None) -> None:
    refusal = scripted.says(status, "this is wrong", code, Location="https://elsewhere.example/")
    with Scripted(usually=refusal) as server, client_of(server, batch_rows=2) as client:
        with pytest.raises(RequestRefused) as refused:
            client.grade(SAMPLES, ITEMS)
        with pytest.raises(RequestRefused):
            client.grade_one("1", {})
        with pytest.raises(RequestRefused):
            asyncio.run(client.agrade_one("1", {}))
    assert (refused.value.status, refused.value.code) == (status, code)
    copied = pickle.loads(pickle.dumps(refused.value))  # noqa: S301  # our own
    assert (str(copied), copied.status, copied.code) == (str(refused.value), status, code)


def test_one_row_that_is_too_long_takes_no_other_with_it() -> None:
    def limited(connection: socket.socket, seen: scripted.Seen) -> bool:
        long = any(len(row["sample"]) > 100 for row in seen.body["rows"])
        action = scripted.says(413, "too long", "body_too_large") if long else scripted.answers
        return action(connection, seen)

    samples = [*SAMPLES[:4], "x" * 200, *SAMPLES[5:]]
    with Scripted(usually=limited) as server, client_of(server) as client:
        found = client.grade(samples, ITEMS)
    assert [graded.reward for graded in found] == [*REWARDS[:4], None, *REWARDS[5:]]
    assert "413: too long" in found[4].reason.message


@pytest.mark.full
def test_one_row_that_breaks_the_server_takes_no_other_with_it() -> None:
    def breaking(connection: socket.socket, seen: scripted.Seen) -> bool:
        bad = any(row["sample"] == "bad" for row in seen.body["rows"])
        return (scripted.says(500, "internal") if bad else scripted.answers)(connection, seen)

    samples = [*SAMPLES[:4], "bad", *SAMPLES[5:]]
    with Scripted(usually=breaking) as server, client_of(server, deadline_s=60) as client:
        found = client.grade(samples, ITEMS)
    assert [graded.reward for graded in found] == [*REWARDS[:4], None, *REWARDS[5:]]


@pytest.mark.full
def test_a_service_that_fails_for_a_while_costs_no_reward() -> None:
    with Scripted([scripted.says(500, "internal")] * 5) as server, client_of(server) as client:
        assert client.grade_one("1", {"answer": "1"}).reward == 1.0


def test_a_group_is_not_cut_in_two() -> None:
    with Scripted(usually=scripted.says(413, "too long")) as server, client_of(server) as client:
        found = client.grade(["1"] * 4, [{"answer": "1"}] * 4, groups=["g"] * 4)
    assert [graded.reward for graded in found] == [None] * 4
    assert len(server.seen) == 1


def result(index: object, reward: object, **more: Any) -> dict[str, Any]:
    return {"index": index, "reward": reward, "failure": None, **more}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([result(2, 0.2), result(0, 0.0), result(1, 0.1)], [0.0, 0.1, 0.2]),  # in any order
        ([result(0, 0.5), result(2, 0.7)], [0.5, None, 0.7]),  # one is missing
        ([result(0, 0.5), result(0, 0.6), result(1, 1), result(2, 1)], [None, 1.0, 1.0]),  # one is there twice
        ([result(0, 0.5), result(1, 1), result(2, 1), result(3, 1), result(-1, 1)], [0.5, 1.0, 1.0]),  # strangers
        ([result(True, 0.5), result("1", 1), result(2.0, 1)], [None, None, None]),
        ([result(0, "1.0"), result(1, True), result(2, [1])], [None, None, None]),
        ([result(0, math.nan), result(1, math.inf), result(2, -math.inf)], [None, None, None]),
        ([result(0, 1e39), result(1, -3.5e38), result(2, 3.4e38)], [None, None, 3.4e38]),
        ([result(0, 10**400), result(1, 10**38), result(2, 0)], [None, 1e38, 0.0]),
        ([result(0, None), 7, None], [None, None, None]),
        ("nonsense", [None, None, None]),
        (None, [None, None, None]),
    ],
)  # fmt: skip
def test_no_result_is_lost_doubled_misplaced_or_misread(
    results: object, expected: list[float | None]
) -> None:
    body = json.dumps({"results": results}).encode()
    with Scripted(usually=scripted.sends(body)) as server, client_of(server) as client:
        found = client.grade(["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": 3}])
    assert [graded.reward for graded in found] == expected
    assert all(graded.failure for graded in found if graded.reward is None)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"reward": [0.5, None, 1], "failure": [None, {"message": "why"}, None]}, [0.5, None, 1.0]),
        ({"reward": [0.5, None, 1]}, [0.5, None, 1.0]),
        ({"reward": [0.5, 1]}, [None] * 3),
        ({"reward": [0.5, 1, 1, 1]}, [None] * 3),
        ({"reward": [0.5, 1, 1], "failure": [None, None]}, [None] * 3),
        ({"reward": {"0": 1}}, [None] * 3),
        ({"reward": ["1", math.nan, 1e39]}, [None] * 3),
        ({}, [None] * 3),
    ],
)
def test_columns_are_read_if_they_have_a_value_for_each_row(
    columns: dict[str, Any], expected: list[float | None]
) -> None:
    body = json.dumps({"object": "batch.columns", "columns": columns}).encode()
    with Scripted(usually=scripted.sends(body)) as server, client_of(server) as client:
        found = client.grade(["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": 3}])
    assert [graded.reward for graded in found] == expected
    assert all(graded.failure for graded in found if graded.reward is None)
    assert server.seen[0].path.endswith("?fields=reward,failure,sub_rewards,metrics,turn_rewards")


def test_bodies_and_answers_are_compressed_where_the_service_is_elsewhere() -> None:
    def zipped(connection: socket.socket, seen: scripted.Seen) -> bool:
        body = gzip.compress(json.dumps(scripted.batch(seen.body)).encode())
        connection.sendall(scripted.http(200, body, Content_Encoding="gzip"))
        return True

    long = [sample + " " * 1000 for sample in SAMPLES]
    with Scripted(usually=zipped) as server, client_of(server, compress=True) as client:
        assert [graded.reward for graded in client.grade(long, ITEMS)] == [0.0] * 10
    assert server.seen[0].headers["content-encoding"] == "gzip"
    assert server.seen[0].headers["accept-encoding"] == "gzip"


def test_a_compressed_answer_that_broke_off_is_no_answer() -> None:
    def cut(connection: socket.socket, seen: scripted.Seen) -> bool:
        body = gzip.compress(json.dumps(scripted.batch(seen.body)).encode())[:-6]
        connection.sendall(scripted.http(200, body, Content_Encoding="gzip"))
        return True

    with Scripted([cut]) as server, client_of(server, compress=True) as client:
        assert rewards(client) == REWARDS


def test_a_long_body_that_is_refused_unread_is_refused_and_not_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(
                    scripted.http(401, b'{"error": {"message": "no key", "code": "invalid_api_key"}}')
                )
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            GraderClient(url, "math", deadline_s=20) as client,
            pytest.raises(RequestRefused, match="no key"),
        ):
            client.grade(["x" * 5_000_000], [{}])
        thread.join()


@pytest.fixture
def forking() -> Iterator[None]:
    yield
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def test_after_a_fork_with_open_connections_both_processes_grade_on_their_own(forking: None) -> None:
    with Scripted() as server, client_of(server, concurrency=3, batch_rows=4) as client:
        assert rewards(client) == REWARDS
        before = server.connections
        pid = os.fork()
        if pid == 0:  # pragma: no cover  # in the child
            try:
                several = [rewards(client) == REWARDS for _ in range(3)]
                one = client.grade_one("1", {"answer": "1"}).reward == 1.0
                os._exit(0 if all(several) and one else 1)
            finally:
                os._exit(2)
        for _ in range(3):
            assert rewards(client) == REWARDS
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert server.connections > before


@pytest.mark.full
def test_a_fork_in_the_middle_of_calls_of_many_threads_is_not_stuck(forking: None) -> None:
    with Scripted() as server, client_of(server, gather_s=0.001) as client:
        ended = threading.Event()

        def keep_on() -> None:
            while not ended.is_set():
                client.grade_one("1", {"answer": "1"})

        threads = [threading.Thread(target=keep_on) for _ in range(8)]
        for thread in threads:
            thread.start()
        codes = []
        for _ in range(5):
            pid = os.fork()
            if pid == 0:  # pragma: no cover  # in the child
                try:
                    os._exit(0 if client.grade_one("1", {"answer": "1"}, deadline_s=20).reward == 1.0 else 1)
                finally:
                    os._exit(2)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        ended.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 5


def test_a_cancelled_call_is_not_sent_any_more() -> None:
    async def give_up(client: GraderClient) -> None:
        calls = [asyncio.ensure_future(client.agrade([str(n)], [{"answer": "1"}])) for n in range(20)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    gate = threading.Event()

    def gated(connection: socket.socket, seen: scripted.Seen) -> bool:
        gate.wait(30)
        return scripted.answers(connection, seen)

    with Scripted(usually=gated) as server, client_of(server, concurrency=1) as client:
        asyncio.run(give_up(client))
        gate.set()
        assert rewards(client) == REWARDS
        assert len(server.seen) <= 3


def test_a_service_that_reads_nothing_holds_nobody_beyond_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with GraderClient(url, "math", deadline_s=0.5, compress=False) as client:
            (graded,) = client.grade(["x" * 20_000_000], [{}])
    assert (graded.reward, graded.reason.details["type"]) == (None, "deadline")


def test_one_cancelled_call_takes_no_other_of_its_request_with_it() -> None:
    async def main(client: GraderClient) -> list[float | None]:
        calls = [asyncio.ensure_future(client.agrade_one(str(n), {"answer": str(n)})) for n in range(10)]
        await asyncio.sleep(0)
        calls[3].cancel()
        others = await asyncio.gather(*calls[:3], *calls[4:])
        assert calls[3].cancelled()
        return [graded.reward for graded in others]

    with Scripted() as server, client_of(server, gather_s=0.2) as client:
        assert asyncio.run(main(client)) == [1.0] * 9


def test_an_event_loop_that_ends_early_disturbs_nobody() -> None:
    gate = threading.Event()

    def gated(connection: socket.socket, seen: scripted.Seen) -> bool:
        gate.wait(30)
        return scripted.answers(connection, seen)

    async def leave(client: GraderClient) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(client.agrade_one("1", {"answer": "1"}), 0.05)

    with Scripted(usually=gated) as server, client_of(server) as client:
        asyncio.run(leave(client))
        gate.set()
        assert client.grade_one("1", {"answer": "1"}).reward == 1.0


def test_where_no_thread_can_be_started_the_caller_hears_of_it() -> None:
    """As in a container without memory for one more stack."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom graders_client import GraderClient\n"
        "client = GraderClient('http://127.0.0.1:1', 'math', deadline_s=20)\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 4_000_000,) * 2)\n"
        "for call in (client.grade_one, lambda *row: client.grade([row[0]], [row[1]])):\n"
        "    try: call('1', {})\n    except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "can't start new thread\n" * 2, done.stderr
