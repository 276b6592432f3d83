"""Grades while the machine has fewer and fewer descriptors; started by `test_shortage`, which reads what it prints.

Each line is a JSON list: how many descriptors were free, what was graded, `right` or the failure, and whether it is right
again when there are enough.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from graders import GraderResult
from runtime import Evaluator, Settings

MEANT: dict[str, dict[str, Any]] = {
    "python": {"type": "python", "source": "def grade(sample, item):\n    return item['n'] / 8\n"},
    "batch": {
        "type": "python",
        "source": "def grade(sample, item):\n    return item['n'] / 8\n",
        "isolation": "batch",
    },
    "code": {
        "type": "code_tests",
        "tests": [{"call": [2], "expected": 5}],
        "entry_point": "f",
        "extract": "none",
        "code": "def f(x): return x + 3",
    },
    "tests": {
        "type": "code_tests",
        "tests": [{"source": "def test_f():\n    assert f(2) == 5\n"}],
        "entry_point": "f",
        "extract": "none",
        "code": "def f(x): return x + 3",
    },
    "plugin": {"type": "hostile"},
}
REWARDS = {"python": 0.25, "batch": 0.25, "code": 1.0, "tests": 1.0, "plugin": 1.0}


def described(name: str, result: GraderResult) -> object:
    """`right`, or what the failure says."""
    failure = result.failure
    if failure is None:
        return "right" if result.reward == REWARDS[name] else f"the reward {result.reward}"
    return [failure.caused_by, failure.retryable, result.reward, failure.kind, failure.message]


async def walked(evaluator: Evaluator, name: str, free: int) -> None:
    """Grade with so many free descriptors, and again with enough."""
    with all_but(free):
        first = described(name, await evaluator.grade(MEANT[name], "good", {"n": 2}))
    again = described(name, await evaluator.grade(MEANT[name], "good", {"n": 2}))
    sys.stdout.write(json.dumps([free, name, first, again]) + "\n")
    sys.stdout.flush()


@contextmanager
def all_but(free: int) -> Iterator[None]:
    """Take all descriptors but so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # what is started meanwhile has this limit as well, and needs some to start at all
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    taken = []
    with suppress(OSError):
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    for _ in range(free):
        os.close(taken.pop())
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


async def main(name: str, most: int, *, warm: bool) -> None:
    """Grade with 0 to `most` free descriptors.

    `warm`: what is walked through is only what a grading takes once everything has started, in one evaluator; otherwise each
    time has an evaluator of its own.
    """
    settings = Settings(python_memory_mb=256, python_disk_mb=16, sandbox_processes=1, plugin_workers=1)
    if warm:
        async with Evaluator(settings=settings) as shared:
            await shared.grade(MEANT[name], "good", {"n": 2})
            for free in range(most):
                await walked(shared, name, free)
        return
    for free in range(most):
        async with Evaluator(settings=settings) as evaluator:
            evaluator.load(MEANT[name])  # to import a module takes descriptors, too
            await walked(evaluator, name, free)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), warm=sys.argv[3] == "warm"))
