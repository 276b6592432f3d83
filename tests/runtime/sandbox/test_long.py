"""Every grading has its answer on a busy machine, however many there are: a wait that loses one costs 120 s and the row."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from runtime import Evaluator, Settings
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

GRADINGS = int(os.environ.get("GRADERS_TEST_LONG_GRADINGS", "50000"))
"""Of one share; ten shares are 500,000."""
BESIDE = int(os.environ.get("GRADERS_TEST_LONG_LOOPS", "8"))
CHUNK = 500
WORK_SECONDS = 0.002
SOURCE = f"""
import time

def grade(sample, item):
    end = time.process_time() + {WORK_SECONDS}
    while time.process_time() < end:
        pass
    return item["n"] % 64 / 64
"""


@pytest.fixture
def busy_loops() -> Iterator[None]:
    """Loops without end beside: they are ended by their process ids."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BESIDE)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.slow
@pytest.mark.parametrize("share", range(10))
async def test_every_grading_has_its_answer_beside_busy_loops(
    share: int, busy_loops: None, record_property: Callable[[str, object], None]
) -> None:
    settings = Settings(python_memory_mb=512, python_disk_mb=16)
    waits: list[float] = []
    longest = 0.0
    async with Evaluator(settings=settings) as evaluator:
        sandbox = evaluator.sandbox

        async def one(n: int) -> None:
            began = time.monotonic()
            (answer,) = await sandbox.grade(SOURCE, [(f"{share}", {"n": n})], isolation="grading")
            waits.append(time.monotonic() - began)
            assert answer == n % 64 / 64, answer

        for start in range(0, GRADINGS, CHUNK):
            began, before = time.monotonic(), len(waits)
            await asyncio.gather(*(one(n) for n in range(start, start + CHUNK)))
            # those that wait for their turn wait as long as all before them take: no wait is longer than its chunk, and the
            # last of a chunk is done soon after the one before it
            chunk = sorted(waits[before:])
            gap = max(later - earlier for earlier, later in itertools.pairwise(chunk))
            assert gap < settings.python_timeout_s, (start, gap, time.monotonic() - began)
            longest = max(longest, gap)
    record_property("longest_wait_s", max(waits))
    record_property("longest_gap_s", longest)
    sys.stderr.write(
        f"share {share}: {len(waits)} gradings, {CHUNK} at once beside {BESIDE} loops: longest wait {max(waits):.2f} s, "
        f"longest time without an answer {longest:.2f} s\n"
    )
