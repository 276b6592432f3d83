"""What the sandbox keeps of sources is bounded in bytes, however many strangers send and however they are graded."""

import asyncio
import gc
import sys

import pytest

from graders.context import Isolation
from runtime.sandbox.layers import Level
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.session import Session
from runtime.sandbox.processes.zygote import ZygoteSpec
from runtime.sandbox.programs import Program, Programs
from runtime.settings.settings import CACHE_SHARES, Settings
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES

CONSTANTS = 60
"""Of 4 KB each, which the compiler makes of a few characters."""


def source(number: int) -> str:
    constants = "".join(f"    b'{number:04}{constant:04}' * 512,\n" for constant in range(CONSTANTS))
    return (
        f"KEPT = [\n{constants}]\n\ndef grade(sample, item):\n    return len(KEPT) / 64 + item['n'] / 1024\n"
    )


def programs() -> list[Program]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Program)]


async def test_programs_are_kept_up_to_a_total_size_and_nothing_else_keeps_them() -> None:
    before = len(programs())
    settings = Settings(cache_mb=4, python_memory_mb=256, python_disk_mb=16, sandbox_processes=2)
    box = LocalSandbox(settings)
    rows = [("", {"n": n}) for n in range(2)]
    units: list[Isolation] = ["grading", "batch", "worker"]
    try:
        for number in range(18):
            answers = await box.grade(source(number), rows, isolation=units[number % 3])
            assert answers == [CONSTANTS / 64, CONSTANTS / 64 + 1 / 1024]
        sizes = [program.size for program in programs()[before:]]
        assert min(sizes) > CONSTANTS * 4096
        most = settings.cache_bytes("programs") + settings.cache_bytes("worker_groups") + max(sizes)
        assert sum(sizes) <= most < 18 * min(sizes)
        # and those that are kept are not compiled again
        assert await box.grade(source(17), rows[:1]) == [CONSTANTS / 64]
    finally:
        await box.aclose()


async def test_a_source_that_is_larger_than_the_whole_cache_is_graded_all_the_same() -> None:
    box = LocalSandbox(Settings(cache_mb=1, python_memory_mb=256, python_disk_mb=16))
    try:
        large = source(0).replace("* 512", "* 900")
        both = [box.grade(large, [("", {"n": 0})], isolation=isolation) for isolation in ("grading", "batch")]
        assert await asyncio.gather(*both) == [[CONSTANTS / 64]] * 2
    finally:
        await box.aclose()


def test_the_shares_of_all_caches_are_the_whole() -> None:
    assert sum(CACHE_SHARES.values()) == 1
    assert sum(Settings(cache_mb=64).cache_bytes(cache) for cache in CACHE_SHARES) == 64 << 20


async def test_a_source_that_many_ask_for_at_once_is_compiled_once() -> None:
    box = LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16))
    started = 0

    async def start(image: str | None) -> Session:
        nonlocal started
        started += 1
        return await box.host.session(ZygoteSpec(sys.executable, memory_mb=256), least=Level.WEAK)

    compiled = Programs(start, 1 << 20)
    try:
        first = asyncio.create_task(compiled.get(source(0), None))
        others = [asyncio.create_task(compiled.get(source(0), None)) for _ in range(39)]
        await asyncio.sleep(0)
        first.cancel()  # it was asked for first, and the others get theirs all the same
        assert len({id(program) for program in await asyncio.gather(*others)}) == 1
        assert started == 1
        problems = [await program for program in [compiled.get("1 +", None), compiled.get("1 +", None)]]
        assert {program.problem is not None for program in problems} == {True}
        assert started == 2
    finally:
        await compiled.aclose()
        await box.aclose()


async def test_what_is_being_compiled_ends_with_its_evaluator() -> None:
    async def start(image: str | None) -> Session:
        await asyncio.sleep(60)
        raise AssertionError("it is cancelled")

    compiled = Programs(start, 1 << 20)
    asked = asyncio.create_task(compiled.get("def grade(sample, item):\n    return 1\n", None))
    await asyncio.sleep(0)
    await compiled.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asked
