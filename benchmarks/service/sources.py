"""What a Python grader with `isolation: "batch"` costs over `grade/batch` and in this process.

Processor time is read from `/proc`, for the server and for the sandbox processes below it: it holds on a busy machine, on which
gradings a second do not. Of several rounds the fastest counts.
"""

import asyncio
import os
import time
from pathlib import Path

from pydantic_core import from_json, to_json
from rich.table import Table

from benchmarks.service.serving import BATCH, Client, Server, serving
from runtime import Evaluator

ROWS = 4_096
ROUNDS = 12
SOURCE = "def grade(sample, item):\n    return float(sample['output_text'] == item['answer'])\n"
GRADER = {"type": "python", "source": SOURCE, "isolation": "batch"}
TICK = os.sysconf("SC_CLK_TCK")
ITEMS = [{"answer": f"the answer is {number % 90}"} for number in range(ROWS)]
SAMPLES = [f"the answer is {number % 100}" for number in range(ROWS)]
EXPECTED = [float(sample == item["answer"]) for sample, item in zip(SAMPLES, ITEMS, strict=True)]

Spent = tuple[float, float, float]
"""Seconds: of the clock, of the processor in the process that grades, and in the sandbox processes below it."""


def _processor(pid: int) -> tuple[float, float]:
    """Processor seconds of a process, and of all processes below it, those that have ended included."""
    parents: dict[int, int] = {}
    own: dict[int, float] = {}
    ended: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        process = int(entry.name)
        parents[process] = int(fields[1])
        own[process] = sum(map(int, fields[11:13])) / TICK
        ended[process] = sum(map(int, fields[13:15])) / TICK
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return own[pid], sum(own[process] for process in below - {pid}) + sum(ended[p] for p in below)


def _served(server: Server) -> Spent:
    body = to_json(
        {
            "grader": GRADER,
            "rows": [{"sample": sample, "item": item} for sample, item in zip(SAMPLES, ITEMS, strict=True)],
        }
    )
    client = Client(server)
    answer = from_json(client.post(BATCH, body))
    if [result["reward"] for result in answer["results"]] != EXPECTED:
        raise RuntimeError("the service gave other rewards than it should")
    before, fastest = _processor(server.pid), float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        client.post(BATCH, body)
        fastest = min(fastest, time.perf_counter() - began)
    after = _processor(server.pid)
    client.close()
    return fastest, (after[0] - before[0]) / ROUNDS, (after[1] - before[1]) / ROUNDS


async def _in_process() -> Spent:
    async with Evaluator() as evaluator:
        await evaluator.grade_many(GRADER, SAMPLES, ITEMS)
        before, fastest = _processor(os.getpid()), float("inf")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            gradings = await evaluator.grade_many(GRADER, SAMPLES, ITEMS, deadline_s=60)
            fastest = min(fastest, time.perf_counter() - began)
        after = _processor(os.getpid())
        if gradings.rewards.tolist() != EXPECTED:
            raise RuntimeError("this process gave other rewards than it should")
    return fastest, (after[0] - before[0]) / ROUNDS, (after[1] - before[1]) / ROUNDS


def measure() -> Table:
    """A table."""
    with serving() as server:
        served = _served(server)
    inside = asyncio.run(_in_process())
    table = Table("", title=f'A batch of {ROWS:,} rows by a Python grader, isolation "batch"')
    for column in ("gradings a second", "processor µs a row", "in its sandbox", "grade_many = 1"):
        table.add_column(column, justify="right")
    for name, (seconds, own, below) in (("grade_many", inside), ("grade/batch", served)):
        table.add_row(
            name,
            f"{ROWS / seconds:,.0f}",
            f"{own / ROWS * 1e6:.1f}",
            f"{below / ROWS * 1e6:.1f}",
            f"{(own + below) / (inside[1] + inside[2]):.2f}",
        )
    return table
