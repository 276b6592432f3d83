"""What a sandboxed grading costs, beside a bare process, bubblewrap and a fork that is not locked: `make bench-sandbox`.

Everything is measured in this one run, locked and unlocked in turns. Of several rounds the fastest counts: noise only ever adds.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

from rich.console import Console
from rich.table import Table

from graders import Grader
from runtime import Evaluator, Settings
from runtime.sandbox.host import reach
from runtime.sandbox.layers import Level
from runtime.sandbox.local_sandbox import LocalSandbox

SOURCES = {
    "trivial": "def grade(sample, item):\n    return len(sample['output_text']) > item['n'] % 7\n",
    "regex F1": (
        "import re\n"
        "def grade(sample, item):\n"
        "    found, wanted = (set(re.findall(r'\\w+', text.lower())) for text in (sample['output_text'], item['reference']))\n"
        "    same = len(found & wanted)\n"
        "    return 2 * same / (len(found) + len(wanted)) if same else 0.0\n"
    ),
    "numpy": (
        "import numpy as np\n"
        "def grade(sample, item):\n"
        "    return float(np.mean([item['n'] % 5, 2, 3]) / np.linalg.norm([3.0, 4.0]))\n"
    ),
}
BARE = "import json, sys\n{source}\nprint(grade(*json.load(sys.stdin)))\n"
TEXT = "the quick brown fox jumps over the lazy dog and runs away " * 4
CODE_TESTS = {"type": "code_tests", "entry_point": "add", "tests": [{"call": [1, 2], "expected": 3}]}
ROUNDS = 5
CALLERS = 64
console = Console(width=110)
_numbers = count()
Row = tuple[dict[str, object], dict[str, object]]


def rows(number: int) -> list[Row]:
    """Rows that no two rounds have in common: equal ones would be graded once."""
    return [({"output_text": TEXT}, {"n": next(_numbers), "reference": TEXT[20:120]}) for _ in range(number)]


async def one_by_one(grade: Callable[[Row], Awaitable[object]], number: int) -> tuple[float, float]:
    """Median and 99th percentile of a grading's milliseconds."""
    taken = []
    for row in rows(number):
        started = time.perf_counter()
        await grade(row)
        taken.append((time.perf_counter() - started) * 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


async def rate(
    grade_all: Callable[[list[Row]], Awaitable[object]], number: int, rounds: int = ROUNDS
) -> float:
    """Gradings a second, of the fastest round."""
    best = 0.0
    for _ in range(rounds):
        given = rows(number)
        started = time.perf_counter()
        await grade_all(given)
        best = max(best, number / (time.perf_counter() - started))
    return best


def bare(command: list[str], number: int, source: str) -> tuple[float, float, float]:
    """Median and 99th percentile of one process for each grading, and its rate on two cores."""
    started_with = [*command, BARE.format(source=source)]
    taken = []
    for row in rows(number):
        started = time.perf_counter()
        subprocess.run(started_with, input=json.dumps(row).encode(), check=True, capture_output=True)  # noqa: S603
        taken.append((time.perf_counter() - started) * 1e3)

    async def all_of_them(given: list[Row]) -> None:
        remaining = iter(given)

        async def work() -> None:
            for row in remaining:
                process = await asyncio.create_subprocess_exec(
                    *started_with, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                await process.communicate(json.dumps(row).encode())

        await asyncio.gather(work(), work())

    return (
        statistics.median(taken),
        statistics.quantiles(taken, n=100)[98],
        asyncio.run(rate(all_of_them, number, 1)),
    )


async def gradings(table: Table) -> None:
    """A process for each grading, locked and not, in turns."""
    settings = Settings()
    locked = LocalSandbox(settings)
    # the environment stays clean: numpy's threads would have to be forked otherwise
    unlocked = LocalSandbox(settings, without=Level.FULL.layers - {"environment"})
    try:
        for name, source in SOURCES.items():
            best: dict[str, float] = {}
            single: dict[str, tuple[float, float]] = {}
            for turn in range(ROUNDS):
                for kind, box in (("locked", locked), ("not locked", unlocked)):

                    async def grade_all(given: list[Row], box: LocalSandbox = box) -> None:
                        _expect_rewards(await box.grade(source, given, isolation="grading"))  # noqa: B023

                    async def grade(row: Row, box: LocalSandbox = box) -> None:
                        _expect_rewards(await box.grade(source, [row], isolation="grading"))  # noqa: B023

                    if turn == 0:
                        await grade_all(rows(100))
                    best[kind] = max(best.get(kind, 0.0), await rate(grade_all, 500, 1))
                    single[kind] = min(single.get(kind, (1e9, 1e9)), await one_by_one(grade, 100))
            for kind in ("locked", "not locked"):
                ratio = f"{best['not locked'] / best[kind]:.2f}"
                _add(table, f"{name}: fork for each grading, {kind}", *single[kind], best[kind], ratio=ratio)
    finally:
        await locked.aclose()
        await unlocked.aclose()


async def batches(table: Table) -> None:
    """One process for each batch, and lasting workers."""
    box = LocalSandbox(Settings())
    try:
        for name, source in SOURCES.items():
            for isolation in ("batch", "worker"):

                async def grade_all(given: list[Row]) -> None:
                    _expect_rewards(await box.grade(source, given, isolation=isolation))  # noqa: B023

                async def grade(row: Row) -> None:
                    await grade_all([row])

                async def side_by_side(given: list[Row]) -> None:
                    remaining = iter(given)

                    async def call() -> None:
                        for row in remaining:
                            await grade(row)

                    await asyncio.gather(*(call() for _ in range(CALLERS)))

                await grade_all(rows(500))
                single = await one_by_one(grade, 200)
                if isolation == "worker":
                    _add(
                        table,
                        f"{name}: worker, {CALLERS} callers of one row",
                        *single,
                        await rate(side_by_side, 10_000),
                    )
                _add(table, f"{name}: {isolation}, rows together", *single, await rate(grade_all, 20_000))
    finally:
        await box.aclose()


async def code_tests(table: Table) -> None:
    """One function call, from the answer's text to its reward."""
    async with Evaluator(settings=Settings()) as evaluator:
        loaded: Grader = await evaluator.prepare(CODE_TESTS)

        async def grade(row: Row) -> None:
            answer = f"```python\ndef add(a, b):\n    return a + b  # {row[1]['n']}\n```"
            if (await evaluator.grade(loaded, answer, {})).reward != 1.0:
                raise SystemExit("a grading failed: nothing was measured")

        async def grade_all(given: list[Row]) -> None:
            remaining = iter(given)

            async def work() -> None:
                for row in remaining:
                    await grade(row)

            await asyncio.gather(*(work() for _ in range(4)))

        await one_by_one(grade, 20)
        _add(
            table,
            "code_tests: one function-call test",
            *(await one_by_one(grade, 300)),
            await rate(grade_all, 300),
        )


def _expect_rewards(answers: list[object] | list[float] | object) -> None:
    if not isinstance(answers, list) or not all(isinstance(answer, float) for answer in answers):
        raise SystemExit(f"gradings failed, nothing was measured: {answers!r:.500}")


def _add(table: Table, name: str, median: float, slow: float, each_second: float, *, ratio: str = "") -> None:
    table.add_row(name, f"{median:.3f}", f"{slow:.3f}", f"{each_second:,.0f}", ratio)


def main() -> None:
    """Measure, and print a table."""
    level = asyncio.run(reach()).level
    table = Table(
        title=f"one grading in the sandbox, level {level.value}, two at once", title_justify="left", box=None
    )
    table.add_column("")
    for column in ("median ms", "99 % ms", "a second", "times not locked"):
        table.add_column(column, justify="right")
    python = [sys.executable, "-I", "-c"]
    for name, source in SOURCES.items():
        _add(table, f"{name}: python -I", *bare(python, 40, source))
        if bubblewrap := shutil.which("bwrap"):
            isolated = [
                bubblewrap,
                "--ro-bind",
                "/",
                "/",
                "--dev",
                "/dev",
                "--tmpfs",
                "/run",
                "--unshare-all",
            ]
            _add(table, f"{name}: the same under bubblewrap", *bare([*isolated, *python], 40, source))
    asyncio.run(gradings(table))
    asyncio.run(batches(table))
    asyncio.run(code_tests(table))
    console.print(table, "")


if __name__ == "__main__":
    main()
