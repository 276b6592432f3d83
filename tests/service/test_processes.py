"""Two processes of one service share what must be one: limits, kept answers, figures, statistics, and the way to their end.

The tests share the service, and the last one ends it.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from runtime import Settings
from service.cli.serve import WORKER_PATIENCE_S
from tests.judge_server import JudgeServer, delayed, verdict
from tests.processes import children
from tests.service.serving import CHECK, PATIENCE_S, RUN, Served, serving
from tests.service.test_grader_statistics import EQUAL, GRADE, NAMES
from tests.service.test_idempotency import EVAL
from tests.service.test_judges import ITEM, KINDS
from tests.service.test_metrics import number
from tests.service.test_shutdown import expect_graceful_end

RATE, CAP = 20.0, 6
"""What the judge may be asked: requests a second, and at once."""


@dataclass
class Two:
    """A service of two processes.

    Attributes:
        served: The service, without keys.
        judge: What it asks.
        temporary: Its temporary directory.
        settings: Where it keeps everything.
    """

    served: Served
    judge: JudgeServer
    temporary: Path
    settings: Settings

    def send(self, method: str, address: str, body: object = None, **headers: str) -> httpx2.Response:
        """Ask on a connection of its own, so that any process may answer; again where none listens yet."""
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=5), timeout=PATIENCE_S) as http:
            return http.request(method, f"{self.served.url}{address}", json=body, headers=headers)

    def at_once(self, count: int, ask: Callable[[int], httpx2.Response]) -> list[httpx2.Response]:
        """The answers to so many requests that are sent at once."""
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(ask, range(count)))


@pytest.fixture(scope="module")
def two(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    home = tmp_path_factory.mktemp("two")
    temporary = home / "temporary"
    temporary.mkdir()
    own = quick.model_copy(update={"database": str(home / "service.sqlite"), "files_dir": home / "files"})
    with JudgeServer([delayed(verdict(0.5), 0.25)]) as judge:
        limits = {"base_url": judge.url, "concurrency": CAP, "requests_per_minute": RATE * 60}
        variables = {
            "TMPDIR": str(temporary),
            "GRADERS_DATABASE": own.database,
            "GRADERS_FILES_DIR": str(own.files_dir),
            "GRADERS_JUDGES": json.dumps({"*": limits}),
            "GRADERS_JUDGE_STORE": str(home / "judges.sqlite"),
            "GRADERS_JUDGE_CACHE_MB": "0",
            "GRADERS_LOG_FORMAT": "json",
        }
        with serving(variables, "--workers", "2") as served:
            yield Two(served, judge, temporary, own)


@pytest.mark.full
def test_an_eval_is_created_once_by_all_processes(two: Two) -> None:
    key = {"idempotency-key": "one-eval"}
    replies = two.at_once(12, lambda _: two.send("POST", "/v1/evals", EVAL, **key))
    assert {reply.status_code for reply in replies} == {201}
    listed = two.send("GET", "/v1/evals").json()["data"]
    assert {reply.json()["id"] for reply in replies} == {listed[0]["id"]}
    assert len(listed) == 1


@pytest.mark.full
def test_the_processes_of_a_service_share_one_rate_and_one_cap(two: Two) -> None:
    def grade(sample: int) -> httpx2.Response:
        body = {"grader": KINDS["score_model"], "model_sample": f"sample {sample}", "item": ITEM}
        return two.send("POST", RUN, body, connection="close")

    assert [reply.json()["reward"] for reply in two.at_once(60, grade)] == [0.5] * 60
    arrived = sorted(request.arrived for request in two.judge.requests)
    # which of the two has asked is seen by its connections, of which each has no more than its share of the cap
    assert two.judge.most_in_flight <= CAP
    assert len(arrived) == 60
    # a busy machine makes it slower, and nothing makes it faster: two that did not share would take half of it
    assert arrived[-1] - arrived[0] >= 59 / RATE - 0.2


@pytest.mark.full
def test_the_sums_of_all_processes_add_up(two: Two) -> None:
    assert two.send("PUT", f"{NAMES}/n", {"grader": EQUAL}).status_code == 201
    for _ in range(24):
        reply = two.send("POST", GRADE, {"name": "n", "sample": "4", "item": {"answer": "4"}})
        assert reply.json()["reward"] == 1.0
    deadline = time.monotonic() + PATIENCE_S
    while gradings(two.send("GET", f"{NAMES}/n/stats")) < 24:
        assert time.monotonic() < deadline, "a process keeps what it counted to itself"
        time.sleep(0.05)


def gradings(stats: httpx2.Response) -> int:
    found: int = stats.json()["splits"]["train"]["gradings"]
    return found


def test_processes_of_one_service_log_alike(two: Two) -> None:
    asked = {"x-request-id": "mine-1"}
    assert [
        reply.status_code for reply in two.at_once(10, lambda _: two.send("GET", "/readyz", **asked))
    ] == [200] * 10
    deadline = time.monotonic() + PATIENCE_S
    while sum(said.get("x_request_id") == "mine-1" for said in map(json.loads, two.served.lines[:])) < 10:
        assert time.monotonic() < deadline, two.served.lines
        time.sleep(0.05)


@pytest.mark.full
def test_processes_of_one_service_count_together_and_lose_nothing_when_one_is_killed(two: Two) -> None:
    def ask(sample: str) -> float:
        reply = two.send("POST", RUN, {"grader": {**CHECK, "name": "counted"}, "model_sample": sample})
        return float(reply.json()["reward"])

    def total(text: str, name: str) -> float:
        return number(text, name, grader="counted")

    assert sum(ask("ab"[n % 2]) for n in range(40)) == 20
    seen = [0.0]
    deadline = time.monotonic() + PATIENCE_S
    while seen[-20:] != [40.0] * 20:  # each process brings its figures to the others every second
        assert time.monotonic() < deadline, seen[-20:]
        seen.append(total(two.send("GET", "/metrics").text, "graders_gradings_total"))
    assert max(seen) == 40.0
    (directory,) = two.temporary.glob("graders-metrics-*")
    counting = {int(file.stem.rpartition("_")[2]) for file in directory.glob("counter_*.db")}
    workers = counting & children(two.served.process.pid)
    assert len(workers) == 2
    killed = min(workers)
    os.kill(killed, signal.SIGKILL)
    text = ""
    # killed while its parent waited for its answer, it is a zombie until the parent waits no more
    deadline = time.monotonic() + WORKER_PATIENCE_S + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.TransportError):
            text = two.send("GET", "/metrics").text
        if not (directory / f"gauge_livesum_{killed}.db").exists():
            break
        time.sleep(0.05)
    assert total(text, "graders_gradings_total") == 40
    assert total(text, "graders_rewards_sum") == 20
    assert number(text, "graders_queue_depth") == 0
    assert not (directory / f"gauge_livesum_{killed}.db").exists()


@pytest.mark.full
def test_on_sigterm_running_requests_finish_and_nothing_that_was_counted_is_lost(
    two: Two, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    before = 0
    if two.send("PUT", f"{NAMES}/n", {"grader": EQUAL}).status_code == 200:
        before = gradings(two.send("GET", f"{NAMES}/n/stats"))
    # what was not added yet is added at the end
    reply = two.send("POST", GRADE, {"name": "n", "sample": "4", "item": {}})
    assert reply.json()["reward"] is None
    expect_graceful_end(two.served)
    assert not list(two.temporary.glob("graders-metrics-*"))
    with serve(two.settings) as url:
        assert gradings(httpx2.get(f"{url}{NAMES}/n/stats")) == before + 1
    said = [json.loads(line)["message"] for line in two.served.lines]
    assert sum("no API keys" in message for message in said) == 1
    assert "there are no API keys: every client that reaches 127.0.0.1 may do everything" in said
