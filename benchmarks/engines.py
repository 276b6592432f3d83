"""What Ray adds and what it costs: `python -m benchmarks.engines [--address HOST:PORT]`.

One cluster of this machine is started first, or the one of the address is used, and one and two actors are measured beside
an evaluator in this process: rows that take microseconds, sources in the sandbox, and a scripted judge whose answers take
200 ms. Then actors are killed while 100,000 rows are graded, and the results compared. Actors of one machine share its cores:
two cannot be faster than one at work that keeps all of them busy already.
"""

import argparse
import asyncio
import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from rich.console import Console
from rich.table import Table

from runtime import BatchResult, Evaluator, Settings
from runtime.engines.ray import RayEngine
from tests.judge_server import JudgeServer, delayed, verdict

EXACT = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
# about 3 ms of a processor
SOURCE = {
    "type": "python",
    "source": "def grade(sample, item):\n    return float(sum(i * i for i in range(50_000)) > 0 and sample['output_text'] == item['answer'])\n",
}
JUDGED = {
    "type": "score_model",
    "model": "judge",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
JUDGE_S = 0.2
IN_FLIGHT = 64
"""Requests that each evaluator, or each actor, may have at the judge."""
KILL_EVERY_S = 10.0
"""More than an actor takes to start, or hardly any would ever grade."""


@dataclass(frozen=True)
class Work:
    """Rows that are graded by every engine.

    Attributes:
        name: What a table calls it.
        grader: What grades.
        rows: How many.
    """

    name: str
    grader: dict[str, Any]
    rows: int

    def samples(self, run: int) -> list[str]:
        """Texts, none of which another run has."""
        return [f"{run} {n % 997}" if self.grader is EXACT else f"{run} {n}" for n in range(self.rows)]


def works(scale: float) -> list[Work]:
    """What is measured, by so many rows as a share of the usual."""
    return [
        Work("string_check", EXACT, int(100_000 * scale)),
        Work("python, 3 ms each", SOURCE, int(2_000 * scale)),
        Work("judge, 200 ms each", JUDGED, int(4_000 * scale)),
    ]


def settings(url: str, actors: int, directory: Path) -> Settings:
    """Those of an evaluator with so many actors; 0: without Ray. The judge's concurrency is that of all of them together."""
    judge = {"base_url": url, "concurrency": IN_FLIGHT * max(1, actors)}
    return Settings(
        judges={"judge": judge},
        judge_store=str(directory / f"judges-{actors}.sqlite"),
        judge_cache_mb=0,
        sandbox_processes=1,  # of each actor, and of this process: one worker more is one process more
        python_isolation="worker",
    )


@dataclass(frozen=True)
class Measured:
    """What all rows took, once everything was warm.

    Attributes:
        seconds: By the clock.
        busy_s: Of a processor, in the process that sent them; other processes of a busy machine change little about it.
        graded: Their results.
    """

    seconds: float
    busy_s: float
    graded: BatchResult


async def measure(work: Work, url: str, actors: int, directory: Path) -> Measured:
    """Grade all rows with so many actors; 0: in this process."""
    engine = RayEngine(actors=actors) if actors else None
    async with Evaluator(settings=settings(url, actors, directory), engine=engine) as evaluator:
        items = [{"answer": f"2 {n % 7}"} for n in range(work.rows)]
        warm = min(work.rows, 256)
        await evaluator.grade_many(work.grader, work.samples(1)[:warm], items[:warm])
        samples = work.samples(2)
        began, busy = time.perf_counter(), time.process_time()
        graded = await evaluator.grade_many(work.grader, samples, items)
        return Measured(time.perf_counter() - began, time.process_time() - busy, graded)


async def speeds(url: str, scale: float, directory: Path) -> Table:
    """Rows a second of one process, and of one and two actors."""
    table = Table(title=f"rows a second; {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")
    for column in ("", "rows", "this process", "one actor", "two actors", "driver, µs a row"):
        table.add_column(column, justify="right" if column else "left")
    for work in works(scale):
        measured = [await measure(work, url, actors, directory) for actors in (0, 1, 2)]
        rewards = [each.graded.rewards for each in measured]
        if not all(np.array_equal(rewards[0], each, equal_nan=True) for each in rewards):
            raise SystemExit(f"{work.name}: the engines differ")
        rates = [f"{work.rows / each.seconds:,.0f}" for each in measured]
        driver = min(each.busy_s for each in measured[1:]) / work.rows * 1e6
        table.add_row(work.name, f"{work.rows:,}", *rates, f"{driver:,.1f}")
    return table


def pids_of_grading() -> list[int]:
    """The processes of actors of this machine that grade, which Ray writes into their titles."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if title.startswith(b"ray::RayNode.grade"):
            found.append(int(entry.name))
    return found


async def _kill_actors(killed: list[int]) -> None:
    choice = random.Random(0)
    while True:
        await asyncio.sleep(KILL_EVERY_S)
        if pids := pids_of_grading():
            killed.append(choice.choice(pids))
            os.kill(killed[-1], signal.SIGKILL)


async def kills(rows: int, directory: Path) -> str:
    """Grade rows while actors are killed; says what came of it."""
    samples = [str(n % 997) for n in range(rows)]
    items = [{"answer": str(n % 991)} for n in range(rows)]
    known = settings("http://127.0.0.1:9/v1", 2, directory)
    async with Evaluator(settings=known) as here:
        expected = await here.grade_many(SIMILAR, samples, items)
    killed: list[int] = []
    places: list[int] = []
    rewards = np.full(rows, np.nan)
    async with Evaluator(settings=known, engine=RayEngine(actors=2)) as evaluator:
        await evaluator.engine.warm()
        killing = asyncio.create_task(_kill_actors(killed))
        began = time.perf_counter()
        async for place, result in evaluator.stream(SIMILAR, zip(samples, items, strict=True)):
            places.append(place)
            rewards[place] = np.nan if result.reward is None else result.reward
        seconds = time.perf_counter() - began
        killing.cancel()
    return (
        f"{len(killed)} actors killed by SIGKILL during {rows:,} rows ({seconds:.0f} s): in order {is_in_order(places, rows)}, "
        f"ungraded {int(np.isnan(rewards).sum())}, equal to one process {bool(np.array_equal(rewards, expected.rewards))}"
    )


SIMILAR = {
    "type": "text_similarity",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "evaluation_metric": "fuzzy_match",
}


def is_in_order(places: Sequence[int], rows: int) -> bool:
    """Whether every row came once, in its place."""
    return list(places) == list(range(rows))


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of a Ray cluster that runs")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--only", choices=["speeds", "kills"], help="one part")
    given = parser.parse_args()
    if given.address:
        ray.init(given.address, log_to_driver=False)
    else:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as directory, JudgeServer([delayed(verdict(0.5), JUDGE_S)]) as server:
        if given.only != "kills":
            console.print(await speeds(server.url, given.scale, Path(directory)))
        if given.only != "speeds":
            console.print(await kills(int(100_000 * given.scale), Path(directory)))
    ray.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
