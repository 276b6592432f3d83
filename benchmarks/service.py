"""What the service adds to grading many rows: `make bench`.

The server is a process of its own behind a loopback socket; the same rows are graded in this process by `grade_many`. A
client gets every result written out, so what compares with it is `grade_many` and a look at each result; the rewards alone
take a fraction of that, and less than JSON takes to be read. Of several rounds the fastest counts.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from pydantic_core import from_json, to_json
from rich.console import Console
from rich.table import Table

from runtime import Evaluator

ROWS = 1_024
ROUNDS = 200
GRADER = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
SAMPLES = [f"the answer is {number % 100}" for number in range(ROWS)]
ITEMS = [{"answer": f"the answer is {number % 90}"} for number in range(ROWS)]


async def _in_process() -> tuple[float, float, list[float]]:
    """Seconds of a batch: its rewards alone, and with a look at each result; and the rewards."""
    alone = looked_at = float("inf")
    async with Evaluator() as evaluator:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            gradings = await evaluator.grade_many(GRADER, SAMPLES, ITEMS)
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
            body = to_json({"grader": GRADER, "rows": rows})
            sent = time.perf_counter()
            reply = client.post("/v1/grade/batch", content=body)
            answered = min(answered, time.perf_counter() - sent)
            results = from_json(reply.content)["results"]
            whole = min(whole, time.perf_counter() - began)
            if [result["reward"] for result in results] != expected:
                raise AssertionError("the service gave other rewards than this process")
    return answered, whole


def _over_http(expected: list[float]) -> tuple[float, float]:
    """Start a server, measure, and stop it."""
    with tempfile.TemporaryDirectory() as home:
        command = [str(Path(sys.executable).with_name("graders")), "serve", "--port", "0"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home}
        server = subprocess.Popen(  # noqa: S603  # our own command
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            return _served(_address(server), expected)
        finally:
            server.terminate()
            server.wait(30)


def _address(server: "subprocess.Popen[str]") -> str:
    for line in server.stdout or ():
        if "http://" in line:
            return "http://" + line.partition("http://")[2].split()[0]
    raise RuntimeError("the service did not start")


def main() -> None:
    """Measure, and print a table."""
    alone, looked_at, rewards = asyncio.run(_in_process())
    answered, whole = _over_http(rewards)
    title = f"A batch of {ROWS:,} string checks"
    table = Table("", "µs a row", "gradings a second", "in process, each result read = 1", title=title)
    for name, seconds in (
        ("in process: grade_many, rewards alone", alone),
        ("in process: grade_many, each result read", looked_at),
        ("POST /v1/grade/batch, from request to answer", answered),
        ("the same, JSON written and read by the client too", whole),
    ):
        each = seconds / ROWS
        table.add_row(name, f"{each * 1e6:.2f}", f"{1 / each:,.0f}", f"{looked_at / seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
