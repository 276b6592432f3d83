"""A sandbox that is closed leaves nothing, and says that it is closed."""

import asyncio
import os

import pytest

from runtime import Settings
from runtime.sandbox.local_sandbox import LocalSandbox
from tests.processes import descendants
from tests.runtime.sandbox.isolation import ISOLATES, descriptors, mounts
from tests.runtime.sandbox.test_local_sandbox import EVERY, failed, graded

pytestmark = ISOLATES
SMALL = Settings(
    python_memory_mb=512, python_disk_mb=16, sandbox_output_mb=1, python_timeout_s=20, sandbox_processes=2
)


async def test_nothing_is_left_when_it_is_closed() -> None:
    before = descriptors(), mounts(), descendants(os.getpid())
    box = LocalSandbox(SMALL)
    await asyncio.gather(*(graded(box, "return 1", isolation=isolation) for isolation in EVERY))
    await failed(box, "while True: pass", timeout_s=1)
    async with box.process("subject") as process:
        await process.ask({"load": "x = 1"}, timeout_s=10)
    assert descendants(os.getpid()) != before[2]
    await box.aclose()
    assert (descriptors(), mounts(), descendants(os.getpid())) == before


async def test_a_closed_sandbox_says_so() -> None:
    box = LocalSandbox(SMALL)
    await box.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await graded(box, "return 1")
