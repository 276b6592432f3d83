"""A batch of 1,000 with sixty misdeeds in it: the others are right, each misdeed has its cause, and nothing is left."""

import os
from pathlib import Path
from typing import Any

import pytest

from graders import FailureKind, GradingError
from graders.context import Isolation
from runtime import Evaluator, Settings
from tests.processes import descendants
from tests.runtime.sandbox.isolation import ISOLATES, descriptors, mounts

pytestmark = ISOLATES

SOURCE = """
import ctypes, os

def spin():
    while True:
        pass

def bomb():
    kept = []
    while True:
        kept.append(bytearray(1 << 24))

def fork_bomb():
    while True:
        os.fork()

def flood():
    for _ in range(1_000):
        print("x" * 1_000_000)

def leave():
    os._exit(0)

def crash():
    ctypes.string_at(1)

def grade(sample, item):
    if "misdeed" in item:
        globals()[item["misdeed"]]()
    return item["n"] / 8
"""
CAUSES: dict[str, tuple[FailureKind, str]] = {
    "spin": (FailureKind.UNRESPONSIVE_REWARD, "timeout"),
    "bomb": (FailureKind.PYTHON_GRADER_SERVER, "memory_limit"),
    "fork_bomb": (FailureKind.PYTHON_GRADER_RUNTIME, "PermissionError"),
    "flood": (FailureKind.PYTHON_GRADER_SERVER, "output_limit"),
    "leave": (FailureKind.PYTHON_GRADER_SERVER, "exit"),
    "crash": (FailureKind.PYTHON_GRADER_SERVER, "signal"),
}


def items(count: int) -> list[dict[str, Any]]:
    """Rows; one in a hundred for each misdeed, spread over them."""
    rows: list[dict[str, Any]] = [{"n": n} for n in range(count)]
    for place, misdeed in enumerate(CAUSES):
        for n in range(place * 13 + 5, count, 100):
            rows[n]["misdeed"] = misdeed
    return rows


@pytest.mark.full
@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("isolation", ["grading", "batch"])
async def test_misdeeds_cost_their_own_rows_alone_and_leave_nothing(isolation: Isolation, count: int) -> None:
    rows = items(count)
    assert sum("misdeed" in row for row in rows) == 6 * count // 100
    before = descriptors(), mounts(), descendants(os.getpid())
    # to fill 256 MB took a bomb more than its 2 s at times, while other tests ran
    settings = Settings(python_memory_mb=128, python_disk_mb=16, sandbox_output_mb=4)
    async with Evaluator(settings=settings) as evaluator:
        grader = {"type": "python", "source": SOURCE, "timeout_s": 2.0, "isolation": isolation}
        results = await evaluator.grade_many(grader, [""] * len(rows), rows)
        for row, result in zip(rows, results, strict=True):
            if "misdeed" not in row:
                assert result.reward == row["n"] / 8
                continue
            assert result.reward is None
            assert result.failure is not None
            kind, type_ = CAUSES[row["misdeed"]]
            found = result.failure.kind, result.failure.caused_by, result.failure.details["type"]
            assert found == (kind, "grader", type_), row
    assert (descriptors(), mounts(), descendants(os.getpid())) == before


async def test_nothing_is_left_while_it_goes_on_either() -> None:
    settings = Settings(python_memory_mb=256, python_disk_mb=16, sandbox_output_mb=4, sandbox_processes=2)
    others = descendants(os.getpid())  # of a service that other tests share
    async with Evaluator(settings=settings) as evaluator:
        answers: list[float | GradingError] = []
        sandbox = evaluator.sandbox
        before = descriptors()
        for _ in range(3):
            rows = [("", {"n": n, "misdeed": "leave"} if n % 2 else {"n": n}) for n in range(60)]
            answers += await sandbox.grade(SOURCE, rows, isolation="grading")
            # two shapes of two zygotes, each with a parent, and what they have ready, which holds four descriptors each
            assert len(descendants(os.getpid()) - others) <= 16
            assert descriptors() - before <= 60
        assert sum(isinstance(answer, GradingError) for answer in answers) == 90


def resident(pid: int) -> int:
    """Bytes that a process holds in memory; none when it has ended meanwhile."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["grading", "worker"])
async def test_a_hundred_thousand_gradings_leave_memory_flat(isolation: Isolation) -> None:
    async with Evaluator(settings=Settings(python_memory_mb=512, python_disk_mb=16)) as evaluator:
        sandbox = evaluator.sandbox
        source = "def grade(sample, item):\n    return item['n'] / 8\n"
        held: list[int] = []
        for start in range(0, 100_000, 10_000):
            rows = [("x" * 1000, {"n": n}) for n in range(start, start + 10_000)]
            assert await sandbox.grade(source, rows, isolation=isolation) == [
                n / 8 for n in range(start, start + 10_000)
            ]
            held.append(resident(os.getpid()) + sum(map(resident, descendants(os.getpid()))))
        # a new process shares most of its pages with its zygote, and a worker in use has some of its own: 16 MB is two such
        assert max(held[5:]) - max(held[1:5]) < 16 << 20, held
