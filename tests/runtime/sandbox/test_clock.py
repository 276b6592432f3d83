"""A process is charged for the time that it had: not for what the machine, or a late supervisor, took from it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from graders import GradingError
from runtime import Settings
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.clock import (
    CEILING,
    GRACE_SECONDS,
    MEASURED_SECONDS,
    Lateness,
    OutOfTime,
    ProcessClock,
    processor_time,
)
from tests.runtime.sandbox.isolation import ISOLATES


async def never() -> None:
    await asyncio.get_running_loop().create_future()


def started(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


@pytest.fixture
def idle() -> Iterator[int]:
    """A process that sleeps."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
async def clock() -> ProcessClock:
    return ProcessClock(Lateness())


async def test_what_the_supervisor_was_late_is_not_charged(clock: ProcessClock, idle: int) -> None:
    clock.begin(idle)

    async def stall() -> str:
        time.sleep(3)  # noqa: ASYNC251  # the event loop of a supervisor that is busy
        return "answer"

    stalling = asyncio.create_task(stall())
    assert await clock.within(30, lambda: asyncio.shield(stalling)) == "answer"
    assert clock.charged < 2.5


@pytest.mark.full
async def test_an_answer_that_came_before_the_late_timer_was_noticed_is_in_time(clock: ProcessClock) -> None:
    clock.begin(0)
    came = asyncio.Event()

    async def answer() -> str:
        await came.wait()
        return "answer"

    async def stall() -> None:
        await asyncio.sleep(0.05)
        came.set()
        time.sleep(1.5)  # noqa: ASYNC251

    stalling = asyncio.create_task(stall())
    assert await clock.within(0.3, answer) == "answer"
    await stalling


async def test_one_that_sleeps_has_its_time(clock: ProcessClock, idle: int) -> None:
    clock.begin(idle)
    with pytest.raises(OutOfTime) as end:
        await clock.within(0.3, never)
    assert end.value.is_certain


@pytest.mark.full
async def test_before_a_process_is_ready_nothing_is_charged_and_nothing_is_certain(
    clock: ProcessClock,
) -> None:
    with pytest.raises(OutOfTime) as end:
        await clock.within(0.05, never)
    assert not end.value.is_certain
    assert clock.charged == 0.0


@pytest.mark.full
async def test_waits_for_a_processor_are_not_charged(clock: ProcessClock) -> None:
    """Six processes of one scheduling group share one processor: each gets a sixth."""
    processor = min(os.sched_getaffinity(0))
    code = f"import os\nos.sched_setaffinity(0, [{processor}])\nprint(flush=True)\nwhile True: pass"
    spinning = [started(code) for _ in range(6)]
    try:
        for process in spinning:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
        pid = spinning[0].pid
        clock.begin(pid)
        # what was before is not its to pay, nor to be credited for
        with pytest.raises(OutOfTime) as end:
            await clock.within(0.5, never)
        if end.value.is_certain:
            assert processor_time(pid) >= 0.3
        assert clock.charged < 0.5 * CEILING + GRACE_SECONDS
    finally:
        for process in spinning:
            process.kill()
            process.communicate()


@pytest.mark.full
async def test_many_short_waits_for_a_processor_are_not_charged_either(clock: ProcessClock) -> None:
    """Three processes share a processor; one of them is asked again and again, and answers sooner than anything is measured."""
    processor = min(os.sched_getaffinity(0))
    pinned = f"import os, sys, time\nos.sched_setaffinity(0, [{processor}])\n"
    spinning = [started(f"{pinned}print(flush=True)\nwhile True: pass") for _ in range(2)]
    work = "    end = time.process_time() + 0.004\n    while time.process_time() < end: pass\n"
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{pinned}for line in sys.stdin:\n{work}    print(flush=True)\n"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert asked.stdin is not None
    assert asked.stdout is not None
    loop = asyncio.get_running_loop()
    try:
        for process in spinning:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
        clock.begin(asked.pid)
        waited = 0.0
        for _ in range(200):
            asked.stdin.write(b"\n")
            began = loop.time()
            assert await clock.within(60, asked.stdout.readline) == b"\n"
            waited += loop.time() - began
        assert clock.charged <= processor_time(asked.pid) + 2 * MEASURED_SECONDS < waited
    finally:
        for process in spinning:
            process.kill()
            process.communicate()
        asked.kill()
        await asked.communicate()


async def test_threads_that_wait_for_each_other_earn_nothing(clock: ProcessClock) -> None:
    code = (
        "import threading\nprint(flush=True)\n"
        "def spin():\n    while True: sum(range(1000))\n"
        "for _ in range(40): threading.Thread(target=spin).start()"
    )
    with started(code) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        clock.begin(process.pid)
        with pytest.raises(OutOfTime):
            await clock.within(0.5, never)
        used = processor_time(process.pid)
        assert clock.charged >= min(used, 0.5) - 0.1
        process.kill()


async def test_a_process_that_has_ended_is_known_to_have(clock: ProcessClock) -> None:
    process = started("import time; time.sleep(600)")
    assert not clock.has_exited()  # nothing is known about it yet
    clock.begin(process.pid)
    assert not clock.has_exited()
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert clock.has_exited()  # it is a zombie for now
    process.communicate()
    assert clock.has_exited()


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[LocalSandbox]:
    box = LocalSandbox(Settings(python_memory_mb=512, python_disk_mb=16, sandbox_processes=2))
    yield box
    await box.aclose()


@pytest.mark.full
@ISOLATES
async def test_the_stall_of_a_supervisor_fails_nobodys_answer(sandbox: LocalSandbox) -> None:
    """The answer comes after 0.3 s, of 1; the supervisor looks again after 4."""
    source = "import time\ndef grade(sample, item):\n    time.sleep(0.3)\n    return 0.5\n"
    assert await sandbox.grade(source, [("", 0)]) == [0.5]
    grading = asyncio.create_task(sandbox.grade(source, [("", 1)], timeout_s=1.0))
    await asyncio.sleep(0.1)
    time.sleep(4)  # noqa: ASYNC251
    assert await grading == [0.5]


@pytest.mark.full
@ISOLATES
async def test_seconds_of_a_process_leave_the_supervisors_stall_out(sandbox: LocalSandbox) -> None:
    async with sandbox.process("subject") as process:
        code = "import time\ndef f(x):\n    time.sleep(0.2)\n    return x\n"
        assert await process.ask({"load": code}, timeout_s=20) == {"ok": True}
        message = {"number": 1, "call": "f", "args": [1], "kwargs": {}, "in_place": False}
        asking = asyncio.create_task(process.ask(message, timeout_s=20))
        await asyncio.sleep(0.05)
        time.sleep(3)  # noqa: ASYNC251
        assert await asking == {"number": 1, "value": 1}
        assert process.seconds < 2.5


@ISOLATES
async def test_a_loop_without_end_is_out_of_time(sandbox: LocalSandbox) -> None:
    (answer,) = await sandbox.grade(
        "def grade(sample, item):\n    while True:\n        pass\n", [("", {})], timeout_s=0.3
    )
    assert isinstance(answer, GradingError)
    # on a machine that gives it less than a tenth of a processor nobody knows
    assert answer.failure.details["type"] in ("timeout", "machine_busy")
    assert (answer.failure.caused_by == "grader") == (answer.failure.details["type"] == "timeout")
