"""One sample's threads take neither the time nor the threads of another."""

import asyncio

import pytest

from runtime import Settings
from runtime.sandbox.inside.layers.limits import THREADS
from runtime.sandbox.local_sandbox import LocalSandbox
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

SPIN_IN_300 = """
import threading, time

def spin():
    while True:
        sum(range(10_000))

def grade(sample, item):
    started = 0
    try:
        for started in range(300):
            threading.Thread(target=spin, daemon=True).start()
    except RuntimeError:
        pass
    time.sleep(item["seconds"])
    return started
"""
VICTIM = """
import time

def grade(sample, item):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    return 0.5 + item["n"] / 1000
"""
HOLD_THREADS = """
import threading, time

def grade(sample, item):
    threading.stack_size(64 << 10)
    end, held = threading.Event(), 0
    try:
        while held < item["n"]:
            threading.Thread(target=end.wait, daemon=True).start()
            held += 1
    except RuntimeError:
        pass
    time.sleep(item["seconds"])
    return held
"""


@pytest.fixture
def small() -> Settings:
    return Settings(python_memory_mb=2048, python_disk_mb=16, sandbox_processes=4)


@pytest.mark.full
async def test_300_threads_of_one_sample_cost_no_other_its_answer(small: Settings) -> None:
    """The victims need 0.3 s of a processor and have 3 s; of equal shares with 300 threads they would need 45 s."""
    sandbox = LocalSandbox(small)
    try:
        beside = asyncio.create_task(sandbox.grade(SPIN_IN_300, [("", {"seconds": 3})]))
        await asyncio.sleep(0.5)
        for n in range(2):
            assert await sandbox.grade(VICTIM, [("", {"n": n})], timeout_s=3.0) == [0.5 + n / 1000]
        await beside
    finally:
        await sandbox.aclose()


@pytest.mark.full
async def test_a_sample_may_have_so_many_threads_and_leaves_others_theirs(small: Settings) -> None:
    sandbox = LocalSandbox(small)
    try:
        rows = [("", {"n": 500, "seconds": 2, "row": n}) for n in range(2)]
        greedy = asyncio.create_task(sandbox.grade(HOLD_THREADS, rows))
        await asyncio.sleep(0.5)
        assert await sandbox.grade(HOLD_THREADS, [("", {"n": 40, "seconds": 0})]) == [40]
        assert await greedy == [THREADS - 1] * 2
    finally:
        await sandbox.aclose()
