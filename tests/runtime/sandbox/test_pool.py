"""Zygotes are there before they are wanted, are shared out, and go when nobody asks for them any more."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from runtime import Settings
from runtime.sandbox.layers import Level
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.zygote import ZygoteSpec
from runtime.sandbox.processes.zygote_pool import KEPT_SHAPES, ZygotePool
from tests.processes import descendants, remaining
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

SHAPE = ZygoteSpec(sys.executable, layers=Level.CONTAINER.layers, memory_mb=256, disk_mb=16)


@pytest.fixture
async def pool() -> AsyncIterator[ZygotePool]:
    found = ZygotePool(processes=2, output_bytes=1 << 20, idle_seconds=0.5)
    yield found
    await found.aclose()


def processes() -> int:
    return len(descendants(os.getpid()))


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""
    for _ in range(400):
        if is_so():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it did not come; there are {processes()} processes")


async def test_zygotes_that_nobody_asks_for_go_and_the_last_one_stays(pool: ZygotePool) -> None:
    other = ZygoteSpec(SHAPE.python, layers=SHAPE.layers, memory_mb=300, disk_mb=16)
    sessions = [await pool.session(shape) for shape in (other, SHAPE, SHAPE, SHAPE)]
    await until(lambda: processes() >= 6)
    for session in sessions:
        session.release()
    await until(lambda: processes() <= 3)  # one zygote, and the processes that it has ready
    again = await pool.session(SHAPE)
    assert not again.ended.done()
    again.release()


@pytest.mark.full
async def test_zygotes_in_use_stay(pool: ZygotePool) -> None:
    session = await pool.session(SHAPE)
    await asyncio.sleep(1.5)
    assert not session.ended.done()
    session.release()


@pytest.mark.full
async def test_there_are_never_zygotes_of_too_many_shapes(pool: ZygotePool) -> None:
    for extra in range(KEPT_SHAPES + 3):
        shape = ZygoteSpec(SHAPE.python, layers=SHAPE.layers, memory_mb=256 + extra, disk_mb=16)
        (await pool.session(shape)).release()
        await asyncio.sleep(0.01)
    assert len(pool._zygote_groups) <= KEPT_SHAPES


async def test_a_zygote_is_ready_before_the_first_grading() -> None:
    sandbox = LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16))
    await sandbox.warm()
    try:
        assert processes() >= 2
    finally:
        await sandbox.aclose()
    assert processes() == 0


async def test_where_there_is_no_sandbox_warming_says_so_and_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox = LocalSandbox(Settings(), highest=Level.WEAK)
    await sandbox.warm()
    await sandbox.aclose()
    assert "code of others will not be run" in caplog.text


@pytest.mark.full
async def test_zygotes_go_with_the_one_who_started_them() -> None:
    code = (
        "import asyncio\n"
        "from runtime import Settings\n"
        "from runtime.sandbox.local_sandbox import LocalSandbox\n"
        "async def main():\n"
        "    await LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16)).warm()\n"
        "    print(flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert started.stdout is not None
    await started.stdout.readline()
    left = descendants(started.pid)
    assert len(left) >= 2
    started.kill()
    await started.communicate()
    assert not remaining(left)
