"""What HTTP adds to grading many rows.

The same rows are graded in this process by `grade_many`. A client gets every result written out, so what compares with it is
`grade_many` and a look at each result; the rewards alone take a fraction of that, and less than JSON takes to be read. Of
several rounds the fastest counts.
"""

import asyncio
import time

import httpx2
from pydantic_core import from_json, to_json
from rich.table import Table

from benchmarks.service.serving import BATCH, CHECK, serving
from runtime import Evaluator

ROWS = 1_024
ROUNDS = 200
SAMPLES = [f"the answer is {number % 100}" for number in range(ROWS)]
ITEMS = [{"answer": f"the answer is {number % 90}"} for number in range(ROWS)]


async def _in_process() -> tuple[float, float, list[float]]:
    """Seconds of a batch: its rewards alone, and with a look at each result; and the rewards."""
    alone = looked_at = float("inf")
    async with Evaluator() as evaluator:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            gradings = await evaluator.grade_many(CHECK, SAMPLES, ITEMS)
            alone = min(alone, time.perf_counter() - began)
            list(gradings)
            looked_at = min(looked_at, time.perf_counter() - began)
    return alone, looked_at, gradings.rewards.tolist()


def _served(url: str, expected: list[float]) -> tuple[float, float]:
    """Seconds of a batch over HTTP: until its answer is there, and from Python data to Python data."""
    answered = whole = float("inf")
    rows = [{"sample": sample, "item": item} for sample, item in zip(SAMPLES, ITEMS, strict=True)]
    with httpx2.Client(base_url=url, timeout=60, headers={"accept-encoding": "identity"}) as client:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            body = to_json({"grader": CHECK, "rows": rows})
            sent = time.perf_counter()
            reply = client.post(BATCH, content=body)
            answered = min(answered, time.perf_counter() - sent)
            results = from_json(reply.content)["results"]
            whole = min(whole, time.perf_counter() - began)
            if [result["reward"] for result in results] != expected:
                raise RuntimeError("the service gave other rewards than this process")
    return answered, whole


def measure() -> Table:
    """A table."""
    alone, looked_at, rewards = asyncio.run(_in_process())
    with serving() as server:
        answered, whole = _served(server.url, rewards)
    table = Table(
        "",
        title=f"A batch of {ROWS:,} string checks",
        caption="grade/batch contains JSON both ways: the service reads the rows and writes the results, "
        "in the last line the client writes and reads them too",
    )
    for column in ("µs a row", "gradings a second", "read = 1", "alone = 1"):
        table.add_column(column, justify="right")
    for name, seconds in (
        ("grade_many, rewards alone", alone),
        ("grade_many, each result read", looked_at),
        ("grade/batch, request to answer", answered),
        ("the same, with the client's JSON", whole),
    ):
        each = seconds / ROWS
        table.add_row(
            name,
            f"{each * 1e6:.2f}",
            f"{1 / each:,.0f}",
            f"{looked_at / seconds:.2f}",
            f"{alone / seconds:.3f}",
        )
    return table
