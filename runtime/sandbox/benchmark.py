"""What a grading costs on this machine, measured through the sandbox as a grader uses it."""

from dataclasses import dataclass
from statistics import median
from time import perf_counter

from graders import GradingError
from graders.context import Isolation
from runtime.sandbox.local_sandbox import LocalSandbox

GRADINGS = 100
TOGETHER = 64
"""Gradings of one batch, as many as a process is given at once."""
TRIVIAL = "def grade(sample, item):\n    return 1.0\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one grading costs.

    Attributes:
        isolation: What its process does before it is thrown away.
        at_once: Gradings that were asked for together.
        p50_ms: The median, for one grading.
    """

    isolation: Isolation
    at_once: int
    p50_ms: float


async def measure(sandbox: LocalSandbox) -> list[Cost]:
    """Measure trivial gradings, one after the other where they are asked for one by one.

    Raises:
        GradingError: When the sandbox cannot grade.
    """
    return [
        await _cost(sandbox, "grading", 1),
        await _cost(sandbox, "batch", TOGETHER),
        await _cost(sandbox, "worker", 1),
        await _cost(sandbox, "worker", TOGETHER),
    ]


async def _cost(sandbox: LocalSandbox, isolation: Isolation, at_once: int) -> Cost:
    # the first has its processes started, and its source compiled
    await _seconds(sandbox, isolation, at_once)
    rounds = [await _seconds(sandbox, isolation, at_once) for _ in range(max(10, GRADINGS // at_once))]
    return Cost(isolation, at_once, round(1000 * median(rounds) / at_once, 4))


async def _seconds(sandbox: LocalSandbox, isolation: Isolation, at_once: int) -> float:
    started = perf_counter()
    # no two rows are equal: those would be graded once
    answers = await sandbox.grade(TRIVIAL, [(number, {}) for number in range(at_once)], isolation=isolation)
    seconds = perf_counter() - started
    for answer in answers:
        if isinstance(answer, GradingError):
            raise answer
    return seconds
