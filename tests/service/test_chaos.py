"""Under load, whatever is killed costs at most the gradings that it was at: no wrong reward, no orphan, no hanging request."""

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx2
import pytest

from tests.processes import descendants
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.serving import PATIENCE_S, Served

pytestmark = ISOLATES

RUN = "/v1/fine_tuning/alpha/graders/run"
SOURCE = "def grade(sample, item):\n    return item['n'] / 8 + len(sample['output_text'])\n"
CLIENTS = 8
SETTINGS = {
    "GRADERS_SANDBOX_PROCESSES": "2",
    "GRADERS_PYTHON_MEMORY_MB": "256",
    "GRADERS_PYTHON_TIMEOUT_S": "5",
}


class Service:
    """`graders serve` in a process of its own, that can be killed and started again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen: dict[int, str] = {}
        self.log: list[str] = []

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.served = Served(SETTINGS, port=self.port)
        self.served.wait()
        assert httpx2.get(f"{self.url}/readyz", timeout=PATIENCE_S).status_code == 200

    def children(self) -> set[int]:
        """Every process that it has started and that lives; all are remembered."""
        found = descendants(self.served.process.pid)
        for pid in found:
            self.seen.setdefault(pid, _started(pid))
        return found

    def kill(self) -> None:
        """Kill it; what it had started must end with it."""
        self.children()
        self.end()
        self.expect_nothing_left()

    def stop(self) -> None:
        """Ask it to end."""
        self.children()
        self.served.end()
        self.expect_nothing_left()

    def end(self) -> None:
        """Kill it, whatever becomes of what it had started."""
        self.served.process.kill()
        self.served.end()
        self.log += self.served.lines

    def expect_nothing_left(self) -> None:
        """See that no process that it ever had is still there."""
        until = time.monotonic() + PATIENCE_S
        while left := [pid for pid, started in self.seen.items() if started and _started(pid) == started]:
            assert time.monotonic() < until, f"{left} outlived the service"
            time.sleep(0.05)


def _started(pid: int) -> str:
    """When a process was started; empty if it does not exist, or only its status is left."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


class Load:
    """Clients that ask for rewards which they can foresee.

    Attributes:
        outcomes: How many requests had which outcome.
        wrong: Answers that must not be.
    """

    def __init__(self, url: str) -> None:
        self.url, self.outcomes = url, Counter[str]()
        self.wrong: list[str] = []
        self.until_stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=[seed]) for seed in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.until_stopped.set()
        for thread in self._threads:
            thread.join()

    def wait(self, graded: int) -> None:
        """Until so many requests were graded, if anything is."""
        until = time.monotonic() + PATIENCE_S
        while self.outcomes["graded"] < graded and time.monotonic() < until:
            time.sleep(0.05)

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  # a number, no secret
        with httpx2.Client(base_url=self.url, timeout=PATIENCE_S) as client:
            while not self.until_stopped.is_set():
                n = chance.randrange(1, 10_000)
                body = {
                    "grader": {"type": "python", "source": SOURCE},
                    "model_sample": "xyz",
                    "item": {"n": n},
                }
                try:
                    reply = client.post(RUN, json=body)
                except httpx2.TimeoutException:
                    self.wrong.append(f"no answer within {PATIENCE_S:g} s")
                except httpx2.TransportError:
                    self.outcomes["refused"] += 1
                    time.sleep(0.05)
                else:
                    self._look(reply, n)

    def _look(self, reply: httpx2.Response, n: int) -> None:
        told = reply.json() if reply.status_code == 200 else {}
        if told.get("reward") == n / 8 + 3:
            self.outcomes["graded"] += 1
        elif told.get("reward") == 0.0 and told["metadata"]["errors"]["python_grader_server_error"]:
            self.outcomes["ungraded"] += 1
        else:
            flags = {key: value for key, value in told.get("metadata", {}).get("errors", {}).items() if value}
            self.wrong.append(f"{reply.status_code} {told.get('reward')} {flags or reply.text[:500]}")


@contextmanager
def running() -> Iterator[Service]:
    service = Service()
    service.start()
    try:
        yield service
    finally:
        service.end()


@pytest.mark.full
@pytest.mark.parametrize(
    ("kills", "service_at"), [(12, 6), pytest.param(250, 20, marks=pytest.mark.slow, id="250")]
)
def test_killing_anything_at_random_costs_no_wrong_reward_and_leaves_no_orphan(
    kills: int, service_at: int
) -> None:
    chance = random.Random(kills)  # noqa: S311  # a choice, no secret
    killed = Counter[str]()
    with running() as service:
        until = time.monotonic() + kills + PATIENCE_S
        with Load(service.url) as load:
            while killed.total() < kills:
                assert time.monotonic() < until, "there is nothing to kill"
                time.sleep(chance.uniform(0.02, 0.2))
                if killed.total() % 40 == service_at:
                    service.kill()
                    service.start()
                    killed["service"] += 1
                    continue
                children = service.children()
                parents = {pid for pid in children if descendants(pid)}
                what, pids = chance.choice([("parent", parents), ("child", children - parents)])
                with suppress(ProcessLookupError, IndexError):
                    os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
                    killed[what] += 1
            load.wait(kills + 1)
        assert not load.wrong, "\n".join([*load.wrong, *service.log[-50:]])
        with Load(service.url) as after:
            after.wait(2 * CLIENTS)
        assert after.wrong == []
        assert set(after.outcomes) == {"graded"}
        service.stop()
    assert load.outcomes["graded"] > kills
    assert min(killed["parent"], killed["child"], killed["service"]) > 0
