"""Connections and descriptors: who may have how many, and which one gives way."""

import asyncio
import errno
import logging
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Settings
from service.http import descriptors
from service.http.connections import LINGERING, ClosingRank, Connections, network_of
from service.telemetry.rate_limited_log import RateLimitedLog
from tests.service.commands import PROGRAM
from tests.service.serving import PATIENCE_S


class Held:
    """A connection that is open until it gives way."""

    def __init__(self, address: str = "192.0.2.1", *, sending: bool = False) -> None:
        self.address, self.sending, self.is_open = address, sending, True

    def give_way(self) -> bool:
        if self.sending:
            return False
        self.is_open = False
        return True


def enter(connections: Connections, *new: Held) -> list[int]:
    """The statuses of what is refused."""
    refused = [connections.enter(each, each.address) for each in new]
    return [refusal.status for refusal in refused if refusal is not None]


def test_the_one_that_has_waited_longest_gives_way_and_those_that_never_asked_first() -> None:
    connections = Connections(4, 4)
    served, first, second, busy = (Held() for _ in range(4))
    assert enter(connections, served, first, second, busy) == []
    for each in (served, busy):
        connections.work(each)
    connections.wait(served, ClosingRank.KEPT)
    assert enter(connections, Held()) == []
    assert [each.is_open for each in (served, first, second, busy)] == [True, False, True, True]
    third = Held()
    assert enter(connections, third) == []
    connections.work(third)
    assert not second.is_open
    last = Held()
    assert enter(connections, last) == []
    assert (served.is_open, busy.is_open) == (True, True)
    connections.wait(busy, ClosingRank.BODY)
    connections.work(last)
    # one that was kept gives way before one whose body is on its way
    assert enter(connections, Held()) == []
    assert (served.is_open, busy.is_open) == (False, True)


def test_what_works_or_still_sends_does_not_give_way() -> None:
    connections = Connections(2, 2)
    busy, sending = Held(), Held(sending=True)
    enter(connections, busy, sending)
    connections.work(busy)
    assert enter(connections, Held()) == [429]
    assert enter(connections, Held("192.0.2.2")) == [503]
    connections.leave(sending)
    assert enter(connections, Held()) == []


def test_one_address_takes_no_more_than_its_share() -> None:
    connections = Connections(10, 3)
    many = [Held() for _ in range(9)]
    others = [Held(f"192.0.2.{number}") for number in range(2, 9)]
    assert enter(connections, *many[:3], *others, *many[3:]) == []
    assert sum(each.is_open for each in many) == 3
    assert all(each.is_open for each in others)
    assert len(connections) == 10


def test_without_an_address_only_the_limit_of_all_counts() -> None:
    connections = Connections(10, 1)
    assert enter(connections, *(Held("") for _ in range(10))) == []
    assert len(connections) == 10


def test_some_that_are_refused_may_stay_for_a_moment() -> None:
    connections = Connections(1, 1)
    held = [Held() for _ in range(LINGERING + 1)]
    assert [connections.linger(each) for each in held] == [True] * LINGERING + [False]
    connections.leave(held[0])
    assert connections.linger(held[-1])


STEPS = st.tuples(
    st.sampled_from(["enter", "work", "wait", "leave"]), st.integers(0, 12), st.sampled_from(ClosingRank)
)


@given(st.lists(STEPS, max_size=60))
def test_no_sequence_of_events_breaks_the_limits(steps: list[tuple[str, int, ClosingRank]]) -> None:
    connections = Connections(5, 3)
    held = {number: Held(f"192.0.2.{number % 3}") for number in range(13)}
    inside: set[int] = set()
    for step, number, rank in steps:
        each = held[number]
        if step == "enter" and number not in inside:
            held[number] = each = Held(each.address)
            if not enter(connections, each):
                inside.add(number)
        elif step == "work":
            connections.work(each)
        elif step == "wait":
            connections.wait(each, rank)
        elif step == "leave":
            connections.leave(each)
            inside.discard(number)
        inside = {number for number in inside if held[number].is_open}
        assert len(connections) == len(inside) <= 5
        for address in range(3):
            assert sum(number % 3 == address for number in inside) <= 3


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


# descriptors


@pytest.mark.parametrize(
    ("allowed", "expected"), [(1_024, 672), (20_000, 15_000), (1 << 20, 16_384), (64, 16)]
)
def test_connections_leave_descriptors_for_the_sandbox_and_the_store(allowed: int, expected: int) -> None:
    settings = Settings(sandbox_processes=4, plugin_workers=2)
    assert descriptors.connections(settings, allowed) == expected
    taken = descriptors.connections(settings, allowed) + descriptors.backlog(settings, allowed) + LINGERING
    assert taken < allowed or allowed == 64


def test_few_descriptors_and_too_many_connections_are_said() -> None:
    assert descriptors.warnings(Settings(), 20_000) == []
    (few,) = descriptors.warnings(Settings(), 1_024)
    assert few.startswith("only 1,024 file descriptors are allowed")
    (many,) = descriptors.warnings(Settings(connections=20_000), 20_000)
    assert "the setting connections is 20,000, but 20,000 file descriptors leave 15,000" in many


async def test_that_nothing_can_be_accepted_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    others: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: others.append(context))
    try:
        with descriptors.accept_errors_logged_once_a_minute():
            for _ in range(2_000):
                error = OSError(errno.EMFILE, "Too many open files")
                loop.call_exception_handler({"message": descriptors.OUT_OF_RESOURCES, "exception": error})
            loop.call_exception_handler({"message": "another"})
    finally:
        loop.set_exception_handler(before)
    assert [context["message"] for context in others] == ["another"]
    (line,) = caplog.messages
    assert line == "connections cannot be accepted: [Errno 24] Too many open files"


async def test_asyncio_still_says_it_in_these_words(caplog: pytest.LogCaptureFixture) -> None:
    # a real lack of descriptors: the message is asyncio's own
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with descriptors.accept_errors_logged_once_a_minute():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            client = asyncio.open_connection(*server.sockets[0].getsockname())
            # one more is for the client's socket; the accepted one finds none
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
            try:
                _, writer = await client
                while not caplog.messages:  # noqa: ASYNC110  # a log has no event
                    await asyncio.sleep(0.01)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            writer.close()
    assert caplog.messages == ["connections cannot be accepted: [Errno 24] Too many open files"]


def test_a_kind_of_warning_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    limited = RateLimitedLog(logging.getLogger("service.test"), lambda: now[0])
    for second in range(121):
        now[0] = float(second)
        limited.warning("a", "first")
        if second == 30:
            limited.warning("b", "other")
    assert caplog.messages == [
        "first",
        "other",
        "first (59 more since the last such line)",
        "first (59 more since the last such line)",
    ]


@pytest.mark.full
def test_the_service_raises_its_limit_and_says_that_it_is_low(tmp_path: Path) -> None:
    script = f"ulimit -Sn 300; ulimit -Hn 900; exec {PROGRAM} serve --port 0"
    variables = {"GRADERS_DATABASE": str(tmp_path / "s.sqlite"), "GRADERS_FILES_DIR": str(tmp_path / "files")}
    process = subprocess.Popen(
        ["/bin/bash", "-c", script], env={**os.environ, **variables}, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if "running on" in line:
                break
        (low,) = [line for line in said if "file descriptors are allowed" in line]
        assert "only 900" in low
        limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
        (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert line.split()[3:5] == ["900", "900"]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
